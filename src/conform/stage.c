/* Staging: a problem's tensors laid out in device memory between guard zones, the op run on them,
 * and every byte that is not an output looked at afterwards. */
#include "conform/stage.h"

#include "conform/guard.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_failure_set(conform_failure *failure, const char *check, const char *format, ...)
{
    if (failure->check) return;
    failure->check = check;
    va_list args;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
}

void clade_failure_how(conform_failure *failure, const char *how)
{
    if (!failure->check) return;
    char text[sizeof failure->text];
    snprintf(text, sizeof text, "%s", failure->text);
    snprintf(failure->text, sizeof failure->text, "%.96s: %.400s", how, text);
}

static size_t align(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Index of the first output, whose memory an in-place layout shares. */
static int first_output(const clade_op_info *info)
{
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_slot_writes(info->slots[i].kind)) return (int)i;
    return -1;
}

static void place_slots(conform_stage *s)
{
    static const size_t shifts[] = {1, 3, 17, 5, 2, 7, 9, 13};
    const conform_problem *problem = s->problem;
    int shared = s->layout->in_place >= 0 ? first_output(problem->info) : -1;
    size_t end[conform_slots] = {0};
    s->region_count = 0;
    for (size_t i = 0; i < problem->info->slot_count; i++) {
        s->present[i] = problem->initial[i] && (int)i != s->layout->absent;
        if (!s->present[i] || (int)i == shared) continue;
        int im = s->layout->separate ? s->region_count : 0;
        size_t size = clade_dtype_size(problem->args.slot[i].dtype);
        size_t shift = s->layout->separate ? 0 : shifts[i % (sizeof shifts / sizeof *shifts)];
        conform_place *p = &s->places[i];
        p->region = im;
        p->offset = align(end[im] + conform_guard, 64) + shift * size;
        p->bytes = problem->count[i] * size;
        end[im] = p->offset + p->bytes;
        s->region_count = im + 1;
    }
    if (shared >= 0) s->places[shared] = s->places[s->layout->in_place];
    for (int i = 0; i < s->region_count; i++)
        s->regions[i].bytes = align(end[i] + conform_guard, 64);
}

/* The regions' contents: NaNs everywhere, the slots' values in their places. */
static clade_status paint(conform_stage *s)
{
    for (int i = 0; i < s->region_count; i++) {
        conform_region *im = &s->regions[i];
        im->before = malloc(im->bytes);
        im->after = malloc(im->bytes);
        if (!im->before || !im->after)
            return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes of test data", im->bytes);
        clade_guard_fill(im->before, im->bytes);
    }
    int shared = s->layout->in_place >= 0 ? first_output(s->problem->info) : -1;
    for (size_t i = 0; i < s->problem->info->slot_count; i++)
        if (s->present[i] && (int)i != shared)
            memcpy(s->regions[s->places[i].region].before + s->places[i].offset,
                   s->problem->initial[i], s->places[i].bytes);
    return CLADE_OK;
}

/* What sanitizers see: of the regions only the tensors may be touched while the op runs. */
static void close_guards(const conform_stage *s)
{
    for (int i = 0; i < s->region_count; i++)
        clade_guard_close(s->regions[i].buffer, 0, s->regions[i].bytes);
    for (size_t i = 0; i < s->problem->info->slot_count; i++) {
        const conform_place *p = &s->places[i];
        if (s->present[i]) clade_guard_open(s->regions[p->region].buffer, p->offset, p->bytes);
    }
}

static void open_guards(const conform_stage *s)
{
    for (int i = 0; i < s->region_count; i++)
        if (s->regions[i].buffer) clade_guard_open(s->regions[i].buffer, 0, s->regions[i].bytes);
}

/* Copies the regions to the device, and prepares the call. */
static clade_status prepare(conform_stage *s, clade_device *device, clade_call *call)
{
    const clade_op_info *info = s->problem->info;
    clade_status status = CLADE_OK;
    *call = (clade_call){.op = info->op, .args = s->problem->args};
    for (int i = 0; !status && i < s->region_count; i++) {
        conform_region *im = &s->regions[i];
        status = clade_buffer_create(device, im->bytes, &im->buffer);
        if (!status) status = clade_buffer_write(im->buffer, 0, im->before, im->bytes);
    }
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_tensor *t = &call->args.slot[i];
        if (!s->present[i]) {
            *t = (clade_tensor){0};
            continue;
        }
        t->buffer = s->regions[s->places[i].region].buffer;
        t->offset = s->places[i].offset / clade_dtype_size(t->dtype);
    }
    return status ? status : clade_call_prepare(device, call);
}

