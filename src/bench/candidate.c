/* Checks one algorithm for a call against the CPU, and times it. */
#include "bench/candidate.h"

#include "base/clock.h"

#include "base/random.h"
#include "bench/bench.h"
#include "conform/conform.h"
#include "dev/device.h"
#include "op/call_text.h"

#include <stdlib.h>
#include <string.h>

enum { slots = conform_slots };

/* Host memory of every tensor of a call. */
typedef struct block {
    float *v[slots];
    size_t count[slots];
} block;

/* A call with its memory on one device. */
typedef struct staged {
    clade_device *device;
    clade_call call;
    clade_buffer *buffer[slots];
} staged;

static void release_block(block *b)
{
    for (int i = 0; i < slots; i++) free(b->v[i]);
}

static void release(staged *s)
{
    clade_call_release(&s->call);
    for (int i = 0; i < slots; i++) clade_buffer_destroy(&s->buffer[i]);
    clade_device_close(&s->device);
}

/* Draws random numbers for every tensor, also for outputs, which may be added to: up to 1, for the
 * first one up to `scale`. */
static clade_status draw(const clade_call *shape, float scale, block *b)
{
    const clade_op_info *info = clade_op_describe(shape->op);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &shape->args.slot[i];
        if (!clade_tensor_present(t)) continue;
        if (t->dtype != CLADE_F32)
            return clade_fail(CLADE_EUNSUPPORTED, "%s: it is not tried", info->name);
        b->count[i] = clade_tensor_count(t);
        b->v[i] = malloc(b->count[i] * sizeof(float));
        if (!b->v[i]) return clade_fail(CLADE_ENOMEM, "%s: out of memory", info->name);
        clade_random r = clade_random_start(0, CLADE_STREAM_CONFORM, i);
        for (size_t k = 0; k < b->count[i]; k++)
            b->v[i][k] = (i ? 1 : scale) * clade_random_uniform(&r, -1, 1);
    }
    return CLADE_OK;
}

static clade_status write_all(staged *s, const block *b)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < slots && !status; i++)
        if (b->v[i]) status = clade_buffer_write(s->buffer[i], 0, b->v[i], b->count[i] * 4);
    return status;
}

static clade_status stage(const char *device, const clade_device_options *options,
                          const clade_call *shape, const block *b, staged *s)
{
    s->call = *shape;
    clade_status status = clade_device_open(device, options, &s->device);
    for (size_t i = 0; i < slots && !status; i++) {
        if (!b->v[i]) continue;
        status = clade_buffer_create(s->device, b->count[i] * 4, &s->buffer[i]);
        s->call.args.slot[i].buffer = s->buffer[i];
    }
    if (!status) status = write_all(s, b);
    return status ? status : clade_call_prepare(s->device, &s->call);
}

/* Runs it and reads its outputs into `out`, in the order of the slots. */
static clade_status run(staged *s, block *out)
{
    const clade_op_info *info = clade_op_describe(s->call.op);
    clade_status status = clade_call_run(&s->call);
    for (size_t i = 0; i < info->slot_count && !status; i++) {
        if (!s->buffer[i] || !clade_slot_writes(info->slots[i].kind)) continue;
        out->count[i] = clade_buffer_bytes(s->buffer[i]) / 4;
        out->v[i] = malloc(out->count[i] * sizeof(float));
        if (!out->v[i]) return clade_fail(CLADE_ENOMEM, "%s: out of memory", info->name);
        status = clade_buffer_read(s->buffer[i], 0, out->v[i], out->count[i] * 4);
    }
    return status;
}

/* Returns the format to which the call's products may round their factors. */
static clade_products products_of(const clade_call *shape)
{
    const clade_products *products = clade_param_of(
        clade_op_describe(shape->op), (clade_args *)(uintptr_t)&shape->args, "products");
    return products ? *products : CLADE_FACTORS_FLOAT32;
}

/* Computes the expected results, and the same op on absolute values, which bounds its rounding
 * errors: float16 rounds a number below 2^-14 like 2^-14. */
