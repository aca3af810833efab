/* Mixed precisions on the CPU: a training step's gradients are, bit for bit, those of its ops one
 * by one in float32, with each activation, gradient and kernel rounded by this test; the loss's
 * scale; fewer images than the full batch; and the memory of a deep net. */
#include "../test.h"
#include "base/random.h"
#include "nn/build.h"
#include "op/op.h"
#include "nets.h"

#include <math.h>
#include <stdlib.h>

enum { N = 3, SIZE = 12, CHANNELS = 2, CLASSES = 3, ROOM = 1 << 16 };

static clade_device *device;
static clade_buffer *memory; /* of all tensors of the replay, one after the other */
static size_t used;
static clade_precision precision;

/* ---- the replay ---- */

/* To the nearest of 8 or 11 binary digits, of two to the even one. */
static float nearest(float v)
{
    const bool half = precision == CLADE_PRECISION_MIXED_FLOAT16;
    const int digits = half ? 11 : 8, least = half ? -13 : -125;
    int e;
    (void)frexp((double)v, &e);
    if (e < least) e = least;
    const double unit = ldexp(1, e - digits), r = rint((double)v / unit) * unit;
    return half && fabs(r) > 65504 ? copysignf(INFINITY, v) : (float)r;
}

static float *numbers(const clade_tensor *t)
{
    return (float *)clade_buffer_host(memory) + t->offset;
}

static clade_tensor place(clade_tensor t)
{
    t.buffer = memory;
    t.offset = used;
    used += clade_tensor_count(&t);
    CHECK(used <= ROOM);
    return t;
}

/* A parameter, or the input: as it is, or rounded. */
static clade_tensor copy_of(const clade_tensor *from, bool round)
{
    const clade_tensor t = place(*from);
    CHECK_OK(clade_tensor_read(from, numbers(&t)));
    for (size_t i = 0; round && i < clade_tensor_count(&t); i++)
        numbers(&t)[i] = nearest(numbers(&t)[i]);
    return t;
}

static const clade_tensor *value_of(const clade_model *model, const char *name)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++)
        if (!strcmp(clade_model_parameter(model, i)->name, name))
            return &clade_model_parameter(model, i)->value;
    CHECK(!"there is such a parameter");
    return NULL;
}

/* Runs an op; outputs that are not there yet get their place. */
static void run(clade_op op, clade_args *args)
{
    clade_device_finish(device);
    CHECK_OK(clade_op_shape(op, args));
    const clade_op_info *info = clade_op_describe(op);
    for (size_t s = 0; s < info->slot_count; s++)
        if (clade_tensor_present(&args->slot[s]) && !args->slot[s].buffer)
            args->slot[s] = place(args->slot[s]);
    CHECK_OK(clade_op_run(device, op, args));
    clade_device_finish(device);
}
#define RUN(id, ...)                                                                               \
    clade_args args_##id = {.id = {__VA_ARGS__}};                                                  \
    run(CLADE_OP_##id, &args_##id)

/* Stores what an op gave. */
static clade_tensor store(clade_tensor t)
{
    for (size_t i = 0; i < clade_tensor_count(&t); i++) numbers(&t)[i] = nearest(numbers(&t)[i]);
    return t;
}

static clade_tensor shaped(clade_tensor t, clade_tensor shape)
{
    shape.buffer = t.buffer;
    shape.offset = t.offset;
    return shape;
}

static clade_tensor like(const clade_tensor *t)
{
    return (clade_tensor){
        .dtype = t->dtype, .rank = t->rank, .dim = {t->dim[0], t->dim[1], t->dim[2], t->dim[3]}};
}

static void compare(const clade_model *model, const char *name, const clade_tensor *expected)
{
    static float got[ROOM];
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (strcmp(p->name, name) != 0) continue;
        CHECK_OK(clade_tensor_read(&p->gradient, got));
        const size_t n = clade_tensor_count(&p->gradient);
        const bool same = !memcmp(got, numbers(expected), n * sizeof *got);
        if (!same) printf("precision %d, %s:\n", (int)precision, name);
        CHECK(same);
        bool any = false;
        for (size_t k = 0; k < n; k++) any = any || got[k] != 0;
        CHECK(any);
        return;
    }
    CHECK(!"there is such a parameter");
}

