/* Verification: some calls of a device that works are repeated on the reference. */
#include "base/file.h"
#include "base/random.h"
#include "dev/shadow.h"
#include "op/judge.h"
#include "op/npy.h"

#include <clade/verify.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clade_verifier {
    clade_verify_options options;
    char *folder;
    int64_t step;    /* negative: calls belong to none */
    uint32_t number; /* of the next call in it */
    uint64_t judged;
    clade_call wrong; /* the last one; its algorithm, or NULL */
    const char *algorithm;
};

/* --- which calls --- */

/* Operations whose repetition is cheap beside a step. */
static const double usual_work = 1 << 22;

double clade_verify_share(double rate, double work)
{
    const double times = work > usual_work ? work / usual_work : 1;
    return rate / (rate + (1 - rate) * times);
}

static clade_args cut_image(const clade_op_info *info, const clade_args *args, int32_t images)
{
    clade_args part = *args;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_slot_has_images(&info->slots[i], &args->slot[i], images)) part.slot[i].dim[0] = 1;
    return part;
}

/* Operations of the reference on what is judged, and elements that are read. */
static double work_of(const shadow *s)
{
    const clade_op_impl *impl = clade_op_reference(s->info->op);
    double work = impl->flops ? impl->flops(&s->part) : 0;
    for (size_t i = 0; i < s->info->slot_count; i++) {
        if (!clade_tensor_present(&s->part.slot[i])) continue;
        work += 8 * (double)clade_tensor_count(&s->part.slot[i]);
        work += (double)clade_tensor_count(&s->call->args.slot[i]);
    }
    return work;
}

static bool draw(clade_verifier *v, shadow *s)
{
    uint32_t word[4];
    clade_random_words(v->options.seed, CLADE_STREAM_VERIFY, (uint64_t)v->step, v->number++, word);
    const double place = ((double)(word[0] >> 5) * 0x1p26 + (double)(word[1] >> 6)) * 0x1p-53;
    const int32_t images = v->options.rate < 1 ? clade_args_images(s->info, &s->call->args) : 0;
    s->image = images ? (int32_t)(((uint64_t)word[2] * (uint64_t)images) >> 32) : -1;
    s->part = images ? cut_image(s->info, &s->call->args, images) : s->call->args;
    return place < clade_verify_share(v->options.rate, work_of(s));
}

/* --- what was wrong --- */

static clade_status write_array(const shadow *s, const char *folder, size_t slot, bool got)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s.npy", s->info->slots[slot].name, got ? "got" : "in");
    char *path = clade_path_join(folder, name);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = clade_npy_write(path, &s->call->args.slot[slot], false,
                                          got ? s->got[slot] : s->before[slot]);
    free(path);
    return status;
}

static clade_status write_line(const char *folder, const char *name, const char *text)
{
    char *path = clade_path_join(folder, name), *line = clade_string_join(text, "\n");
    clade_status status = path && line ? clade_file_write(path, line, strlen(line))
                                       : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    free(line);
    return status;
}

/* The folder that was asked for, or the first that is not there with a number behind it. */
static clade_status make_folder(const char *name, char **out)
{
    bool exists = true;
    clade_status status = CLADE_OK;
    for (unsigned n = 1; exists && !status; n++) {
        char number[16] = "";
        if (n > 1) snprintf(number, sizeof number, "-%u", n);
        free(*out);
        *out = clade_string_join(name, number);
        status =
            *out ? clade_file_exists(*out, &exists) : clade_fail(CLADE_ENOMEM, "out of memory");
    }
    return status ? status : clade_folder_create(*out);
}

/* What `clade conform --repeat` reads, and what the device gave. */
static clade_status keep(const shadow *s, const char *folder)
{
    char call[CLADE_CALL_TEXT_SIZE];
    clade_status status =
        write_line(folder, "call", clade_call_text(s->info->op, &s->call->args, call));
    for (size_t i = 0; i < s->info->slot_count && !status; i++) {
        if (s->before[i] && clade_shadow_reads(s, i)) status = write_array(s, folder, i, false);
        if (s->got[i] && !status) status = write_array(s, folder, i, true);
    }
    return status;
}

