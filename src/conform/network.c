/* A whole net from a file: its outputs, and the losses and gradients of a training step on random
 * images, on the device that is judged and on the CPU.
 *
 * In exact mode every number must be the same bits. In fast mode a twin on the CPU says how much
 * the net makes of small differences: its weights differ by at most `spread` of themselves, and
 * each tensor may be `slack` times as far from the CPU's as the twin's is, and `spread` of its
 * size, in the Euclidean norm. */
#include "conform/twin.h"
#include "nn/loss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { batch = 2, JUDGED = 0, CPU, TWIN, most_nets };

typedef struct match {
    const clade_network *network;
    uint64_t seed;
    bool exact;
    clade_model *model[most_nets];
    size_t count; /* of models */
    clade_conform_result *result;
    conform_failure *failure;
} match;

/* ---- making ---- */

/* The net with what a loss needs at its end: probabilities for cross-entropy; else a vector. */
static clade_status make_graph(const clade_network *network, clade_graph **out, clade_loss *loss)
{
    const clade_graph *from = clade_network_graph(network);
    int32_t dim[3], layers = clade_graph_layers(from);
    clade_graph_shape(from, 0, dim);
    clade_status status = clade_graph_create(dim[0], dim[1], dim[2], out);
    for (int32_t i = 1; i < layers && !status; i++)
        status = clade_graph_add(*out, clade_graph_layer(from, i), NULL);
    int32_t rank = clade_graph_shape(from, layers - 1, dim);
    if (!status && rank > 1)
        status = clade_graph_add(
            *out,
            &(clade_layer){.kind = rank == 3 ? CLADE_LAYER_GLOBAL_AVGPOOL2D : CLADE_LAYER_FLATTEN},
            NULL);
    if (status) return status;
    bool classes = clade_loss_check(*out, CLADE_LOSS_CATEGORICAL_CROSSENTROPY, false) == CLADE_OK;
    *loss = classes ? CLADE_LOSS_CATEGORICAL_CROSSENTROPY : CLADE_LOSS_MSE;
    return CLADE_OK;
}

/* Random pixels, preprocessed where the net says how; labels in turn. */
static clade_status write_batch(const match *m, clade_model *model)
{
    const clade_tensor *x = clade_model_input(model);
    const clade_preprocessing *p = clade_network_preprocessing(m->network);
    size_t count = clade_tensor_count(x), channels = (size_t)x->dim[3];
    float *v = malloc(count * sizeof *v);
    if (!v) return clade_fail(CLADE_ENOMEM, "out of memory for images");
    clade_random r = clade_conform_random(m->seed, "network", "images", "input", "random");
    for (size_t i = 0; i < count; i++) {
        float pixel = (float)clade_random_below(&r, 256);
        v[i] = p ? p->scale[i % channels] * pixel + p->shift[i % channels] : (pixel - 127.5F) / 64;
    }
    const clade_tensor *y = clade_model_output(model);
    int32_t label[batch] = {0};
    for (int32_t i = 0; i < batch; i++) label[i] = y->dim[1] > 1 ? i % y->dim[1] : i % 2;
    clade_status status = clade_tensor_write(x, v);
    if (!status) status = clade_tensor_write(clade_model_label(model), label);
    free(v);
    return status;
}

static clade_status make_models(match *m, clade_device *device, clade_device *cpu)
{
    clade_graph *graph = NULL;
    clade_model_options options = {.batch = batch, .seed = m->seed};
    size_t weights, nets = m->exact ? TWIN : most_nets;
    const clade_network_weight *weight = clade_network_weights(m->network, &weights);
    clade_status status = make_graph(m->network, &graph, &options.loss);
    for (size_t i = 0; i < nets && !status; i++) {
        status = clade_model_create(graph, i == JUDGED ? device : cpu, &options, &m->model[i]);
        if (status) break;
        m->count++;
        status = clade_model_load(m->model[i], weight, weights, true);
        if (!status && i == TWIN)
            status = clade_twin_move(
                clade_model_trained(m->model[i]), twin_spread,
                clade_conform_random(m->seed, "network", "weights", "twin", "random"));
        if (!status) status = write_batch(m, m->model[i]);
    }
    clade_graph_destroy(&graph);
    return status;
}

/* ---- judging ---- */

/* A tensor of each model, of the same shape. */
static clade_status judge_tensor(match *m, const char *name, const clade_tensor *const *tensor)
{
    size_t n = clade_tensor_count(tensor[CPU]);
    float *v[most_nets] = {NULL};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < m->count && !status; i++) {
        v[i] = malloc(n * sizeof(float) + 1);
        status = v[i] ? clade_tensor_read(tensor[i], v[i])
                      : clade_fail(CLADE_ENOMEM, "out of memory for %zu numbers", n);
    }
    if (!status) {
        double apart = clade_twin_distance(v[JUDGED], v[CPU], n),
               size = clade_twin_distance(v[CPU], NULL, n), room = 0;
        if (!m->exact)
            room = twin_slack * clade_twin_distance(v[TWIN], v[CPU], n) + twin_spread * size;
        bool right = m->exact ? !memcmp(v[JUDGED], v[CPU], n * sizeof(float)) && size < INFINITY
                              : apart <= room;
        size_t at = clade_twin_worst(v[JUDGED], v[CPU], n, m->exact);
        if (!right)
            clade_failure_set(m->failure, m->exact ? "bits" : "bound",
                              "%s[%zu]: got %.9g, the CPU %.9g; %.3g apart in the Euclidean norm, "
                              "bound %.3g",
                              name, at, (double)v[JUDGED][at], (double)v[CPU][at], apart, room);
        double ratio = apart == 0 ? 0 : apart / room,
               error = fabs((double)v[JUDGED][at] - (double)v[CPU][at]);
        if (!m->exact && !(ratio <= m->result->worst)) m->result->worst = ratio;
        if (!(error <= m->result->error)) m->result->error = error;
        m->result->compared += n;
    }
    for (size_t i = 0; i < m->count; i++) free(v[i]);
    return status;
}

