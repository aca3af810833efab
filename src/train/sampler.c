/* The call of affine_sample that fills a model's input, and the memory that it reads. */
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

struct clade_sampler {
    clade_device *device;
    clade_buffer *pixels, *index, *matrix; /* pixels NULL: resident; else index NULL */
    float *identity;                       /* [batch, 8] */
    uint8_t *staged; /* a batch's pixels, where the host does not see the device's memory */
    size_t image;    /* bytes */
    clade_call call; /* prepared for x, matrix and y of dim[0] == prepared */
    int32_t prepared;
    clade_tensor input, x;
};

static void write_identity(float *matrix, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        clade_augment_matrix(NULL, 1, 1, 0, 0, 0, matrix + 8 * (size_t)i);
}

clade_status clade_sampler_create(const clade_model *model, const clade_preprocessing *p,
                                  const clade_augment *augment, const clade_tensor *resident,
                                  clade_sampler **out)
{
    *out = NULL;
    clade_sampler *s = calloc(1, sizeof *s);
    if (!s) return clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
    s->device = clade_model_device(model);
    s->input = *clade_model_input(model);
    int32_t batch = s->input.dim[0];
    s->image = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    s->identity = malloc((size_t)batch * 8 * sizeof *s->identity);
    clade_status status =
        s->identity ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
    if (!status) write_identity(s->identity, batch);
    if (!status)
        status = clade_buffer_create(s->device, (size_t)batch * 8 * sizeof(float), &s->matrix);
    if (resident) {
        s->x = *resident;
        if (!status)
            status = clade_buffer_create(s->device, (size_t)batch * sizeof(int32_t), &s->index);
    } else {
        if (!status) status = clade_buffer_create(s->device, (size_t)batch * s->image, &s->pixels);
        if (!status && !clade_buffer_host(s->pixels)) {
            s->staged = malloc((size_t)batch * s->image);
            if (!s->staged) status = clade_fail(CLADE_ENOMEM, "out of memory for a sampler");
        }
        s->x = (clade_tensor){.buffer = s->pixels,
                              .dtype = CLADE_U8,
                              .rank = 4,
                              .dim = {batch, p->height, p->width, p->channels}};
    }
    clade_affine_sample_args *a = &s->call.args.affine_sample;
    s->call.op = CLADE_OP_affine_sample;
    if (augment) {
        a->fill = (int32_t)augment->fill;
        a->value = augment->fill_value;
    }
    memcpy(a->scale, p->scale, sizeof a->scale);
    memcpy(a->shift, p->shift, sizeof a->shift);
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
    clade_call_release(&s->call);
    clade_buffer_destroy(&s->pixels);
    clade_buffer_destroy(&s->index);
    clade_buffer_destroy(&s->matrix);
    free(s->identity);
    free(s->staged);
    free(s);
    *handle = NULL;
}

/* Full batches and the last one of an epoch differ in n. */
clade_status clade_sampler_prepare(clade_sampler *s, int32_t n)
{
    if (s->prepared == n) return CLADE_OK;
    clade_affine_sample_args *a = &s->call.args.affine_sample;
    a->x = s->x;
    a->y = s->input;
    a->y.dim[0] = n;
    if (s->pixels) a->x.dim[0] = n;
    if (s->index)
        a->index = (clade_tensor){.buffer = s->index, .dtype = CLADE_I32, .rank = 1, .dim = {n}};
    a->matrix = (clade_tensor){.buffer = s->matrix, .dtype = CLADE_F32, .rank = 2, .dim = {n, 8}};
    s->prepared = n;
    return clade_call_prepare(s->device, &s->call);
}

static clade_status write_pixels(clade_sampler *s, size_t n, const uint8_t *const *pixels)
{
    /* where the host writes itself, what reads the batch before must have ended */
    clade_status status = s->staged ? CLADE_OK : clade_device_finish(s->device);
    uint8_t *to = s->staged ? s->staged : clade_buffer_host(s->pixels);
    for (size_t i = 0; i < n && !status; i++) memcpy(to + i * s->image, pixels[i], s->image);
    if (s->staged) status = clade_buffer_write(s->pixels, 0, s->staged, n * s->image);
    return status;
}

clade_status clade_sampler_run(clade_sampler *s, int32_t n, const uint8_t *const *pixels,
                               const int32_t *index, const float *matrix)
{
    clade_status status = clade_sampler_prepare(s, n);
    size_t count = (size_t)n;
    if (!status && s->pixels) status = write_pixels(s, count, pixels);
    if (!status && s->index) status = clade_buffer_write(s->index, 0, index, count * sizeof *index);
    if (!status)
        status = clade_buffer_write(s->matrix, 0, matrix ? matrix : s->identity,
                                    count * 8 * sizeof(float));
    return status ? status : clade_call_run(&s->call);
}
