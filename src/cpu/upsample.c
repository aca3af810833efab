/* upsample on the CPU: the shared bodies, threads sharing rows. */
#include "cpu/cpu.h"

#include "../../kernels/upsample.clh"

#include <string.h>

typedef struct upsample_job {
    upsample_shape p;
    const float *from;
    float *to;
    int accumulate;
} upsample_job;

static upsample_job job_of(const clade_tensor *from, const clade_tensor *to, const int32_t *x,
                           const int32_t *size, int32_t align_corners)
{
    return (upsample_job){.p = upsample_shape_of(x[1], x[2], x[3], size[0], size[1], align_corners),
                          .from = clade_tensor_host(from),
                          .to = clade_tensor_host(to)};
}

/* `rows` rows of `width` floats of the larger tensor each, in blocks of about 16384. */
static clade_status run(cpu_context *cpu, const upsample_job *j, int64_t rows, int64_t width,
                        void (*body)(const void *user, size_t first, size_t end))
{
    enum { block = 16384 };
    size_t grain = width >= block ? 1 : (size_t)(block / width);
    clade_cpu_range(cpu, (cpu_range){body, j, (size_t)rows, grain});
    return CLADE_OK;
}

/* ---- upsample2d ---- */

/* Rows of x: each becomes the first of its rows in y, and the others are copies of that. */
static void nearest_rows(const void *user, size_t first, size_t end)
{
    const upsample_job *job = user;
    const upsample_shape *p = &job->p;
    size_t c = (size_t)p->c, rows = (size_t)p->row.factor, columns = (size_t)p->column.factor;
    size_t w = (size_t)p->column.pixels, width = w * columns * c;
    for (size_t i = first; i < end; i++) {
        const float *x = job->from + i * w * c;
        float *y = job->to + i * rows * width;
        for (size_t j = 0; j < w; j++)
            for (size_t s = 0; s < columns; s++)
                memcpy(y + (j * columns + s) * c, x + j * c, c * sizeof *y);
        for (size_t r = 1; r < rows; r++) memcpy(y + r * width, y, width * sizeof *y);
    }
}

/* Rows of y. */
static void bilinear_rows(const void *user, size_t first, size_t end)
{
    const upsample_job *job = user;
    const upsample_shape p = job->p;
    i32 oh = p.row.pixels * p.row.factor, ow = p.column.pixels * p.column.factor;
    for (size_t i = first; i < end; i++) {
        const float *x =
            job->from + i / (size_t)oh * upsample_at(p.row.pixels, 0, p.column.pixels, p.c);
        float *y = job->to + i * upsample_at(1, 0, ow, p.c);
        const upsample_taps row = upsample_taps_of(p.row, (i32)(i % (size_t)oh));
        for (i32 j = 0; j < ow; j++, y += p.c) {
            const upsample_taps column = upsample_taps_of(p.column, j);
#define BODY(k, lanes)                                                                             \
    LANES_STORE(y + (k), upsample_bilinear(x + (k), p, row, column, lanes), lanes)
            FOR_LANES(p.c, BODY);
#undef BODY
        }
    }
}

static clade_status upsample2d(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const clade_upsample2d_args *a = &args->upsample2d;
    const upsample_job j = job_of(&a->x, &a->y, a->x.dim, a->size, a->align_corners);
    int64_t width = (int64_t)a->y.dim[2] * a->y.dim[3], n = a->x.dim[0];
    return a->bilinear ? run(context, &j, n * a->y.dim[1], width, bilinear_rows)
                       : run(context, &j, n * a->x.dim[1], width * a->size[0], nearest_rows);
}

/* ---- upsample2d_dx ---- */

/* Rows of dx, in each pixel of which blocks of vectors go together. */
INLINE void gather_rows(const upsample_job *job, size_t first, size_t end, int bilinear)
{
    enum { block = UPSAMPLE_VECTORS * VW };
    const upsample_shape p = job->p;
    i32 h = p.row.pixels, w = p.column.pixels;
    for (size_t row = first; row < end; row++) {
        i32 i = (i32)(row % (size_t)h), rest = p.c % block;
        const float *image =
            job->from +
            row / (size_t)h * upsample_at(h * p.row.factor, 0, w * p.column.factor, p.c);
        float *dx = job->to + row * upsample_at(1, 0, w, p.c);
        for (i32 j = 0; j < w; j++) {
            const float *dy = image;
            for (; dy < image + p.c - rest; dy += block, dx += block)
                upsample_gather(dy, dx, p, i, j, bilinear, job->accumulate, UPSAMPLE_VECTORS, VW);
#define BODY(k, lanes)                                                                             \
    upsample_gather(dy + (k), dx + (k), p, i, j, bilinear, job->accumulate, 1, lanes)
            FOR_LANES(rest, BODY);
#undef BODY
            dx += rest;
        }
    }
}

static void gather_nearest(const void *user, size_t first, size_t end)
{
    gather_rows(user, first, end, 0);
}
static void gather_bilinear(const void *user, size_t first, size_t end)
{
    gather_rows(user, first, end, 1);
}

static clade_status upsample2d_dx(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    (void)plan, (void)workspace;
    const clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    upsample_job j = job_of(&a->dy, &a->dx, a->dx.dim, a->size, a->align_corners);
    j.accumulate = a->accumulate;
    int64_t width = (int64_t)a->dy.dim[2] * a->dy.dim[3] * a->size[0];
    return run(context, &j, (int64_t)a->dx.dim[0] * a->dx.dim[1], width,
               a->bilinear ? gather_bilinear : gather_nearest);
}

void CPU_NAME(upsample)(cpu_op *op)
{
    op[CLADE_OP_upsample2d].run = upsample2d;
    op[CLADE_OP_upsample2d_dx].run = upsample2d_dx;
}
