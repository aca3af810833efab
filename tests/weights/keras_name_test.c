/* Names of weights as Keras 1, 2 and 3 write them, those of its published files among them. */
#include "weights/keras_name.h"
#include "../test.h"

static void check_known(void)
{
    static const struct {
        const char *name, *layer, *weight;
        int32_t ordinal;
    } known[] = {
        /* published: VGG16's file is of Keras 1, ResNet50's and the later ones of 2 */
        {"block1_conv1/block1_conv1_W_1:0", "block1_conv1", "kernel", 0},
        {"block1_conv1/block1_conv1_b_1:0", "block1_conv1", "bias", 1},
        {"fc1/fc1_W:0", "fc1", "kernel", 0},
        {"conv1_conv/conv1_conv/kernel:0", "conv1_conv", "kernel", 0},
        {"bn_Conv1/bn_Conv1_2/moving_mean:0", "bn_Conv1", "moving_mean", 2},
        {"expanded_conv/depthwise/BatchNorm/expanded_conv/depthwise/BatchNorm/gamma:0",
         "expanded_conv/depthwise/BatchNorm", "gamma", 0},
        /* whole models */
        {"model_weights/conv2d/conv2d/kernel:0", "conv2d", "kernel", 0},
        {"model_weights/block1a_bn/block1a_bn/beta", "block1a_bn", "beta", 1},
        {"model_weights/net_stem/net_stem/net_stem_conv/bias", "net_stem/net_stem_conv", "bias", 1},
        /* Keras 3 */
        {"conv1_conv/vars/0", "conv1_conv", "kernel", 0},
        {"conv1_conv/vars/1", "conv1_conv", "bias", 1},
        {"expanded_conv_depthwise_bn/vars/3", "expanded_conv/depthwise/BatchNorm",
         "moving_variance", 3},
        {"expanded_conv_1_squeeze_excite_conv_1/vars/0", "expanded_conv_1/squeeze_excite/Conv_1",
         "kernel", 0},
        {"conv_bn/conv_bn/gamma", "Conv/BatchNorm", "gamma", 0},
        {"conv/conv/kernel", "Conv", "kernel", 0},
        {"block1a_dwconv/block1a_dwconv/kernel", "block1a_dwconv", "depthwise_kernel", 0},
        {"net_stem_conv/vars/0", "net_stem/net_stem_conv", "kernel", 0},
        {"block_0_scale/block_0_scale/Variable:0", "block_0_scale", "Variable", 0},
        {"block_0_scale/block_0_scale/variable_17", "block_0_scale", "Variable", 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const bool found =
            clade_keras_names(known[i].name, known[i].layer, known[i].weight, known[i].ordinal);
        if (!found) printf("%s\n", known[i].name);
        CHECK(found);
        CHECK(!clade_keras_ignores(known[i].name));
    }
}

static void check_others(void)
{
    static const struct {
        const char *name, *layer, *weight;
        int32_t ordinal;
    } others[] = {
        {"block1_conv1/block1_conv1_W_1:0", "block1_conv1", "bias", 1},
        {"block1_conv1/block1_conv1_b_1:0", "block1_conv1", "kernel", 0},
        {"block1_conv1/block1_conv1_W_1:0", "block1_conv2", "kernel", 0},
        {"block1_conv1/block1_conv1_W_x:0", "block1_conv1", "kernel", 0},
        {"bn/bn_b_1:0", "bn", "beta", 1},
        {"conv1_conv/vars/1", "conv1_conv", "kernel", 0},
        {"conv1_conv/vars/10", "conv1_conv", "bias", 1},
        {"conv1_bn/conv1_bn/beta:0", "conv1_bn", "gamma", 0},
        {"conv10/conv10/kernel:0", "conv1", "kernel", 0},
        {"conv/conv/kernel", "Conv_1", "kernel", 0},
        {"conv_bn/conv_bn/gamma", "Conv", "gamma", 0},
        {"scale/scale/variables", "scale", "Variable", 0},
        {"scale/scale/variable", "scale", "kernel", 0},
        {"kernel", "", "kernel", 0},
    };
    static const char *const ignored[] = {
        "optimizer/vars/3",
        "optimizer_weights/Adam/m/conv/kernel:0",
        "normalization/mean:0",
        "normalization_3/vars/0",
        "model_weights/normalization/normalization/mean",
        "layer_normalization/vars/1",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const bool found =
            clade_keras_names(others[i].name, others[i].layer, others[i].weight, others[i].ordinal);
        if (found) printf("%s\n", others[i].name);
        CHECK(!found);
    }
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        CHECK(clade_keras_ignores(ignored[i]));
    CHECK(!clade_keras_ignores("normalization_x/vars/0"));
    CHECK(!clade_keras_ignores("normalizations/vars/0"));
}

int main(void)
{
    check_known();
    check_others();
    return TEST_END();
}