static void release(conform_stage *s, clade_call *call)
{
    clade_call_release(call);
    for (int i = 0; i < s->region_count; i++) clade_buffer_destroy(&s->regions[i].buffer);
}

/* Runs the op, and copies the regions back. */
static clade_status run(conform_stage *s, clade_device *device, conform_failure *failure)
{
    clade_call call;
    clade_status status = prepare(s, device, &call);
    if (!status) {
        close_guards(s);
        status = clade_guarded_run(&call, failure);
        open_guards(s);
    }
    for (int i = 0; !status && i < s->region_count; i++)
        status =
            clade_buffer_read(s->regions[i].buffer, 0, s->regions[i].after, s->regions[i].bytes);
    release(s, &call);
    return status;
}

/* Names the byte `at` of region `im` that changed. */
static void report_change(const conform_stage *s, int im, size_t at, conform_failure *failure)
{
    const clade_op_info *info = s->problem->info;
    const char *slot = "";
    size_t nearest = SIZE_MAX;
    bool after = false;
    for (size_t i = 0; i < info->slot_count; i++) {
        const conform_place *p = &s->places[i];
        if (!s->present[i] || p->region != im) continue;
        if (at >= p->offset && at < p->offset + p->bytes) {
            clade_failure_set(failure, "input", "%s is an input and was changed at byte %zu",
                              info->slots[i].name, at - p->offset);
            return;
        }
        size_t d = at < p->offset ? p->offset - at : at - (p->offset + p->bytes) + 1;
        if (d >= nearest) continue;
        nearest = d;
        slot = info->slots[i].name;
        after = at >= p->offset;
    }
    clade_failure_set(failure, "guard", "memory was written %zu bytes %s %s", nearest,
                      after ? "beyond the end of" : "before the start of", slot);
}

/* Looks for changes outside the outputs: the outputs are first made equal in both. */
static void check_memory(conform_stage *s, conform_failure *failure)
{
    const clade_op_info *info = s->problem->info;
    for (size_t i = 0; i < info->slot_count; i++) {
        const conform_place *p = &s->places[i];
        if (s->present[i] && clade_slot_writes(info->slots[i].kind))
            memcpy(s->regions[p->region].before + p->offset,
                   s->regions[p->region].after + p->offset, p->bytes);
    }
    for (int i = 0; i < s->region_count; i++) {
        const conform_region *im = &s->regions[i];
        if (!memcmp(im->before, im->after, im->bytes)) continue;
        size_t at = 0;
        while (im->before[at] == im->after[at]) at++;
        report_change(s, i, at, failure);
    }
}

static void free_regions(conform_stage *s)
{
    for (int i = 0; i < conform_slots; i++) {
        free(s->regions[i].before);
        free(s->regions[i].after);
    }
}

clade_status clade_problem_stage(const conform_problem *problem, clade_device *device,
                                 const conform_layout *layout, void *got[conform_slots],
                                 conform_failure *failure)
{
    conform_stage s = {.problem = problem, .layout = layout};
    memset(got, 0, conform_slots * sizeof *got);
    place_slots(&s);
    clade_status status = paint(&s);
    if (status) goto fail;
    status = run(&s, device, failure);
    if (status) {
        clade_failure_set(failure, "status", "%s: %s", clade_status_name(status), clade_error());
        status = CLADE_OK;
        goto fail;
    }
    for (size_t i = 0; i < problem->info->slot_count; i++) {
        if (!s.present[i] || !clade_slot_writes(problem->info->slots[i].kind)) continue;
        got[i] = malloc(s.places[i].bytes + 1);
        if (!got[i]) {
            status = clade_fail(CLADE_ENOMEM, "out of memory for results");
            goto fail;
        }
        memcpy(got[i], s.regions[s.places[i].region].after + s.places[i].offset, s.places[i].bytes);
    }
    check_memory(&s, failure);
fail:
    free_regions(&s);
    return status;
}

clade_status clade_problem_show(const conform_problem *problem, clade_device *device,
                                const conform_layout *layout, conform_show *show, void *user)
{
    conform_stage s = {.problem = problem, .layout = layout};
    clade_call call = {.op = CLADE_OP_none};
    place_slots(&s);
    clade_status status = paint(&s);
    if (!status) status = prepare(&s, device, &call);
    if (!status) status = show(user, &s, &call);
    release(&s, &call);
    free_regions(&s);
    return status;
}
