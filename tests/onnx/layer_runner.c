/* Writes nets as ONNX or C and says what they give, for scripts that run the files by themselves:
 * layer_runner HEIGHT WIDTH CHANNELS. Each line of standard input is "LAYERS MODEL INPUT OUTPUT
 * FORM". The layers of the YAML file get weights that are drawn; the net is written to MODEL, in
 * one of the forms; a batch and what the net makes of it go to INPUT and OUTPUT, float32 in ONNX's
 * order, of C in C's. The answer is a line: "ok", or what went wrong. */
#include <clade/clade.h>

#include "base/random.h"
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { batch = 2, max_weights = 32 };

typedef enum net_form { REAL, PIXELS, INT8, C_FILE, C_INT8, FORMS } net_form;
static const char *const forms[] = {"real", "pixels", "int8", "c", "c-int8"};

static const clade_preprocessing preprocessing = {
    .scale = {1 / 64.0F, 1 / 32.0F, 1 / 128.0F, 1 / 16.0F}, .shift = {-2, 0.5F, 1, -4}};

/* The parameters with values of their own; variances are positive. */
static clade_status draw_weights(clade_model *model, clade_network_weight *weights, size_t count)
{
    clade_random r = clade_random_start(5, CLADE_STREAM_INIT, 0);
    for (size_t i = 0; i < count; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        size_t n = clade_tensor_count(&p->value);
        float *data = malloc(n * sizeof *data);
        if (!data) return clade_fail(CLADE_ENOMEM, "%s: %zu numbers", p->name, n);
        bool positive = strstr(p->name, "variance") != NULL;
        clade_random_fill_uniform(&r, positive ? 0.5F : -1, positive ? 2 : 1, data, n);
        weights[i] = (clade_network_weight){.name = p->name, .rank = p->value.rank, .data = data};
        memcpy(weights[i].dim, p->value.dim, sizeof weights[i].dim);
    }
    return clade_model_load(model, weights, count, true);
}

static clade_status save(const char *path, const float *data, size_t count)
{
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(data, sizeof *data, count, file) == count;
    if (file) good = fclose(file) == 0 && good;
    return good ? CLADE_OK : clade_fail(CLADE_EIO, "%s: cannot be written", path);
}

/* Saves [n, h, w, c] as [n, c, h, w]. */
static clade_status save_turned(const char *path, const float *data, const int32_t dim[3])
{
    size_t area = (size_t)(dim[0] * dim[1]), c = (size_t)dim[2], count = batch * area * c;
    float *turned = malloc(count * sizeof *turned);
    if (!turned) return clade_fail(CLADE_ENOMEM, "%zu numbers", count);
    for (size_t i = 0; i < count; i++)
        turned[i / (area * c) * area * c + i % c * area + i / c % area] = data[i];
    clade_status status = save(path, turned, count);
    free(turned);
    return status;
}

/* Saves [n, …] as the form has it. */
static clade_status save_values(const char *path, const float *data, const int32_t dim[3],
                                int32_t rank, net_form form)
{
    size_t count = batch;
    for (int32_t d = 0; d < rank; d++) count *= (size_t)dim[d];
    return rank == 3 && form < C_FILE ? save_turned(path, data, dim) : save(path, data, count);
}

/* Draws a batch, of whole numbers where they are pixels. */
static void draw_images(float *x, size_t count, net_form form)
{
    clade_random r = clade_random_start(7, CLADE_STREAM_INIT, 0);
    for (size_t i = 0; i < count; i++)
        x[i] =
            form == PIXELS ? (float)clade_random_below(&r, 256) : clade_random_uniform(&r, -2, 2);
}

/* Writes the net, of integers where they are wanted, which *network becomes. */
static clade_status write_file(clade_network **network, clade_device *device, const float *x,
                               net_form form, const char *path)
{
    clade_network *rounded = NULL;
    const clade_onnx_options options = {.preprocessing = form == PIXELS};
    clade_status status = CLADE_OK;
    if (form == INT8 || form == C_INT8)
        status = clade_network_quantize(*network, device, x, batch, &rounded);
    if (rounded) {
        clade_network_destroy(network);
        *network = rounded;
    }
    if (status) return status;
    return form >= C_FILE ? clade_network_write_c(*network, path)
                          : clade_network_write_onnx(*network, &options, path);
}