/* Says what is wrong, in the folder too. */
static clade_status report(clade_verifier *v, const shadow *s, const wrong_place *w)
{
    const clade_tensor *t = &s->call->args.slot[w->slot];
    const char *algorithm = clade_call_algorithm(s->call), *id = s->device->info.id;
    char place[64], text[1024], bound[64] = "", call[CLADE_CALL_TEXT_SIZE], *folder = NULL;
    v->wrong = *s->call;
    v->algorithm = algorithm;
    if (w->bound >= 0) snprintf(bound, sizeof bound, " within %.3g", w->bound);
    snprintf(text, sizeof text,
             "step %" PRId64 ": %s%s%s on %s: %s%s (element %zu): got %.9g, expected %.9g%s; "
             "%zu of %zu elements wrong",
             v->step + 1, s->info->name, algorithm ? " by algorithm " : "",
             algorithm ? algorithm : "", id, s->info->slots[w->slot].name,
             clade_place_text(t, w->element, place), w->element, w->got, w->expected, bound,
             w->count, clade_tensor_count(&s->part.slot[w->slot]));
    if (!v->folder)
        return clade_fail(CLADE_EWRONG, "%s; the call: %s", text,
                          clade_call_text(s->info->op, &s->call->args, call));
    clade_status status = make_folder(v->folder, &folder);
    if (!status) status = keep(s, folder);
    if (!status) status = write_line(folder, "message", text);
    if (status)
        clade_fail(CLADE_EWRONG, "%s; its inputs are not kept: %s", text, clade_error());
    else
        clade_fail(CLADE_EWRONG,
                   "%s; repeat it with: clade conform --device %s --math %s --repeat '%s'", text,
                   id, s->device->math == CLADE_FAST ? "fast" : "exact", folder);
    free(folder);
    return CLADE_EWRONG;
}

/* --- running --- */

clade_status clade_verifier_run(clade_device *device, const clade_call *call,
                                clade_status (*run)(clade_device *device, const clade_call *call))
{
    clade_verifier *v = device->verifier;
    shadow s = {.device = device, .call = call, .info = clade_op_describe(call->op)};
    wrong_place wrong = {0};
    if (v->step < 0 || !draw(v, &s)) return run(device, call);
    clade_status status = clade_shadow_read(&s, false);
    if (!status) status = run(device, call);
    if (!status) status = clade_shadow_read(&s, true);
    if (!status && clade_shadow_is_finite(&s)) {
        v->judged++;
        status = clade_shadow_judge(&s, &wrong);
        if (!status && wrong.count) status = report(v, &s, &wrong);
    }
    clade_shadow_clear(&s);
    return status;
}

void clade_verifier_destroy(clade_verifier **handle)
{
    clade_verifier *v = *handle;
    if (!v) return;
    free(v->folder);
    free(v);
    *handle = NULL;
}

clade_status clade_device_verify(clade_device *device, const clade_verify_options *options)
{
    clade_verifier_destroy(&device->verifier);
    if (!options) return CLADE_OK;
    if (!(options->rate > 0 && options->rate <= 1))
        return clade_fail(CLADE_EINVAL, "the share of calls to verify is %g, expected above 0 to 1",
                          options->rate);
    clade_verifier *v = device->verifier = calloc(1, sizeof *v);
    if (v && options->folder) v->folder = clade_string_join(options->folder, "");
    if (!v || (options->folder && !v->folder)) {
        clade_verifier_destroy(&device->verifier);
        return clade_fail(CLADE_ENOMEM, "out of memory to verify calls");
    }
    v->options = *options;
    v->step = -1;
    return CLADE_OK;
}

void clade_device_verify_step(clade_device *device, int64_t step)
{
    clade_verifier *v = device->verifier;
    if (!v) return;
    v->step = step;
    v->number = 0;
}

uint64_t clade_device_verified(const clade_device *device)
{
    return device->verifier ? device->verifier->judged : 0;
}

const char *clade_device_quarantine(clade_device *device)
{
    const clade_verifier *v = device->verifier;
    const char *name = v ? v->algorithm : NULL;
    return name && device->table.exclude && device->table.exclude(device->context, &v->wrong, name)
               ? name
               : NULL;
}
