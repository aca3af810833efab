/* What the OpenCL backend says when something is wrong: a kernel that does not compile, too much
 * memory, no driver. The first argument is the folder of the kernels. */
#define _XOPEN_SOURCE 700
#include "device.h"
#include "test.h"

#include "base/file.h"

#include <inttypes.h>

/* One op, small. */
static clade_status run_activation(const char *name)
{
    clade_device *device;
    clade_buffer *buffer = NULL;
    clade_status status = clade_device_open(name, NULL, &device);
    if (status) return status;
    float x[4] = {-1, 0, 1, 2}, y[4] = {9, 9, 9, 9};
    clade_args a = {
        .activation = {.x = clade_shape(1, 4), .y = clade_shape(1, 4), .act = CLADE_RELU}};
    status = clade_buffer_create(device, 2 * sizeof x, &buffer);
    a.activation.x.buffer = a.activation.y.buffer = buffer;
    a.activation.y.offset = 4;
    if (!status) status = clade_tensor_write(&a.activation.x, x);
    if (!status) status = clade_op_run(device, CLADE_OP_activation, &a);
    if (!status) status = clade_tensor_read(&a.activation.y, y);
    if (!status && (y[0] != 0 || y[1] != 0 || y[2] != 1 || y[3] != 2))
        status = clade_fail(CLADE_EINVAL, "a wrong result");
    clade_buffer_destroy(&buffer);
    clade_device_close(&device);
    return status;
}

/* Copies a kernel file and adds a line of text; returns that line's number. */
static int copy_kernel(const char *from, const char *to, const char *file, const char *text)
{
    char source[1024], target[1024], row[1024];
    snprintf(source, sizeof source, "%s/%s", from, file);
    snprintf(target, sizeof target, "%s/%s", to, file);
    FILE *in = fopen(source, "r"), *out = fopen(target, "w");
    CHECK(in && out);
    int line = 1;
    for (; in && out && fgets(row, sizeof row, in); line++) fputs(row, out);
    if (out) fputs(text, out);
    if (in) fclose(in);
    if (out) fclose(out);
    return line;
}

/* A kernel with a broken line in this file: the error names file and line. */
static void check_broken_line(const char *kernels, const char *folder, const char *file,
                              const char *text, const char *symbol)
{
    char place[64];
    snprintf(place, sizeof place, "%.40s:%d", file, copy_kernel(kernels, folder, file, text));
    CHECK_FAILS(run_activation("opencl"), CLADE_EDEVICE, place);
    CHECK(strstr(clade_error(), symbol) != NULL);
    CHECK(strstr(clade_error(), "kernels/activation.cl does not build") != NULL);
    CHECK(strstr(clade_error(), "opencl:") != NULL);
    copy_kernel(kernels, folder, file, "");
}