static clade_graph *net(void)
{
    clade_graph *g;
    if (clade_graph_create(SIZE, SIZE, CHANNELS, &g)) return NULL;
    int32_t at = net_batchnorm(g, net_conv(g, 0, 4, 3, CLADE_PADDING_SAME, CLADE_LINEAR), false);
    at = net_maxpool(g, net_activation(g, at, CLADE_SILU), 2);
    at = net_maxpool(g, net_conv(g, at, 5, 3, CLADE_PADDING_SAME, CLADE_RELU), 2);
    at = net_dense(g, net_plain(g, at, CLADE_LAYER_FLATTEN), 7, CLADE_TANH);
    net_softmax_dense(g, at, CLASSES);
    return g;
}

#define SAME .pad = {1, 1, 1, 1}
#define TWO .window = {2, 2}

static void replay(const clade_model *model, float scale)
{
    const clade_tensor x = copy_of(clade_model_input(model), true);
    const clade_tensor w1 = copy_of(value_of(model, "conv2d/kernel"), true);
    const clade_tensor b1 = copy_of(value_of(model, "conv2d/bias"), false);
    const clade_tensor gamma = copy_of(value_of(model, "batch_normalization/gamma"), false);
    const clade_tensor beta = copy_of(value_of(model, "batch_normalization/beta"), false);
    const clade_tensor mean = copy_of(value_of(model, "batch_normalization/moving_mean"), false);
    const clade_tensor var = copy_of(value_of(model, "batch_normalization/moving_variance"), false);
    const clade_tensor w2 = copy_of(value_of(model, "conv2d_1/kernel"), true);
    const clade_tensor b2 = copy_of(value_of(model, "conv2d_1/bias"), false);
    const clade_tensor w3 = copy_of(value_of(model, "dense/kernel"), true);
    const clade_tensor b3 = copy_of(value_of(model, "dense/bias"), false);
    const clade_tensor w4 = copy_of(value_of(model, "dense_1/kernel"), true);
    const clade_tensor b4 = copy_of(value_of(model, "dense_1/bias"), false);

    RUN(conv2d, .x = x, .w = w1, .b = b1, SAME);
    const clade_tensor c = store(args_conv2d.conv2d.y);
    RUN(batchnorm, .x = c, .gamma = gamma, .beta = beta, .running_mean = mean, .running_var = var,
        .eps = 1e-3F, .momentum = 0.99F, .unbiased = 1);
    const clade_batchnorm_args *norm = &args_batchnorm.batchnorm;
    const clade_tensor n = store(norm->y);
    RUN(activation, .x = n, .act = CLADE_SILU);
    const clade_tensor a = store(args_activation.activation.y);
    clade_tensor index = clade_shape(4, N, SIZE / 2, SIZE / 2, 4);
    index.dtype = CLADE_U8;
    const clade_tensor room = place(clade_shape(1, (int32_t)clade_tensor_count(&index)));
    index.buffer = memory;
    index.offset = room.offset * sizeof(float);
    RUN(maxpool2d, .x = a, .index = index, TWO);
    const clade_tensor p = store(args_maxpool2d.maxpool2d.y);
    clade_tensor second = clade_shape(4, N, SIZE / 4, SIZE / 4, 5);
    second.dtype = CLADE_U8;
    const clade_tensor more = place(clade_shape(1, (int32_t)clade_tensor_count(&second)));
    second.buffer = memory;
    second.offset = more.offset * sizeof(float);
    RUN(conv2d_maxpool, .x = p, .w = w2, .b = b2, .index = second, SAME, .act = CLADE_RELU);
    const clade_tensor q = store(args_conv2d_maxpool.conv2d_maxpool.y);
    const clade_tensor flat = shaped(q, clade_shape(2, N, SIZE / 4 * SIZE / 4 * 5));
    RUN(dense, .x = flat, .w = w3, .b = b3, .act = CLADE_TANH);
    const clade_tensor d = store(args_dense.dense.y);
    clade_args last = {.dense = {.x = d, .w = w4, .b = b4}};
    run(CLADE_OP_dense, &last);

    clade_tensor y = place(clade_shape(2, N, CLASSES)), label = *clade_model_label(model);
    RUN(softmax_xent, .x = last.dense.y, .label = label, .y = y);
    const clade_tensor weight = copy_of(clade_model_weight(model), false);
    for (int i = 0; i < N; i++) numbers(&weight)[i] *= scale;
    RUN(softmax_xent_dx, .y = y, .label = label, .dloss = weight);
    const clade_tensor dz = args_softmax_xent_dx.softmax_xent_dx.dx;
    clade_args dw4 = {.dense_dw = {.x = d, .dy = dz, .dw = like(&w4), .db = like(&b4)}};
    run(CLADE_OP_dense_dw, &dw4);
    clade_args dd = {.dense_dx = {.dy = dz, .w = w4}};
    run(CLADE_OP_dense_dx, &dd);
    RUN(activation_dx, .y = d, .dy = store(dd.dense_dx.dx), .act = CLADE_TANH);
    const clade_tensor dt = store(args_activation_dx.activation_dx.dx);
    RUN(dense_dw, .x = flat, .dy = dt, .dw = like(&w3), .db = like(&b3));
    RUN(dense_dx, .dy = dt, .w = w3);
    const clade_tensor dq = shaped(store(args_dense_dx.dense_dx.dx), q);
    RUN(conv2d_maxpool_dw, .x = p, .dy = dq, .index = second, .dw = like(&w2), .db = like(&b2),
        SAME);
    RUN(conv2d_maxpool_dx, .dy = dq, .index = second, .w = w2, .dx = like(&p), SAME);
    const clade_tensor dp = store(args_conv2d_maxpool_dx.conv2d_maxpool_dx.dx);
    RUN(maxpool2d_dx, .dy = dp, .index = index, .dx = like(&a), TWO);
    const clade_tensor da = store(args_maxpool2d_dx.maxpool2d_dx.dx);
    clade_args dn = {.activation_dx = {.x = n, .dy = da, .act = CLADE_SILU}};
    run(CLADE_OP_activation_dx, &dn);
    RUN(batchnorm_dx, .x = c, .dy = store(dn.activation_dx.dx), .gamma = gamma, .mean = norm->mean,
        .rstd = norm->rstd, .dx = like(&c), .dgamma = like(&gamma), .dbeta = like(&beta));
    const clade_batchnorm_dx_args *dnorm = &args_batchnorm_dx.batchnorm_dx;
    RUN(conv2d_dw, .x = x, .dy = store(dnorm->dx), .dw = like(&w1), .db = like(&b1), SAME);

    compare(model, "dense_1/kernel", &dw4.dense_dw.dw);
    compare(model, "dense_1/bias", &dw4.dense_dw.db);
    compare(model, "dense/kernel", &args_dense_dw.dense_dw.dw);
    compare(model, "dense/bias", &args_dense_dw.dense_dw.db);
    compare(model, "conv2d_1/kernel", &args_conv2d_maxpool_dw.conv2d_maxpool_dw.dw);
    compare(model, "conv2d_1/bias", &args_conv2d_maxpool_dw.conv2d_maxpool_dw.db);
    compare(model, "batch_normalization/gamma", &dnorm->dgamma);
    compare(model, "batch_normalization/beta", &dnorm->dbeta);
    compare(model, "conv2d/kernel", &args_conv2d_dw.conv2d_dw.dw);
}

