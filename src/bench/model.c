/* Models to time: forward, backward and step of a recipe on random images. */
#include "bench/model.h"

#include "base/file.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

static clade_status forward(void *user)
{
    bench_model *m = user;
    return clade_model_infer(m->model, m->batch, true);
}

static clade_status gradient(void *user)
{
    bench_model *m = user;
    return clade_model_gradient(m->model, m->batch, m->step, 0);
}

/* Uses a rate of 0, so that the weights stay the same and all rounds are alike. */
clade_status clade_bench_model_step(void *user)
{
    bench_model *m = user;
    clade_status status = gradient(m);
    return status ? status : clade_updater_step(m->updater, 0, ++m->step);
}

static clade_status step_from_bytes(void *user)
{
    bench_model *m = user;
    clade_status status = clade_call_run(&m->sample);
    return status ? status : clade_bench_model_step(m);
}

void clade_bench_model_release(void *user)
{
    bench_model *m = user;
    if (--m->users > 0) return;
    clade_updater_destroy(&m->updater);
    clade_model_destroy(&m->model);
    clade_call_release(&m->sample);
    clade_buffer_destroy(&m->bytes);
    clade_buffer_destroy(&m->matrix);
    free(m->name);
    free(m);
}

/* Random images and classes, or rows of labels. */
static clade_status draw_inputs(clade_model *model)
{
    const clade_tensor *x = clade_model_input(model), *label = clade_model_label(model);
    size_t n = clade_tensor_count(x), rows = clade_tensor_count(label);
    int32_t outputs = clade_model_output(model)->dim[1];
    float *pixels = malloc(n * sizeof *pixels), *labels = malloc(rows * sizeof *labels);
    int32_t *classes = malloc(rows * sizeof *classes);
    const bool several = label->dtype == CLADE_F32;
    clade_status status = CLADE_OK;
    if (pixels && classes && labels) {
        clade_random r = clade_random_start(0, CLADE_STREAM_CONFORM, 0);
        for (size_t i = 0; i < n; i++) pixels[i] = clade_random_unit(&r);
        for (size_t i = 0; i < rows; i++)
            classes[i] =
                (int32_t)clade_random_below(&r, outputs > 1 && !several ? (uint32_t)outputs : 2);
        for (size_t i = 0; i < rows; i++) labels[i] = (float)classes[i];
        status = clade_tensor_write(x, pixels);
        if (!status) status = clade_tensor_write(label, several ? (void *)labels : classes);
    } else {
        status = clade_fail(CLADE_ENOMEM, "out of memory for a batch of %zu images", rows);
    }
    free(pixels);
    free(labels);
    free(classes);
    return status;
}

/* Random bytes, and the matrices of a first batch. */
static clade_status draw_bytes(bench_model *m, const clade_recipe *recipe)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    const clade_augment *augment = clade_recipe_augment(recipe);
    const clade_tensor *input = clade_model_input(m->model);
    clade_device *device = clade_model_device(m->model);
    size_t n = clade_tensor_count(input), rows = (size_t)m->batch;
    uint8_t *bytes = malloc(n);
    float *matrix = malloc(rows * 8 * sizeof *matrix);
    clade_status status = CLADE_OK;
    if (!bytes || !matrix)
        status = clade_fail(CLADE_ENOMEM, "out of memory for a batch of %zu images", rows);
    if (!status) status = clade_buffer_create(device, n, &m->bytes);
    if (!status) status = clade_buffer_create(device, rows * 8 * sizeof *matrix, &m->matrix);
    if (!status) {
        clade_random r = clade_random_start(0, CLADE_STREAM_CONFORM, 1);
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)clade_random_below(&r, 256);
        for (size_t i = 0; i < rows; i++)
            clade_augment_matrix(augment, p->height, p->width, 0, 0, i, matrix + 8 * i);
        status = clade_buffer_write(m->bytes, 0, bytes, n);
    }
    if (!status) status = clade_buffer_write(m->matrix, 0, matrix, rows * 8 * sizeof *matrix);
    free(bytes);
    free(matrix);
    return status;
}

