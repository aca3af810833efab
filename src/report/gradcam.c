/* Grad-CAM: a second model of the same weights, of which one layer is watched. */
#include <clade/report.h>

#include <stdlib.h>
#include <string.h>

struct clade_gradcam {
    const clade_recipe *recipe;
    clade_model *model;
    clade_tensor y, dy; /* of the watched layer */
    int32_t watch, classes, outputs;
    float *input, *output, *gradient; /* on the host */
    float *row;                       /* [outputs]: the class as probabilities */
};

/* The last layer with features of more than one place; 0: there is none. */
static int32_t find_layer(const clade_graph *graph)
{
    for (int32_t i = clade_graph_layers(graph) - 2; i > 0; i--) {
        int32_t dim[3];
        bool places = clade_graph_shape(graph, i, dim) == 3 && dim[0] * dim[1] > 1;
        if (places && clade_layer_has_features(clade_graph_layer(graph, i)->kind)) return i;
    }
    return 0;
}

/* The graph as it predicts: nothing is trained, and so statistics stay. */
static clade_status copy_graph(const clade_graph *graph, clade_graph **out)
{
    int32_t dim[3];
    clade_graph_shape(graph, 0, dim);
    clade_status status = clade_graph_create(dim[0], dim[1], dim[2], out);
    for (int32_t i = 1; !status && i < clade_graph_layers(graph); i++) {
        clade_layer layer = *clade_graph_layer(graph, i);
        layer.frozen = true;
        status = clade_graph_add(*out, &layer, NULL);
    }
    return status;
}

/* Parameters of both models come in the order of the same layers. */
static clade_status copy_weights(const clade_model *from, const clade_model *to)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < clade_model_parameters(to); i++) {
        const clade_tensor *source = &clade_model_parameter(from, i)->value;
        float *values = malloc(clade_tensor_count(source) * sizeof *values);
        if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for weights");
        status = clade_tensor_read(source, values);
        if (!status) status = clade_tensor_write(&clade_model_parameter(to, i)->value, values);
        free(values);
    }
    return status;
}

static clade_status make_model(clade_gradcam *g, const clade_classifier *classifier)
{
    const clade_model *from = clade_classifier_model((clade_classifier *)classifier);
    clade_graph *graph = NULL;
    clade_model_options options = {.batch = 1,
                                   .loss = clade_recipe_training(g->recipe)->loss,
                                   .soft_labels =
                                       clade_classifier_task(classifier) != CLADE_TASK_CLASS,
                                   .watch = find_layer(clade_model_graph(from))};
    if (!options.watch || !options.loss)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: no layer has positions that a class's score depends on",
                          clade_recipe_name(g->recipe));
    g->watch = options.watch;
    clade_status status = copy_graph(clade_model_graph(from), &graph);
    if (!status) status = clade_model_create(graph, clade_model_device(from), &options, &g->model);
    clade_graph_destroy(&graph);
    return status ? status : copy_weights(from, g->model);
}

clade_status clade_gradcam_create(const clade_classifier *classifier, clade_gradcam **out)
{
    *out = NULL;
    clade_gradcam *g = calloc(1, sizeof *g);
    if (!g) return clade_fail(CLADE_ENOMEM, "out of memory for Grad-CAM");
    g->recipe = clade_classifier_recipe(classifier);
    g->classes = clade_classifier_classes(classifier);
    clade_status status = make_model(g, classifier);
    if (!status) {
        clade_model_watched(g->model, &g->y, &g->dy);
        g->outputs = clade_model_output(g->model)->dim[1];
        g->input = malloc(clade_tensor_count(clade_model_input(g->model)) * sizeof(float));
        g->output = malloc(clade_tensor_count(&g->y) * sizeof(float));
        g->gradient = malloc(clade_tensor_count(&g->dy) * sizeof(float));
        g->row = malloc((size_t)g->outputs * sizeof *g->row);
        if (!g->input || !g->output || !g->gradient || !g->row)
            status = clade_fail(CLADE_ENOMEM, "out of memory for Grad-CAM");
    }
    if (status)
        clade_gradcam_destroy(&g);
    else
        *out = g;
    return status;
}

void clade_gradcam_destroy(clade_gradcam **handle)
{
    clade_gradcam *g = *handle;
    if (!g) return;
    clade_model_destroy(&g->model);
    free(g->input);
    free(g->output);
    free(g->gradient);
    free(g->row);
    free(g);
    *handle = NULL;
}

const char *clade_gradcam_layer(const clade_gradcam *g)
{
    return clade_graph_layer(clade_model_graph(g->model), g->watch)->name;
}

void clade_gradcam_size(const clade_gradcam *g, int32_t *rows, int32_t *columns)
{
    *rows = g->y.dim[1];
    *columns = g->y.dim[2];
}

/* Runs the image through the model: the watched layer's output, and the gradient of a score. */
static clade_status run(clade_gradcam *g, const uint8_t *pixels, int32_t label)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(g->recipe);
    size_t count = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    for (size_t i = 0; i < count; i++) {
        size_t c = i % (size_t)p->channels;
        g->input[i] = (p->scale[c] != 0 ? p->scale[c] : 1) * pixels[i] + p->shift[c];
    }
    clade_status status = clade_tensor_write(clade_model_input(g->model), g->input);
    const clade_tensor *labels = clade_model_label(g->model);
    for (int32_t c = 0; c < g->outputs; c++) g->row[c] = c == label ? 1.0f : 0.0f;
    if (!status)
        status = clade_tensor_write(labels, labels->dtype == CLADE_F32 ? (void *)g->row : &label);
    if (!status) status = clade_model_gradient(g->model, 1, 0, 0);
    if (!status) status = clade_tensor_read(&g->y, g->output);
    return status ? status : clade_tensor_read(&g->dy, g->gradient);
}

clade_status clade_gradcam_map(clade_gradcam *g, const uint8_t *pixels, int32_t class_index,
                               float *map)
{
    if (class_index < 0 || class_index >= g->classes)
        return clade_fail(CLADE_EINVAL, "there is no class %d of %d", class_index, g->classes);
    /* a single output is the score of class 1; class 0 is what speaks against it */
    bool single = g->outputs == 1;
    float sign = single && class_index == 0 ? -1.0f : 1.0f;
    clade_status status = run(g, pixels, single ? 1 : class_index);
    if (status) return status;
    size_t channels = (size_t)g->y.dim[3], places = clade_tensor_count(&g->y) / channels;
    for (size_t i = 0; i < places; i++) map[i] = 0;
    for (size_t k = 0; k < channels; k++) {
        float mean = 0;
        for (size_t i = 0; i < places; i++) mean += g->gradient[i * channels + k];
        mean *= sign / (float)places;
        for (size_t i = 0; i < places; i++) map[i] += mean * g->output[i * channels + k];
    }
    for (size_t i = 0; i < places; i++)
        if (!(map[i] > 0)) map[i] = 0;
    return CLADE_OK;
}
