/* Plans: recording launches, and running them. */
#include "opencl/plan.h"

#include "opencl/profile.h"
#include "opencl/program.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A kernel and its grid, or a function of the host. */
typedef struct opencl_step {
    opencl_program *program; /* of the kernel; NULL: a function */
    const char *name;
    cl_kernel kernel; /* NULL until the plan has run */
    cl_uint arguments, dims;
    bool grouped; /* local is not the driver's choice */
    size_t global[3], local[3];
    opencl_host_function function;
    void *data;
} opencl_step;

typedef enum argument_kind {
    ARGUMENT_VALUE,     /* as it was recorded */
    ARGUMENT_MEMORY,    /* the same */
    ARGUMENT_OFFSET,    /* of a part of the workspace */
    ARGUMENT_WORKSPACE, /* the workspace's memory */
    ARGUMENT_PARAM      /* a parameter that may change from run to run */
} argument_kind;

typedef struct opencl_argument {
    argument_kind kind;
    size_t step;
    cl_uint number;  /* among the kernel's */
    size_t size, at; /* bytes; in `value`, or in the call's arguments */
} opencl_argument;

/* Parts of the workspace have this buffer; its memory is known when they are used. */
static clade_buffer in_workspace;

enum { steps_most = 1 << 14 }; /* of a plan */
/* More floats than any tensor has. */
static const uint64_t part_most = UINT64_C(1) << 40;

/* ---- recording ---- */

static void fail(opencl_plan *plan)
{
    if (!plan->status)
        plan->status = clade_fail(CLADE_ENOMEM, "%s: out of memory for a plan", plan->cl->label);
}

/* Room for one more element, or for `more` bytes: rooms are powers of 2. */
static void *grow(opencl_plan *plan, void *list, size_t count, size_t more, size_t size)
{
    if (plan->status) return NULL;
    size_t room = 16, needed = count + more;
    if (list && count) {
        while (room < count) room *= 2;
        if (needed <= room) return list;
    }
    while (room < needed) room *= 2;
    void *grown = realloc(list, room * size);
    if (!grown) fail(plan);
    return grown;
}

clade_status clade_opencl_plan_create(opencl_context *cl, const clade_args *args, opencl_plan **out)
{
    opencl_plan *plan = *out = calloc(1, sizeof *plan);
    if (!plan) return clade_fail(CLADE_ENOMEM, "%s: out of memory for a plan", cl->label);
    plan->cl = cl;
    plan->args = args;
    return CLADE_OK;
}

void clade_opencl_plan_destroy(opencl_plan *plan)
{
    if (!plan) return;
    for (size_t i = 0; i < plan->steps; i++) {
        if (plan->step[i].kernel) clade_icd.clReleaseKernel(plan->step[i].kernel);
        free(plan->step[i].data);
    }
    free(plan->step);
    free(plan->argument);
    free(plan->value);
    free(plan);
}

void clade_opencl_plan_limit(opencl_plan *plan, uint64_t n, uint64_t most, const char *what)
{
    if (n > most && !plan->status)
        plan->status =
            clade_fail(CLADE_EUNSUPPORTED, "%s: %llu %s, expected at most %llu", plan->cl->label,
                       (unsigned long long)n, what, (unsigned long long)most);
}

static opencl_step *add_step(opencl_plan *plan)
{
    clade_opencl_plan_limit(plan, plan->steps + 1, steps_most, "launches for a call");
    opencl_step *grown = grow(plan, plan->step, plan->steps, 1, sizeof *grown);
    if (!grown) return NULL;
    plan->step = grown;
    grown[plan->steps] = (opencl_step){0};
    return &grown[plan->steps++];
}

opencl_launch clade_opencl_begin_stored(opencl_plan *plan, clade_dtype stored, const char *family,
                                        const char *kernel, const char *options)
{
    static const char *const format[] = {
        [CLADE_F32] = "", [CLADE_BF16] = " -DSTORED_BF16", [CLADE_F16] = " -DSTORED_F16"};
    opencl_step *s = add_step(plan);
    if (s) {
        char all[sizeof((opencl_program *)0)->options];
        const int n = snprintf(all, sizeof all, "%s%s", options ? options : "", format[stored]);
        assert(n >= 0 && (size_t)n < sizeof all);
        (void)n;
        s->name = kernel;
        s->program = clade_opencl_program(plan->cl, family, all);
        if (!s->program) fail(plan);
    }
    return (opencl_launch){plan};
}

