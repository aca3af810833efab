/* The calls that fill a model's input with images, and the memory that they read. */
#include "train/sampler.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Chains of images, each of which is sampled into memory of its own, its colours changed, and its
 * share added to the tensor. */
typedef struct sampler_chain {
    clade_buffer *image, *steps, *weight;
    clade_call adjust, first, scale, add; /* first: the share of the first is all there is */
    float *gathered;                      /* some numbers of each image */
    size_t count;                         /* chains of an image */
} sampler_chain;

/* Images on their way to a tensor. */
typedef struct sampler_stage {
    clade_buffer *pixels, *index, *matrix; /* pixels NULL: resident; else index NULL */
    clade_buffer *steps, *erase;           /* NULL: nothing is adjusted */
    clade_tensor x, y;
    clade_call sample, adjust;   /* prepared for the sampler's n */
    struct sampler_chain *chain; /* NULL: images have none */
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

/* For so many images of `size` values. */
static clade_status make_chain(const clade_sampler *s, const clade_augment *augment, size_t batch,
                               size_t size, sampler_stage *to)
{
    enum { most = 8 }; /* numbers of an image: a matrix */
    sampler_chain *c = to->chain = calloc(1, sizeof *c);
    if (c) c->gathered = malloc(batch * most * sizeof *c->gathered);
    if (!c || !c->gathered) return clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
    c->count = (size_t)clade_augment_chains(augment);
    c->adjust.op = CLADE_OP_image_adjust;
    c->first.op = c->scale.op = CLADE_OP_mul;
    c->add.op = CLADE_OP_add;
    clade_status status = clade_buffer_create(s->device, batch * size * sizeof(float), &c->image);
    if (!status)
        status = clade_buffer_create(s->device, batch * 2 * CLADE_CHAIN_STEPS * sizeof(float),
                                     &c->steps);
    return status ? status : clade_buffer_create(s->device, batch * sizeof(float), &c->weight);
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
    if (clade_augment_chains(augment) > 0)
        status = make_chain(s, augment, batch, clade_tensor_count(&y) / batch, to);
    if (status) return status;
    status =
        clade_buffer_create(s->device, batch * 2 * CLADE_ADJUST_STEPS * sizeof(float), &to->steps);
    return status ? status
                  : clade_buffer_create(s->device,
                                        batch * 4 * CLADE_ERASE_RECTANGLES * sizeof(int32_t),
                                        &to->erase);
}

static void destroy_chain(sampler_chain *c)
{
    if (!c) return;
    clade_call_release(&c->adjust);
    clade_call_release(&c->first);
    clade_call_release(&c->scale);
    clade_call_release(&c->add);
    clade_buffer_destroy(&c->image);
    clade_buffer_destroy(&c->steps);
    clade_buffer_destroy(&c->weight);
    free(c->gathered);
    free(c);
}

static void clear_stage(sampler_stage *s)
{
    destroy_chain(s->chain);
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

/* Of n images, whose weighted sum becomes y. */
static clade_status prepare_chain(const clade_sampler *s, sampler_chain *c, const clade_tensor *y,
                                  int32_t n)
{
    clade_tensor image = *y;
    image.buffer = c->image;
    image.offset = 0;
    const clade_tensor weight = {
        .buffer = c->weight, .dtype = CLADE_F32, .rank = 4, .dim = {n, 1, 1, 1}};
    c->adjust.args.image_adjust =
        (clade_image_adjust_args){.x = image,
                                  .steps = {.buffer = c->steps,
                                            .dtype = CLADE_F32,
                                            .rank = 3,
                                            .dim = {n, CLADE_CHAIN_STEPS, 2}},
                                  .y = image,
                                  .scale = {1, 1, 1, 1}};
    c->first.args.mul = (clade_mul_args){.a = image, .b = weight, .y = *y};
    c->scale.args.mul = (clade_mul_args){.a = image, .b = weight, .y = image};
    c->add.args.add = (clade_add_args){.a = image, .b = *y, .y = *y, .alpha = 1, .beta = 1};
    clade_status status = clade_call_prepare(s->device, &c->adjust);
    if (!status) status = clade_call_prepare(s->device, &c->first);
    if (!status) status = clade_call_prepare(s->device, &c->scale);
    return status ? status : clade_call_prepare(s->device, &c->add);
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
    b->x = b->y = a->y;
    clade_status status = CLADE_OK;
    if (to->chain) {
        status = prepare_chain(s, to->chain, &b->y, n);
        a->y.buffer = to->chain->image;
        a->y.offset = 0;
    }
    if (!status) status = clade_call_prepare(s->device, &to->sample);
    if (status || !to->steps) return status;
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
    m->x = s->own.y;
    m->z = s->other.y;
    m->x.dim[0] = m->z.dim[0] = n;
    m->y = m->x;
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

/* Writes `count` floats of chain k of each of n images, which lie `at` bytes into a clade_chain. */
static clade_status write_chain(const sampler_chain *c, const clade_chain *chains, size_t k,
                                size_t n, size_t at, size_t count, clade_buffer *buffer)
{
    for (size_t i = 0; i < n; i++)
        memcpy(c->gathered + i * count, (const char *)&chains[i * c->count + k] + at,
               count * sizeof(float));
    return clade_buffer_write(buffer, 0, c->gathered, n * count * sizeof(float));
}

static clade_status run_chains(sampler_stage *to, size_t n, const clade_chain *chains)
{
    sampler_chain *c = to->chain;
    clade_status status = CLADE_OK;
    for (size_t k = 0; k < c->count && !status; k++) {
        status = write_chain(c, chains, k, n, offsetof(clade_chain, matrix), 8, to->matrix);
        if (!status)
            status = write_chain(c, chains, k, n, offsetof(clade_chain, steps),
                                 2 * CLADE_CHAIN_STEPS, c->steps);
        if (!status)
            status = write_chain(c, chains, k, n, offsetof(clade_chain, weight), 1, c->weight);
        if (!status) status = clade_call_run(&to->sample);
        if (!status) status = clade_call_run(&c->adjust);
        if (!status) status = clade_call_run(k ? &c->scale : &c->first);
        if (!status && k) status = clade_call_run(&c->add);
    }
    return status;
}

static clade_status run_stage(const clade_sampler *s, sampler_stage *to, size_t n,
                              const clade_sampled *images)
{
    const float *matrix = images->matrix ? images->matrix : s->identity;
    clade_status status = to->pixels ? write_pixels(s, to, n, images->pixels) : CLADE_OK;
    if (!status && to->index)
        status = clade_buffer_write(to->index, 0, images->index, n * sizeof *images->index);
    if (!status && to->chain) {
        status = run_chains(to, n, images->chains);
    } else if (!status) {
        status = clade_buffer_write(to->matrix, 0, matrix, n * 8 * sizeof *matrix);
        if (!status) status = clade_call_run(&to->sample);
    }
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
