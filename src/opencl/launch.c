/* Kernels by name, their arguments, and their launch. */
#include "opencl/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status find_program(opencl_context *cl, const char *family, const char *options,
                                 cl_program *out)
{
    for (size_t i = 0; i < cl->program_count; i++) {
        if (strcmp(cl->programs[i].family, family) || strcmp(cl->programs[i].options, options))
            continue;
        *out = cl->programs[i].program;
        return CLADE_OK;
    }
    opencl_program *grown = realloc(cl->programs, (cl->program_count + 1) * sizeof *grown);
    if (!grown) return clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
    cl->programs = grown;
    clade_status status = clade_opencl_program(cl, family, options, out);
    if (status) return status;
    opencl_program *entry = &cl->programs[cl->program_count++];
    snprintf(entry->family, sizeof entry->family, "%s", family);
    snprintf(entry->options, sizeof entry->options, "%s", options);
    entry->program = *out;
    return CLADE_OK;
}

opencl_launch clade_opencl_begin(opencl_context *cl, const char *family, const char *kernel,
                                 const char *options)
{
    opencl_launch launch = {.cl = cl, .name = kernel};
    if (!options) options = "";
    for (size_t i = 0; i < cl->kernel_count; i++) {
        opencl_kernel *k = &cl->kernels[i];
        if (strcmp(k->name, kernel) || strcmp(k->options, options)) continue;
        launch.kernel = k->kernel;
        return launch;
    }
    cl_program program;
    launch.status = find_program(cl, family, options, &program);
    if (launch.status) return launch;
    opencl_kernel *grown = realloc(cl->kernels, (cl->kernel_count + 1) * sizeof *grown);
    if (!grown) {
        launch.status = clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
        return launch;
    }
    cl->kernels = grown;
    cl_int error;
    launch.kernel = clCreateKernel(program, kernel, &error);
    if (error) {
        launch.status = clade_opencl_fail(cl, error, kernel);
        return launch;
    }
    opencl_kernel *entry = &cl->kernels[cl->kernel_count++];
    snprintf(entry->name, sizeof entry->name, "%s", kernel);
    snprintf(entry->options, sizeof entry->options, "%s", options);
    entry->kernel = launch.kernel;
    return launch;
}

static void argument(opencl_launch *launch, size_t size, const void *value)
{
    if (launch->status) return;
    cl_int error = clSetKernelArg(launch->kernel, launch->next, size, value);
    if (error) {
        clade_opencl_fail(launch->cl, error, "clSetKernelArg");
        launch->status =
            clade_context(CLADE_EDEVICE, "kernel %s, argument %u", launch->name, launch->next);
    }
    launch->next++;
}

void clade_opencl_tensor(opencl_launch *launch, const clade_tensor *t)
{
    cl_mem memory = clade_tensor_handle(t);
    argument(launch, sizeof memory, &memory);
    clade_opencl_u64(launch, t->offset);
}

void clade_opencl_workspace(opencl_launch *launch, void *workspace)
{
    cl_mem memory = workspace;
    argument(launch, sizeof memory, &memory);
}

void clade_opencl_i32(opencl_launch *launch, int32_t value)
{
    argument(launch, sizeof value, &value);
}
void clade_opencl_u32(opencl_launch *launch, uint32_t value)
{
    argument(launch, sizeof value, &value);
}
void clade_opencl_u64(opencl_launch *launch, uint64_t value)
{
    argument(launch, sizeof value, &value);
}
void clade_opencl_f32(opencl_launch *launch, float value)
{
    argument(launch, sizeof value, &value);
}
void clade_opencl_struct(opencl_launch *launch, const void *value, size_t bytes)
{
    argument(launch, bytes, value);
}

clade_status clade_opencl_run_grid(opencl_launch *launch, cl_uint dims, const size_t *global,
                                   const size_t *local)
{
    if (launch->status) return launch->status;
    cl_int error = clEnqueueNDRangeKernel(launch->cl->queue, launch->kernel, dims, NULL, global,
                                          local, 0, NULL, clade_opencl_event(launch->cl));
    if (!error && ++launch->cl->unflushed >= opencl_unflushed_most) {
        launch->cl->unflushed = 0;
        error = clFlush(launch->cl->queue);
    }
    return error ? clade_opencl_fail(launch->cl, error, launch->name) : CLADE_OK;
}

clade_status clade_opencl_run_elements(opencl_launch *launch, uint64_t n)
{
    size_t group = launch->cl->group_size;
    size_t global = (size_t)((n + group - 1) / group * group);
    return clade_opencl_run_grid(launch, 1, &global, &group);
}

/* Elements, each of `work` floats, that a work-item on a wide core takes: few enough for all cores
 * to have some, else as many as make a launch of little cost. */
static uint64_t block_of(const opencl_context *cl, uint64_t n, uint64_t work)
{
    enum { least = 1024, most = 16384, lanes = 16 };
    if (!cl->cpu_like) return 1;
    uint64_t even = n / (4 * cl->compute_units) / lanes * lanes, block = even;
    if (even * work < least) block = least / work;
    if (even * work > most) block = most / work;
    return block ? block : 1;
}

clade_status clade_opencl_run_each(opencl_launch *launch, uint64_t n, uint64_t work)
{
    const uint64_t block = block_of(launch->cl, n, work);
    clade_opencl_u64(launch, n);
    clade_opencl_u64(launch, block);
    if (!launch->cl->cpu_like) return clade_opencl_run_elements(launch, n);
    return clade_opencl_run_grid(launch, 1, (const size_t[]){(size_t)((n + block - 1) / block)},
                                 (const size_t[]){1});
}
