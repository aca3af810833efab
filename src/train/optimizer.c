/* SGD, RMSprop, Adam, AdamW, Lion, LAMB and Muon: settings, moments and the call of each step;
 * the average of the weights. */
#include "train/optimizer.h"
#include "train/muon.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct clade_updater {
    clade_optimizer settings;
    clade_device *device;
    clade_buffer *moment[2], *clip, *ratio; /* clip: scale and norm; ratio: LAMB's */
    clade_call step, norm;                  /* step: over all of w */
    clade_buffer *average, *aside;          /* of w; w while the average is in its place */
    clade_call blend;
    struct updater_part {
        clade_call call, regularise; /* the latter where there is an l2 */
        float scale, weight_decay, l2;
        uint64_t began;
        clade_muon_step *muon; /* of a matrix, in place of the call */
    } * part;                  /* NULL: one, which is `step` */
    size_t parts;
    clade_muon_memory *matrices; /* NULL: there are none */
};

clade_optimizer clade_optimizer_resolve(const clade_optimizer *settings)
{
    clade_optimizer o = *settings;
    if (o.lr == 0) o.lr = o.kind == CLADE_SGD ? 0.01f : 0.001f;
    if (o.rho == 0) o.rho = 0.9f;
    if (o.beta1 == 0) o.beta1 = 0.9f;
    if (o.beta2 == 0) o.beta2 = o.kind == CLADE_LION ? 0.99f : 0.999f;
    if (o.eps == 0) o.eps = 1e-7f;
    if (o.weight_decay == 0 && o.kind == CLADE_ADAMW) o.weight_decay = 0.004f;
    if (o.weight_decay == 0 && o.kind == CLADE_MUON) o.weight_decay = 0.1f;
    if (o.momentum == 0 && o.kind == CLADE_MUON) o.momentum = 0.95f;
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

static clade_status make_ratio(clade_updater *u, clade_tensor *ratio)
{
    *ratio = (clade_tensor){.dtype = CLADE_F32, .rank = 1, .dim = {1}};
    clade_status status = clade_buffer_create(u->device, sizeof(float), &u->ratio);
    ratio->buffer = u->ratio;
    return status;
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
    clade_tensor first = {0}, second = {0}, scale = {0}, ratio = {0};
    clade_status status = CLADE_OK;
    if (o->kind != CLADE_SGD || o->momentum != 0) status = make_moment(u, 0, w, &first);
    bool two = o->kind == CLADE_ADAM || o->kind == CLADE_ADAMW || o->kind == CLADE_LAMB ||
               o->kind == CLADE_MUON || (o->kind == CLADE_RMSPROP && o->momentum != 0);
    if (!status && two) status = make_moment(u, 1, w, &second);
    if (!status && o->clip_norm > 0) status = make_clip(u, g, &scale);
    if (!status && o->kind == CLADE_LAMB) status = make_ratio(u, &ratio);
    switch (o->kind) {
    case CLADE_SGD:
        u->step =
            (clade_call){.op = CLADE_OP_sgd,
                         .args.sgd = {.w = *w,
                                      .g = *g,
                                      .v = first,
                                      .scale = scale,
                                      .momentum = o->momentum,
                                      .nesterov = o->nesterov,
                                      .of_gradients = o->velocity == CLADE_VELOCITY_GRADIENTS}};
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
    case CLADE_LION:
        u->step = (clade_call){.op = CLADE_OP_lion,
                               .args.lion = {.w = *w,
                                             .g = *g,
                                             .m = first,
                                             .scale = scale,
                                             .beta1 = o->beta1,
                                             .beta2 = o->beta2}};
        break;
    case CLADE_LAMB:
        u->step = (clade_call){.op = CLADE_OP_lamb,
                               .args.lamb = {.w = *w,
                                             .g = *g,
                                             .m = first,
                                             .v = second,
                                             .scale = scale,
                                             .ratio = ratio,
                                             .beta1 = o->beta1,
                                             .beta2 = o->beta2,
                                             .eps = o->eps,
                                             .decay = o->weight_decay}};
        break;
    default: /* what is no matrix is Adam's, with Muon too */
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
        if (!clade_tensor_present(t) || t->buffer == u->clip || t->buffer == u->ratio) continue;
        t->offset += range->first;
        t->dim[0] = (int32_t)range->count;
    }
}

static void release_parts(struct updater_part *part, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        clade_call_release(&part[i].call);
        clade_call_release(&part[i].regularise);
        if (part[i].muon) clade_muon_release(part[i].muon);
        free(part[i].muon);
    }
    free(part);
}