static clade_status run(clade_model *model, const float *x, float *y)
{
    clade_status status = clade_tensor_write(clade_model_input(model), x);
    if (!status) status = clade_model_infer(model, batch, false);
    return status ? status : clade_tensor_read(clade_model_output(model), y);
}

/* Writes the net, a batch, and what the net, or one that is rounded, makes of it. */
static clade_status write_all(clade_network **network, clade_model *model, net_form form,
                              const char *path, const char *input, const char *output)
{
    const clade_graph *graph = clade_model_graph(model);
    int32_t in[3], out[3], rank = clade_graph_shape(graph, clade_graph_layers(graph) - 1, out);
    clade_graph_shape(graph, 0, in);
    const size_t taken = clade_tensor_count(clade_model_input(model));
    float *x = malloc(taken * sizeof *x);
    float *y = malloc(clade_tensor_count(clade_model_output(model)) * sizeof *y);
    clade_status status = x && y ? CLADE_OK : clade_fail(CLADE_ENOMEM, "%zu numbers", taken);
    if (!status) draw_images(x, taken, form);
    if (!status) status = write_file(network, clade_model_device(model), x, form, path);
    if (!status)
        status = form == PIXELS ? save(input, x, taken) : save_values(input, x, in, 3, form);
    for (size_t i = 0; i < taken && form == PIXELS && !status; i++)
        x[i] =
            x[i] * preprocessing.scale[i % (size_t)in[2]] + preprocessing.shift[i % (size_t)in[2]];
    if (!status)
        status = clade_network_is_quantized(*network)
                     ? clade_network_predict(*network, clade_model_device(model), x, batch, y)
                     : run(model, x, y);
    if (!status) status = save_values(output, y, out, rank, form);
    free(x);
    free(y);
    return status;
}

static clade_status write_net(clade_device *device, const int32_t size[3], const char *file,
                              const char *path, const char *input, const char *output,
                              net_form form)
{
    clade_yaml *list = NULL;
    clade_graph *graph = NULL;
    clade_model *model = NULL;
    clade_network *network = NULL;
    clade_network_weight weights[max_weights] = {0};
    clade_status status = clade_yaml_read(file, &list);
    if (!status) status = clade_graph_create(size[0], size[1], size[2], &graph);
    if (!status) status = clade_recipe_add_layers(list, 0, graph);
    if (!status)
        status = clade_model_create(graph, device, &(clade_model_options){.batch = batch}, &model);
    size_t count = status ? 0 : clade_model_parameters(model);
    if (count > max_weights) status = clade_fail(CLADE_EINVAL, "%zu weights", count);
    if (!status) status = draw_weights(model, weights, count);
    clade_network_parts parts = {.name = "net",
                                 .graph = graph,
                                 .weights = weights,
                                 .weight_count = count,
                                 .preprocessing = &preprocessing};
    if (!status) status = clade_network_create(&parts, &network);
    if (!status) status = write_all(&network, model, form, path, input, output);
    for (size_t i = 0; i < count && i < max_weights; i++) free((float *)(uintptr_t)weights[i].data);
    clade_network_destroy(&network);
    clade_model_destroy(&model);
    clade_graph_destroy(&graph);
    clade_yaml_destroy(&list);
    return status;
}

int main(int argc, char **argv)
{
    char layers[256], model[256], input[256], output[256], word[16];
    clade_device *device = NULL;
    if (argc != 4) return 2;
    const int32_t size[] = {atoi(argv[1]), atoi(argv[2]), atoi(argv[3])};
    if (clade_device_open("cpu", &(clade_device_options){.math = CLADE_EXACT}, &device)) return 2;
    while (scanf("%255s %255s %255s %255s %15s", layers, model, input, output, word) == 5) {
        int form = 0;
        while (form < FORMS && strcmp(forms[form], word) != 0) form++;
        if (form == FORMS) return 2;
        puts(write_net(device, size, layers, model, input, output, form) ? clade_error() : "ok");
    }
    clade_device_close(&device);
    return 0;
}
