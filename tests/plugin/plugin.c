/* A backend from outside, as somebody would write one: against the installed headers only, with a
 * dozen ops of its own in plain scalar C, of which global_avgpool shows a plan with workspace and
 * state; what it leaves out runs on the reference. Compiled with BROKEN it forgets the last row of
 * each batch in the weight gradient of dense layers. */
#include <clade/backend.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BROKEN
enum { rows_forgotten = 1 };
#else
enum { rows_forgotten = 0 };
#endif

static clade_status count(size_t *n, char note[256])
{
    (void)note;
    *n = 1;
    return CLADE_OK;
}

static clade_status describe(size_t index, clade_device_info *info)
{
    (void)index;
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "plugin:0");
    snprintf(info->name, sizeof info->name, "scalar example");
    snprintf(info->driver, sizeof info->driver, "tests/plugin");
    info->compute_units = 1;
    info->fma = info->host_memory = info->cpu_like = true;
    return CLADE_OK;
}

static clade_status open_device(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    (void)options;
    *context = NULL; /* nothing to remember */
    return CLADE_OK;
}

static void close_device(void *context) { (void)context; }

static clade_status alloc_memory(void *context, size_t bytes, void **handle)
{
    (void)context;
    *handle = malloc(bytes ? bytes : 1);
    return *handle ? CLADE_OK : clade_fail(CLADE_ENOMEM, "plugin: out of memory: %zu bytes", bytes);
}

static void free_memory(void *context, void *handle)
{
    (void)context;
    free(handle);
}

static clade_status write_memory(void *context, void *handle, size_t offset, const void *source,
                                 size_t bytes)
{
    (void)context;
    memcpy((char *)handle + offset, source, bytes);
    return CLADE_OK;
}

static clade_status read_memory(void *context, void *handle, size_t offset, void *target,
                                size_t bytes)
{
    (void)context;
    memcpy(target, (const char *)handle + offset, bytes);
    return CLADE_OK;
}

static clade_status finish(void *context)
{
    (void)context;
    return CLADE_OK;
}

static void *host(void *context, void *handle)
{
    (void)context;
    return handle;
}

/* Gradients are written, or added to what is there. */
static void put(float *target, float value, int32_t accumulate)
{
    *target = accumulate ? *target + value : value;
}

static clade_status fill(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_fill_args *a = &args->fill;
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i++) y[i] = a->value;
    return CLADE_OK;
}

static clade_status copy(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_copy_args *a = &args->copy;
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) put(&y[i], x[i], a->accumulate);
    return CLADE_OK;
}

/* Where element i of a part lies in the tensor that it was joined into. */
static size_t joined_at(size_t i, const clade_tensor *part, const clade_tensor *whole, int32_t axis,
                        int32_t start)
{
    size_t inner = 1, along = (size_t)part->dim[axis];
    for (int d = axis + 1; d < part->rank; d++) inner *= (size_t)part->dim[d];
    size_t outer = i / (inner * along), rest = i % (inner * along);
    return outer * inner * (size_t)whole->dim[axis] + (size_t)start * inner + rest;
}

static clade_status concat(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_concat_args *a = &args->concat;
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) y[joined_at(i, &a->x, &a->y, a->axis, a->start)] = x[i];
    return CLADE_OK;
}

static clade_status concat_dx(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_concat_dx_args *a = &args->concat_dx;
    const float *dy = clade_tensor_host(&a->dy);
    float *dx = clade_tensor_host(&a->dx);
    size_t n = clade_tensor_count(&a->dx);
    for (size_t i = 0; i < n; i++)
        put(&dx[i], dy[joined_at(i, &a->dx, &a->dy, a->axis, a->start)], a->accumulate);
    return CLADE_OK;
}

/* Element [b, i, j, k] of an NHWC tensor, or NULL outside of it. */
static float *pixel(const clade_tensor *t, int32_t b, int32_t i, int32_t j, int32_t k)
{
    if (i < 0 || i >= t->dim[1] || j < 0 || j >= t->dim[2]) return NULL;
    size_t at = (((size_t)b * (size_t)t->dim[1] + (size_t)i) * (size_t)t->dim[2] + (size_t)j) *
                (size_t)t->dim[3];
    return (float *)clade_tensor_host(t) + at + k;
}

/* b, i, j, k over an NHWC tensor. */
#define FOR_EACH_PIXEL(t)                                                                          \
    for (int32_t b = 0; b < (t)->dim[0]; b++)                                                      \
        for (int32_t i = 0; i < (t)->dim[1]; i++)                                                  \
            for (int32_t j = 0; j < (t)->dim[2]; j++)                                              \
                for (int32_t k = 0; k < (t)->dim[3]; k++)

static clade_status pad(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_pad_args *a = &args->pad;
    FOR_EACH_PIXEL(&a->y)
    {
        const float *x = pixel(&a->x, b, i - a->pad[0], j - a->pad[1], k);
        *pixel(&a->y, b, i, j, k) = x ? *x : a->value;
    }
    return CLADE_OK;
}

