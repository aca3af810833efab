/* copy on the CPU: blocks of elements, or rows of a part within a whole. */
#include "cpu/cpu.h"

#include <string.h>

enum { grain = 16384 };

/* Adds or copies n elements. */
static void put_row(float *y, const float *x, size_t n, int accumulate)
{
    if (!accumulate)
        memcpy(y, x, n * sizeof *x);
    else
        for (size_t k = 0; k < n; k++) y[k] += x[k];
}

static void put_value(float *y, float value, size_t n, int accumulate)
{
    if (accumulate)
        for (size_t k = 0; k < n; k++) y[k] += value;
    else
        for (size_t k = 0; k < n; k++) y[k] = value;
}

/* Rows in blocks of about `grain` elements. */
static clade_status run_rows(cpu_context *cpu, const void *job, size_t rows, size_t width,
                             void (*body)(const void *user, size_t first, size_t end))
{
    clade_cpu_range(cpu, (cpu_range){body, job, rows, width < grain ? grain / width : 1});
    return CLADE_OK;
}

static void fill_range(const void *user, size_t first, size_t end)
{
    const clade_fill_args *a = user;
    put_value((float *)clade_tensor_host(&a->y) + first, a->value, end - first, 0);
}

static clade_status fill(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)plan, (void)workspace;
    const clade_fill_args *a = &args->fill;
    clade_cpu_range(context, (cpu_range){fill_range, a, clade_tensor_count(&a->y), grain});
    return CLADE_OK;
}

static void copy_range(const void *user, size_t first, size_t end)
{
    const clade_copy_args *a = user;
    put_row((float *)clade_tensor_host(&a->y) + first,
            (const float *)clade_tensor_host(&a->x) + first, end - first, a->accumulate);
}

static clade_status copy(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)plan, (void)workspace;
    const clade_copy_args *a = &args->copy;
    clade_cpu_range(context, (cpu_range){copy_range, a, clade_tensor_count(&a->x), grain});
    return CLADE_OK;
}

/* ---- joining and splitting ---- */

/* Rows of `width` elements, `from` and `to` elements from one to the next; long ones in blocks. */
typedef struct strided {
    const float *x;
    float *y;
    size_t width, from, to, block, blocks;
    int accumulate;
} strided;

static void strided_rows(const void *user, size_t first, size_t end)
{
    const strided *s = user;
    for (size_t i = first; i < end; i++) {
        size_t row = i / s->blocks, k = i % s->blocks * s->block;
        size_t n = s->width - k < s->block ? s->width - k : s->block;
        put_row(s->y + row * s->to + k, s->x + row * s->from + k, n, s->accumulate);
    }
}

static clade_status run_strided(cpu_context *cpu, strided s, size_t rows)
{
    s.block = cpu->limits.block;
    s.blocks = (s.width + s.block - 1) / s.block;
    return run_rows(cpu, &s, rows * s.blocks, s.width, strided_rows);
}

/* Elements from one index of dimension `axis` to the next. */
static size_t inner_of(const clade_tensor *t, int32_t axis)
{
    size_t n = 1;
    for (int i = axis + 1; i < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

static clade_status concat(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)plan, (void)workspace;
    const clade_concat_args *a = &args->concat;
    size_t inner = inner_of(&a->x, a->axis), width = (size_t)a->x.dim[a->axis] * inner;
    strided s = {.x = clade_tensor_host(&a->x),
                 .y = (float *)clade_tensor_host(&a->y) + (size_t)a->start * inner,
                 .width = width,
                 .from = width,
                 .to = (size_t)a->y.dim[a->axis] * inner};
    return run_strided(context, s, clade_tensor_count(&a->x) / width);
}

static clade_status concat_dx(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan, (void)workspace;
    const clade_concat_dx_args *a = &args->concat_dx;
    size_t inner = inner_of(&a->dx, a->axis), width = (size_t)a->dx.dim[a->axis] * inner;
    strided s = {.x = (const float *)clade_tensor_host(&a->dy) + (size_t)a->start * inner,
                 .y = clade_tensor_host(&a->dx),
                 .width = width,
                 .from = (size_t)a->dy.dim[a->axis] * inner,
                 .to = width,
                 .accumulate = a->accumulate};
    return run_strided(context, s, clade_tensor_count(&a->dx) / width);
}

static clade_status split(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)plan, (void)workspace;
    const clade_split_args *a = &args->split;
    size_t inner = inner_of(&a->y, a->axis), width = (size_t)a->y.dim[a->axis] * inner;
    strided s = {.x = (const float *)clade_tensor_host(&a->x) + (size_t)a->start * inner,
                 .y = clade_tensor_host(&a->y),
                 .width = width,
                 .from = (size_t)a->x.dim[a->axis] * inner,
                 .to = width};
    return run_strided(context, s, clade_tensor_count(&a->y) / width);
}

