/* Pairwise sums of gradients: level k holds the sum of an aligned run of 2^k shards, as the digits
 * of a binary counter. */
#include "dist/sum.h"

#include <stdlib.h>

enum { most_levels = 31 };

struct clade_shard_sum {
    clade_buffer *buffer[most_levels];
    clade_call add[most_levels];  /* g = level + g */
    clade_call keep[most_levels]; /* level = g */
    int32_t levels;
};

static clade_status make_level(clade_shard_sum *s, clade_device *device, const clade_tensor *g)
{
    const int32_t k = s->levels;
    clade_tensor level = *g;
    level.offset = 0;
    clade_status status =
        clade_buffer_create(device, clade_tensor_count(g) * sizeof(float), &s->buffer[k]);
    if (status) return clade_context(status, "the gradients of 2^%d shards", k);
    level.buffer = s->buffer[k];
    s->add[k] = (clade_call){.op = CLADE_OP_add,
                             .args.add = {.a = level, .b = *g, .y = *g, .alpha = 1, .beta = 1}};
    s->keep[k] = (clade_call){.op = CLADE_OP_copy, .args.copy = {.x = *g, .y = level}};
    s->levels++;
    status = clade_call_prepare(device, &s->add[k]);
    return status ? status : clade_call_prepare(device, &s->keep[k]);
}

clade_status clade_shard_sum_create(clade_device *device, const clade_tensor *g, int32_t shards,
                                    clade_shard_sum **out)
{
    *out = NULL;
    clade_shard_sum *s = calloc(1, sizeof *s);
    if (!s) return clade_fail(CLADE_ENOMEM, "out of memory for a sum of gradients");
    clade_status status = CLADE_OK;
    for (int32_t last = shards - 1; last > 0 && !status; last /= 2)
        status = make_level(s, device, g);
    if (status)
        clade_shard_sum_destroy(&s);
    else
        *out = s;
    return status;
}

void clade_shard_sum_destroy(clade_shard_sum **handle)
{
    clade_shard_sum *s = *handle;
    if (!s) return;
    for (int32_t k = 0; k < s->levels; k++) {
        clade_call_release(&s->add[k]);
        clade_call_release(&s->keep[k]);
        clade_buffer_destroy(&s->buffer[k]);
    }
    free(s);
    *handle = NULL;
}

uint64_t clade_shard_sum_bytes(const clade_shard_sum *s)
{
    return s->levels ? (uint64_t)s->levels * clade_buffer_bytes(s->buffer[0]) : 0;
}

clade_status clade_shard_sum_add(clade_shard_sum *s, int32_t shard, bool last)
{
    clade_status status = CLADE_OK;
    int32_t k = 0;
    for (; shard >> k & 1 && !status; k++) status = clade_call_run(&s->add[k]);
    if (!last) return status ? status : clade_call_run(&s->keep[k]);
    for (; shard >> k && !status; k++)
        if (shard >> k & 1) status = clade_call_run(&s->add[k]);
    return status;
}