static clade_status expect(const clade_call *shape, block *values, block *expected, block *sums)
{
    staged s = {0};
    clade_status status = stage("cpu", NULL, shape, values, &s);
    if (!status) status = run(&s, expected);
    block positive = {0};
    const float least = products_of(shape) == CLADE_FACTORS_FLOAT16 ? 0x1p-14f : 0;
    for (int i = 0; i < slots && !status; i++) {
        if (!values->v[i]) continue;
        positive.count[i] = values->count[i];
        positive.v[i] = malloc(values->count[i] * sizeof(float));
        if (!positive.v[i]) status = clade_fail(CLADE_ENOMEM, "out of memory for a bound");
        for (size_t k = 0; k < values->count[i] && !status; k++)
            positive.v[i][k] = fmaxf(fabsf(values->v[i][k]), least);
    }
    int32_t *act = clade_param_of(clade_op_describe(shape->op), &s.call.args, "act");
    if (act) *act = CLADE_LINEAR;
    if (!status) status = write_all(&s, &positive);
    if (!status) status = run(&s, sums);
    release_block(&positive);
    release(&s);
    return status;
}

/* Compares results. Every element is a sum of products, as many as the operations say. Both results
 * may be off by the bound of such a sum; an activation may enlarge that by an eighth; factors may
 * be rounded. */
static clade_status compare(const clade_call *shape, const block *expected, const block *sums,
                            const block *got)
{
    const clade_op_info *info = clade_op_describe(shape->op);
    double products = clade_bench_call_cost(shape).flops / 2;
    for (size_t i = 0; i < info->slot_count; i++) {
        if (!got->v[i]) continue;
        double gamma = 2.5 * clade_gamma(4 + (int64_t)(products / (double)got->count[i])) +
                       clade_products_error(products_of(shape));
        for (size_t k = 0; k < got->count[i]; k++) {
            double bound = gamma * (double)sums->v[i][k] + 1e-30;
            if (fabs((double)got->v[i][k] - (double)expected->v[i][k]) <= bound) continue;
            return clade_fail(CLADE_EMISMATCH, "wrong: %s[%zu] is %.9g, expected %.9g ± %.2g",
                              info->slots[i].name, k, (double)got->v[i][k],
                              (double)expected->v[i][k], bound);
        }
    }
    return CLADE_OK;
}

/* Checks which algorithm ran. The number of a parameter set is not part of the algorithm's name. */
static clade_status check_algorithm(const staged *s, const char *algorithm)
{
    const char *used = clade_call_algorithm(&s->call);
    if (!used)
        return clade_fail(CLADE_EMISMATCH, "the device has no choice of algorithms for this");
    if (!strncmp(used, algorithm, strlen(used))) return CLADE_OK;
    return clade_fail(CLADE_EMISMATCH, "%s",
                      strncmp(algorithm, "gemm", 4) ? "the device does not use it"
                                                    : "not right on small integers");
}

static clade_status take_time(staged *s, double *seconds)
{
    static const double enough = 0.2;
    double begun = clade_clock();
    clade_status status = CLADE_OK;
    *seconds = INFINITY;
    for (int round = 0; !status && (round < 3 || clade_clock() - begun < enough); round++) {
        double from = clade_clock();
        status = clade_call_run(&s->call);
        if (!status) status = clade_device_finish(s->device);
        double took = clade_clock() - from;
        if (took < *seconds) *seconds = took;
    }
    return status;
}

clade_status clade_candidate_try(const char *device, const char *algorithm, const clade_call *shape,
                                 float scale, double *seconds)
{
    const clade_device_options options = {.math = CLADE_FAST, .algorithm = algorithm};
    block values = {0}, expected = {0}, sums = {0}, got = {0};
    staged s = {0};
    if (clade_bench_call_cost(shape).flops <= 0)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: it is not tried",
                          clade_op_describe(shape->op)->name);
    clade_status status = draw(shape, scale, &values);
    if (!status) status = expect(shape, &values, &expected, &sums);
    if (!status) status = stage(device, &options, shape, &values, &s);
    if (!status) status = run(&s, &got);
    if (!status) status = check_algorithm(&s, algorithm);
    if (!status) status = compare(shape, &expected, &sums, &got);
    if (!status) status = take_time(&s, seconds);
    release(&s);
    release_block(&values);
    release_block(&expected);
    release_block(&sums);
    release_block(&got);
    return status;
}