/* Memory for the largest of the matrices. */
static clade_status make_matrices(clade_updater *u, const clade_updater_part *parts, size_t count)
{
    uint64_t most = 0, side = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].columns == 0) continue;
        const uint64_t columns = (uint64_t)parts[i].columns, rows = parts[i].count / columns;
        const uint64_t shorter = rows < columns ? rows : columns;
        if (parts[i].count > most) most = parts[i].count;
        if (shorter > side) side = shorter;
    }
    clade_muon_memory_destroy(&u->matrices);
    return most ? clade_muon_memory_create(u->device, most, side, &u->matrices) : CLADE_OK;
}

static clade_tensor as_matrix(clade_tensor t, int32_t columns)
{
    t.rank = 2;
    t.dim[0] /= columns;
    t.dim[1] = columns;
    return t;
}

/* A part whose call is narrowed, as a matrix. */
static clade_status make_muon(const clade_updater *u, struct updater_part *part, int32_t columns)
{
    const clade_adam_args *a = &part->call.args.adam;
    const clade_muon_matrix matrix = {.w = as_matrix(a->w, columns),
                                      .g = as_matrix(a->g, columns),
                                      .m = as_matrix(a->m, columns),
                                      .scale = a->scale,
                                      .momentum = u->settings.momentum};
    part->muon = malloc(sizeof *part->muon);
    if (!part->muon) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    return clade_muon_prepare(u->matrices, &matrix, part->muon);
}

clade_status clade_updater_divide(clade_updater *u, const clade_updater_part *parts, size_t count)
{
    struct updater_part *part = calloc(count, sizeof *part);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    clade_status status = make_matrices(u, parts, count);
    for (size_t i = 0; i < count && !status; i++) {
        part[i] =
            (struct updater_part){.call = u->step,
                                  .scale = parts[i].scale,
                                  .weight_decay = parts[i].spared ? 0 : u->settings.weight_decay,
                                  .l2 = parts[i].l2,
                                  .began = parts[i].began};
        part[i].call.prepared = NULL;
        if (u->settings.kind == CLADE_LAMB) part[i].call.args.lamb.decay = part[i].weight_decay;
        narrow(u, &part[i].call, &parts[i]);
        status = parts[i].columns ? make_muon(u, &part[i], parts[i].columns)
                                  : clade_call_prepare(u->device, &part[i].call);
        const clade_tensor w = part[i].call.args.slot[0], g = part[i].call.args.slot[1];
        part[i].regularise =
            (clade_call){.op = CLADE_OP_add,
                         .args.add = {.a = w, .b = g, .y = g, .alpha = 2 * part[i].l2, .beta = 1}};
        if (!status && part[i].l2 != 0) status = clade_call_prepare(u->device, &part[i].regularise);
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
    clade_call_release(&u->blend);
    clade_buffer_destroy(&u->average);
    clade_buffer_destroy(&u->aside);
    clade_buffer_destroy(&u->moment[0]);
    clade_buffer_destroy(&u->moment[1]);
    clade_buffer_destroy(&u->clip);
    clade_buffer_destroy(&u->ratio);
    release_parts(u->part, u->parts);
    clade_muon_memory_destroy(&u->matrices);
    free(u);
    *handle = NULL;
}

/* Step t, from 1, of a call at its rate. */
static clade_status run_step(const clade_updater *u, clade_call *call, double lr,
                             float weight_decay, uint64_t t)
{
    const clade_optimizer *o = &u->settings;
    const float decay = (float)(lr * (double)weight_decay);
    /* Kingma and Ba 2015 */
    const double first = 1 - pow((double)o->beta1, (double)t);
    const double second = 1 - pow((double)o->beta2, (double)t);
    switch (o->kind) {
    case CLADE_SGD:
        call->args.sgd.lr = (float)lr;
        call->args.sgd.decay = decay;
        break;
    case CLADE_RMSPROP:
        call->args.rmsprop.lr = (float)lr;
        call->args.rmsprop.decay = decay;
        break;
    case CLADE_LION:
        call->args.lion.lr = (float)lr;
        call->args.lion.decay = decay;
        break;
    case CLADE_LAMB:
        call->args.lamb.lr = (float)lr;
        call->args.lamb.m1 = (float)(1 / first);
        call->args.lamb.v1 = (float)(1 / second);
        break;
    default: /* the end of section 2 */
        call->args.adam.lr = (float)(lr * sqrt(second) / first);
        call->args.adam.decay = decay;
    }
    return clade_call_run(call);
}

clade_status clade_updater_step(clade_updater *u, double lr, uint64_t t)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < u->parts && !status; i++)
        if (u->part[i].l2 != 0) status = clade_call_run(&u->part[i].regularise);
    if (!status && u->settings.clip_norm > 0) status = clade_call_run(&u->norm);
    if (!status && !u->part) status = run_step(u, &u->step, lr, u->settings.weight_decay, t);
    for (size_t i = 0; i < u->parts && !status; i++) {
        struct updater_part *p = &u->part[i];
        const double rate = lr * (double)p->scale;
        status =
            p->muon ? clade_muon_run(p->muon, rate, rate * (double)p->weight_decay)
                    : run_step(u, &p->call, rate, p->weight_decay, t > p->began ? t - p->began : 1);
    }
    return status || !u->blend.prepared ? status : clade_call_run(&u->blend);
}