opencl_launch clade_opencl_begin(opencl_plan *plan, const char *family, const char *kernel,
                                 const char *options)
{
    return clade_opencl_begin_stored(plan, plan->stored, family, kernel, options);
}

static void add_argument(opencl_plan *plan, argument_kind kind, size_t size, size_t at)
{
    opencl_argument *grown = grow(plan, plan->argument, plan->arguments, 1, sizeof *grown);
    if (!grown) return;
    plan->argument = grown;
    size_t s = plan->steps - 1;
    grown[plan->arguments++] = (opencl_argument){kind, s, plan->step[s].arguments++, size, at};
}

static void add_value(opencl_launch *l, argument_kind kind, const void *value, size_t size)
{
    opencl_plan *plan = l->plan;
    unsigned char *grown = grow(plan, plan->value, plan->value_bytes, size, 1);
    if (!grown) return;
    plan->value = grown;
    memcpy(grown + plan->value_bytes, value, size);
    add_argument(plan, kind, size, plan->value_bytes);
    plan->value_bytes += size;
}

void clade_opencl_tensor(opencl_launch *l, const clade_tensor *t)
{
    cl_mem memory = clade_tensor_handle(t);
    uint64_t offset = t->offset;
    if (clade_opencl_is_part(t))
        add_argument(l->plan, ARGUMENT_WORKSPACE, sizeof(cl_mem), 0);
    else
        add_value(l, ARGUMENT_MEMORY, &memory, sizeof memory);
    add_value(l, clade_opencl_is_part(t) ? ARGUMENT_OFFSET : ARGUMENT_VALUE, &offset,
              sizeof offset);
}

void clade_opencl_memory(opencl_launch *l, const clade_tensor *t)
{
    (void)t;
    assert(clade_opencl_is_part(t) && t->offset == 0);
    l->plan->whole = true;
    add_argument(l->plan, ARGUMENT_WORKSPACE, sizeof(cl_mem), 0);
}

void clade_opencl_i32(opencl_launch *l, int32_t value)
{
    add_value(l, ARGUMENT_VALUE, &value, sizeof value);
}
void clade_opencl_u32(opencl_launch *l, uint32_t value)
{
    add_value(l, ARGUMENT_VALUE, &value, sizeof value);
}
void clade_opencl_u64(opencl_launch *l, uint64_t value)
{
    add_value(l, ARGUMENT_VALUE, &value, sizeof value);
}
void clade_opencl_f32(opencl_launch *l, float value)
{
    add_value(l, ARGUMENT_VALUE, &value, sizeof value);
}
void clade_opencl_struct(opencl_launch *l, const void *value, size_t bytes)
{
    add_value(l, ARGUMENT_VALUE, value, bytes);
}

void clade_opencl_step_param(opencl_launch *l, const void *param, size_t bytes)
{
    size_t at = (size_t)((const char *)param - (const char *)l->plan->args);
    assert(at + bytes <= sizeof *l->plan->args);
    add_argument(l->plan, ARGUMENT_PARAM, bytes, at);
}

void clade_opencl_run_grid(opencl_launch *l, cl_uint dims, const size_t *global,
                           const size_t *local)
{
    if (l->plan->status) return;
    opencl_step *s = &l->plan->step[l->plan->steps - 1];
    s->dims = dims;
    s->grouped = local != NULL;
    memcpy(s->global, global, dims * sizeof *global);
    if (local) memcpy(s->local, local, dims * sizeof *local);
}

void clade_opencl_host(opencl_plan *plan, opencl_host_function function, const void *data,
                       size_t bytes)
{
    opencl_step *s = add_step(plan);
    if (!s) return;
    s->function = function;
    s->data = malloc(bytes);
    if (s->data)
        memcpy(s->data, data, bytes);
    else
        fail(plan);
}

