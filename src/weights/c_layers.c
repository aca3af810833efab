/* Writing a net as C: layers as calls. */
#include "nn/layer.h"
#include "weights/c_writer.h"

/* --- what can be written --- */

bool clade_c_is_view(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_FLATTEN || layer->kind == CLADE_LAYER_RESHAPE;
}

bool clade_c_is_elementwise(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_ACTIVATION || layer->kind == CLADE_LAYER_BATCHNORM ||
           layer->kind == CLADE_LAYER_LAYER_SCALE;
}

int32_t clade_c_elements(const clade_node *node)
{
    int32_t count = 1;
    for (int32_t d = 0; d < node->rank; d++) count *= node->dim[d];
    return count;
}

/* Two inputs of one shape; or an image or vector, first or second, and a number for each channel.
 */
static bool fits_merge(const clade_graph *graph, const clade_node *node)
{
    const int32_t channels = node->dim[node->rank - 1], count = clade_c_elements(node);
    if (node->layer.input_count != 2) return false;
    const int32_t a = clade_c_elements(clade_node_input(graph, node, 0));
    const int32_t b = clade_c_elements(clade_node_input(graph, node, 1));
    return (a == count || b == count) && (a == count || a == channels) &&
           (b == count || b == channels);
}

clade_status clade_c_check_layer(const clade_network *network, int32_t number)
{
    const clade_node *node = &network->graph->node[number];
    const clade_layer_kind kind = node->layer.kind;
    bool known = clade_c_is_view(&node->layer) || clade_c_has_function(kind);
    if (kind == CLADE_LAYER_ADD || kind == CLADE_LAYER_MULTIPLY)
        known = fits_merge(network->graph, node);
    if (clade_c_lacks_integers(network, number)) known = false;
    if (known) return CLADE_OK;
    char shape[64];
    return clade_fail(CLADE_EUNSUPPORTED, "%s: C export does not support %s of %s",
                      node->layer.name, clade_layer_type(kind), clade_node_text(node, shape));
}

/* --- calls --- */

void clade_c_put_shape(clade_c_writer *w, const clade_node *node)
{
    clade_c_put(w, "(shape){%d, %d, %d}", node->dim[0], node->dim[1], node->dim[2]);
}

void clade_c_put_window(clade_c_writer *w, const clade_window *v)
{
    clade_c_put(w, "(window){{%d, %d}, {%d, %d}, {%d, %d}, {%d, %d}}", v->size[0], v->size[1],
                v->stride[0], v->stride[1], v->dilation[0], v->dilation[1], v->pad[0], v->pad[1]);
}

static void put_weights(clade_c_writer *w, int32_t number)
{
    const bool bias = w->network->graph->node[number].weight_count == 2;
    clade_c_put(w, "kernel_%d, ", number);
    clade_c_put(w, bias ? "bias_%d, " : "0, ", number);
}

static void put_conv(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    const clade_graph *graph = w->network->graph;
    const clade_window v = clade_conv_window(graph, node);
    const bool depthwise = node->layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    const int32_t groups = node->layer.as.conv2d.groups;
    clade_c_put(w, "%sconv2d(%s, ", depthwise ? "depthwise_" : "", x);
    clade_c_put_shape(w, clade_node_input(graph, node, 0));
    clade_c_put(w, ",\n           ");
    put_weights(w, number);
    clade_c_put_window(w, &v);
    if (!depthwise) clade_c_put(w, ", %d", groups ? groups : 1);
    clade_c_put(w, ",\n           %s, ", w->at[number]);
    clade_c_put_shape(w, node);
    clade_c_put(w, ");\n");
}

static void put_pool(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    const clade_window v = clade_pool_window(w->network->graph, node);
    const bool mean = node->layer.kind == CLADE_LAYER_AVGPOOL2D;
    clade_c_put(w, "%spool2d(%s, ", mean ? "avg" : "max", x);
    clade_c_put_shape(w, clade_node_input(w->network->graph, node, 0));
    clade_c_put(w, ", ");
    clade_c_put_window(w, &v);
    if (mean) clade_c_put(w, ", %d", node->layer.as.pool2d.count_pad);
    clade_c_put(w, ", %s, ", w->at[number]);
    clade_c_put_shape(w, node);
    clade_c_put(w, ");\n");
}

static void put_global_pool(clade_c_writer *w, int32_t number, const clade_node *node,
                            const char *x)
{
    clade_c_put(w, "global_%spool2d(%s, ",
                node->layer.kind == CLADE_LAYER_GLOBAL_AVGPOOL2D ? "avg" : "max", x);
    clade_c_put_shape(w, clade_node_input(w->network->graph, node, 0));
    clade_c_put(w, ", %s);\n", w->at[number]);
}