static clade_status pad_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_pad_dx_args *a = &args->pad_dx;
    FOR_EACH_PIXEL(&a->dx)
    {
        const float *dy = pixel(&a->dy, b, i + a->pad[0], j + a->pad[1], k);
        put(pixel(&a->dx, b, i, j, k), dy ? *dy : 0, a->accumulate);
    }
    return CLADE_OK;
}

static clade_status maxpool2d(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_maxpool2d_args *a = &args->maxpool2d;
    int32_t down = a->stride[0] ? a->stride[0] : a->window[0];
    int32_t across = a->stride[1] ? a->stride[1] : a->window[1];
    uint8_t *index = clade_tensor_present(&a->index) ? clade_tensor_host(&a->index) : NULL;
    FOR_EACH_PIXEL(&a->y)
    {
        float best = 0;
        int32_t taken = -1;
        for (int32_t r = 0; r < a->window[0]; r++)
            for (int32_t s = 0; s < a->window[1]; s++) {
                const float *x =
                    pixel(&a->x, b, i * down - a->pad[0] + r, j * across - a->pad[1] + s, k);
                if (!x || (taken >= 0 && !(*x > best) && (!isnan(*x) || isnan(best)))) continue;
                best = *x;
                taken = r * a->window[1] + s;
            }
        *pixel(&a->y, b, i, j, k) = best;
        if (index) *index++ = (uint8_t)taken;
    }
    return CLADE_OK;
}

static clade_status maxpool2d_dx(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    int32_t down = a->stride[0] ? a->stride[0] : a->window[0];
    int32_t across = a->stride[1] ? a->stride[1] : a->window[1];
    const uint8_t *index = clade_tensor_host(&a->index);
    const float *first = clade_tensor_host(&a->dy);
    FOR_EACH_PIXEL(&a->dx)
    {
        float sum = 0;
        for (int32_t oi = 0; oi < a->dy.dim[1]; oi++)
            for (int32_t oj = 0; oj < a->dy.dim[2]; oj++) {
                int32_t r = i + a->pad[0] - oi * down, s = j + a->pad[1] - oj * across;
                if (r < 0 || r >= a->window[0] || s < 0 || s >= a->window[1]) continue;
                const float *dy = pixel(&a->dy, b, oi, oj, k);
                if (index[dy - first] == r * a->window[1] + s) sum += *dy;
            }
        put(pixel(&a->dx, b, i, j, k), sum, a->accumulate);
    }
    return CLADE_OK;
}

/* What plan finds out of a call's shapes, so that run need not. */
typedef struct mean_plan {
    size_t images, pixels, channels, lanes, blocks;
    float weight;
} mean_plan;

static clade_status plan_global_avgpool(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const int32_t *dim = args->global_avgpool.x.dim;
    mean_plan *p = malloc(sizeof *p);
    if (!p) return clade_fail(CLADE_ENOMEM, "plugin: out of memory for a plan");
    p->images = (size_t)dim[0];
    p->pixels = (size_t)dim[1] * (size_t)dim[2];
    p->channels = (size_t)dim[3];
    p->lanes = (size_t)clade_tree_lanes(dim[3]);
    const size_t rows = (p->pixels + p->lanes - 1) / p->lanes;
    p->blocks = (rows + CLADE_TREE_ROWS - 1) / CLADE_TREE_ROWS;
    p->weight = 1 / (float)p->pixels;
    plan->state = p; /* discard_plan frees it */
    plan->workspace = p->lanes * sizeof(float);
    return CLADE_OK;
}

/* The sum of a lane's blocks from `first` on, of the channel that x begins with: a tree (ops.h). */
static float sum_blocks(const mean_plan *p, const float *x, size_t lane, size_t first,
                        size_t blocks)
{
    float sum = 0;
    size_t half = 1;
    while (2 * half < blocks) half *= 2;
    if (blocks > 1)
        return sum_blocks(p, x, lane, first, half) +
               sum_blocks(p, x, lane, first + half, blocks - half);
    for (size_t row = first * CLADE_TREE_ROWS; row < (first + 1) * CLADE_TREE_ROWS; row++) {
        const size_t i = row * p->lanes + lane;
        if (i < p->pixels) sum += x[i * p->channels];
    }
    return sum;
}

/* Sums a channel's lanes in the workspace, then adds them by halves. */
static clade_status global_avgpool(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    (void)context;
    const mean_plan *p = plan->state;
    const float *x = clade_tensor_host(&args->global_avgpool.x);
    float *y = clade_tensor_host(&args->global_avgpool.y), *sum = workspace;
    for (size_t b = 0; b < p->images; b++, x += p->pixels * p->channels, y += p->channels)
        for (size_t k = 0; k < p->channels; k++) {
            for (size_t l = 0; l < p->lanes; l++) sum[l] = sum_blocks(p, x + k, l, 0, p->blocks);
            for (size_t half = p->lanes / 2; half > 0; half /= 2)
                for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
            y[k] = (0 + sum[0]) * p->weight;
        }
    return CLADE_OK;
}

static void discard_plan(void *context, void *state)
{
    (void)context;
    free(state);
}