/* --- a slice --- */

bool clade_updater_is_elementwise(const clade_updater *u)
{
    return u->settings.kind != CLADE_LAMB && u->settings.kind != CLADE_MUON &&
           u->settings.clip_norm <= 0;
}

/* Cuts a call over a range of w down to what it has in common with elements `first` to `end`, in
 * other memory, and prepares it. *empty: that is nothing. */
static clade_status slice_call(const clade_updater *of, clade_updater *u, clade_call *call,
                               clade_buffer *const memory[CLADE_UPDATER_TENSORS], uint64_t first,
                               uint64_t end, bool *empty)
{
    const clade_tensor *w = &of->step.args.slot[0], *g = &of->step.args.slot[1];
    const clade_tensor *range = &call->args.slot[0];
    const uint64_t begin = range->offset - w->offset, stop = begin + (uint64_t)range->dim[0];
    clade_tensor old[CLADE_UPDATER_TENSORS] = {*w, *g};
    const char *name[CLADE_MOST_MOMENTS];
    const size_t count = 2 + clade_updater_moments(of, old + 2, name);
    if (begin > first) first = begin;
    if (stop < end) end = stop;
    *empty = first >= end;
    call->prepared = NULL;
    for (size_t i = 0; i < clade_op_describe(call->op)->slot_count; i++) {
        clade_tensor *t = &call->args.slot[i];
        size_t k = 0;
        if (*empty || !clade_tensor_present(t)) continue;
        while (k < count && old[k].buffer != t->buffer) k++;
        assert(k < count);
        t->buffer = memory[k];
        t->offset = first;
        t->dim[0] = (int32_t)(end - first);
    }
    return *empty ? CLADE_OK : clade_call_prepare(u->device, call);
}

clade_status clade_updater_create_slice(const clade_updater *of, clade_device *device,
                                        clade_buffer *const memory[CLADE_UPDATER_TENSORS],
                                        uint64_t first, uint64_t count, clade_updater **out)
{
    const struct updater_part all = {
        .call = of->step, .scale = 1, .weight_decay = of->settings.weight_decay};
    const struct updater_part *parts = of->part ? of->part : &all;
    const size_t most = of->part ? of->parts : 1;
    clade_updater *u = *out = calloc(1, sizeof *u);
    clade_status status = CLADE_OK;
    bool empty;
    if (u) u->part = calloc(most, sizeof *u->part);
    if (!u || !u->part) status = clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    if (u) u->settings = of->settings, u->device = device;
    for (size_t i = 0; i < most && !status; i++) {
        struct updater_part *p = &u->part[u->parts];
        *p = parts[i];
        p->regularise.prepared = NULL;
        status = slice_call(of, u, &p->call, memory, first, first + count, &empty);
        u->parts += !empty;
        if (!status && !empty && p->l2 != 0)
            status = slice_call(of, u, &p->regularise, memory, first, first + count, &empty);
    }
    if (!status && of->blend.prepared) {
        u->blend = of->blend;
        status = slice_call(of, u, &u->blend, memory, first, first + count, &empty);
    }
    if (status) clade_updater_destroy(out);
    return status;
}