void clade_c_put_activation(clade_c_writer *w, int32_t number, const char *x, int32_t count,
                            const char *y)
{
    const clade_activation_layer *l = &w->network->graph->node[number].layer.as.activation;
    const bool last = number == w->network->graph->count - 1;
    double alpha = (double)clade_activation_alpha(l->activation, l->alpha);
    if (l->activation == CLADE_SIGMOID) alpha = last ? w->network->temperature : 1;
    clade_c_put(w, "apply_%s(%s, %d, ", clade_activation_describe((int32_t)l->activation)->name, x,
                count);
    if (clade_c_has_alpha(l->activation)) clade_c_put(w, "(float)%.9g, ", alpha);
    clade_c_put(w, "%s);\n", y);
}

static void put_activation(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    clade_c_put_activation(w, number, x, clade_c_elements(node), w->at[number]);
}

static void put_merge(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    (void)x;
    const clade_graph *graph = w->network->graph;
    const int32_t *input = node->layer.input, count = clade_c_elements(node);
    const int first = clade_c_elements(clade_node_input(graph, node, 0)) == count ? 0 : 1;
    clade_c_put(w, "%s(%s, %s, %d, %d, %s);\n",
                node->layer.kind == CLADE_LAYER_ADD ? "add" : "multiply", w->at[input[first]],
                w->at[input[1 - first]], count,
                clade_c_elements(clade_node_input(graph, node, 1 - first)), w->at[number]);
}

static void put_concat(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    (void)x;
    const int32_t channels = node->dim[node->rank - 1];
    for (int32_t i = 0, first = 0; i < node->layer.input_count; i++) {
        const clade_node *from = clade_node_input(w->network->graph, node, i);
        const int32_t own = from->dim[from->rank - 1];
        clade_c_put(w, "%sput_channels(%s, %d, %d, %s, %d, %d);\n", i ? "    " : "",
                    w->at[node->layer.input[i]], clade_c_elements(node) / channels, own,
                    w->at[number], first, channels);
        first += own;
    }
}

static void put_dense(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    const int32_t units = node->dim[node->rank - 1], rows = clade_c_elements(node) / units;
    clade_c_put(w, "dense(%s, %d, %d, ", x, rows,
                clade_c_elements(clade_node_input(w->network->graph, node, 0)) / rows);
    put_weights(w, number);
    clade_c_put(w, "%s, %d);\n", w->at[number], units);
}

static void put_norm(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    clade_c_put(w, "batchnorm(%s, %d, kernel_%d, bias_%d, %d, %s);\n", x, clade_c_elements(node),
                number, number, node->dim[node->rank - 1], w->at[number]);
}

static void put_scale(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    clade_c_put(w, "layer_scale(%s, %d, kernel_%d, %d, %s);\n", x, clade_c_elements(node), number,
                node->dim[node->rank - 1], w->at[number]);
}

static void put_softmax(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    const int32_t channels = node->dim[node->rank - 1];
    const bool last = number == w->network->graph->count - 1;
    clade_c_put(w, "softmax(%s, %d, %d, (float)%.9g, %s);\n", x, clade_c_elements(node) / channels,
                channels, last ? w->network->temperature : 1, w->at[number]);
}

static void put_padding(clade_c_writer *w, int32_t number, const clade_node *node, const char *x)
{
    const int32_t *pad = node->layer.as.pad2d.pad;
    clade_c_put(w, "zero_padding2d(%s, ", x);
    clade_c_put_shape(w, clade_node_input(w->network->graph, node, 0));
    clade_c_put(w, ", %d, %d, %s, ", pad[0], pad[1], w->at[number]);
    clade_c_put_shape(w, node);
    clade_c_put(w, ");\n");
}

static const struct {
    clade_layer_kind kind;
    void (*put)(clade_c_writer *w, int32_t number, const clade_node *node, const char *x);
} calls[] = {{CLADE_LAYER_CONV2D, put_conv},
             {CLADE_LAYER_DEPTHWISE_CONV2D, put_conv},
             {CLADE_LAYER_DENSE, put_dense},
             {CLADE_LAYER_MAXPOOL2D, put_pool},
             {CLADE_LAYER_AVGPOOL2D, put_pool},
             {CLADE_LAYER_GLOBAL_AVGPOOL2D, put_global_pool},
             {CLADE_LAYER_GLOBAL_MAXPOOL2D, put_global_pool},
             {CLADE_LAYER_ACTIVATION, put_activation},
             {CLADE_LAYER_BATCHNORM, put_norm},
             {CLADE_LAYER_LAYER_SCALE, put_scale},
             {CLADE_LAYER_SOFTMAX, put_softmax},
             {CLADE_LAYER_ADD, put_merge},
             {CLADE_LAYER_MULTIPLY, put_merge},
             {CLADE_LAYER_CONCAT, put_concat},
             {CLADE_LAYER_ZERO_PADDING2D, put_padding}};

void clade_c_put_layer(clade_c_writer *w, int32_t number)
{
    const clade_node *node = &w->network->graph->node[number];
    clade_c_put(w, "    ");
    for (size_t k = 0; k < sizeof calls / sizeof *calls; k++)
        if (calls[k].kind == node->layer.kind)
            calls[k].put(w, number, node, w->at[node->layer.input[0]]);
}
