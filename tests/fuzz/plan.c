/* Planning calls without a device: plans depend on shapes and on what a device says of itself. */
#define _XOPEN_SOURCE 700
#include "plan.h"

#include "config.h"
#include "cpu/cpu.h"
#ifdef CLADE_HAVE_OPENCL
#include "opencl/algorithm.h"
#include "opencl/opencl.h"

#include "no_device.h"
#endif

#include <stdio.h>
#include <stdlib.h>

/* A plan is made, or refused with a text and nothing left. */
static void plan_on(const clade_backend *backend, void *context, const clade_op_slot *slot,
                    const clade_args *args)
{
    clade_plan plan = {0};
    if (!slot->plan) return;
    if (slot->plan(context, args, &plan)) {
        if (plan.state || !*clade_error()) abort();
        return;
    }
    if (plan.state) backend->discard(context, plan.state);
}

static void plan_on_cpu(clade_op op, const clade_args *args)
{
    static void *cpu;
    static clade_op_slot slot[CLADE_OPS];
    if (!cpu) {
        if (clade_cpu_backend()->open(0, &(clade_device_options){.threads = 1}, &cpu)) abort();
        clade_cpu_backend()->ops(cpu, slot);
    }
    plan_on(clade_cpu_backend(), cpu, &slot[op], args);
}

#ifdef CLADE_HAVE_OPENCL
static void plan_on_opencl(clade_op op, const clade_args *args)
{
    /* NULL: what is best, among it Winograd's tiles */
    static const char *const asked[] = {NULL, "direct", "implicit"};
    static opencl_context device[12];
    static clade_op_slot slot[CLADE_OPS];
    use_no_device();
    for (int i = 0; i < 12; i++) {
        const bool wide = i & 1;
        opencl_context *cl = &device[i];
        if (!cl->choices) {
            *cl = (opencl_context){.math = i & 2 ? CLADE_FAST : CLADE_EXACT,
                                   .cpu_like = wide,
                                   .group_size = 256,
                                   .compute_units = wide ? 8 : 132,
                                   .vector_width = wide ? 16 : 4,
                                   .lanes = wide ? 16 : 1,
                                   .memory_bytes = UINT64_C(1) << 40,
                                   .label = "no device"};
            setenv("XDG_CACHE_HOME", "/nowhere", 1);
            if (clade_opencl_limits_find(NULL, &cl->limits)) abort();
            if (clade_opencl_choices_open(cl, asked[i / 4])) abort();
            clade_opencl_backend()->ops(cl, slot);
        }
        plan_on(clade_opencl_backend(), cl, &slot[op], args);
    }
}
#endif

void fuzz_plan(clade_op op, const clade_args *args)
{
    plan_on_cpu(op, args);
#ifdef CLADE_HAVE_OPENCL
    plan_on_opencl(op, args);
#endif
}
