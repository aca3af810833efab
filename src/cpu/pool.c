/* pool on the CPU: the shared bodies, threads sharing rows. */
#include "cpu/tree.h"

#include "../../kernels/pool.clh"

/* A loop over the rows of all images, `height` to an image. */
typedef struct plane {
    pool_shape p;
    const void *args;
    i32 height;
    int two;    /* 2 x 2, stride 2, no padding */
    int inside; /* no window reaches over the edge */
} plane;

static plane plane_of(const void *args, const clade_tensor *x, const clade_tensor *y,
                      const int32_t *window, const int32_t *stride, const int32_t *pad)
{
    plane l = {.args = args, .height = y->dim[1], .inside = !(pad[0] | pad[1] | pad[2] | pad[3])};
    l.p = (pool_shape){.h = x->dim[1],
                       .w = x->dim[2],
                       .c = x->dim[3],
                       .oh = y->dim[1],
                       .ow = y->dim[2],
                       .rows = window[0],
                       .columns = window[1],
                       .down = stride[0] ? stride[0] : window[0],
                       .across = stride[1] ? stride[1] : window[1],
                       .top = pad[0],
                       .left = pad[1],
                       .reciprocal = math_rcp((float)(window[0] * window[1]))};
    l.two = l.inside && l.p.rows == 2 && l.p.columns == 2 && l.p.down == 2 && l.p.across == 2;
    return l;
}

/* The shape with what is known of 2 x 2 windows made constant. */
INLINE pool_shape two_by_two(pool_shape p)
{
    p.rows = p.columns = p.down = p.across = 2;
    p.top = p.left = 0;
    return p;
}

/* Rows in blocks of about this many floats. */
enum { block = 16384 };

static clade_status run_plane(cpu_context *cpu, const plane *l, int32_t n, int64_t row_floats,
                              void (*body)(const void *user, size_t first, size_t end))
{
    size_t grain = row_floats >= block ? 1 : (size_t)(block / row_floats);
    clade_cpu_range(cpu, (cpu_range){body, l, (size_t)n * (size_t)l->height, grain});
    return CLADE_OK;
}

/* ---- maxpool2d ---- */

INLINE void max_row(const float *x, float *y, u8 *index, pool_shape p, i32 oh, int inside)
{
    for (i32 ow = 0; ow < p.ow; ow++) {
        size_t to = (size_t)ow * (size_t)p.c;
#define BODY(k, lanes)                                                                             \
    {                                                                                              \
        V_mask at;                                                                                 \
        V best = pool_max(x + (k), p, oh, ow, inside, lanes, &at);                                 \
        LANES_STORE(y + to + (k), best, lanes);                                                    \
        if (index) LANES_STORE_U8(index + to + (k), at, lanes);                                    \
    }
        FOR_LANES(p.c, BODY);
#undef BODY
    }
}

static void max_rows(const void *user, size_t first, size_t end)
{
    const plane *l = user;
    const clade_maxpool2d_args *a = l->args;
    const pool_shape p = l->p;
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    u8 *index = cpu_host(&a->index);
    size_t image = pool_at(p.h, 0, p.w, p.c), row = pool_at(1, 0, p.ow, p.c);
    for (size_t i = first; i < end; i++) {
        const float *from = x + i / (size_t)p.oh * image;
        u8 *at = index ? index + i * row : NULL;
        i32 oh = (i32)(i % (size_t)p.oh);
        if (l->two)
            max_row(from, y + i * row, at, two_by_two(p), oh, 1);
        else
            max_row(from, y + i * row, at, p, oh, l->inside);
    }
}

static clade_status maxpool2d(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan, (void)workspace;
    const clade_maxpool2d_args *a = &args->maxpool2d;
    plane l = plane_of(a, &a->x, &a->y, a->window, a->stride, a->pad);
    return run_plane(context, &l, a->x.dim[0], (int64_t)l.p.ow * l.p.c * 4, max_rows);
}

/* ---- maxpool2d_dx ---- */

/* A row of windows, which may hang over the right edge; `inside`: the row does not hang over the
 * lower. */