static clade_model *make(clade_graph *graph, int32_t batch)
{
    const clade_model_options options = {.batch = batch,
                                         .seed = 8,
                                         .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY,
                                         .precision = precision};
    clade_model *model = NULL;
    CHECK(graph != NULL);
    if (graph) CHECK_OK(clade_model_create(graph, device, &options, &model));
    clade_graph_destroy(&graph);
    return model;
}

static void test_step(float scale)
{
    static float images[N * SIZE * SIZE * CHANNELS];
    const int32_t labels[N] = {2, 0, 1};
    clade_random r = clade_random_start(6, CLADE_STREAM_CONFORM, 0);
    clade_model *model = make(net(), N);
    if (!model) return;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) images[i] = clade_random_normal(&r);
    CHECK_OK(clade_tensor_write(clade_model_input(model), images));
    CHECK_OK(clade_tensor_write(clade_model_label(model), labels));
    if (scale != 1) CHECK_OK(clade_tensor_write(clade_model_loss_scale(model), &scale));
    used = 0;
    CHECK_OK(clade_model_gradient(model, N, 1, 0));
    replay(model, scale);
    clade_model_destroy(&model);
}

/* ---- fewer images than the full batch ---- */

static clade_graph *scaled_net(void)
{
    clade_graph *g;
    if (clade_graph_create(SIZE, SIZE, CHANNELS, &g)) return NULL;
    const int32_t y = net_plain(g, net_conv(g, 0, 4, 3, CLADE_PADDING_SAME, CLADE_LINEAR),
                                CLADE_LAYER_LAYER_SCALE);
    net_softmax_dense(g, net_plain(g, y, CLADE_LAYER_GLOBAL_AVGPOOL2D), CLASSES);
    return g;
}

