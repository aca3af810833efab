/* Real weights, where they lie in $CLADE_SHARED/weights: outputs against the reference outputs
 * beside them, and import, export, import. */
#define _XOPEN_SOURCE 700
#include <clade/clade.h>

#include "../test.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *shared;

/* A .npy file of float32 in C order: its numbers, to be freed, and how many. */
static float *read_npy(const char *name, size_t *count)
{
    char path[512];
    unsigned char head[10];
    snprintf(path, sizeof path, "%s/weights/%s", shared, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    float *values = NULL;
    *count = 0;
    if (fread(head, 1, 10, file) == 10 && !memcmp(head, "\x93NUMPY\1", 7)) {
        long start = 10 + head[8] + 256 * head[9];
        fseek(file, 0, SEEK_END);
        *count = (size_t)(ftell(file) - start) / sizeof *values;
        fseek(file, start, SEEK_SET);
        values = malloc(*count * sizeof *values);
        if (values && fread(values, sizeof *values, *count, file) != *count) *count = 0;
    }
    fclose(file);
    return values;
}

/* The outputs for one image [3, h, w]; NULL after an error, which is counted. */
static float *run(const clade_network *network, const char *device_name, const float *x,
                  size_t outputs)
{
    clade_device *device = NULL;
    clade_model *model = NULL;
    size_t count;
    const clade_network_weight *weights = clade_network_weights(network, &count);
    clade_status status = clade_device_open(device_name, NULL, &device);
    if (status == CLADE_ENODEVICE || status == CLADE_EUNSUPPORTED) {
        printf("%s: not here\n", device_name);
        return NULL;
    }
    CHECK_OK(status);
    CHECK_OK(clade_model_create(clade_network_graph(network), device,
                                &(clade_model_options){.batch = 1}, &model));
    CHECK_OK(clade_model_load(model, weights, count, true));
    const clade_tensor *input = clade_model_input(model);
    size_t area = (size_t)input->dim[1] * (size_t)input->dim[2];
    float *nhwc = malloc(3 * area * sizeof *nhwc), *y = calloc(outputs, sizeof *y);
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++) nhwc[3 * i + c] = x[c * area + i];
    CHECK_OK(clade_tensor_write(input, nhwc));
    CHECK_OK(clade_model_infer(model, 1, false));
    CHECK(clade_tensor_count(clade_model_output(model)) == outputs);
    if (clade_tensor_count(clade_model_output(model)) == outputs)
        CHECK_OK(clade_tensor_read(clade_model_output(model), y));
    free(nhwc);
    clade_model_destroy(&model);
    clade_device_close(&device);
    return y;
}

static void test_net(const char *name)
{
    static const char *const devices[] = {"cpu", "opencl"};
    char path[512], reference[128], copy[] = "/tmp/clade-onnx-XXXXXX";
    size_t inputs, outputs = 0;
    clade_network *network = NULL, *again = NULL;
    snprintf(path, sizeof path, "%s/weights/%s.onnx", shared, name);
    snprintf(reference, sizeof reference, "ref_output_%s.npy", name);
    float *x = read_npy("ref_input.npy", &inputs), *want = read_npy(reference, &outputs);
    if (!x || !want) {
        printf("%s: no reference\n", name);
        free(x);
        free(want);
        return;
    }
    CHECK_OK(clade_network_read(path, NULL, &network));
    int made = mkstemp(copy);
    CHECK(made >= 0 && close(made) == 0);
    CHECK_OK(clade_network_write_onnx(network, NULL, copy));
    CHECK_OK(clade_network_read(copy, NULL, &again));
    CHECK(remove(copy) == 0);
    CHECK(clade_network_preprocessing(network) != NULL);
    for (int i = 0; i < 2 && network && again; i++) {
        float *y = run(network, devices[i], x, outputs), *z = run(again, devices[i], x, outputs);
        double error = 0, size = 0;
        for (size_t k = 0; y && k < outputs; k++) {
            double apart = fabs((double)y[k] - (double)want[k]), sized = fabs((double)want[k]);
            if (!(apart <= error)) error = apart; /* also NaN */
            if (!(sized <= size)) size = sized;
        }
        if (y) printf("%s, %s: largest relative error %.2e\n", name, devices[i], error / size);
        CHECK(!y || (size > 0 && error <= 1e-5 * size));
        CHECK(!y || (z && !memcmp(y, z, outputs * sizeof *y)));
        free(y);
        free(z);
    }
    clade_network_destroy(&network);
    clade_network_destroy(&again);
    free(x);
    free(want);
}

int main(void)
{
    struct stat info;
    char folder[512];
    shared = getenv("CLADE_SHARED");
    if (shared) snprintf(folder, sizeof folder, "%s/weights", shared);
    if (!shared || stat(folder, &info)) {
        printf("skipped: CLADE_SHARED names no folder with weights\n");
        return 77;
    }
    test_net("squeezenet1.1-full");
    test_net("mobilenetv2-1.0-notop-relu-bn");
    return TEST_END();
}
