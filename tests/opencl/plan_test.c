/* Plans of calls: one goes on being right when the workspace moves and when a parameter of the step
 * changes; programs are built together, and one that does not build fails its own calls alone. The
 * first argument is the folder of the kernels. */
#define _XOPEN_SOURCE 700
#include "device.h"
#include "test.h"

#include "base/file.h"
#include "dev/device.h"
#include "opencl/program.h"

enum { room = 1 << 16 }; /* floats of the one buffer that all tensors lie in */

static clade_buffer *memory;

static clade_tensor place(clade_tensor t, uint64_t offset)
{
    t.buffer = memory;
    t.offset = offset;
    return t;
}

static void fill(const clade_tensor *t, float value)
{
    static float x[room];
    for (size_t i = 0; i < clade_tensor_count(t); i++) x[i] = value;
    CHECK_OK(clade_tensor_write(t, x));
}

static float first_of(const clade_tensor *t)
{
    static float x[room];
    CHECK_OK(clade_tensor_read(t, x));
    return x[0];
}

/* dense_dx transposes through the workspace: dx = 0.5 · 5 · 3 for 5 units. */
static clade_call product(int32_t n, int32_t in)
{
    clade_call call = {.op = CLADE_OP_dense_dx};
    clade_dense_dx_args *a = &call.args.dense_dx;
    a->dy = place(clade_shape(2, n, 5), 0);
    a->w = place(clade_shape(2, in, 5), 2000);
    a->dx = place(clade_shape(2, n, in), 20000);
    fill(&a->dy, 0.5f);
    fill(&a->w, 3);
    return call;
}

static void moving_workspace(clade_device *device)
{
    clade_call small = product(3, 7), large = product(300, 100);
    CHECK_OK(clade_call_prepare(device, &small));
    CHECK_OK(clade_call_run(&small));
    CHECK(first_of(&small.args.dense_dx.dx) == 7.5f);
    const clade_buffer *before = device->workspace;
    const size_t bytes = before->bytes;
    CHECK_OK(clade_call_prepare(device, &large));
    CHECK(device->workspace->bytes > bytes);
    for (int i = 0; i < 2; i++) {
        fill(&large.args.dense_dx.dx, 0);
        CHECK_OK(clade_call_run(&large));
        CHECK(first_of(&large.args.dense_dx.dx) == 7.5f);
        fill(&small.args.dense_dx.dx, 0);
        CHECK_OK(clade_call_run(&small));
        CHECK(first_of(&small.args.dense_dx.dx) == 7.5f);
    }
    clade_call_release(&small);
    clade_call_release(&large);
}

/* A buffer may get the handle of one that is gone: then kernels are given the workspace again. */
static opencl_functions driver;
static int arguments;

static cl_int CL_API_CALL count_argument(cl_kernel kernel, cl_uint number, size_t size,
                                         const void *value)
{
    arguments++;
    return driver.clSetKernelArg(kernel, number, size, value);
}

static void freed_buffer(clade_device *device)
{
    clade_call call = product(3, 7);
    clade_buffer *other;
    CHECK_OK(clade_call_prepare(device, &call));
    CHECK_OK(clade_call_run(&call));
    driver = clade_icd;
    clade_icd.clSetKernelArg = count_argument;
    CHECK_OK(clade_call_run(&call));
    CHECK(arguments == 0);
    CHECK_OK(clade_buffer_create(device, 4, &other));
    clade_buffer_destroy(&other);
    CHECK_OK(clade_call_run(&call));
    CHECK(arguments == 2); /* written by one kernel, read by the other */
    clade_icd = driver;
    clade_call_release(&call);
}

/* w ← w − lr g, with another rate each time. */
static void changing_step(clade_device *device)
{
    clade_call call = {.op = CLADE_OP_sgd};
    clade_sgd_args *a = &call.args.sgd;
    a->w = place(clade_shape(1, 100), 0);
    a->g = place(clade_shape(1, 100), 100);
    a->lr = 8;
    CHECK_OK(clade_call_prepare(device, &call));
    fill(&a->w, 1);
    fill(&a->g, 2);
    a->lr = 0.25f;
    CHECK_OK(clade_call_run(&call));
    CHECK(first_of(&a->w) == 0.5f);
    a->lr = 1;
    CHECK_OK(clade_call_run(&call));
    CHECK(first_of(&a->w) == -1.5f);
    clade_call_release(&call);
}

/* With a fault in one kernel file. */
static void broken_program(const char *kernels)
{
    char folder[] = "/tmp/clade-plan-test-XXXXXX", command[1024];
    clade_device *device;
    if (!mkdtemp(folder)) {
        CHECK(!"a temporary folder");
        return;
    }
    snprintf(command, sizeof command, "cp '%s'/*.cl '%s'/*.clh %s && echo oops >>%s/activation.cl",
             kernels, kernels, folder, folder);
    CHECK(system(command) == 0);
    setenv("CLADE_KERNELS", folder, 1);
    CHECK_OK(clade_device_open("opencl", NULL, &device));
    CHECK_OK(clade_buffer_create(device, room * sizeof(float), &memory));
    const clade_tensor x = place(clade_shape(1, 100), 0), y = place(clade_shape(1, 100), 100);
    clade_call good = {.op = CLADE_OP_copy, .args.copy = {.x = x, .y = y}},
               bad = {.op = CLADE_OP_activation, .args.activation = {.x = x, .y = y}},
               other = {.op = CLADE_OP_fill, .args.fill = {.y = x, .value = 3}};
    CHECK_OK(clade_call_prepare(device, &bad));
    CHECK_OK(clade_call_prepare(device, &good));
    CHECK_OK(clade_call_prepare(device, &other));
    const opencl_context *cl = device->context;
    CHECK(cl->program_count == 2 && cl->compiled == 0); /* asked for, not built */
    CHECK_OK(clade_call_run(&other));
    CHECK(cl->programs[0]->tried && cl->programs[1]->tried && cl->compiled == 1);
    CHECK_OK(clade_call_run(&good));
    CHECK(first_of(&y) == 3);
    for (int i = 0; i < 2; i++)
        CHECK_FAILS(clade_call_run(&bad), CLADE_EDEVICE, "kernels/activation.cl does not build");
    CHECK(cl->compiled == 1);
    clade_call_release(&good);
    clade_call_release(&bad);
    clade_call_release(&other);
    clade_buffer_destroy(&memory);
    clade_device_close(&device);
    unsetenv("CLADE_KERNELS");
    CHECK_OK(clade_folder_remove(folder));
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    if (!has_opencl()) return skipped;
    clade_device *device;
    CHECK_OK(clade_device_open("opencl", NULL, &device));
    CHECK_OK(clade_buffer_create(device, room * sizeof(float), &memory));
    moving_workspace(device);
    freed_buffer(device);
    changing_step(device);
    clade_buffer_destroy(&memory);
    clade_device_close(&device);
    broken_program(argv[1]);
    return TEST_END();
}
