/* image_adjust and image_mix on the CPU: the shared bodies, threads sharing images and pixels. */
#include "cpu/cpu.h"

#include "../../kernels/adjust.clh"

enum { grain = 4096 }; /* pixels that are worth a task */

typedef struct adjust_job {
    const float *x, *steps;
    const int32_t *erase;
    float *y, *work; /* work: of x's size */
    size_t pixels;
    int h, w, c, count, rectangles;
    float value;
    const float *scale, *shift;
} adjust_job;

/* What step s has to know of an image, the steps before `done` being behind it. */
static adjust_whole look(const adjust_job *job, const float *x, const float *steps,
                         const adjust_whole *whole, int done, int s)
{
    adjust_part part[ADJUST_SUMS];
    for (u64 k = 0; k < ADJUST_SUMS; k++)
        part[k] = adjust_part_of(x, k, job->pixels, steps + (ptrdiff_t)2 * done, whole + done,
                                 s - done, job->c);
    return adjust_whole_of(part, job->pixels);
}

/* Steps `done` to `end` on a pixel. */
static void change(const adjust_job *job, const float *x, const float *steps,
                   const adjust_whole *whole, int done, int end, float v[3])
{
    for (int k = 0; k < 3; k++) v[k] = k < job->c ? x[k] : 0;
    adjust_pixel(steps + (ptrdiff_t)2 * done, whole + done, end - done, job->c, v);
}

static void equalize(const adjust_job *job, const float *x, float *y)
{
    const size_t c = (size_t)job->c, size = job->pixels * c;
    int level[3][ADJUST_LEVELS] = {{0}};
    for (size_t e = 0; e < size; e++) {
        const int own = adjust_level(x[e]);
        if (own >= 0) level[e % c][own]++;
    }
    for (size_t k = 0; k < c; k++) adjust_equalize(level[k]);
    for (size_t e = 0; e < size; e++) y[e] = adjust_look_up(level[e % c], x[e]);
}

static void sharpen(const adjust_job *job, const float *x, float f, float *y)
{
    const size_t c = (size_t)job->c, w = (size_t)job->w;
    for (size_t p = 0; p < job->pixels; p++) {
        const int inner = adjust_is_inner((int)(p / w), (int)(p % w), job->h, job->w);
        for (size_t e = p * c; e < (p + 1) * c; e++)
            y[e] = inner ? adjust_sharpen(x, e, c, w * c, f) : x[e];
    }
}

static void adjust_images(const void *user, size_t first, size_t end)
{
    const adjust_job *job = user;
    const size_t c = (size_t)job->c, size = job->pixels * c, w = (size_t)job->w;
    for (size_t i = first; i < end; i++) {
        const float *x = job->x + i * size, *steps = job->steps + i * (size_t)job->count * 2;
        const int32_t *erase = job->erase ? job->erase + i * (size_t)job->rectangles * 4 : NULL;
        float *y = job->y + i * size, *work = job->work + i * size, v[3];
        adjust_whole whole[ADJUST_STEPS];
        int done = 0;
        for (int s = 0; s < job->count; s++) {
            const float kind = steps[2 * s];
            if (adjust_needs_whole(kind)) whole[s] = look(job, x, steps, whole, done, s);
            if (kind != ADJUST_SHARPNESS && kind != ADJUST_EQUALIZE) continue;
            for (size_t p = 0; p < job->pixels; p++) {
                change(job, x + p * c, steps, whole, done, s, v);
                for (size_t k = 0; k < c; k++) y[p * c + k] = v[k];
            }
            if (kind == ADJUST_EQUALIZE)
                equalize(job, y, work);
            else
                sharpen(job, y, steps[2 * s + 1], work);
            x = work;
            done = s + 1;
        }
        for (size_t p = 0; p < job->pixels; p++) {
            change(job, x + p * c, steps, whole, done, job->count, v);
            const int erased =
                adjust_is_erased(erase, job->rectangles, (int32_t)(p / w), (int32_t)(p % w));
            for (size_t k = 0; k < c; k++)
                y[p * c + k] = erased ? job->value : FMA(job->scale[k], v[k], job->shift[k]);
        }
    }
}

static clade_status plan_image_adjust(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    cpu_reserve(plan, clade_tensor_count(&args->image_adjust.x));
    return CLADE_OK;
}

static clade_status image_adjust(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)plan;
    const clade_image_adjust_args *a = &args->image_adjust;
    const adjust_job job = {
        .x = clade_tensor_host(&a->x),
        .steps = clade_tensor_host(&a->steps),
        .erase = cpu_host(&a->erase),
        .y = clade_tensor_host(&a->y),
        .work = workspace,
        .pixels = (size_t)a->x.dim[1] * (size_t)a->x.dim[2],
        .h = a->x.dim[1],
        .w = a->x.dim[2],
        .c = a->x.dim[3],
        .count = a->steps.dim[1],
        .rectangles = clade_tensor_present(&a->erase) ? a->erase.dim[1] : 0,
        .value = a->value,
        .scale = a->scale,
        .shift = a->shift,
    };
    const size_t images = job.pixels < grain ? grain / job.pixels : 1;
    clade_cpu_range(context, (cpu_range){adjust_images, &job, (size_t)a->x.dim[0], images});
    return CLADE_OK;
}

typedef struct mix_job {
    const clade_image_mix_args *a;
    const float *x, *z;
    float *y;
} mix_job;

static void mix_pixels(const void *user, size_t first, size_t end)
{
    const mix_job *job = user;
    const clade_image_mix_args *a = job->a;
    const size_t h = (size_t)a->x.dim[1], w = (size_t)a->x.dim[2], c = (size_t)a->x.dim[3];
    for (size_t p = first; p < end; p++) {
        const int32_t row = (int32_t)(p / w % h), column = (int32_t)(p % w);
        const int within =
            row >= a->top && column >= a->left && row < a->bottom && column < a->right;
        for (size_t e = p * c; e < (p + 1) * c; e++)
            job->y[e] = adjust_mix(job->x[e], job->z[e], a->share, within);
    }
}

static clade_status image_mix(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan, (void)workspace;
    const clade_image_mix_args *a = &args->image_mix;
    const mix_job job = {.a = a,
                         .x = clade_tensor_host(&a->x),
                         .z = clade_tensor_host(&a->z),
                         .y = clade_tensor_host(&a->y)};
    const size_t pixels = clade_tensor_count(&a->x) / (size_t)a->x.dim[3];
    clade_cpu_range(context, (cpu_range){mix_pixels, &job, pixels, grain});
    return CLADE_OK;
}

void CPU_NAME(adjust)(cpu_op *op)
{
    op[CLADE_OP_image_adjust] = (cpu_op){.plan = plan_image_adjust, .run = image_adjust};
    op[CLADE_OP_image_mix].run = image_mix;
}