/* Queues what is judged on each model; what the judged device refuses is a failure. */
static clade_status compute(match *m, bool gradient, bool *done)
{
    *done = true;
    for (size_t i = 0; i < m->count; i++) {
        clade_status status = gradient ? clade_model_gradient(m->model[i], batch, 1, 0)
                                       : clade_model_infer(m->model[i], batch, false);
        if (!status) status = clade_device_finish(clade_model_device(m->model[i]));
        if (status && i != JUDGED) return status;
        if (!status) continue;
        clade_failure_set(m->failure, "status", "%s", clade_error());
        *done = false;
        return CLADE_OK;
    }
    return CLADE_OK;
}

static clade_status judge_all(match *m, const char *name,
                              const clade_tensor *(*of)(const clade_model *model))
{
    const clade_tensor *tensor[most_nets];
    for (size_t i = 0; i < m->count; i++) tensor[i] = of(m->model[i]);
    return judge_tensor(m, name, tensor);
}

static clade_status judge_gradients(match *m)
{
    clade_status status = judge_all(m, "losses", clade_model_losses);
    for (size_t k = 0; k < clade_model_parameters(m->model[CPU]) && !status; k++) {
        const clade_tensor *tensor[most_nets];
        const clade_parameter *p = clade_model_parameter(m->model[CPU], k);
        char name[CLADE_NAME_SIZE + 64];
        bool trained = clade_tensor_present(&p->gradient);
        /* of running statistics what the step made of them */
        snprintf(name, sizeof name, "%s%s", trained ? "gradient of " : "", p->name);
        for (size_t i = 0; i < m->count; i++) {
            p = clade_model_parameter(m->model[i], k);
            tensor[i] = trained ? &p->gradient : &p->value;
        }
        status = judge_tensor(m, name, tensor);
    }
    return status;
}

static clade_status judge_models(match *m, bool gradient)
{
    bool done;
    clade_status status = compute(m, gradient, &done);
    if (status || !done) return status;
    return gradient ? judge_gradients(m) : judge_all(m, "output", clade_model_output);
}

static void destroy_models(match *m)
{
    for (size_t i = 0; i < m->count; i++) clade_model_destroy(&m->model[i]);
}

static clade_status judge_case(conform_run *run, match *m, bool gradient)
{
    conform_failure failure = {0};
    char text[96];
    clade_conform_result result = {.mode = CLADE_CONFORM_NETS,
                                   .op = clade_network_name(m->network),
                                   .case_name = gradient ? "gradient" : "forward",
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_fits(run->options->case_name, result.case_name) ||
        !clade_conform_begin(run, &result))
        return CLADE_OK;
    if (gradient && !clade_tensor_present(clade_model_trained(m->model[CPU]))) {
        result.verdict = CLADE_CONFORM_SKIP;
        result.text = "nothing in it is trained";
        return clade_conform_end(run, &result, &failure);
    }
    m->result = &result;
    m->failure = &failure;
    clade_status status = judge_models(m, gradient);
    if (status) return status;
    snprintf(text, sizeof text, "batch %d, largest difference %.3g", (int)batch, result.error);
    result.text = text;
    return clade_conform_end(run, &result, &failure);
}

clade_status clade_conform_match(const conform_run *run, const clade_network *network,
                                 bool gradient, clade_device *cpu, clade_conform_result *result,
                                 conform_failure *failure)
{
    match m = {.network = network,
               .seed = run->options->seed,
               .exact = run->options->math == CLADE_EXACT,
               .result = result,
               .failure = failure};
    clade_status status = make_models(&m, run->devices[0].device, cpu);
    if (!status) status = judge_models(&m, gradient);
    destroy_models(&m);
    return status;
}

clade_status clade_conform_network(conform_run *run, clade_device *cpu)
{
    const clade_conform_options *o = run->options;
    clade_network *network = NULL;
    clade_status status = clade_network_read(o->model, NULL, &network);
    if (status) return status;
    match m = {.network = network, .seed = o->seed, .exact = o->math == CLADE_EXACT};
    if (!run->listing) status = make_models(&m, run->devices[0].device, cpu);
    if (!status) status = judge_case(run, &m, false);
    if (!status) status = judge_case(run, &m, true);
    destroy_models(&m);
    clade_network_destroy(&network);
    return clade_context(status, "%s", o->model);
}
