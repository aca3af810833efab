/* Upsampling: upsample2d. */
#include "nn/layer.h"

static clade_upsample2d_layer settings_of(const clade_layer *layer)
{
    return clade_layer_complete(layer).as.upsample2d;
}

static clade_status upsample_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const clade_upsample2d_layer l = settings_of(&node->layer);
    clade_status status = clade_expect_image(x);
    if (status) return status;
    clade_args args = {.upsample2d = {.x = clade_node_tensor(x, 1),
                                      .size = {l.size[0], l.size[1]},
                                      .bilinear = l.interpolation == CLADE_BILINEAR,
                                      .align_corners = l.align_corners}};
    status = clade_op_shape(CLADE_OP_upsample2d, &args);
    if (!status) clade_node_set_shape(node, &args.upsample2d.y);
    return status;
}

static void upsample_forward(clade_build *build, int32_t number)
{
    const clade_upsample2d_layer l = settings_of(clade_build_layer(build, number));
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, upsample2d, .x = clade_build_input(build, number, 0), .y = y,
                     .size = {l.size[0], l.size[1]}, .bilinear = l.interpolation == CLADE_BILINEAR,
                     .align_corners = l.align_corners);
}

static void upsample_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_upsample2d_layer l = settings_of(layer);
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, upsample2d_dx, .dy = build->node[number].dy, .dx = dx,
                     .size = {l.size[0], l.size[1]}, .bilinear = l.interpolation == CLADE_BILINEAR,
                     .align_corners = l.align_corners, .accumulate = accumulate);
}

#define FIELD(...) CLADE_FIELD(clade_upsample2d_layer, __VA_ARGS__)

static const clade_layer_field upsample_fields[] = {
    FIELD(size, PAIR, "size", .alias = "scale_factor", .standard = 2,
          .about = "output rows and columns for each of the input's"),
    FIELD(interpolation, WORD, "interpolation", .alias = "mode", .words = clade_interpolation_words,
          .about = "how new pixels are computed"),
    FIELD(align_corners, ON, "align_corners",
          .about = "bilinear: align the corner pixels of input and output"),
    {0},
};

const clade_layer_record clade_upsample2d_record = {
    .key = "upsample2d",
    .name = "up_sampling2d",
    .alias = "upsampling2d",
    .type = "UpSampling2D",
    .about = "Enlarges images by integer factors.",
    .main = "size",
    .field = upsample_fields,
    .shape = upsample_shape,
    .forward = upsample_forward,
    .backward = upsample_backward,
};
