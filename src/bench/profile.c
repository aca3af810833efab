/* Profiles of training steps: the time of each of a model's calls. */
#include "bench/model.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* Returns the layer of a call of the model; other calls are the optimizer's. */
static const char *layer_of(const clade_model *model, const clade_call *call)
{
    size_t count;
    const clade_layer_call *calls = clade_model_calls(model, CLADE_PASS_TRAIN, &count);
    for (size_t i = 0; i < count; i++)
        if (&calls[i].call == call)
            return clade_graph_layer(clade_model_graph(model), calls[i].layer)->name;
    return "optimizer";
}

static clade_status run_steps(bench_model *m, clade_device *device, int steps, double *seconds)
{
    double begun = clade_clock();
    clade_status status = CLADE_OK;
    for (int i = 0; i < steps && !status; i++) status = clade_bench_model_step(m);
    if (!status) status = clade_device_finish(device);
    *seconds = (clade_clock() - begun) / steps;
    return status;
}

static clade_status take_over(clade_profile *profile, const bench_model *m,
                              const clade_call_time *time, size_t count)
{
    profile->call = calloc(count, sizeof *profile->call);
    if (!profile->call) return clade_fail(CLADE_ENOMEM, "out of memory for a profile");
    profile->count = count;
    double first = 0, last = 0;
    for (size_t i = count; i-- > 0;)
        if (time[i].end > 0) first = time[i].begin;
    for (size_t i = 0; i < count; i++) {
        bool ran = time[i].end > 0;
        bench_cost cost = clade_bench_call_cost(time[i].call);
        clade_profile_call *call = &profile->call[i];
        call->op = time[i].call->op;
        call->algorithm = clade_call_algorithm(time[i].call);
        call->launches = clade_call_launches(time[i].call);
        call->step = (int)(i * (size_t)profile->steps / count); /* every step has the same number of
                                                                 * calls */
        call->begin = ran ? time[i].begin - first : last;
        call->end = last = ran ? time[i].end - first : last;
        call->busy = time[i].busy;
        call->flops = cost.flops;
        call->bytes = cost.bytes;
        snprintf(call->layer, sizeof call->layer, "%s", layer_of(m->model, time[i].call));
    }
    return CLADE_OK;
}

clade_status clade_bench_profile(clade_device *device, const clade_recipe *recipe, int32_t batch,
                                 int steps, clade_profile **out)
{
    *out = NULL;
    if (steps < 1) return clade_fail(CLADE_EINVAL, "%d steps, expected at least 1", steps);
    bench_model *m;
    const clade_call_time *time;
    size_t count = 0;
    clade_status status = clade_bench_model_create(device, recipe, batch, &m);
    if (status) return status;
    double seconds;
    clade_profile *profile = calloc(1, sizeof *profile);
    if (!profile) status = clade_fail(CLADE_ENOMEM, "out of memory for a profile");
    if (!status) status = run_steps(m, device, 1, &seconds);
    if (!status) status = clade_device_profile(device, &time, &count); /* discards earlier calls */
    if (!status) status = run_steps(m, device, steps, &seconds);
    if (!status) status = clade_device_profile(device, &time, &count);
    if (!status) {
        *profile = (clade_profile){.steps = steps, .batch = m->batch, .seconds = seconds};
        status = take_over(profile, m, time, count);
    }
    clade_bench_model_release(m);
    if (status)
        clade_profile_destroy(&profile);
    else
        *out = profile;
    return status;
}

void clade_profile_destroy(clade_profile **handle)
{
    clade_profile *profile = *handle;
    if (!profile) return;
    free(profile->call);
    free(profile);
    *handle = NULL;
}
