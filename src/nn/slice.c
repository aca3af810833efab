/* Slices of a batch. Calls are divided into runs; each does all its calls for some images, then for
 * the next ones. Values that only one run uses hold a slice; between runs they are whole. */
#include "nn/slice.h"

#include <stdlib.h>

/* The first and the last use of a value. */
typedef struct live_range {
    size_t first, last;
} live_range;

typedef struct slicer {
    clade_build *build;
    clade_layer_call *call; /* the original calls */
    size_t count;
    int32_t *images;        /* for each sliced call, the number of images it takes at a time */
    live_range *live_range; /* of each original value */
    uint64_t *now;          /* the value that replaces it in this slice */
} slicer;

static bool is_value(const clade_tensor *t) { return clade_tensor_present(t) && !t->buffer; }

/* Returns whether the tensor has a row for each image. */
static bool has_images(const clade_build *build, const clade_tensor *t)
{
    const clade_blueprint *b = build->blueprint;
    if (is_value(t)) return !build->value[t->offset].shared;
    return t->buffer == b->input.buffer || t->buffer == b->output.buffer;
}

static uint64_t bytes_of(const clade_tensor *t)
{
    return clade_tensor_count(t) * clade_dtype_size(t->dtype);
}

static int32_t full_batch(const clade_build *build) { return build->blueprint->input.dim[0]; }

/* Returns the number of images a call should take at a time: as many as fit the cache. 0: it is not
 * sliced, for example because it has many weights, which each slice would read and pack again. */
static int32_t images_of(const clade_build *build, const clade_layer_call *c)
{
    const clade_call *call = &c->call;
    const uint64_t cache = build->blueprint->cache;
    uint64_t weights = 0, image = 0;
    const clade_op_info *info = clade_op_describe(call->op);
    if (!(info->flags & CLADE_OP_PER_IMAGE) || clade_build_needs(build, c->layer)) return 0;
    for (size_t s = 0; s < info->slot_count; s++) {
        const clade_tensor *t = &call->args.slot[s];
        if (!clade_tensor_present(t)) continue;
        if (has_images(build, t))
            image += bytes_of(t) / (uint64_t)t->dim[0];
        else
            weights += bytes_of(t);
    }
    if (weights > cache / 16) return 0;
    if (image * (uint64_t)full_batch(build) <= cache) return full_batch(build);
    return image < cache ? (int32_t)(cache / image) : 1;
}

/* Finds numbers of images that never decrease from call to call, for all sliced calls. */
static size_t find_images(slicer *s)
{
    size_t end = 0;
    for (; end < s->count; end++) {
        s->images[end] = images_of(s->build, &s->call[end]);
        if (!s->images[end]) break;
    }
    for (size_t i = end; i-- > 1;)
        if (s->images[i - 1] > s->images[i]) s->images[i - 1] = s->images[i];
    return end;
}

static void find_live_ranges(slicer *s)
{
    for (size_t c = s->count; c-- > 0;) {
        const clade_call *call = &s->call[c].call;
        for (size_t i = 0; i < clade_op_describe(call->op)->slot_count; i++) {
            const clade_tensor *t = &call->args.slot[i];
            if (!is_value(t)) continue;
            live_range *l = &s->live_range[t->offset];
            l->first = c;
            if (!l->last) l->last = c + 1;
        }
    }
}

static void add(slicer *s, const clade_layer_call *c, const clade_args *args, int32_t first)
{
    clade_build *build = s->build;
    clade_build_add(build, c->layer, c->call.op, args);
    if (!build->status) build->call[build->call_count - 1].first = first;
}

/* Returns the part of a tensor for images first … first + n − 1, for a run of calls a … b − 1. */
static clade_tensor part(slicer *s, const clade_tensor *whole, size_t a, size_t b, size_t c,
                         int32_t first, int32_t n)
{
    clade_tensor t = *whole;
    t.dim[0] = n;
    if (t.buffer) {
        t.offset += (uint64_t)first * (clade_tensor_count(whole) / (uint64_t)whole->dim[0]);
        return t;
    }
    const uint64_t v = t.offset;
    if (s->live_range[v].first < a || s->live_range[v].last > b) return t;
    if (s->live_range[v].first == c) {
        clade_tensor fresh = clade_build_like(s->build, &t);
        if (s->build->status) return t;
        s->build->value[fresh.offset].sliced = true;
        s->build->value[v].bytes = 0;
        s->now[v] = fresh.offset;
    }
    t.offset = s->now[v];
    return t;
}

/* Adds a run of calls a … b − 1, `images` at a time. A pass over fewer images than the full batch
 * has the same values, but no calls for slices beyond its last image. */
static void add_run(slicer *s, size_t a, size_t b, int32_t images)
{
    const int32_t full = full_batch(s->build), n = s->build->n;
    for (int32_t first = 0; first < full; first += images) {
        int32_t count = n - first < images ? n - first : images;
        for (size_t c = a; c < b; c++) {
            clade_args args = s->call[c].call.args;
            for (size_t i = 0; i < clade_op_describe(s->call[c].call.op)->slot_count; i++) {
                clade_tensor *t = &args.slot[i];
                if (clade_tensor_present(t) && has_images(s->build, t))
                    *t = part(s, t, a, b, c, first, count > 0 ? count : 0);
            }
            if (count > 0) add(s, &s->call[c], &args, first);
        }
    }
}

static void add_all(slicer *s)
{
    const int32_t full = full_batch(s->build);
    size_t end = find_images(s), a = 0;
    find_live_ranges(s);
    while (a < end && s->images[a] < full) {
        size_t b = a + 1;
        while (b < end && s->images[b] < 2 * s->images[a]) b++;
        int32_t slices = (full + s->images[a] - 1) / s->images[a];
        add_run(s, a, b, (full + slices - 1) / slices);
        a = b;
    }
    for (; a < s->count; a++) add(s, &s->call[a], &s->call[a].call.args, 0);
}

void clade_slice(clade_build *build)
{
    if (!build->blueprint->cache || build->status || !build->call_count) return;
    slicer s = {.build = build, .call = build->call, .count = build->call_count};
    s.images = malloc(s.count * sizeof *s.images);
    s.live_range = calloc(build->value_count + 1, sizeof *s.live_range);
    s.now = calloc(build->value_count + 1, sizeof *s.now);
    build->call = NULL;
    build->call_count = build->call_capacity = 0;
    if (s.images && s.live_range && s.now)
        add_all(&s);
    else
        build->status = clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    free(s.call);
    free(s.images);
    free(s.live_range);
    free(s.now);
}