/* One image of a model for several has the gradients of one for it alone, although a vector is then
 * stretched over as many images as it has rows. */
static void test_one_image(void)
{
    static float images[N * SIZE * SIZE * CHANNELS], gradients[2][ROOM];
    const int32_t labels[N] = {2, 0, 1};
    clade_random r = clade_random_start(7, CLADE_STREAM_CONFORM, 0);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) images[i] = clade_random_normal(&r);
    for (int i = 0; i < 2; i++) {
        clade_model *model = make(scaled_net(), i ? N : 1);
        if (!model) return;
        clade_tensor x = *clade_model_input(model), label = *clade_model_label(model),
                     weight = *clade_model_weight(model);
        x.dim[0] = label.dim[0] = weight.dim[0] = 1;
        CHECK_OK(clade_tensor_write(&x, images));
        CHECK_OK(clade_tensor_write(&label, labels));
        CHECK_OK(clade_tensor_write(&weight, &(float){1}));
        CHECK_OK(clade_model_gradient(model, 1, 1, 0));
        const clade_tensor *all = clade_model_gradients(model);
        CHECK(clade_tensor_count(all) > 0 && clade_tensor_count(all) <= ROOM);
        CHECK_OK(clade_tensor_read(all, gradients[i]));
        CHECK(i == 0 ||
              !memcmp(gradients[0], gradients[1], clade_tensor_count(all) * sizeof(float)));
        clade_model_destroy(&model);
    }
}

/* ---- memory ---- */

static clade_graph *deep_net(void)
{
    clade_graph *g;
    if (clade_graph_create(16, 16, 8, &g)) return NULL;
    int32_t at = 0;
    for (int i = 0; i < 16; i++)
        at = net_batchnorm(g, net_conv(g, at, 8, 3, CLADE_PADDING_SAME, CLADE_RELU), false);
    net_softmax_dense(g, net_plain(g, at, CLADE_LAYER_GLOBAL_AVGPOOL2D), CLASSES);
    return g;
}