static void check_broken_kernel(const char *kernels)
{
    char folder[] = "/tmp/clade-error-test-XXXXXX";
    if (!mkdtemp(folder)) {
        CHECK(!"a temporary folder");
        return;
    }
    static const char *const files[] = {"activation.clh", "elements.clh", "math.clh",
                                        "opencl.clh",     "portable.clh", "stored.clh",
                                        "vector.clh",     "activation.cl"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        copy_kernel(kernels, folder, files[i], "");
    setenv("CLADE_KERNELS", folder, 1);
    CHECK_OK(run_activation("opencl"));
    check_broken_line(kernels, folder, "activation.cl", "kernel void f(int x) { x = not_there; }\n",
                      "not_there");
    check_broken_line(kernels, folder, "math.clh", "INLINE float f(float x) { return nor_here; }\n",
                      "nor_here");
    CHECK_OK(clade_folder_remove(folder));
    CHECK_FAILS(run_activation("opencl"), CLADE_EDEVICE, "activation.cl");
    char *endless = malloc(5001);
    memset(endless, 'x', 5000);
    endless[5000] = 0;
    setenv("CLADE_KERNELS", endless, 1);
    CHECK_FAILS(run_activation("opencl"), CLADE_EINVAL, "too long");
    free(endless);
    unsetenv("CLADE_KERNELS");
    CHECK_OK(run_activation("opencl"));
}

static void check_memory(void)
{
    clade_device *device;
    CHECK_OK(clade_device_open("opencl", NULL, &device));
    if (!device) return;
    const clade_device_info *info = clade_device_describe(device);
    uint64_t asked = info->max_alloc_bytes + 1, now, peak;
    char number[32];
    CHECK(info->max_alloc_bytes > 0 && info->memory_bytes > 0);
    clade_buffer *buffer = NULL;
    snprintf(number, sizeof number, "%" PRIu64, asked);
    CHECK_FAILS(clade_buffer_create(device, (size_t)asked, &buffer), CLADE_ENOMEM, number);
    snprintf(number, sizeof number, "%" PRIu64, info->max_alloc_bytes);
    CHECK(strstr(clade_error(), number) != NULL);
    snprintf(number, sizeof number, "%" PRIu64, info->memory_bytes);
    CHECK(strstr(clade_error(), number) != NULL);
    CHECK(!buffer);
    clade_device_memory(device, &now, &peak);
    CHECK(now == 0 && peak == 0);
    CHECK_OK(clade_buffer_create(device, 1024, &buffer));
    clade_buffer_destroy(&buffer);
    clade_device_close(&device);
}

/* Work-groups that no product of matrices fits into, where exact math needs one. */
static void check_small_groups(void)
{
    clade_device *device;
    clade_buffer *buffer = NULL;
    clade_device_options options = {.kernels = "gpu", .group_size = 4};
    CHECK_OK(clade_device_open("opencl", &options, &device));
    if (!device) return;
    clade_args a = {.conv2d_dw = {.x = clade_shape(4, 4, 9, 11, 17),
                                  .dy = clade_shape(4, 4, 9, 11, 19),
                                  .dw = clade_shape(4, 3, 3, 17, 19),
                                  .pad = {1, 1, 1, 1}}};
    clade_tensor *all[] = {&a.conv2d_dw.x, &a.conv2d_dw.dy, &a.conv2d_dw.dw};
    CHECK_OK(clade_buffer_create(device, 1 << 20, &buffer));
    for (size_t i = 0, offset = 0; i < 3; i++) {
        all[i]->buffer = buffer;
        all[i]->offset = offset;
        offset += clade_tensor_count(all[i]);
    }
    CHECK_FAILS(clade_op_run(device, CLADE_OP_conv2d_dw, &a), CLADE_EUNSUPPORTED, "groups of 4");
    clade_buffer_destroy(&buffer);
    clade_device_close(&device);
}

/* Runs in a process of its own whose loader finds no driver. */
static int check_no_platform(void)
{
    clade_device_info *list = NULL;
    size_t count = 0;
    char note[256];
    CHECK_OK(clade_devices_list(&list, &count, note));
    CHECK(count == 1 && !strcmp(list[0].id, "cpu"));
    CHECK(strstr(note, "no driver is installed") != NULL);
    free(list);
    CHECK_OK(run_activation("cpu"));
    CHECK_OK(run_activation("auto"));
    CHECK_FAILS(run_activation("opencl"), CLADE_ENODEVICE, "no driver is installed");
    return TEST_END();
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "no platform")) return check_no_platform();
    char empty[] = "/tmp/clade-error-test-XXXXXX";
    CHECK(mkdtemp(empty) != NULL);
    setenv("OCL_ICD_VENDORS", empty, 1);
    CHECK(wait_for(start_again("no platform")) == 0);
    unsetenv("OCL_ICD_VENDORS");
    CHECK_OK(clade_folder_remove(empty));
    if (!has_opencl()) return test_failures ? 1 : skipped;
    check_broken_kernel(argv[1]);
    check_memory();
    check_small_groups();
    return TEST_END();
}