/* --- the average --- */

/* A buffer with w's elements, as a tensor. */
static clade_tensor like_w(const clade_updater *u, clade_buffer *buffer)
{
    clade_tensor t = u->step.args.slot[0];
    t.buffer = buffer;
    t.offset = 0;
    return t;
}

clade_status clade_updater_average(clade_updater *u, float kept)
{
    const clade_tensor w = u->step.args.slot[0];
    const size_t bytes = clade_tensor_count(&w) * sizeof(float);
    clade_status status = clade_buffer_create(u->device, bytes, &u->average);
    if (!status) status = clade_buffer_create(u->device, bytes, &u->aside);
    if (status) return clade_context(status, "the average of the weights");
    if (kept == 0) return CLADE_OK;
    const clade_tensor average = like_w(u, u->average);
    u->blend = (clade_call){
        .op = CLADE_OP_add,
        .args.add = {.a = w, .b = average, .y = average, .alpha = 1 - kept, .beta = kept}};
    return clade_call_prepare(u->device, &u->blend);
}

static clade_status copy(const clade_updater *u, const clade_tensor *x, const clade_tensor *y)
{
    return clade_op_run(u->device, CLADE_OP_copy, &(clade_args){.copy = {.x = *x, .y = *y}});
}

bool clade_updater_has_average(const clade_updater *u) { return u->average != NULL; }

clade_status clade_updater_begin_average(clade_updater *u)
{
    const clade_tensor average = like_w(u, u->average);
    return u->average ? copy(u, &u->step.args.slot[0], &average) : CLADE_OK;
}

/* The average with this share of w, which y becomes: w itself where that is all. */
static clade_status mix(const clade_updater *u, const clade_tensor *w, double share,
                        const clade_tensor *y)
{
    const clade_tensor average = like_w(u, u->average);
    if (share >= 1) return copy(u, w, y);
    const clade_add_args add = {
        .a = *w, .b = average, .y = *y, .alpha = (float)share, .beta = (float)(1 - share)};
    return share > 0 ? clade_op_run(u->device, CLADE_OP_add, &(clade_args){.add = add})
                     : copy(u, &average, y);
}

clade_status clade_updater_add_to_average(clade_updater *u, double share)
{
    const clade_tensor average = like_w(u, u->average);
    return u->average ? mix(u, &u->step.args.slot[0], share, &average) : CLADE_OK;
}

clade_status clade_updater_show_average(clade_updater *u, double share)
{
    const clade_tensor *w = &u->step.args.slot[0];
    const clade_tensor aside = like_w(u, u->aside);
    if (!u->average) return CLADE_OK;
    clade_status status = copy(u, w, &aside);
    return status ? status : mix(u, &aside, share, w);
}

clade_status clade_updater_hide_average(clade_updater *u)
{
    const clade_tensor aside = like_w(u, u->aside);
    return u->average ? copy(u, &aside, &u->step.args.slot[0]) : CLADE_OK;
}

const clade_call *clade_updater_call(const clade_updater *u) { return &u->step; }

size_t clade_updater_moments(const clade_updater *u, clade_tensor moment[CLADE_MOST_MOMENTS],
                             const char *name[CLADE_MOST_MOMENTS])
{
    static const char *const names[][2] = {[CLADE_SGD] = {"velocity"},
                                           [CLADE_RMSPROP] = {"mean_square", "velocity"},
                                           [CLADE_ADAM] = {"mean", "mean_square"},
                                           [CLADE_ADAMW] = {"mean", "mean_square"},
                                           [CLADE_LION] = {"mean"},
                                           [CLADE_LAMB] = {"mean", "mean_square"},
                                           [CLADE_MUON] = {"mean", "mean_square"}};
    clade_buffer *const buffer[CLADE_MOST_MOMENTS] = {u->moment[0], u->moment[1], u->average};
    size_t count = 0;
    for (int i = 0; i < CLADE_MOST_MOMENTS; i++) {
        if (!buffer[i]) continue;
        moment[count] =
            (clade_tensor){.buffer = buffer[i],
                           .dtype = CLADE_F32,
                           .rank = 1,
                           .dim = {(int32_t)(clade_buffer_bytes(buffer[i]) / sizeof(float))}};
        name[count++] = buffer[i] == u->average ? "average" : names[u->settings.kind][i];
    }
    return count;
}