static clade_status dense_dx(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_dense_dx_args *a = &args->dense_dx;
    size_t n = (size_t)a->dx.dim[0], in = (size_t)a->dx.dim[1], out = (size_t)a->dy.dim[1];
    const float *dy = clade_tensor_host(&a->dy), *w = clade_tensor_host(&a->w);
    float *dx = clade_tensor_host(&a->dx);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < in; i++) {
            float sum = 0;
            for (size_t o = 0; o < out; o++) sum = fmaf(dy[r * out + o], w[i * out + o], sum);
            put(&dx[r * in + i], sum, a->accumulate);
        }
    return CLADE_OK;
}

static clade_status dense_dw(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_dense_dw_args *a = &args->dense_dw;
    size_t n = (size_t)a->x.dim[0], in = (size_t)a->x.dim[1], out = (size_t)a->dy.dim[1];
    const float *x = clade_tensor_host(&a->x), *dy = clade_tensor_host(&a->dy);
    float *dw = clade_tensor_host(&a->dw);
    for (size_t i = 0; i < in; i++)
        for (size_t o = 0; o < out; o++) {
            float sum = 0;
            for (size_t r = 0; r + rows_forgotten < n; r++)
                sum = fmaf(x[r * in + i], dy[r * out + o], sum);
            put(&dw[i * out + o], sum, a->accumulate);
        }
    float *db = clade_tensor_present(&a->db) ? clade_tensor_host(&a->db) : NULL;
    for (size_t o = 0; db && o < out; o++) {
        float sum = 0;
        for (size_t r = 0; r < n; r++) sum += dy[r * out + o];
        put(&db[o], sum, a->accumulate);
    }
    return CLADE_OK;
}

static clade_status topk_count(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_topk_count_args *a = &args->topk_count;
    const float *y = clade_tensor_host(&a->y);
    const int32_t *label = clade_tensor_host(&a->label);
    int32_t *total = clade_tensor_host(&a->count), c = a->y.dim[1];
    for (int32_t r = 0; r < a->y.dim[0]; r++, y += c) {
        int32_t l = label[r], ahead = 0;
        bool nan = false;
        for (int32_t k = 0; k < c; k++) nan = nan || isnan(y[k]);
        if (c == 1) {
            *total += !nan && l == (y[0] > 0.5f);
            continue;
        }
        if (nan || l < 0 || l >= c) continue;
        for (int32_t k = 0; k < c; k++) ahead += y[k] > y[l] || (y[k] == y[l] && k < l);
        *total += ahead < a->k;
    }
    return CLADE_OK;
}

static clade_status sgd(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_sgd_args *a = &args->sgd;
    float *w = clade_tensor_host(&a->w);
    const float *g = clade_tensor_host(&a->g);
    float *v = clade_tensor_present(&a->v) ? clade_tensor_host(&a->v) : NULL;
    float scale = clade_tensor_present(&a->scale) ? *(float *)clade_tensor_host(&a->scale) : 1;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * scale, decayed = fmaf(-a->decay, w[i], w[i]);
        if (!v) {
            w[i] = fmaf(-a->lr, gradient, decayed);
            continue;
        }
        if (a->of_gradients) {
            v[i] = fmaf(a->momentum, v[i], gradient);
            w[i] = fmaf(-a->lr, a->nesterov ? fmaf(a->momentum, v[i], gradient) : v[i], decayed);
            continue;
        }
        float step = a->lr * gradient;
        v[i] = fmaf(a->momentum, v[i], -step);
        w[i] = a->nesterov ? fmaf(a->momentum, v[i], decayed) - step : decayed + v[i];
    }
    return CLADE_OK;
}

static void set_ops(void *context, clade_op_slot *slot)
{
    (void)context;
    slot[CLADE_OP_fill].run = fill;
    slot[CLADE_OP_copy].run = copy;
    slot[CLADE_OP_concat].run = concat;
    slot[CLADE_OP_concat_dx].run = concat_dx;
    slot[CLADE_OP_pad].run = pad;
    slot[CLADE_OP_pad_dx].run = pad_dx;
    slot[CLADE_OP_maxpool2d].run = maxpool2d;
    slot[CLADE_OP_maxpool2d_dx].run = maxpool2d_dx;
    slot[CLADE_OP_global_avgpool] = (clade_op_slot){plan_global_avgpool, global_avgpool};
    slot[CLADE_OP_dense_dx].run = dense_dx;
    slot[CLADE_OP_dense_dw].run = dense_dw;
    slot[CLADE_OP_topk_count].run = topk_count;
    slot[CLADE_OP_sgd].run = sgd;
}

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "example",
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .alloc = alloc_memory,
    .free = free_memory,
    .write = write_memory,
    .read = read_memory,
    .finish = finish,
    .host = host,
    .signatures = clade_op_signatures,
    .op_count = CLADE_OPS,
    .ops = set_ops,
    .discard = discard_plan,
};

CLADE_API const clade_backend *clade_backend_entry(void);
const clade_backend *clade_backend_entry(void) { return &backend; }