/* ---- workspace ---- */

static uint64_t round_up(const opencl_plan *plan, uint64_t floats)
{
    const uint64_t part = plan->cl->limits.part;
    return (floats + part - 1) / part * part;
}

clade_tensor clade_opencl_part(opencl_plan *plan, uint64_t floats)
{
    clade_tensor t = {.buffer = &in_workspace, .offset = plan->next, .dtype = CLADE_F32};
    clade_opencl_plan_limit(plan, floats, part_most, "floats of workspace");
    if (plan->status) return t;
    plan->next += round_up(plan, floats);
    if (plan->next > plan->most) plan->most = plan->next;
    return t;
}

void clade_opencl_place(opencl_plan *plan, clade_tensor *t)
{
    const uint64_t each = sizeof(float) / clade_dtype_size(t->dtype);
    const clade_tensor part = clade_opencl_part(plan, (clade_tensor_count(t) + each - 1) / each);
    t->buffer = part.buffer;
    t->offset = part.offset * each;
}

bool clade_opencl_is_part(const clade_tensor *t) { return t->buffer == &in_workspace; }
void clade_opencl_release_parts(opencl_plan *plan, uint64_t next) { plan->next = next; }

void clade_opencl_front(opencl_plan *plan, size_t bytes)
{
    uint64_t floats = round_up(plan, (bytes + sizeof(float) - 1) / sizeof(float));
    if (floats > plan->front) plan->front = floats;
}

size_t clade_opencl_plan_workspace(const opencl_plan *plan)
{
    return (size_t)(plan->front + plan->most) * sizeof(float);
}

clade_status clade_opencl_plan_end(opencl_plan *plan)
{
    assert(!plan->whole || !plan->front);
    plan->args = NULL;
    return plan->status;
}

/* ---- running ---- */

static clade_status set_argument(const opencl_plan *plan, const opencl_argument *a,
                                 const void *value)
{
    const opencl_step *s = &plan->step[a->step];
    cl_int error = clade_icd.clSetKernelArg(s->kernel, a->number, a->size, value);
    if (!error) return CLADE_OK;
    clade_opencl_fail(plan->cl, error, "clSetKernelArg");
    return clade_context(CLADE_EDEVICE, "kernel %s, argument %u", s->name, a->number);
}

static clade_status create_kernels(opencl_plan *plan)
{
    for (size_t i = 0; i < plan->steps; i++) {
        opencl_step *s = &plan->step[i];
        if (!s->program || s->kernel) continue;
        clade_status status = clade_opencl_program_status(s->program);
        if (status) return status;
        cl_int error;
        s->kernel = clade_icd.clCreateKernel(s->program->program, s->name, &error);
        if (error) return clade_opencl_fail(plan->cl, error, s->name);
    }
    return CLADE_OK;
}

/* Builds programs and kernels, and sets the arguments that stay. */
static clade_status prepare(opencl_plan *plan)
{
    clade_status status = clade_opencl_programs_build(plan->cl);
    if (!status) status = create_kernels(plan);
    size_t left = 0;
    for (size_t i = 0; i < plan->arguments && !status; i++) {
        const opencl_argument *a = &plan->argument[i];
        uint64_t offset;
        if (a->kind <= ARGUMENT_MEMORY) {
            status = set_argument(plan, a, plan->value + a->at);
        } else if (a->kind == ARGUMENT_OFFSET) {
            memcpy(&offset, plan->value + a->at, sizeof offset);
            offset += plan->front;
            status = set_argument(plan, a, &offset);
        }
    }
    if (status) return status;
    for (size_t i = 0; i < plan->arguments; i++)
        if (plan->argument[i].kind >= ARGUMENT_WORKSPACE)
            plan->argument[left++] = plan->argument[i];
    plan->arguments = left;
    free(plan->value);
    plan->value = NULL;
    plan->ready = true;
    return CLADE_OK;
}