INLINE void unpool_row(const float *dy, const u8 *index, float *dx, pool_shape p, i32 oh,
                       int inside, int accumulate)
{
    i32 tiles = (p.w + p.left + p.columns - 1) / p.columns, whole = inside ? p.ow : 0;
#define WHOLE(k, lanes)                                                                            \
    pool_max_unpool(dy + (k), index + (k), dx + (k), p, oh, ow, 1, accumulate, lanes)
#define PART(k, lanes)                                                                             \
    pool_max_unpool(dy + (k), index + (k), dx + (k), p, oh, ow, 0, accumulate, lanes)
    for (i32 ow = 0; ow < whole; ow++) FOR_LANES(p.c, WHOLE);
    for (i32 ow = whole; ow < tiles; ow++) FOR_LANES(p.c, PART);
#undef WHOLE
#undef PART
}

static void unpool_rows(const void *user, size_t first, size_t end)
{
    const plane *l = user;
    const clade_maxpool2d_dx_args *a = l->args;
    const pool_shape p = l->p;
    const float *dy = clade_tensor_host(&a->dy);
    const u8 *index = clade_tensor_host(&a->index);
    float *dx = clade_tensor_host(&a->dx);
    size_t image = pool_at(p.h, 0, p.w, p.c), out = pool_at(p.oh, 0, p.ow, p.c);
    for (size_t i = first; i < end; i++) {
        size_t b = i / (size_t)l->height;
        i32 oh = (i32)(i % (size_t)l->height);
        int inside = l->inside && oh < p.oh;
        const float *g = dy + b * out;
        const u8 *at = index + b * out;
        float *to = dx + b * image;
        if (!l->two)
            unpool_row(g, at, to, p, oh, inside, a->accumulate);
        else if (a->accumulate)
            unpool_row(g, at, to, two_by_two(p), oh, inside, 1);
        else
            unpool_row(g, at, to, two_by_two(p), oh, inside, 0);
    }
}

static void gather_rows(const void *user, size_t first, size_t end)
{
    const plane *l = user;
    const clade_maxpool2d_dx_args *a = l->args;
    const pool_shape p = l->p;
    const float *dy = clade_tensor_host(&a->dy);
    const u8 *index = clade_tensor_host(&a->index);
    float *dx = clade_tensor_host(&a->dx);
    size_t row = pool_at(1, 0, p.w, p.c), out = pool_at(p.oh, 0, p.ow, p.c);
    for (size_t r = first; r < end; r++) {
        i32 i = (i32)(r % (size_t)p.h);
        const float *g = dy + r / (size_t)p.h * out;
        const u8 *at = index + r / (size_t)p.h * out;
        for (i32 j = 0; j < p.w; j++) {
            float *to = dx + r * row + (size_t)j * (size_t)p.c;
#define BODY(k, lanes)                                                                             \
    lanes_put(to + (k), pool_max_gather(g + (k), at + (k), p, i, j, lanes), a->accumulate, lanes)
            FOR_LANES(p.c, BODY);
#undef BODY
        }
    }
}

static clade_status maxpool2d_dx(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)plan, (void)workspace;
    const clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    plane l = plane_of(a, &a->dx, &a->dy, a->window, a->stride, a->pad);
    const pool_shape *p = &l.p;
    bool tiled = p->rows == p->down && p->columns == p->across;
    l.height = tiled ? (p->h + p->top + p->rows - 1) / p->rows : p->h;
    int64_t row_floats = (int64_t)p->w * p->c * (tiled ? p->rows : 1);
    return run_plane(context, &l, a->dx.dim[0], row_floats, tiled ? unpool_rows : gather_rows);
}

/* ---- means ---- */

static void mean_rows(const void *user, size_t first, size_t end)
{
    const plane *l = user;
    const clade_avgpool2d_args *a = l->args;
    const pool_shape p = l->p;
    size_t image = pool_at(p.h, 0, p.w, p.c), row = pool_at(1, 0, p.ow, p.c);
    for (size_t i = first; i < end; i++) {
        const float *x = (const float *)clade_tensor_host(&a->x) + i / (size_t)p.oh * image;
        float *y = (float *)clade_tensor_host(&a->y) + i * row;
        i32 oh = (i32)(i % (size_t)p.oh);
        for (i32 ow = 0; ow < p.ow; ow++, y += p.c) {
#define BODY(k, lanes)                                                                             \
    LANES_STORE(y + (k), pool_mean(x + (k), p, oh, ow, a->count_pad, lanes), lanes)
            FOR_LANES(p.c, BODY);
#undef BODY
        }
    }
}

