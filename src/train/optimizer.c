/* SGD, RMSprop, Adam and AdamW: settings, moments and the call of each step. */
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>

struct clade_updater {
    clade_optimizer settings;
    clade_device *device;
    clade_buffer *moment[2], *clip; /* clip: scale and norm */
    clade_call step, norm;          /* step: over all of w */
    struct updater_part {
        clade_call call;
        float scale;
        uint64_t began;
    } * part; /* NULL: one, which is `step` */
    size_t parts;
};

clade_optimizer clade_optimizer_resolve(const clade_optimizer *settings)
{
    clade_optimizer o = *settings;
    if (o.lr == 0) o.lr = o.kind == CLADE_SGD ? 0.01f : 0.001f;
    if (o.rho == 0) o.rho = 0.9f;
    if (o.beta1 == 0) o.beta1 = 0.9f;
    if (o.beta2 == 0) o.beta2 = 0.999f;
    if (o.eps == 0) o.eps = 1e-7f;
    if (o.weight_decay == 0 && o.kind == CLADE_ADAMW) o.weight_decay = 0.004f;
    return o;
}

/* A tensor like w in memory of its own, filled with zeros. */
static clade_status make_moment(clade_updater *u, int i, const clade_tensor *w, clade_tensor *out)
{
    *out = *w;
    out->offset = 0;
    clade_status status =
        clade_buffer_create(u->device, clade_tensor_count(w) * sizeof(float), &u->moment[i]);
    if (status) return clade_context(status, "the optimizer's state");
    out->buffer = u->moment[i];
    return clade_op_run(u->device, CLADE_OP_fill, &(clade_args){.fill = {.y = *out}});
}

static clade_status make_clip(clade_updater *u, const clade_tensor *g, clade_tensor *scale)
{
    clade_status status = clade_buffer_create(u->device, 2 * sizeof(float), &u->clip);
    if (status) return status;
    *scale = (clade_tensor){.buffer = u->clip, .dtype = CLADE_F32, .rank = 1, .dim = {1}};
    clade_tensor norm = *scale;
    norm.offset = 1;
    u->norm = (clade_call){
        .op = CLADE_OP_norm_clip,
        .args.norm_clip = {.g = *g, .scale = *scale, .norm = norm, .limit = u->settings.clip_norm}};
    return clade_call_prepare(u->device, &u->norm);
}

clade_status clade_updater_create(const clade_optimizer *settings, clade_device *device,
                                  const clade_tensor *w, const clade_tensor *g, clade_updater **out)
{
    *out = NULL;
    clade_updater *u = calloc(1, sizeof *u);
    if (!u) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    u->settings = clade_optimizer_resolve(settings);
    u->device = device;
    const clade_optimizer *o = &u->settings;
    clade_tensor first = {0}, second = {0}, scale = {0};
    clade_status status = CLADE_OK;
    if (o->kind != CLADE_SGD || o->momentum != 0) status = make_moment(u, 0, w, &first);
    bool two = o->kind == CLADE_ADAM || o->kind == CLADE_ADAMW ||
               (o->kind == CLADE_RMSPROP && o->momentum != 0);
    if (!status && two) status = make_moment(u, 1, w, &second);
    if (!status && o->clip_norm > 0) status = make_clip(u, g, &scale);
    switch (o->kind) {
    case CLADE_SGD:
        u->step = (clade_call){.op = CLADE_OP_sgd,
                               .args.sgd = {.w = *w,
                                            .g = *g,
                                            .v = first,
                                            .scale = scale,
                                            .momentum = o->momentum,
                                            .nesterov = o->nesterov}};
        break;
    case CLADE_RMSPROP:
        u->step = (clade_call){.op = CLADE_OP_rmsprop,
                               .args.rmsprop = {.w = *w,
                                                .g = *g,
                                                .s = first,
                                                .v = second,
                                                .scale = scale,
                                                .rho = o->rho,
                                                .momentum = o->momentum,
                                                .eps = o->eps}};
        break;
    default:
        u->step = (clade_call){.op = CLADE_OP_adam,
                               .args.adam = {.w = *w,
                                             .g = *g,
                                             .m = first,
                                             .v = second,
                                             .scale = scale,
                                             .beta1 = o->beta1,
                                             .beta2 = o->beta2,
                                             .eps = o->eps}};
    }
    if (!status) status = clade_call_prepare(device, &u->step);
    if (status)
        clade_updater_destroy(&u);
    else
        *out = u;
    return status;
}

