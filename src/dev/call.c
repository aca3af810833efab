/* Calls: the one place where an op's arguments are checked, and where it is handed to the backend
 * or, where that has none, to the reference. */
#include "dev/device.h"
#include "op/half.h"

#include <stdlib.h>
#include <string.h>

static bool has_op(const clade_device *device, clade_op op) { return device->slot[op].run != NULL; }

/* Has the device a version of this very call's op? */
static bool has_call(const clade_device *device, const clade_call *call)
{
    if (!has_op(device, call->op)) return false;
    return !clade_args_have_halves(clade_op_describe(call->op), &call->args) ||
           clade_device_takes_halves(device, call);
}

bool clade_device_takes_halves(const clade_device *device, const clade_call *call)
{
    return has_op(device, call->op) && device->table.takes_halves &&
           device->table.takes_halves(device->context, call);
}

char clade_device_support(const clade_device *device, clade_op op)
{
    return has_op(device, op) ? 'n' : device->table.host ? 'r' : 'h';
}

/* Do two tensors share bytes? */
static bool overlap(const clade_tensor *a, const clade_tensor *b)
{
    if (a->buffer != b->buffer) return false;
    size_t sa = clade_dtype_size(a->dtype), sb = clade_dtype_size(b->dtype);
    uint64_t a0 = a->offset * sa, a1 = a0 + clade_tensor_count(a) * sa;
    uint64_t b0 = b->offset * sb, b1 = b0 + clade_tensor_count(b) * sb;
    return a0 < b1 && b0 < a1;
}

static clade_status check_memory(const clade_device *device, const clade_op_info *info,
                                 const clade_args *args)
{
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t)) continue;
        const char *slot = info->slots[i].name;
        if (!t->buffer) return clade_fail(CLADE_EINVAL, "%s: %s has no memory", info->name, slot);
        if (t->buffer->device != device)
            return clade_fail(CLADE_EINVAL, "%s: %s lies on another device", info->name, slot);
        uint64_t room = t->buffer->bytes / clade_dtype_size(t->dtype), n = clade_tensor_count(t);
        if (t->offset > room || n > room - t->offset)
            return clade_fail(CLADE_EINVAL,
                              "%s: %s reaches beyond its buffer: %llu elements at %llu of %llu",
                              info->name, slot, (unsigned long long)n,
                              (unsigned long long)t->offset, (unsigned long long)room);
        for (size_t j = 0; j < i; j++) {
            const clade_tensor *u = &args->slot[j];
            bool wi = clade_slot_writes(info->slots[i].kind),
                 wj = clade_slot_writes(info->slots[j].kind);
            if (!clade_tensor_present(u) || (!wi && !wj) || !overlap(t, u)) continue;
            bool same = t->offset == u->offset && t->dtype == u->dtype &&
                        clade_tensor_count(t) == n && clade_tensor_count(u) == n;
            if (same && wi != wj && (info->flags & CLADE_OP_INPLACE)) continue;
            return clade_fail(CLADE_EINVAL, "%s: %s and %s overlap", info->name,
                              info->slots[j].name, slot);
        }
    }
    return CLADE_OK;
}

/* Has the backend plan a call. */
static clade_status plan_call(clade_device *device, const clade_call *call, clade_prepared **out)
{
    const clade_op_slot *slot = &device->slot[call->op];
    clade_prepared *p = *out = calloc(1, sizeof *p);
    if (!p) return clade_fail(CLADE_ENOMEM, "out of memory for a plan");
    p->device = device;
    p->reference = !has_call(device, call);
    clade_status status =
        slot->plan && !p->reference ? slot->plan(device->context, &call->args, &p->plan) : CLADE_OK;
    return status ? clade_context(status, "%s", clade_op_describe(call->op)->name) : CLADE_OK;
}

static clade_status grow_workspace(clade_device *device, size_t bytes)
{
    if (bytes <= (device->workspace ? device->workspace->bytes : 0)) return CLADE_OK;
    clade_status status = device->table.finish(device->context);
    if (status) return status;
    clade_buffer_destroy(&device->workspace);
    return clade_context(clade_buffer_create(device, bytes, &device->workspace), "workspace");
}

