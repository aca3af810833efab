/* The ring of recent batches' outputs and losses on the device. */
#include "train/results.h"

#include <stdlib.h>
#include <string.h>

enum { ring = 32 }; /* batches */

struct clade_results {
    clade_device *device;
    size_t batch, outputs; /* of the model */
    clade_buffer *y, *loss;
    clade_call copy_y[ring], copy_loss[ring];
    uint64_t number[ring];
    int32_t count[ring];
    size_t used;
    int32_t *label;            /* [ring, batch] */
    float *weight;             /* likewise */
    float *host_y, *host_loss; /* [ring, batch, outputs], [ring, batch] */
};

static clade_status prepare(clade_results *r, const clade_model *model)
{
    for (size_t i = 0; i < ring; i++) {
        clade_tensor y = *clade_model_output(model), loss = *clade_model_losses(model);
        r->copy_y[i] = (clade_call){.op = CLADE_OP_copy, .args.copy = {.x = y, .y = y}};
        r->copy_y[i].args.copy.y.buffer = r->y;
        r->copy_y[i].args.copy.y.offset = i * r->batch * r->outputs;
        r->copy_loss[i] = (clade_call){.op = CLADE_OP_copy, .args.copy = {.x = loss, .y = loss}};
        r->copy_loss[i].args.copy.y.buffer = r->loss;
        r->copy_loss[i].args.copy.y.offset = i * r->batch;
        clade_status status = clade_call_prepare(r->device, &r->copy_y[i]);
        if (!status) status = clade_call_prepare(r->device, &r->copy_loss[i]);
        if (status) return status;
    }
    return CLADE_OK;
}

clade_status clade_results_create(const clade_model *model, clade_results **out)
{
    *out = NULL;
    clade_results *r = calloc(1, sizeof *r);
    if (!r) return clade_fail(CLADE_ENOMEM, "out of memory for results");
    const clade_tensor *y = clade_model_output(model);
    r->device = clade_model_device(model);
    r->batch = (size_t)y->dim[0];
    r->outputs = (size_t)y->dim[1];
    size_t rows = ring * r->batch;
    r->label = malloc(rows * sizeof *r->label);
    r->weight = malloc(rows * sizeof *r->weight);
    r->host_y = malloc(rows * r->outputs * sizeof *r->host_y);
    r->host_loss = malloc(rows * sizeof *r->host_loss);
    clade_status status = CLADE_OK;
    if (!r->label || !r->weight || !r->host_y || !r->host_loss)
        status = clade_fail(CLADE_ENOMEM, "out of memory for results");
    if (!status) status = clade_buffer_create(r->device, rows * r->outputs * sizeof(float), &r->y);
    if (!status) status = clade_buffer_create(r->device, rows * sizeof(float), &r->loss);
    if (!status) status = prepare(r, model);
    if (status)
        clade_results_destroy(&r);
    else
        *out = r;
    return status;
}

void clade_results_destroy(clade_results **handle)
{
    clade_results *r = *handle;
    if (!r) return;
    for (size_t i = 0; i < ring; i++) {
        clade_call_release(&r->copy_y[i]);
        clade_call_release(&r->copy_loss[i]);
    }
    clade_buffer_destroy(&r->y);
    clade_buffer_destroy(&r->loss);
    free(r->label);
    free(r->weight);
    free(r->host_y);
    free(r->host_loss);
    free(r);
    *handle = NULL;
}

clade_status clade_results_push(clade_results *r, uint64_t batch, int32_t count,
                                const int32_t *label, const float *weight)
{
    size_t i = r->used++;
    r->number[i] = batch;
    r->count[i] = count;
    memcpy(r->label + i * r->batch, label, (size_t)count * sizeof *label);
    memcpy(r->weight + i * r->batch, weight, (size_t)count * sizeof *weight);
    clade_status status = clade_call_run(&r->copy_y[i]);
    return status ? status : clade_call_run(&r->copy_loss[i]);
}

void clade_results_drop(clade_results *r) { r->used = 0; }

bool clade_results_full(const clade_results *r) { return r->used == ring; }

clade_status clade_results_flush(clade_results *r,
                                 clade_status (*take)(void *user, const clade_result *result),
                                 void *user)
{
    size_t used = r->used, rows = used * r->batch;
    r->used = 0;
    clade_status status = clade_buffer_read(r->y, 0, r->host_y, rows * r->outputs * sizeof(float));
    if (!status) status = clade_buffer_read(r->loss, 0, r->host_loss, rows * sizeof(float));
    for (size_t i = 0; i < used && !status; i++) {
        clade_result result = {.batch = r->number[i],
                               .count = r->count[i],
                               .y = r->host_y + i * r->batch * r->outputs,
                               .loss = r->host_loss + i * r->batch,
                               .label = r->label + i * r->batch,
                               .weight = r->weight + i * r->batch};
        status = take(user, &result);
    }
    return status;
}