/* Cuts w, g and the moments down to a range. */
static void narrow(const clade_updater *u, clade_call *call, const clade_updater_part *range)
{
    for (size_t i = 0; i < clade_op_describe(call->op)->slot_count; i++) {
        clade_tensor *t = &call->args.slot[i];
        if (!clade_tensor_present(t) || t->buffer == u->clip) continue;
        t->offset += range->first;
        t->dim[0] = (int32_t)range->count;
    }
}

static void release_parts(struct updater_part *part, size_t count)
{
    for (size_t i = 0; i < count; i++) clade_call_release(&part[i].call);
    free(part);
}

clade_status clade_updater_divide(clade_updater *u, const clade_updater_part *parts, size_t count)
{
    struct updater_part *part = calloc(count, sizeof *part);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        part[i] = (struct updater_part){u->step, parts[i].scale, parts[i].began};
        part[i].call.prepared = NULL;
        narrow(u, &part[i].call, &parts[i]);
        status = clade_call_prepare(u->device, &part[i].call);
    }
    if (status) {
        release_parts(part, count);
        return status;
    }
    release_parts(u->part, u->parts);
    u->part = part;
    u->parts = count;
    return CLADE_OK;
}

void clade_updater_destroy(clade_updater **handle)
{
    clade_updater *u = *handle;
    if (!u) return;
    clade_call_release(&u->step);
    clade_call_release(&u->norm);
    clade_buffer_destroy(&u->moment[0]);
    clade_buffer_destroy(&u->moment[1]);
    clade_buffer_destroy(&u->clip);
    release_parts(u->part, u->parts);
    free(u);
    *handle = NULL;
}

/* Step t, from 1, of a call at its rate. */
static clade_status run_step(const clade_updater *u, clade_call *call, double lr, uint64_t t)
{
    const clade_optimizer *o = &u->settings;
    float decay = (float)(lr * (double)o->weight_decay);
    switch (o->kind) {
    case CLADE_SGD:
        call->args.sgd.lr = (float)lr;
        call->args.sgd.decay = decay;
        break;
    case CLADE_RMSPROP:
        call->args.rmsprop.lr = (float)lr;
        call->args.rmsprop.decay = decay;
        break;
    default: {
        /* Kingma and Ba 2015, end of section 2 */
        double first = 1 - pow((double)o->beta1, (double)t);
        double second = 1 - pow((double)o->beta2, (double)t);
        call->args.adam.lr = (float)(lr * sqrt(second) / first);
        call->args.adam.decay = decay;
    }
    }
    return clade_call_run(call);
}

clade_status clade_updater_step(clade_updater *u, double lr, uint64_t t)
{
    clade_status status = u->settings.clip_norm > 0 ? clade_call_run(&u->norm) : CLADE_OK;
    if (!status && !u->part) return run_step(u, &u->step, lr, t);
    for (size_t i = 0; i < u->parts && !status; i++)
        status = run_step(u, &u->part[i].call, lr * (double)u->part[i].scale, t - u->part[i].began);
    return status;
}

const clade_call *clade_updater_call(const clade_updater *u) { return &u->step; }

size_t clade_updater_moments(const clade_updater *u, clade_tensor moment[2], const char *name[2])
{
    static const char *const names[][2] = {[CLADE_SGD] = {"velocity"},
                                           [CLADE_RMSPROP] = {"mean_square", "velocity"},
                                           [CLADE_ADAM] = {"mean", "mean_square"},
                                           [CLADE_ADAMW] = {"mean", "mean_square"}};
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        if (!u->moment[i]) continue;
        moment[count] =
            (clade_tensor){.buffer = u->moment[i],
                           .dtype = CLADE_F32,
                           .rank = 1,
                           .dim = {(int32_t)(clade_buffer_bytes(u->moment[i]) / sizeof(float))}};
        name[count++] = names[u->settings.kind][i];
    }
    return count;
}
