/* The calls that fill a model's input with images, and the memory that they read. */
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

/* Images on their way to a tensor. */
typedef struct sampler_stage {
    clade_buffer *pixels, *index, *matrix; /* pixels NULL: resident; else index NULL */
    clade_buffer *steps, *erase;           /* NULL: nothing is adjusted */
    clade_tensor x, y;
    clade_call sample, adjust; /* prepared for the sampler's n */
    uint8_t *staged; /* a batch's pixels, where the host does not see the device's memory */
} sampler_stage;

struct clade_sampler {
    clade_device *device;
    sampler_stage own, other; /* other: what images are mixed with, into `mixed` */
    clade_buffer *mixed;      /* NULL: images are not mixed */
    clade_call mix;
    float *identity; /* [batch, 8] */
    size_t image;    /* bytes */
    int32_t prepared;
};

static void write_identity(float *matrix, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        clade_augment_matrix(NULL, 1, 1, 0, 0, 0, matrix + 8 * (size_t)i);
}

/* Images of bytes that every batch brings. */
static clade_status make_pixels(clade_sampler *s, const clade_preprocessing *p, sampler_stage *to)
{
    const int32_t batch = to->y.dim[0];
    const size_t size = (size_t)batch * s->image;
    to->x = (clade_tensor){
        .dtype = CLADE_U8, .rank = 4, .dim = {batch, p->height, p->width, p->channels}};
    clade_status status = clade_buffer_create(s->device, size, &to->pixels);
    to->x.buffer = to->pixels;
    if (status || clade_buffer_host(to->pixels)) return status;
    to->staged = malloc(size);
    return to->staged ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
}

static clade_status make_stage(clade_sampler *s, const clade_preprocessing *p,
                               const clade_augment *augment, const clade_tensor *resident,
                               clade_tensor y, sampler_stage *to)
{
    const size_t batch = (size_t)y.dim[0];
    to->y = y;
    clade_status status = clade_buffer_create(s->device, batch * 8 * sizeof(float), &to->matrix);
    if (!status && resident) {
        to->x = *resident;
        status = clade_buffer_create(s->device, batch * sizeof(int32_t), &to->index);
    } else if (!status) {
        status = make_pixels(s, p, to);
    }
    clade_affine_sample_args *a = &to->sample.args.affine_sample;
    clade_image_adjust_args *b = &to->adjust.args.image_adjust;
    to->sample.op = CLADE_OP_affine_sample;
    if (augment) {
        a->fill = (int32_t)augment->fill;
        a->value = augment->fill_value;
    }
    memcpy(a->scale, p->scale, sizeof a->scale);
    memcpy(a->shift, p->shift, sizeof a->shift);
    if (status || !clade_augment_adjusts(augment)) return status;
    /* colours are changed before they are scaled */
    to->adjust.op = CLADE_OP_image_adjust;
    b->value = augment->erasing.value;
    memcpy(b->scale, p->scale, sizeof b->scale);
    memcpy(b->shift, p->shift, sizeof b->shift);
    for (int c = 0; c < 4; c++) a->scale[c] = 1, a->shift[c] = 0;
    status =
        clade_buffer_create(s->device, batch * 2 * CLADE_ADJUST_STEPS * sizeof(float), &to->steps);
    return status ? status
                  : clade_buffer_create(s->device,
                                        batch * 4 * CLADE_ERASE_RECTANGLES * sizeof(int32_t),
                                        &to->erase);
}

static void clear_stage(sampler_stage *s)
{
    clade_call_release(&s->sample);
    clade_call_release(&s->adjust);
    clade_buffer_destroy(&s->pixels);
    clade_buffer_destroy(&s->index);
    clade_buffer_destroy(&s->matrix);
    clade_buffer_destroy(&s->steps);
    clade_buffer_destroy(&s->erase);
    free(s->staged);
}

clade_status clade_sampler_create(const clade_model *model, const clade_preprocessing *p,
                                  const clade_augment *augment, const clade_tensor *resident,
                                  clade_sampler **out)
{
    *out = NULL;
    clade_sampler *s = calloc(1, sizeof *s);
    if (!s) return clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
    s->device = clade_model_device(model);
    clade_tensor input = *clade_model_input(model), other = input;
    const int32_t batch = input.dim[0];
    s->image = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    s->identity = malloc((size_t)batch * 8 * sizeof *s->identity);
    clade_status status =
        s->identity ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
    if (!status) write_identity(s->identity, batch);
    if (!status) status = make_stage(s, p, augment, resident, input, &s->own);
    if (!status && clade_augment_mixes(augment)) {
        status =
            clade_buffer_create(s->device, clade_tensor_count(&input) * sizeof(float), &s->mixed);
        other.buffer = s->mixed;
        other.offset = 0;
        if (!status) status = make_stage(s, p, augment, resident, other, &s->other);
        s->mix.op = CLADE_OP_image_mix;
        s->mix.args.image_mix.share = 1;
    }
    if (status)
        clade_sampler_destroy(&s);
    else
        *out = s;
    return status;
}

