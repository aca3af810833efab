/* Ground floor: plans. While a call is planned, launches are recorded: kernels with their arguments
 * and grids, and functions of the host; and memory is laid out in the workspace. Running a plan
 * queues them again and again. Nothing is looked up then, and of the arguments only the parameters
 * that may change from run to run are set anew, and the workspace when it is another one.
 *
 * While it is recorded a plan keeps its first error, and what is recorded after that is ignored. */
#ifndef CLADE_OPENCL_PLAN_H
#define CLADE_OPENCL_PLAN_H

#include "opencl/context.h"

typedef struct opencl_plan {
    opencl_context *cl;
    const clade_args *args;   /* of the call, while it is planned */
    clade_status status;      /* the first error */
    clade_dtype stored;       /* how programs store slots of dtype FLOAT (kernels/stored.clh) */
    bool refused;             /* it cannot be used: a matrix product was tried, and is not right */
    struct opencl_step *step; /* the rest is plan.c's */
    size_t steps;
    struct opencl_argument *argument; /* all; when it is ready, those that a run sets */
    size_t arguments;
    unsigned char *value; /* of arguments that stay */
    size_t value_bytes;
    uint64_t front, next, most; /* floats of workspace: before the parts; up to the next; of all */
    bool whole, ready;          /* does it use clade_opencl_memory? are its kernels there? */
    cl_mem workspace;           /* that the kernels have, … */
    uint64_t freed;             /* … and the device's count of buffers freed then */
} opencl_plan;

/* An empty plan for a call. Errors: ENOMEM. */
clade_status clade_opencl_plan_create(opencl_context *cl, const clade_args *args,
                                      opencl_plan **out);
void clade_opencl_plan_destroy(opencl_plan *plan);
/* The plan fails, EUNSUPPORTED, where there are more than `most` of what it names. */
void clade_opencl_plan_limit(opencl_plan *plan, uint64_t n, uint64_t most, const char *what);
/* Ends the recording; gives the first error of it. */
clade_status clade_opencl_plan_end(opencl_plan *plan);
/* Queues it. Builds what is not built, when it runs for the first time. */
clade_status clade_opencl_plan_run(opencl_plan *plan, const clade_args *args, cl_mem workspace);

/* Hands on the launches of a plan that has not run. Errors: EUNSUPPORTED where it calls a function
 * of the host; EIO and ENOMEM of their sources; the sink's. */
clade_status clade_opencl_plan_launches(const opencl_plan *plan, const clade_args *args,
                                        clade_launch_sink *sink, void *user);

/* Bytes of workspace that it needs. */
size_t clade_opencl_plan_workspace(const opencl_plan *plan);

/* ---- workspace ---- */

/* Floats of the workspace, as a tensor of no shape: behind the parts before. */
clade_tensor clade_opencl_part(opencl_plan *plan, uint64_t floats);
/* Gives a tensor memory there. */
void clade_opencl_place(opencl_plan *plan, clade_tensor *t);
/* What is recorded from now on may use the memory of parts taken after `plan->next` was this. */
void clade_opencl_release_parts(opencl_plan *plan, uint64_t next);
/* Keeps the front of the workspace, before all parts, for who must have it there. */
void clade_opencl_front(opencl_plan *plan, size_t bytes);

/* ---- launches ---- */

/* One launch being recorded: begin, then the arguments in order, then one of the functions
 * clade_opencl_run_… (opencl/grid.h). */
typedef struct opencl_launch {
    opencl_plan *plan;
} opencl_launch;

/* Kernel `kernel`, a constant, of kernels/FAMILY.cl compiled with `options` ("-DTILE=4", or NULL).
 */
opencl_launch clade_opencl_begin(opencl_plan *plan, const char *family, const char *kernel,
                                 const char *options);
/* The same of a kernel whose tensors are all in this format of FLOAT slots, not the call's. */
opencl_launch clade_opencl_begin_stored(opencl_plan *plan, clade_dtype stored, const char *family,
                                        const char *kernel, const char *options);
void clade_opencl_tensor(opencl_launch *l, const clade_tensor *t); /* buffer and offset */
/* The buffer alone; of a part, which is then at the front of the workspace. */
void clade_opencl_memory(opencl_launch *l, const clade_tensor *t);
void clade_opencl_i32(opencl_launch *l, int32_t value);
void clade_opencl_u32(opencl_launch *l, uint32_t value);
void clade_opencl_u64(opencl_launch *l, uint64_t value);
void clade_opencl_f32(opencl_launch *l, float value);
void clade_opencl_struct(opencl_launch *l, const void *value, size_t bytes); /* by value */
/* A parameter of the call that ops.def declares with CLADE_STEP_PARAM: `param` points into the
 * arguments that are planned. */
void clade_opencl_step_param(opencl_launch *l, const void *param, size_t bytes);
/* Exactly this grid: `dims` 1…3 sizes and work-group sizes (local NULL: the driver's choice). */
void clade_opencl_run_grid(opencl_launch *l, cl_uint dims, const size_t *global,
                           const size_t *local);

/* Records a function of the host, with a copy of `data`. `first`: where the parts begin in the
 * workspace, in floats, which is what a part's offset counts from. */
typedef clade_status (*opencl_host_function)(opencl_context *cl, const void *data, cl_mem workspace,
                                             uint64_t first);
void clade_opencl_host(opencl_plan *plan, opencl_host_function function, const void *data,
                       size_t bytes);
/* Does a tensor lie in the workspace? */
bool clade_opencl_is_part(const clade_tensor *t);

#endif