/* Rows of dx, `whole` elements long, are dy's with zeros around; long ones in blocks. */
typedef struct placed {
    const float *dy;
    float *dx;
    size_t start, width, whole, block, blocks;
} placed;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void placed_rows(const void *user, size_t first, size_t end)
{
    const placed *p = user;
    for (size_t i = first; i < end; i++) {
        size_t row = i / p->blocks, k = i % p->blocks * p->block;
        size_t stop = least(k + p->block, p->whole);
        float *dx = p->dx + row * p->whole;
        /* the part's elements that are in [k, stop) */
        size_t from = least(p->start > k ? p->start : k, stop);
        size_t to = least(p->start + p->width, stop);
        if (to < from) to = from;
        put_value(dx + k, 0, from - k, 0);
        if (from < to) put_row(dx + from, p->dy + row * p->width + (from - p->start), to - from, 0);
        put_value(dx + to, 0, stop - to, 0);
    }
}

static clade_status split_dx(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    (void)plan, (void)workspace;
    const clade_split_dx_args *a = &args->split_dx;
    cpu_context *cpu = context;
    size_t inner = inner_of(&a->dy, a->axis), width = (size_t)a->dy.dim[a->axis] * inner;
    size_t start = (size_t)a->start * inner, whole = (size_t)a->dx.dim[a->axis] * inner;
    size_t rows = clade_tensor_count(&a->dy) / width;
    if (a->accumulate) {
        strided s = {.x = clade_tensor_host(&a->dy),
                     .y = (float *)clade_tensor_host(&a->dx) + start,
                     .width = width,
                     .from = width,
                     .to = whole,
                     .accumulate = 1};
        return run_strided(context, s, rows);
    }
    placed p = {.dy = clade_tensor_host(&a->dy),
                .dx = clade_tensor_host(&a->dx),
                .start = start,
                .width = width,
                .whole = whole,
                .block = cpu->limits.block,
                .blocks = (whole + cpu->limits.block - 1) / cpu->limits.block};
    return run_rows(cpu, &p, rows * p.blocks, whole, placed_rows);
}

/* ---- padding ---- */

/* An image y taken from x, moved by top and left; `value` where x has nothing. */
typedef struct moved {
    const float *x;
    float *y;
    int64_t h, w, c, x_h, x_w, top, left;
    float value;
    int accumulate;
} moved;

static void moved_rows(const void *user, size_t first, size_t end)
{
    const moved *m = user;
    /* the columns of y that x has */
    int64_t j0 = m->left < 0 ? -m->left : 0, j1 = m->x_w - m->left;
    j1 = j1 > m->w ? m->w : j1;
    if (j0 > m->w) j0 = m->w;
    if (j1 < j0) j1 = j0;
    for (size_t r = first; r < end; r++) {
        int64_t b = (int64_t)r / m->h, i = (int64_t)r % m->h + m->top;
        float *y = m->y + (int64_t)r * m->w * m->c;
        int64_t from = i < 0 || i >= m->x_h ? m->w : j0, to = i < 0 || i >= m->x_h ? m->w : j1;
        put_value(y, m->value, (size_t)(from * m->c), m->accumulate);
        if (from < to)
            put_row(y + from * m->c, m->x + ((b * m->x_h + i) * m->x_w + from + m->left) * m->c,
                    (size_t)((to - from) * m->c), m->accumulate);
        put_value(y + to * m->c, m->value, (size_t)((m->w - to) * m->c), m->accumulate);
    }
}

static clade_status run_moved(cpu_context *cpu, moved m, const clade_tensor *x,
                              const clade_tensor *y)
{
    m.x = clade_tensor_host(x);
    m.y = clade_tensor_host(y);
    m.h = y->dim[1];
    m.w = y->dim[2];
    m.c = y->dim[3];
    m.x_h = x->dim[1];
    m.x_w = x->dim[2];
    return run_rows(cpu, &m, (size_t)y->dim[0] * (size_t)y->dim[1], (size_t)(m.w * m.c),
                    moved_rows);
}

static clade_status pad(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_pad_args *a = &args->pad;
    moved m = {.top = -(int64_t)a->pad[0], .left = -(int64_t)a->pad[1], .value = a->value};
    return run_moved(context, m, &a->x, &a->y);
}

static clade_status pad_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)plan, (void)workspace;
    const clade_pad_dx_args *a = &args->pad_dx;
    moved m = {.top = a->pad[0], .left = a->pad[1], .accumulate = a->accumulate};
    return run_moved(context, m, &a->dy, &a->dx);
}

void CPU_NAME(copy)(cpu_op *op)
{
    op[CLADE_OP_fill].run = fill;
    op[CLADE_OP_copy].run = copy;
    op[CLADE_OP_concat].run = concat;
    op[CLADE_OP_concat_dx].run = concat_dx;
    op[CLADE_OP_split].run = split;
    op[CLADE_OP_split_dx].run = split_dx;
    op[CLADE_OP_pad].run = pad;
    op[CLADE_OP_pad_dx].run = pad_dx;
}
