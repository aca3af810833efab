/* After the first, a training step allocates nothing on the device, builds no program, makes no
 * kernel, sets no arguments but the parameters of the step, and waits for nothing; in exact mode
 * and in fast mode, by the device's own algorithms and by others. */
#define _GNU_SOURCE
#include "device.h"
#include "test.h"

#include "bench/model.h"
#include "dev/device.h"
#include "opencl/context.h"

/* The functions that a step must not call, counted. */
static clade_backend real;
static int allocations, waits;

static clade_status count_alloc(void *context, size_t bytes, void **handle)
{
    allocations++;
    return real.alloc(context, bytes, handle);
}
static clade_status count_read(void *context, void *handle, size_t offset, void *target,
                               size_t bytes)
{
    waits++;
    return real.read(context, handle, offset, target, bytes);
}
static clade_status count_finish(void *context)
{
    waits++;
    return real.finish(context);
}

static opencl_functions driver;
static int kernels, arguments;

static cl_kernel CL_API_CALL count_kernel(cl_program program, const char *name, cl_int *error)
{
    kernels++;
    return driver.clCreateKernel(program, name, error);
}
static cl_int CL_API_CALL count_argument(cl_kernel kernel, cl_uint number, size_t size,
                                         const void *value)
{
    arguments++;
    return driver.clSetKernelArg(kernel, number, size, value);
}
static void count_calls(void)
{
    const char *why;
    if (!clade_opencl_load(&why)) return;
    driver = clade_icd;
    clade_icd.clCreateKernel = count_kernel;
    clade_icd.clSetKernelArg = count_argument;
}

/* Programs that were told of: all, one after another, from none on. */
typedef struct builds {
    size_t done, total;
    bool wrong;
} builds;

static void see_building(void *user, size_t done, size_t total)
{
    builds *b = user;
    b->wrong = b->wrong || (done > 0 && (total != b->total || done != b->done + 1));
    b->done = done;
    b->total = total;
}

/* `per_step`: parameters that change from step to step. */
static void steps(const char *recipe_name, const clade_device_options *options, int per_step)
{
    clade_device *device;
    clade_recipe *recipe;
    bench_model *m;
    builds built = {0};
    clade_device_options watched = *options;
    watched.building = see_building;
    watched.user = &built;
    clade_status status = clade_device_open("opencl", &watched, &device);
    if (status == CLADE_EUNSUPPORTED) return; /* a build without CLBlast */
    CHECK_OK(status);
    CHECK_OK(clade_recipe_read(recipe_name, NULL, 0, &recipe));
    CHECK_OK(clade_bench_model_create(device, recipe, 4, &m));
    CHECK_OK(clade_bench_model_step(m));
    CHECK_OK(clade_device_finish(device));
    const opencl_context *cl = device->context;
    uint32_t programs = cl->compiled + cl->cached;
    size_t tried = cl->gemm_count;
    CHECK(programs > 0 && kernels > 0 && arguments > kernels);
    CHECK(built.total > 0 && built.done == built.total && !built.wrong);
    real = device->table;
    device->table.alloc = count_alloc;
    device->table.read = count_read;
    device->table.finish = count_finish;
    allocations = waits = kernels = arguments = 0;
    for (int i = 0; i < 3; i++) CHECK_OK(clade_bench_model_step(m));
    CHECK(allocations == 0 && waits == 0);
    CHECK(cl->compiled + cl->cached == programs && kernels == 0);
    CHECK(arguments == 3 * per_step);
    if (arguments != 3 * per_step) printf("%s: %d arguments in 3 steps\n", recipe_name, arguments);
    CHECK(cl->gemm_count == tried);
    CHECK(clade_device_fallbacks(device) == 0);
    CHECK_OK(clade_device_finish(device));
    CHECK(waits == 1); /* they are counted */
    clade_bench_model_release(m);
    clade_recipe_destroy(&recipe);
    clade_device_close(&device);
}

int main(void)
{
    if (!has_opencl()) return skipped;
    count_calls();
    /* a rate and a decay; cifar10's dropout besides: two, forward and backward */
    steps("cats-dogs-64", &(clade_device_options){.math = CLADE_EXACT}, 2);
    steps("shapes", &(clade_device_options){.math = CLADE_EXACT}, 2);
    steps("cifar10", &(clade_device_options){.math = CLADE_FAST}, 6);
    steps("cats-dogs-64", &(clade_device_options){.math = CLADE_FAST, .algorithm = "direct"}, 2);
    return TEST_END();
}
