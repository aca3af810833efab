/* Dynamic loss scaling: gradients of a scaled loss, divided again; steps that are skipped, and how
 * the scale moves. */
#include "../test.h"
#include "train/loss_scale.h"

#include <math.h>

enum { CLASSES = 3, INPUTS = 4, TRAINED = INPUTS * CLASSES + CLASSES };

static clade_model *make(clade_device *device, clade_precision precision)
{
    const clade_model_options options = {
        .batch = 1, .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY, .precision = precision};
    const clade_layer dense = {.kind = CLADE_LAYER_DENSE,
                               .as.dense = {.units = CLASSES, .softmax = true}};
    const float x[INPUTS] = {1, -2, 0.5F, 3};
    clade_graph *graph = NULL;
    clade_model *model = NULL;
    CHECK_OK(clade_graph_create(1, 1, INPUTS, &graph));
    CHECK_OK(clade_graph_add(graph, &(clade_layer){.kind = CLADE_LAYER_FLATTEN}, NULL));
    CHECK_OK(clade_graph_add(graph, &dense, NULL));
    CHECK_OK(clade_model_create(graph, device, &options, &model));
    clade_graph_destroy(&graph);
    if (model) CHECK_OK(clade_tensor_write(clade_model_input(model), x));
    return model;
}

static void read(const clade_model *model, float g[TRAINED])
{
    CHECK_OK(clade_tensor_read(clade_model_gradients(model), g));
}

/* What is scaled and divided again is, where nothing is rounded on the way, as it was. */
static void test_division(clade_model *model, clade_loss_scaler *scaler)
{
    clade_loss_scale state = {.scale = 1};
    float plain[TRAINED], scaled[TRAINED], divided[TRAINED];
    bool skip = true;
    CHECK_OK(clade_loss_scaler_begin(scaler, &state));
    CHECK_OK(clade_model_gradient(model, 1, 1, 0));
    read(model, plain);
    state.scale = 1024;
    CHECK_OK(clade_loss_scaler_begin(scaler, &state));
    CHECK_OK(clade_model_gradient(model, 1, 1, 0));
    read(model, scaled);
    CHECK_OK(clade_loss_scaler_end(scaler, &state, &skip));
    read(model, divided);
    CHECK(!skip && state.scale == 1024 && state.finite == 1 && state.skipped == 0);
    for (int i = 0; i < TRAINED; i++)
        CHECK(plain[i] != 0 && scaled[i] == 1024 * plain[i] && divided[i] == plain[i]);
}

static void end(clade_model *model, clade_loss_scaler *scaler, clade_loss_scale *state, float value,
                int at, bool expected)
{
    float g[TRAINED] = {1};
    bool skip = !expected;
    if (at >= 0) g[at] = value;
    CHECK_OK(clade_loss_scaler_begin(scaler, state));
    CHECK_OK(clade_tensor_write(clade_model_gradients(model), g));
    CHECK_OK(clade_loss_scaler_end(scaler, state, &skip));
    CHECK(skip == expected);
}

static void test_moves(clade_model *model, clade_loss_scaler *scaler)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    clade_loss_scale state = {.scale = CLADE_LOSS_SCALE_START};
    CHECK(CLADE_LOSS_SCALE_START == 32768 && CLADE_LOSS_SCALE_STEPS == 2000);
    for (int i = 0; i < 3; i++) {
        end(model, scaler, &state, 0, -1, false);
        end(model, scaler, &state, bad[i], i * (TRAINED - 1) / 2, true);
        CHECK(state.scale == ldexp(1, 14 - i) && state.finite == 0);
        CHECK(state.skipped == i + 1 && state.skipped_ever == i + 1);
    }
    state.skipped = 0;
    for (int i = 1; i < CLADE_LOSS_SCALE_STEPS; i++) end(model, scaler, &state, 0, -1, false);
    CHECK(state.scale == 4096 && state.finite == CLADE_LOSS_SCALE_STEPS - 1);
    end(model, scaler, &state, 0, -1, false);
    CHECK(state.scale == 8192 && state.finite == 0);
    CHECK(state.skipped == 0 && state.skipped_ever == 3);
    state.scale = 0x1p-126;
    end(model, scaler, &state, NAN, 0, true);
    CHECK(state.scale == 0x1p-126);
    state = (clade_loss_scale){.scale = 0x1p126, .finite = CLADE_LOSS_SCALE_STEPS - 1};
    end(model, scaler, &state, 0, -1, false);
    CHECK(state.scale == 0x1p126);
}

int main(void)
{
    clade_device *device = NULL;
    clade_loss_scaler *scaler = NULL;
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    for (int p = 0; p < CLADE_PRECISIONS && device; p++) {
        clade_model *model = make(device, (clade_precision)p);
        if (!model) continue;
        CHECK_OK(clade_loss_scaler_create(model, &scaler));
        CHECK((scaler != NULL) == (p == CLADE_PRECISION_MIXED_FLOAT16));
        if (scaler) test_division(model, scaler);
        if (scaler) test_moves(model, scaler);
        clade_loss_scaler_destroy(&scaler);
        clade_model_destroy(&model);
    }
    clade_device_close(&device);
    return TEST_END();
}