void clade_sampler_destroy(clade_sampler **handle)
{
    clade_sampler *s = *handle;
    if (!s) return;
    clear_stage(&s->own);
    clear_stage(&s->other);
    clade_call_release(&s->mix);
    clade_buffer_destroy(&s->mixed);
    free(s->identity);
    free(s);
    *handle = NULL;
}

static clade_status prepare_stage(const clade_sampler *s, sampler_stage *to, int32_t n)
{
    clade_affine_sample_args *a = &to->sample.args.affine_sample;
    clade_image_adjust_args *b = &to->adjust.args.image_adjust;
    a->x = to->x;
    a->y = to->y;
    a->y.dim[0] = n;
    if (to->pixels) a->x.dim[0] = n;
    if (to->index)
        a->index = (clade_tensor){.buffer = to->index, .dtype = CLADE_I32, .rank = 1, .dim = {n}};
    a->matrix = (clade_tensor){.buffer = to->matrix, .dtype = CLADE_F32, .rank = 2, .dim = {n, 8}};
    clade_status status = clade_call_prepare(s->device, &to->sample);
    if (status || !to->steps) return status;
    b->x = b->y = a->y;
    b->steps = (clade_tensor){
        .buffer = to->steps, .dtype = CLADE_F32, .rank = 3, .dim = {n, CLADE_ADJUST_STEPS, 2}};
    b->erase = (clade_tensor){
        .buffer = to->erase, .dtype = CLADE_I32, .rank = 3, .dim = {n, CLADE_ERASE_RECTANGLES, 4}};
    return clade_call_prepare(s->device, &to->adjust);
}

/* Full batches and the last one of an epoch differ in n. */
clade_status clade_sampler_prepare(clade_sampler *s, int32_t n)
{
    if (s->prepared == n) return CLADE_OK;
    s->prepared = n;
    clade_status status = prepare_stage(s, &s->own, n);
    if (status || !s->mixed) return status;
    status = prepare_stage(s, &s->other, n);
    clade_image_mix_args *m = &s->mix.args.image_mix;
    m->x = m->y = s->own.sample.args.affine_sample.y;
    m->z = s->other.sample.args.affine_sample.y;
    return status ? status : clade_call_prepare(s->device, &s->mix);
}

static clade_status write_pixels(const clade_sampler *s, const sampler_stage *to, size_t n,
                                 const uint8_t *const *pixels)
{
    /* where the host writes itself, what reads the batch before must have ended */
    clade_status status = to->staged ? CLADE_OK : clade_device_finish(s->device);
    uint8_t *bytes = to->staged ? to->staged : clade_buffer_host(to->pixels);
    for (size_t i = 0; i < n && !status; i++) memcpy(bytes + i * s->image, pixels[i], s->image);
    if (to->staged) status = clade_buffer_write(to->pixels, 0, to->staged, n * s->image);
    return status;
}

static clade_status run_stage(const clade_sampler *s, sampler_stage *to, size_t n,
                              const clade_sampled *images)
{
    const float *matrix = images->matrix ? images->matrix : s->identity;
    clade_status status = to->pixels ? write_pixels(s, to, n, images->pixels) : CLADE_OK;
    if (!status && to->index)
        status = clade_buffer_write(to->index, 0, images->index, n * sizeof *images->index);
    if (!status) status = clade_buffer_write(to->matrix, 0, matrix, n * 8 * sizeof *matrix);
    if (!status) status = clade_call_run(&to->sample);
    if (status || !to->steps) return status;
    status = clade_buffer_write(to->steps, 0, images->steps,
                                n * 2 * CLADE_ADJUST_STEPS * sizeof *images->steps);
    if (!status)
        status = clade_buffer_write(to->erase, 0, images->erase,
                                    n * 4 * CLADE_ERASE_RECTANGLES * sizeof *images->erase);
    return status ? status : clade_call_run(&to->adjust);
}

clade_status clade_sampler_run(clade_sampler *s, int32_t n, const clade_sampled *images,
                               const clade_sampled *others, const clade_mix *mix)
{
    clade_status status = clade_sampler_prepare(s, n);
    if (!status) status = run_stage(s, &s->own, (size_t)n, images);
    if (status || !s->mixed) return status;
    clade_image_mix_args *m = &s->mix.args.image_mix;
    m->share = mix->blend;
    m->top = mix->rect[0];
    m->left = mix->rect[1];
    m->bottom = mix->rect[2];
    m->right = mix->rect[3];
    status = run_stage(s, &s->other, (size_t)n, others);
    return status ? status : clade_call_run(&s->mix);
}
