/* What is written of a case that was reduced: its call and numbers, and the program. */
#include "conform/program.h"

#include "base/file.h"
#include "op/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status write_array(const conform_problem *p, const char *folder, size_t slot,
                                const char *part, bool wide, const void *block)
{
    char name[96];
    snprintf(name, sizeof name, "%.60s.%s.npy", p->info->slots[slot].name, part);
    char *path = clade_path_join(folder, name);
    clade_status status = path ? clade_npy_write(path, &p->args.slot[slot], wide, block)
                               : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    return status;
}

static clade_status write_call(const conform_problem *p, const char *folder)
{
    char text[CLADE_CALL_TEXT_SIZE], line[CLADE_CALL_TEXT_SIZE + 1];
    const int n = snprintf(line, sizeof line, "%s\n", clade_call_text(p->info->op, &p->args, text));
    char *path = clade_path_join(folder, "call");
    clade_status status =
        path ? clade_file_write(path, line, (size_t)n) : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    return status;
}

/* Names and forms are those of frozen vectors and of calls that a verification keeps. */
static clade_status write_numbers(const conform_problem *p, const conform_layout *layout,
                                  bool accumulate, const char *folder)
{
    clade_status status = write_call(p, folder);
    for (size_t i = 0; i < p->info->slot_count && !status; i++) {
        const clade_slot_kind kind = p->info->slots[i].kind;
        if (!p->initial[i] || (int)i == layout->absent) continue;
        if (clade_slot_reads(kind) || (accumulate && clade_slot_accumulates(kind)))
            status = write_array(p, folder, i, "in", false, p->initial[i]);
        if (status || !clade_slot_writes(kind)) continue;
        const bool wide = p->args.slot[i].dtype == CLADE_F32;
        status =
            write_array(p, folder, i, "out", wide, wide ? (void *)p->truth[i] : p->expected[i]);
        if (!status && wide) status = write_array(p, folder, i, "bound", true, p->bound[i]);
    }
    return status;
}

typedef struct shown_case {
    const conform_outcome *outcome;
    const char *folder;
} shown_case;

static clade_status show(void *user, const conform_stage *stage, const clade_call *call)
{
    const shown_case *c = user;
    return clade_program_write(stage, call, c->outcome, c->folder);
}

clade_status clade_trial_write(const conform_trial *trial, const conform_outcome *outcome,
                               const char *folder, bool *program, char why[256])
{
    conform_problem *problem = NULL;
    clade_device *device = NULL;
    const clade_device_options options = clade_trial_device(trial);
    shown_case shown = {outcome, folder};
    conform_layout layout = trial->layout;
    if (trial->whole) layout = (conform_layout){.separate = true, .absent = -1, .in_place = -1};
    *program = false;
    why[0] = 0;
    clade_status status = clade_trial_problem(trial, &problem);
    if (!status) status = clade_folder_create(folder);
    if (!status) status = write_numbers(problem, &layout, trial->accumulate, folder);
    if (!status) {
        clade_status told = clade_device_open(trial->options.device, &options, &device);
        if (!told) told = clade_problem_show(problem, device, &layout, show, &shown);
        if (told == CLADE_EUNSUPPORTED)
            snprintf(why, 256, "%s", clade_error());
        else
            status = told;
        *program = !told;
    }
    clade_device_close(&device);
    clade_problem_destroy(&problem);
    return status;
}
