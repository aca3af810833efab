/* Models like one another on several devices. */
#include "train/replica.h"
#include "train/copy.h"

#include <stdlib.h>
#include <string.h>

/* Gives `to` all parameters of `from`, which may be on another device. */
static clade_status copy_parameters(const clade_model *from, clade_model *to)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_model_parameters(from) && !status; i++) {
        const clade_tensor *x = &clade_model_parameter(from, i)->value;
        float *values = malloc(clade_tensor_count(x) * sizeof *values);
        if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for parameters");
        status = clade_tensor_read(x, values);
        if (!status) status = clade_tensor_write(&clade_model_parameter(to, i)->value, values);
        free(values);
    }
    return status;
}

static clade_status make(clade_model *model, const clade_model_options *options,
                         const clade_upload_options *upload, int32_t shards, clade_replica *r)
{
    clade_status status = CLADE_OK;
    if (clade_model_device(model) != r->device) {
        status = clade_model_create(clade_model_graph(model), r->device, options, &r->own);
        if (!status) status = copy_parameters(model, r->own);
    }
    r->model = r->own ? r->own : model;
    clade_upload_options to = *upload;
    to.model = r->model;
    to.resident = to.resident && !r->own;
    if (!status) status = clade_upload_create(&to, &r->upload);
    if (!status)
        status =
            clade_shard_sum_create(r->device, clade_model_gradients(r->model), shards, &r->sum);
    return status ? status : clade_running_list(r->model, &r->running, &r->runnings);
}

clade_status clade_replica_create(clade_model *model, const clade_model_options *options,
                                  clade_device *device, const clade_upload_options *upload,
                                  int32_t shards, clade_replica *out)
{
    *out = (clade_replica){.device = device};
    clade_status status = make(model, options, upload, shards, out);
    if (status) clade_replica_clear(out);
    return status;
}

void clade_replica_clear(clade_replica *r)
{
    free(r->running);
    clade_shard_sum_destroy(&r->sum);
    clade_upload_destroy(&r->upload);
    clade_model_destroy(&r->own);
    *r = (clade_replica){0};
}

clade_status clade_replica_read_running(const clade_replica *r, float *values)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->runnings && !status; i++) {
        status = clade_tensor_read(&r->running[i].value, values);
        values += clade_tensor_count(&r->running[i].value);
    }
    return status;
}

clade_status clade_replica_write_running(const clade_replica *r, const float *values)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->runnings && !status; i++) {
        status = clade_tensor_write(&r->running[i].value, values);
        values += clade_tensor_count(&r->running[i].value);
    }
    return status;
}

static clade_status read_rows(const clade_tensor *t, int32_t n, float *values)
{
    size_t row = clade_tensor_count(t) / (size_t)t->dim[0];
    return clade_buffer_read(t->buffer, (size_t)t->offset * sizeof *values, values,
                             (size_t)n * row * sizeof *values);
}

/* From zero, fma(momentum, 0, x) is x: what the shard alone gives. */
static clade_status run_shard(clade_replica *r, const clade_batch *batch, uint32_t step,
                              int32_t shard, const clade_shard_results *to)
{
    const int32_t size = clade_model_input(r->model)->dim[0], first = shard * size;
    const int32_t n = batch->count - first < size ? batch->count - first : size;
    float *statistics = to->statistics + (size_t)shard * to->statistics_count;
    memset(statistics, 0, to->statistics_count * sizeof *statistics);
    clade_status status = clade_replica_write_running(r, statistics);
    if (!status) status = clade_upload_run(r->upload, batch, first, n);
    if (!status) status = clade_model_gradient(r->model, n, step, first);
    if (!status)
        status = read_rows(clade_model_output(r->model), n, to->y + (size_t)first * to->outputs);
    if (!status) status = read_rows(clade_model_losses(r->model), n, to->loss + first);
    return status ? status : clade_replica_read_running(r, statistics);
}

clade_status clade_replica_run(clade_replica *r, const clade_batch *batch, uint32_t step,
                               clade_shard_run run, const clade_shard_results *to)
{
    clade_status status = CLADE_OK;
    for (int32_t shard = run.first; shard < run.end && !status; shard++) {
        status = run_shard(r, batch, step, shard, to);
        if (!status) status = clade_shard_sum_add(r->sum, shard - run.first, shard + 1 == run.end);
    }
    if (status) return status;
    float *gradients = clade_tree_take(to->gradients);
    if (!gradients) return CLADE_ENOMEM;
    status = clade_tensor_read(clade_model_gradients(r->model), gradients);
    if (status)
        clade_tree_give_back(to->gradients, gradients);
    else
        clade_tree_add(to->gradients, run.first, run.level, gradients);
    return status;
}
