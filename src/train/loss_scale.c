/* Dynamic loss scaling: gradients divided by the scale in place, and their norm looked at. */
#include "train/loss_scale.h"

#include <math.h>
#include <stdlib.h>

enum { INVERSE, CLIP, NORM, NUMBERS };

struct clade_loss_scaler {
    clade_tensor scale;   /* the model's */
    double written;       /* what that is */
    clade_buffer *number; /* [NUMBERS] */
    clade_call divide, norm;
};

static clade_tensor number(const clade_loss_scaler *s, uint64_t i)
{
    return (clade_tensor){
        .buffer = s->number, .offset = i, .dtype = CLADE_F32, .rank = 1, .dim = {1}};
}

clade_status clade_loss_scaler_create(const clade_model *model, clade_loss_scaler **out)
{
    clade_device *device = clade_model_device(model);
    const clade_tensor g = *clade_model_gradients(model), *scale = clade_model_loss_scale(model);
    *out = NULL;
    if (!clade_tensor_present(scale)) return CLADE_OK;
    clade_loss_scaler *s = calloc(1, sizeof *s);
    if (!s) return clade_fail(CLADE_ENOMEM, "out of memory for a loss scale");
    s->scale = *scale;
    s->written = 1;
    clade_status status = clade_buffer_create(device, NUMBERS * sizeof(float), &s->number);
    s->divide =
        (clade_call){.op = CLADE_OP_mul, .args.mul = {.a = g, .b = number(s, INVERSE), .y = g}};
    s->norm = (clade_call){
        .op = CLADE_OP_norm_clip,
        .args.norm_clip = {.g = g, .scale = number(s, CLIP), .norm = number(s, NORM), .limit = 1}};
    if (!status) status = clade_call_prepare(device, &s->divide);
    if (!status) status = clade_call_prepare(device, &s->norm);
    if (status)
        clade_loss_scaler_destroy(&s);
    else
        *out = s;
    return status;
}

void clade_loss_scaler_destroy(clade_loss_scaler **handle)
{
    clade_loss_scaler *s = *handle;
    if (!s) return;
    clade_call_release(&s->divide);
    clade_call_release(&s->norm);
    clade_buffer_destroy(&s->number);
    free(s);
    *handle = NULL;
}

clade_status clade_loss_scaler_begin(clade_loss_scaler *s, const clade_loss_scale *scale)
{
    if (s->written == scale->scale) return CLADE_OK;
    const float value = (float)scale->scale, inverse = (float)(1 / scale->scale);
    const clade_tensor to = number(s, INVERSE);
    clade_status status = clade_tensor_write(&s->scale, &value);
    if (!status) status = clade_tensor_write(&to, &inverse);
    if (!status) s->written = scale->scale;
    return status;
}

/* Powers of two whose reciprocals are normal numbers. */
static void move(clade_loss_scale *scale, bool finite)
{
    const double most = 0x1p126, least = 0x1p-126;
    scale->finite++;
    if (finite && scale->finite < CLADE_LOSS_SCALE_STEPS) return;
    scale->scale = fmax(fmin(finite ? 2 * scale->scale : scale->scale / 2, most), least);
    scale->finite = 0;
}

clade_status clade_loss_scaler_end(clade_loss_scaler *s, clade_loss_scale *scale, bool *skip)
{
    const clade_tensor from = number(s, NORM);
    float norm;
    clade_status status = clade_call_run(&s->divide);
    if (!status) status = clade_call_run(&s->norm);
    if (!status) status = clade_tensor_read(&from, &norm);
    if (status) return status;
    *skip = !isfinite(norm);
    scale->skipped += *skip;
    scale->skipped_ever += *skip;
    move(scale, !*skip);
    return CLADE_OK;
}