clade_status clade_call_prepare(clade_device *device, clade_call *call)
{
    clade_call_release(call);
    clade_status status = clade_op_shape(call->op, &call->args);
    if (status) return status;
    const clade_op_info *info = clade_op_describe(call->op);
    status = check_memory(device, info, &call->args);
    if (status) return status;
    if (device->strict && !has_call(device, call))
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: %s has no version of it and --strict forbids the reference",
                          info->name, device->info.id);
    status = plan_call(device, call, &call->prepared);
    if (!status) status = grow_workspace(device, call->prepared->plan.workspace);
    if (status) clade_call_release(call);
    return status;
}

void clade_call_release(clade_call *call)
{
    clade_prepared *p = call->prepared;
    if (!p) return;
    if (p->plan.state) p->device->table.discard(p->device->context, p->plan.state);
    free(p);
    call->prepared = NULL;
}

const char *clade_call_algorithm(const clade_call *call)
{
    return call->prepared ? call->prepared->plan.algorithm : NULL;
}

size_t clade_call_launches(const clade_call *call)
{
    return call->prepared ? call->prepared->plan.launches : 0;
}

/* Runs the reference on copies: for devices whose memory the host does not see. */
static clade_status run_through_host(clade_device *device, const clade_op_info *info,
                                     const clade_args *args)
{
    clade_args copy = *args;
    clade_buffer memory[CLADE_MOST_SLOTS];
    void *block[CLADE_MOST_SLOTS] = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t)) continue;
        size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
        block[i] = malloc(bytes ? bytes : 1);
        if (!block[i]) {
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory for host copies", info->name);
            break;
        }
        memory[i] = (clade_buffer){.device = device, .host = block[i], .bytes = bytes};
        copy.slot[i].buffer = &memory[i];
        copy.slot[i].offset = 0;
        status = clade_tensor_read(t, block[i]);
    }
    if (!status) status = clade_reference_run(info->op, &copy);
    for (size_t i = 0; !status && i < info->slot_count; i++)
        if (block[i] && clade_slot_writes(info->slots[i].kind))
            status = clade_tensor_write(&args->slot[i], block[i]);
    for (size_t i = 0; i < info->slot_count; i++) free(block[i]);
    return status;
}

static clade_status run_reference(clade_device *device, const clade_call *call)
{
    device->fallbacks++;
    const clade_op_info *info = clade_op_describe(call->op);
    if (!device->table.host) return run_through_host(device, info, &call->args);
    clade_status status = device->table.finish(device->context);
    return status ? status : clade_reference_run(call->op, &call->args);
}

static clade_status run_within(clade_device *device, const clade_call *call, void *workspace)
{
    const clade_op_slot *slot = &device->slot[call->op];
    if (call->prepared->reference) return run_reference(device, call);
    clade_status status = slot->run(device->context, &call->args, &call->prepared->plan, workspace);
    return status ? clade_context(status, "%s", clade_op_describe(call->op)->name) : CLADE_OK;
}

static clade_status run_call(clade_device *device, const clade_call *call)
{
    return run_within(device, call, device->workspace ? device->workspace->handle : NULL);
}

size_t clade_call_workspace(const clade_call *call) { return call->prepared->plan.workspace; }

clade_status clade_call_run_within(const clade_call *call, void *workspace)
{
    return run_within(call->prepared->device, call, workspace);
}

clade_status clade_call_tell_launches(const clade_call *call, clade_launch_sink *sink, void *user)
{
    const clade_device *device = call->prepared->device;
    if (call->prepared->reference || !device->table.launches)
        return clade_fail(CLADE_EUNSUPPORTED, "%s does %s without OpenCL", device->info.id,
                          clade_op_describe(call->op)->name);
    return device->table.launches(device->context, &call->args, &call->prepared->plan, sink, user);
}

static clade_status run_noted(clade_device *device, const clade_call *call)
{
    return device->profile ? clade_profile_run(device, call, run_call) : run_call(device, call);
}

clade_status clade_call_run(const clade_call *call)
{
    clade_device *device = call->prepared->device;
    if (device->planner) return CLADE_OK;
    return device->verifier ? clade_verifier_run(device, call, run_noted) : run_noted(device, call);
}

clade_status clade_op_run(clade_device *device, clade_op op, const clade_args *args)
{
    clade_call call = {.op = op, .args = *args};
    clade_status status = clade_call_prepare(device, &call);
    if (!status) status = clade_call_run(&call);
    clade_call_release(&call);
    return status;
}