static clade_status avgpool2d(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan, (void)workspace;
    const clade_avgpool2d_args *a = &args->avgpool2d;
    plane l = plane_of(a, &a->x, &a->y, a->window, a->stride, a->pad);
    return run_plane(context, &l, a->x.dim[0], (int64_t)l.p.ow * l.p.c * 4, mean_rows);
}

static void mean_gather_rows(const void *user, size_t first, size_t end)
{
    const plane *l = user;
    const clade_avgpool2d_dx_args *a = l->args;
    const pool_shape p = l->p;
    size_t row = pool_at(1, 0, p.w, p.c), out = pool_at(p.oh, 0, p.ow, p.c);
    for (size_t r = first; r < end; r++) {
        const float *dy = (const float *)clade_tensor_host(&a->dy) + r / (size_t)p.h * out;
        float *dx = (float *)clade_tensor_host(&a->dx) + r * row;
        i32 i = (i32)(r % (size_t)p.h);
        for (i32 j = 0; j < p.w; j++, dx += p.c) {
#define BODY(k, lanes)                                                                             \
    lanes_put(dx + (k), pool_mean_gather(dy + (k), p, i, j, a->count_pad, lanes), a->accumulate,   \
              lanes)
            FOR_LANES(p.c, BODY);
#undef BODY
        }
    }
}

static clade_status avgpool2d_dx(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)plan, (void)workspace;
    const clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    plane l = plane_of(a, &a->dx, &a->dy, a->window, a->stride, a->pad);
    l.height = l.p.h;
    return run_plane(context, &l, a->dx.dim[0], (int64_t)l.p.w * l.p.c, mean_gather_rows);
}

/* ---- whole images ---- */

/* Channels that one thread sums at once: whole cache lines. */
enum { strip = 64 };

typedef struct global_pass {
    const clade_global_avgpool_args *a;
    const cpu_tree *tree;
    float *level; /* of each image */
} global_pass;

/* Strip `i` of all images' channels. */
static void global_strip(const global_pass *p, size_t i)
{
    const cpu_tree *t = p->tree;
    const size_t c = t->c, area = (size_t)p->a->x.dim[1] * (size_t)p->a->x.dim[2];
    const size_t strips = (c + strip - 1) / strip, b = i / strips;
    const size_t first = i % strips * strip, end = c - first < strip ? c : first + strip;
    const cpu_columns s = {.x = (const float *)clade_tensor_host(&p->a->x) + b * area * c,
                           .level = p->level + b * cpu_tree_floats(t, 1)};
    float *y = (float *)clade_tensor_host(&p->a->y) + b * c;
    const float weight = math_rcp((float)area);
    tree_run(t, &s, 0, first, end, NORM_PLAIN);
    tree_join(t, &s, 1, first, end);
    for (size_t k = first; k < end; k++) y[k] = s.level[k] * weight;
}

static void global_strips(const void *user, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) global_strip(user, i);
}

static clade_status plan_global_avgpool(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const int32_t *x = args->global_avgpool.x.dim;
    cpu_tree *t = clade_cpu_state(plan, sizeof *t);
    if (!t) return CLADE_ENOMEM;
    *t = cpu_tree_of((int64_t)x[1] * x[2], (size_t)x[3], 1);
    cpu_reserve(plan, cpu_product((size_t)x[0], cpu_tree_floats(t, 1)));
    return CLADE_OK;
}

static clade_status global_avgpool(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    const clade_global_avgpool_args *a = &args->global_avgpool;
    const global_pass p = {a, plan->state, workspace};
    const size_t strips = (p.tree->c + strip - 1) / strip;
    clade_cpu_range(context, (cpu_range){global_strips, &p, (size_t)a->x.dim[0] * strips, 1});
    return CLADE_OK;
}

static void global_unpool(const void *user, size_t first, size_t end)
{
    const clade_global_avgpool_dx_args *a = user;
    i32 c = a->dx.dim[3];
    size_t area = (size_t)a->dx.dim[1] * (size_t)a->dx.dim[2];
    const V weight = V_SPLAT(math_rcp((float)area));
    for (size_t i = first; i < end; i++) {
        const float *dy = (const float *)clade_tensor_host(&a->dy) + i / area * (size_t)c;
        float *dx = (float *)clade_tensor_host(&a->dx) + i * (size_t)c;
#define BODY(k, lanes)                                                                             \
    lanes_put(dx + (k), LANES_LOAD(dy + (k), lanes) * weight, a->accumulate, lanes)
        FOR_LANES(c, BODY);
#undef BODY
    }
}