static clade_status enqueue(opencl_context *cl, const opencl_step *s)
{
    cl_int error = clade_icd.clEnqueueNDRangeKernel(cl->queue, s->kernel, s->dims, NULL, s->global,
                                                    s->grouped ? s->local : NULL, 0, NULL,
                                                    clade_opencl_event(cl));
    if (!error && ++cl->unflushed >= cl->limits.unflushed) {
        cl->unflushed = 0;
        error = clade_icd.clFlush(cl->queue);
    }
    return error ? clade_opencl_fail(cl, error, s->name) : CLADE_OK;
}

clade_status clade_opencl_plan_run(opencl_plan *plan, const clade_args *args, cl_mem workspace)
{
    opencl_context *cl = plan->cl;
    const bool moved = !plan->ready || workspace != plan->workspace || cl->freed != plan->freed;
    clade_status status = plan->ready ? CLADE_OK : prepare(plan);
    for (size_t i = 0; i < plan->arguments && !status; i++) {
        const opencl_argument *a = &plan->argument[i];
        if (a->kind == ARGUMENT_PARAM)
            status = set_argument(plan, a, (const char *)args + a->at);
        else if (moved)
            status = set_argument(plan, a, &workspace);
    }
    if (status) return status;
    plan->workspace = workspace;
    plan->freed = cl->freed;
    for (size_t i = 0; i < plan->steps && !status; i++) {
        const opencl_step *s = &plan->step[i];
        status = s->program ? enqueue(cl, s) : s->function(cl, s->data, workspace, plan->front);
    }
    return status;
}

/* ---- telling ---- */

/* `offset`: where a part's offset is put. */
static clade_launch_argument tell_argument(const opencl_plan *plan, const opencl_argument *a,
                                           const clade_args *args, uint64_t *offset)
{
    clade_launch_argument told = {.bytes = a->size, .value = plan->value + a->at};
    switch (a->kind) {
    case ARGUMENT_VALUE: break;
    case ARGUMENT_MEMORY:
        told.kind = CLADE_LAUNCH_MEMORY;
        memcpy(&told.value, plan->value + a->at, sizeof told.value);
        break;
    case ARGUMENT_OFFSET:
        memcpy(offset, plan->value + a->at, sizeof *offset);
        *offset += plan->front;
        told.value = offset;
        break;
    case ARGUMENT_WORKSPACE:
        told = (clade_launch_argument){.kind = CLADE_LAUNCH_WORKSPACE, .bytes = a->size};
        break;
    case ARGUMENT_PARAM: told.value = (const char *)args + a->at;
    }
    return told;
}

static clade_status tell_step(const opencl_plan *plan, size_t step, const clade_args *args,
                              clade_launch_sink *sink, void *user)
{
    const opencl_step *s = &plan->step[step];
    char options[OPENCL_OPTIONS_SIZE], *source = NULL;
    clade_launch_argument *told = calloc(s->arguments + 1, sizeof *told);
    uint64_t *offsets = calloc(s->arguments + 1, sizeof *offsets);
    clade_launch launch = {
        .options = options, .kernel = s->name, .dims = s->dims, .arguments = told};
    clade_status status = told && offsets ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    for (size_t i = 0; i < plan->arguments && !status; i++)
        if (plan->argument[i].step == step) {
            const size_t n = launch.argument_count++;
            told[n] = tell_argument(plan, &plan->argument[i], args, &offsets[n]);
        }
    memcpy(launch.global, s->global, sizeof s->global);
    memcpy(launch.local, s->local, sizeof s->local);
    if (!status) status = clade_opencl_program_text(plan->cl, s->program, options, &source);
    launch.source = source;
    if (!status) status = sink(user, &launch);
    free(source);
    free(offsets);
    free(told);
    return status;
}

clade_status clade_opencl_plan_launches(const opencl_plan *plan, const clade_args *args,
                                        clade_launch_sink *sink, void *user)
{
    clade_status status = CLADE_OK;
    assert(!plan->ready);
    for (size_t i = 0; i < plan->steps; i++)
        if (!plan->step[i].program)
            return clade_fail(CLADE_EUNSUPPORTED, "%s: CLBlast does a part of it", plan->cl->label);
    for (size_t i = 0; i < plan->steps && !status; i++)
        status = tell_step(plan, i, args, sink, user);
    return status;
}
