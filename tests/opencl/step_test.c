/* After the first, a training step allocates nothing on the device, builds no program, makes no
 * kernel and waits for nothing; in exact mode and in fast mode, on the device's own way and by
 * matrix products. */
#include "device.h"
#include "test.h"

#include "bench/model.h"
#include "dev/device.h"
#include "opencl/opencl.h"

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

static void steps(const char *recipe_name, const clade_device_options *options)
{
    clade_device *device;
    clade_recipe *recipe;
    bench_model *m;
    clade_status status = clade_device_open("opencl", options, &device);
    if (status == CLADE_EUNSUPPORTED) return; /* a build without CLBlast */
    CHECK_OK(status);
    CHECK_OK(clade_recipe_read(recipe_name, NULL, 0, &recipe));
    CHECK_OK(clade_bench_model_create(device, recipe, 4, &m));
    CHECK_OK(clade_bench_model_step(m));
    CHECK_OK(clade_device_finish(device));
    const opencl_context *cl = device->context;
    uint32_t programs = cl->compiled + cl->cached;
    size_t kernels = cl->kernel_count, tried = cl->gemm_count;
    CHECK(programs > 0 && kernels > 0);
    real = device->table;
    device->table.alloc = count_alloc;
    device->table.read = count_read;
    device->table.finish = count_finish;
    allocations = waits = 0;
    for (int i = 0; i < 3; i++) CHECK_OK(clade_bench_model_step(m));
    CHECK(allocations == 0 && waits == 0);
    CHECK(cl->compiled + cl->cached == programs && cl->kernel_count == kernels);
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
    steps("cats-dogs-64", &(clade_device_options){.math = CLADE_EXACT});
    steps("shapes", &(clade_device_options){.math = CLADE_EXACT});
    steps("cifar10", &(clade_device_options){.math = CLADE_FAST});
    steps("cats-dogs-64", &(clade_device_options){.math = CLADE_FAST, .algorithm = "direct"});
    return TEST_END();
}
