/* The optimizer's step for a rank's slices, by a CPU of its own beside the model's device. */
#include "train/slices.h"

#include <clade/borrow.h>

#include <stdlib.h>

struct clade_slices {
    clade_exchange *exchange;
    size_t buckets;
    clade_device *cpu;
    clade_buffer *memory[CLADE_UPDATER_TENSORS]; /* w, g, moments */
    clade_updater **slice;                       /* [buckets] */
    clade_tensor moment[CLADE_MOST_MOMENTS];     /* the whole updater's */
    float *copy[CLADE_MOST_MOMENTS];             /* of those that the host does not share */
    size_t moments;
};

/* Where the host finds a moment: in the updater's own memory, or a copy. */
static clade_status find_moment(clade_slices *s, size_t i)
{
    const clade_tensor *moment = &s->moment[i];
    const size_t bytes = clade_tensor_count(moment) * sizeof(float);
    float *values = clade_buffer_host(moment->buffer);
    if (!values) {
        values = s->copy[i] = malloc(bytes);
        if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for the optimizer's state");
        clade_status status = clade_tensor_read(moment, values);
        if (status) return status;
    }
    return clade_buffer_borrow(s->cpu, values, bytes, &s->memory[2 + i]);
}

static clade_status make(clade_slices *s, const clade_slices_options *o)
{
    const clade_tensor *w = &clade_updater_call(o->updater)->args.slot[0];
    const size_t bytes = clade_tensor_count(w) * sizeof(float);
    const char *name[CLADE_MOST_MOMENTS];
    s->moments = clade_updater_moments(o->updater, s->moment, name);
    s->slice = calloc(s->buckets, sizeof(clade_updater *));
    if (!s->slice) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    const clade_device_options options = {.math = o->math, .threads = o->threads};
    clade_status status = clade_device_open("cpu", &options, &s->cpu);
    if (!status) status = clade_buffer_borrow(s->cpu, o->w, bytes, &s->memory[0]);
    if (!status) status = clade_buffer_borrow(s->cpu, o->g, bytes, &s->memory[1]);
    for (size_t i = 0; i < s->moments && !status; i++) status = find_moment(s, i);
    for (size_t i = 0; i < s->buckets && !status; i++) {
        const clade_range own = clade_exchange_slice(s->exchange, i);
        status = clade_updater_create_slice(o->updater, s->cpu, s->memory, own.first, own.count,
                                            &s->slice[i]);
    }
    return status;
}

clade_status clade_slices_create(const clade_slices_options *options, clade_slices **out)
{
    clade_slices *s = *out = calloc(1, sizeof *s);
    if (!s) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    s->exchange = options->exchange;
    s->buckets = options->buckets;
    clade_status status = make(s, options);
    if (status) clade_slices_destroy(out);
    return status;
}

void clade_slices_destroy(clade_slices **handle)
{
    clade_slices *s = *handle;
    if (!s) return;
    for (size_t i = 0; i < s->buckets && s->slice; i++) clade_updater_destroy(&s->slice[i]);
    free(s->slice);
    for (size_t i = 0; i < CLADE_UPDATER_TENSORS; i++) clade_buffer_give_back(&s->memory[i]);
    for (size_t i = 0; i < s->moments; i++) free(s->copy[i]);
    clade_device_close(&s->cpu);
    free(s);
    *handle = NULL;
}

clade_status clade_slices_step(clade_slices *s, size_t bucket, double lr, uint64_t t)
{
    return clade_updater_step(s->slice[bucket], lr, t);
}

clade_status clade_slices_gather(clade_slices *s)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->moments && !status; i++) {
        float *values = clade_buffer_host(s->memory[2 + i]);
        status = clade_exchange_gather(s->exchange, values);
        if (!status && s->copy[i]) status = clade_tensor_write(&s->moment[i], values);
    }
    return status;
}
