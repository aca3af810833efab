/* Runs an imported net: net_runner MODEL DEVICE N INPUT OUTPUT [HEIGHT WIDTH] reads N images of
 * float32 [c, h, w] from INPUT and writes the outputs to OUTPUT, an image again as [c, h, w]. With
 * INPUT "-" it only reads the model and prints its size, "h w c". Without arguments it takes the
 * first five from each line of standard input, and answers with a line: "ok", or what went wrong.
 * For the scripts beside it. */
#include <clade/clade.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* n images of [rows, columns] turned to [columns, rows]: layouts of one each are transposes. */
static void transpose(const float *from, float *to, size_t n, size_t rows, size_t columns)
{
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                to[(p * columns + j) * rows + i] = from[(p * rows + i) * columns + j];
}

/* By a model. */
static clade_status infer(const clade_network *network, clade_device *device, int32_t n,
                          const float *x, float *y)
{
    clade_model *model = NULL;
    size_t count;
    const clade_network_weight *weights = clade_network_weights(network, &count);
    clade_model_options options = {.batch = n};
    clade_status status =
        clade_model_create(clade_network_graph(network), device, &options, &model);
    if (!status) status = clade_model_load(model, weights, count, true);
    if (!status) status = clade_tensor_write(clade_model_input(model), x);
    if (!status) status = clade_model_infer(model, n, false);
    if (!status) status = clade_tensor_read(clade_model_output(model), y);
    clade_model_destroy(&model);
    return status;
}

static clade_status run(const clade_network *network, const char *device_name, int32_t n,
                        const char *input, const char *output)
{
    const clade_graph *graph = clade_network_graph(network);
    int32_t in[3], out[3] = {0};
    clade_graph_shape(graph, 0, in);
    int32_t rank = clade_graph_shape(graph, clade_graph_layers(graph) - 1, out);
    size_t area = (size_t)in[0] * (size_t)in[1], channels = (size_t)in[2], values = (size_t)out[0];
    for (int32_t d = 1; d < rank; d++) values *= (size_t)out[d];
    size_t taken = (size_t)n * area * channels, given = (size_t)n * values;
    float *x = malloc(taken * sizeof *x), *nhwc = malloc(taken * sizeof *nhwc);
    float *y = malloc(given * sizeof *y), *nchw = malloc(given * sizeof *nchw);
    FILE *file = fopen(input, "rb");
    if (!x || !nhwc || !y || !nchw || !file || fread(x, sizeof *x, taken, file) != taken)
        return clade_fail(CLADE_EIO, "%s: expected %zu numbers", input, taken);
    fclose(file);
    transpose(x, nhwc, (size_t)n, channels, area);
    clade_device *device = NULL;
    clade_status status = clade_device_open(device_name, NULL, &device);
    if (!status)
        status = clade_network_is_quantized(network)
                     ? clade_network_predict(network, device, nhwc, (size_t)n, y)
                     : infer(network, device, n, nhwc, y);
    size_t last = (size_t)out[rank - 1];
    transpose(y, nchw, (size_t)n, values / last, last);
    file = status ? NULL : fopen(output, "wb");
    if (!status && (!file || fwrite(nchw, sizeof *nchw, given, file) != given || fclose(file)))
        status = clade_fail(CLADE_EIO, "%s: cannot be written", output);
    clade_device_close(&device);
    free(x);
    free(nhwc);
    free(y);
    free(nchw);
    return status;
}

/* Reads the model, and runs it. */
static clade_status read_and_run(const char *path, const clade_network_options *options,
                                 const char *device, int32_t n, const char *input,
                                 const char *output)
{
    clade_network *network = NULL;
    clade_status status = clade_network_read(path, options, &network);
    if (!status && !strcmp(input, "-")) {
        int32_t in[3];
        clade_graph_shape(clade_network_graph(network), 0, in);
        printf("%d %d %d\n", in[0], in[1], in[2]);
    } else if (!status) {
        status = run(network, device, n, input, output);
    }
    clade_network_destroy(&network);
    return status;
}

int main(int argc, char **argv)
{
    clade_network_options options = {0};
    char path[256], device[64], input[256], output[256];
    int32_t n;
    while (argc == 1 &&
           scanf("%255s %63s %" SCNd32 " %255s %255s", path, device, &n, input, output) == 5) {
        puts(read_and_run(path, &options, device, n, input, output) ? clade_error() : "ok");
        fflush(stdout);
    }
    if (argc == 1) return 0;
    if (argc != 6 && argc != 8) return 2;
    if (argc == 8) {
        options.height = atoi(argv[6]);
        options.width = atoi(argv[7]);
    }
    if (!read_and_run(argv[1], &options, argv[2], atoi(argv[3]), argv[4], argv[5])) return 0;
    fprintf(stderr, "%s\n", clade_error());
    return 1;
}