static clade_status make_sample(bench_model *m, const clade_recipe *recipe)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    const clade_augment *augment = clade_recipe_augment(recipe);
    clade_status status = draw_bytes(m, recipe);
    if (status) return status;
    m->sample.op = CLADE_OP_affine_sample;
    clade_affine_sample_args *a = &m->sample.args.affine_sample;
    a->y = *clade_model_input(m->model);
    a->x = a->y;
    a->x.buffer = m->bytes;
    a->x.offset = 0;
    a->x.dtype = CLADE_U8;
    a->matrix =
        (clade_tensor){.buffer = m->matrix, .dtype = CLADE_F32, .rank = 2, .dim = {a->y.dim[0], 8}};
    a->fill = (int32_t)augment->fill;
    a->value = augment->fill_value;
    memcpy(a->scale, p->scale, sizeof a->scale);
    memcpy(a->shift, p->shift, sizeof a->shift);
    return clade_call_prepare(clade_model_device(m->model), &m->sample);
}

static clade_status make(bench_model *m, clade_device *device, const clade_recipe *recipe)
{
    const clade_training *t = clade_recipe_training(recipe);
    clade_model_options options = {.batch = m->batch,
                                   .seed = t->seed,
                                   .loss = t->loss,
                                   .numbers = t->loss_numbers,
                                   .precision = t->precision,
                                   .label_smoothing = t->label_smoothing,
                                   .soft_labels =
                                       clade_recipe_data(recipe)->task != CLADE_TASK_CLASS};
    clade_graph *graph;
    if (t->loss == CLADE_LOSS_NONE) return clade_fail(CLADE_EINVAL, "there is no train.loss");
    clade_status status = clade_recipe_graph(recipe, 0, &graph);
    if (status) return status;
    status = clade_model_create(graph, device, &options, &m->model);
    clade_graph_destroy(&graph);
    if (status) return status;
    const clade_tensor *w = clade_model_trained(m->model);
    if (!clade_tensor_present(w))
        return clade_fail(CLADE_EINVAL, "there is nothing to train: every layer is frozen");
    status = clade_updater_create_by(recipe, m->model, NULL, 0, &m->updater);
    if (!status) status = draw_inputs(m->model);
    return status ? status : make_sample(m, recipe);
}

clade_status clade_bench_model_create(clade_device *device, const clade_recipe *recipe,
                                      int32_t batch, bench_model **out)
{
    const clade_training *t = clade_recipe_training(recipe);
    bench_model *m = *out = calloc(1, sizeof *m);
    if (!m) return clade_fail(CLADE_ENOMEM, "out of memory for a benchmark");
    m->users = 1;
    m->batch = batch ? batch : t->batch ? t->batch : 32;
    m->name = clade_string_join(clade_recipe_name(recipe), "");
    clade_status status = m->name ? make(m, device, recipe)
                                  : clade_fail(CLADE_ENOMEM, "out of memory for a benchmark");
    if (!status) return CLADE_OK;
    clade_bench_model_release(m);
    *out = NULL;
    return clade_context(status, "%s", clade_recipe_name(recipe));
}

clade_status clade_bench_add_model(clade_bench *bench, const clade_recipe *recipe, int32_t batch)
{
    bench_model *m;
    clade_status status = clade_bench_model_create(bench->device, recipe, batch, &m);
    if (status) return status;
    bench_cost loss = clade_bench_pass_cost(m->model, CLADE_PASS_LOSS);
    bench_cost train = clade_bench_pass_cost(m->model, CLADE_PASS_TRAIN);
    bench_cost update = clade_bench_call_cost(clade_updater_call(m->updater));
    int first = (int)bench->count;
    bench_thing thing = {.user = m,
                         .destroy = clade_bench_model_release,
                         .run = forward,
                         .less = -1,
                         .result = {.name = m->name,
                                    .part = CLADE_BENCH_FORWARD,
                                    .images = m->batch,
                                    .flops = loss.flops,
                                    .bytes = loss.bytes}};
    status = clade_bench_add(bench, &thing);
    if (status) return status;
    thing.run = gradient;
    thing.less = first;
    thing.result.part = CLADE_BENCH_BACKWARD;
    thing.result.flops = train.flops - loss.flops;
    thing.result.bytes = train.bytes - loss.bytes;
    m->users++;
    status = clade_bench_add(bench, &thing);
    if (status) return status;
    thing.run = clade_bench_model_step;
    thing.less = -1;
    thing.result.part = CLADE_BENCH_STEP;
    thing.result.flops = train.flops;
    thing.result.bytes = train.bytes + update.bytes;
    m->users++;
    status = clade_bench_add(bench, &thing);
    if (status) return status;
    thing.run = step_from_bytes;
    thing.result.part = CLADE_BENCH_FROM_BYTES;
    thing.result.bytes += clade_bench_call_cost(&m->sample).bytes;
    m->users++;
    return clade_bench_add(bench, &thing);
}