/* Convolutions that are pooled, and a dense layer with a larger kernel than any activation. */
static clade_graph *pooled_net(void)
{
    clade_graph *g;
    if (clade_graph_create(40, 40, 3, &g)) return NULL;
    int32_t at = 0;
    for (int i = 0; i < 3; i++)
        at = net_maxpool(g, net_conv(g, at, 32 << i, 3, CLADE_PADDING_SAME, CLADE_RELU), 2);
    at = net_dense(g, net_plain(g, at, CLADE_LAYER_FLATTEN), 256, CLADE_RELU);
    net_softmax_dense(g, at, CLASSES);
    return g;
}

static uint64_t arena_of(clade_graph *graph)
{
    uint64_t arena = 0, unshared;
    clade_model *model = make(graph, 8);
    if (model) clade_model_memory(model, &arena, &unshared);
    clade_model_destroy(&model);
    return arena;
}

/* At most `most` percent of what a net takes in float32. */
static void test_memory(clade_graph *make_net(void), uint64_t most)
{
    precision = CLADE_PRECISION_FLOAT32;
    const uint64_t single = arena_of(make_net());
    for (int p = CLADE_PRECISION_MIXED_BFLOAT16; p <= CLADE_PRECISION_MIXED_FLOAT16; p++) {
        precision = (clade_precision)p;
        const uint64_t mixed = arena_of(make_net());
        if (!(mixed > single * 2 / 5 && mixed < single * most / 100))
            printf("%llu bytes, in float32 %llu\n", (unsigned long long)mixed,
                   (unsigned long long)single);
        CHECK(mixed > single * 2 / 5 && mixed < single * most / 100);
    }
    precision = CLADE_PRECISION_TF32;
    CHECK(arena_of(make_net()) == single);
}

/* All products of a step, and nothing else, say what their factors may be. */
static void test_products(void)
{
    for (int p = 0; p < CLADE_PRECISIONS; p++) {
        precision = (clade_precision)p;
        clade_graph *graph = net();
        clade_model *model = NULL;
        const clade_model_options options = {
            .batch = 2, .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY, .precision = precision};
        CHECK_OK(clade_model_create(graph, device, &options, &model));
        size_t count = 0, products = 0;
        const clade_layer_call *call =
            model ? clade_model_calls(model, CLADE_PASS_TRAIN, &count) : NULL;
        for (size_t c = 0; c < count; c++) {
            const clade_op_info *info = clade_op_describe(call[c].call.op);
            const int i = clade_param_find(info, "products");
            if (i < 0) continue;
            products++;
            CHECK(*(const clade_products *)(const void *)((const char *)&call[c].call.args +
                                                          info->params[i].offset) ==
                  (clade_products)clade_precision_factors(precision));
        }
        CHECK(products >= 5); /* at least a convolution and a dense layer, and their gradients */
        clade_model_destroy(&model);
        clade_graph_destroy(&graph);
    }
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    CHECK_OK(clade_buffer_create(device, ROOM * sizeof(float), &memory));
    precision = CLADE_PRECISION_MIXED_BFLOAT16;
    if (memory) test_step(1);
    precision = CLADE_PRECISION_MIXED_FLOAT16;
    if (memory) test_step(1);
    if (memory) test_step(0x1p12F);
    test_one_image();
    precision = CLADE_PRECISION_MIXED_BFLOAT16;
    test_one_image();
    test_memory(deep_net, 62); /* three of 34 tensors, a layer's, are float32 for a while */
    test_memory(pooled_net, 55);
    test_products();
    precision = CLADE_PRECISIONS;
    clade_graph *graph = net();
    clade_model *none = NULL;
    if (graph)
        CHECK_FAILS(clade_model_create(graph, device,
                                       &(clade_model_options){.precision = precision}, &none),
                    CLADE_EINVAL, "there is no precision 4");
    clade_graph_destroy(&graph);
    clade_buffer_destroy(&memory);
    clade_device_close(&device);
    return TEST_END();
}