static clade_status global_avgpool_dx(void *context, const clade_args *args, const clade_plan *plan,
                                      void *workspace)
{
    (void)plan, (void)workspace;
    const clade_global_avgpool_dx_args *a = &args->global_avgpool_dx;
    size_t c = (size_t)a->dx.dim[3], n = clade_tensor_count(&a->dx) / c;
    clade_cpu_range(context, (cpu_range){global_unpool, a, n, c >= block ? 1 : block / c});
    return CLADE_OK;
}

/* Strip `i` of all images' channels. */
static void global_max_strip(const clade_global_maxpool_args *a, size_t i)
{
    i32 c = a->x.dim[3], area = a->x.dim[1] * a->x.dim[2];
    size_t strips = ((size_t)c + strip - 1) / strip;
    size_t b = i / strips;
    i32 k0 = (i32)(i % strips) * strip, width = c - k0 < strip ? c - k0 : strip;
    size_t to = b * (size_t)c + (size_t)k0;
    const float *x =
        (const float *)clade_tensor_host(&a->x) + b * (size_t)area * (size_t)c + (size_t)k0;
    float *y = (float *)clade_tensor_host(&a->y) + to;
    i32 *index = clade_tensor_present(&a->index) ? (i32 *)clade_tensor_host(&a->index) + to : NULL;
#define BODY(k, lanes)                                                                             \
    {                                                                                              \
        V_mask at;                                                                                 \
        LANES_STORE(y + (k), pool_global_max(x + (k), area, c, lanes, &at), lanes);                \
        if (index) LANES_STORE_I32(index + (k), at, lanes);                                        \
    }
    FOR_LANES(width, BODY);
#undef BODY
}

static void global_max_strips(const void *user, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) global_max_strip(user, i);
}

static clade_status global_maxpool(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    (void)plan, (void)workspace;
    const clade_global_maxpool_args *a = &args->global_maxpool;
    size_t strips = ((size_t)a->x.dim[3] + strip - 1) / strip;
    clade_cpu_range(context, (cpu_range){global_max_strips, a, (size_t)a->x.dim[0] * strips, 1});
    return CLADE_OK;
}

static void global_max_unpool(const void *user, size_t first, size_t end)
{
    const clade_global_maxpool_dx_args *a = user;
    i32 c = a->dx.dim[3];
    size_t area = (size_t)a->dx.dim[1] * (size_t)a->dx.dim[2];
    for (size_t i = first; i < end; i++) {
        size_t from = i / area * (size_t)c;
        i32 pixel = (i32)(i % area);
        const float *dy = (const float *)clade_tensor_host(&a->dy) + from;
        const i32 *index = (const i32 *)clade_tensor_host(&a->index) + from;
        float *dx = (float *)clade_tensor_host(&a->dx) + i * (size_t)c;
#define BODY(k, lanes)                                                                             \
    lanes_put(dx + (k), pool_global_max_dx(dy + (k), index + (k), pixel, lanes), a->accumulate,    \
              lanes)
        FOR_LANES(c, BODY);
#undef BODY
    }
}

static clade_status global_maxpool_dx(void *context, const clade_args *args, const clade_plan *plan,
                                      void *workspace)
{
    (void)plan, (void)workspace;
    const clade_global_maxpool_dx_args *a = &args->global_maxpool_dx;
    size_t c = (size_t)a->dx.dim[3], n = clade_tensor_count(&a->dx) / c;
    clade_cpu_range(context, (cpu_range){global_max_unpool, a, n, c >= block ? 1 : block / c});
    return CLADE_OK;
}

void CPU_NAME(pool)(cpu_op *op)
{
    op[CLADE_OP_maxpool2d].run = maxpool2d;
    op[CLADE_OP_maxpool2d_dx].run = maxpool2d_dx;
    op[CLADE_OP_avgpool2d].run = avgpool2d;
    op[CLADE_OP_avgpool2d_dx].run = avgpool2d_dx;
    op[CLADE_OP_global_avgpool] = (cpu_op){.plan = plan_global_avgpool, .run = global_avgpool};
    op[CLADE_OP_global_avgpool_dx].run = global_avgpool_dx;
    op[CLADE_OP_global_maxpool].run = global_maxpool;
    op[CLADE_OP_global_maxpool_dx].run = global_maxpool_dx;
}
