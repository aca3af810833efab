/* Mode grad: the oracle's gradients against finite differences of the oracle's forward, in double.
 * No device takes part.
 *
 * L = Σ w y over all outputs with an incoming gradient w, which is random. For a sample of elements
 * of each input, and for a random direction over all of them, the derivative is taken as
 * Richardson's extrapolation of two central differences. Where that disagrees at every step size,
 * the one-sided differences of each output tell a kink (relu at 0, equals under a maximum), at
 * which any value between them is right and the point is left out, from a wrong gradient. Random
 * data have next to no kinks; the small cases are judged on small integers too, which have many. */
#include "conform/fault.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

/* The forward op as a function of its inputs. */
typedef struct functional {
    const clade_op_info *info;
    const clade_args *args;
    void *input[conform_slots];    /* doubles, or labels and indices as they are */
    double *weight[conform_slots]; /* of outputs; NULL: it does not count */
    void *high[conform_slots], *low[conform_slots], *middle[conform_slots]; /* evaluations */
} functional;

static size_t block_bytes(const clade_tensor *t)
{
    size_t n = clade_tensor_count(t);
    size_t size = clade_dtype_is_float(t->dtype) ? sizeof(double) : clade_dtype_size(t->dtype);
    return n ? n * size : 1;
}

/* Runs the forward op into `blocks`. */
static void evaluate(const functional *f, void *const blocks[conform_slots])
{
    for (size_t i = 0; i < f->info->slot_count; i++)
        if (f->input[i]) memcpy(blocks[i], f->input[i], block_bytes(&f->args->slot[i]));
    clade_oracle_run_on(f->info, f->args, blocks);
}

/* L at `high` less L at `low`; `noise` gets what rounding may have made of it. */
static double difference(const functional *f, double *noise)
{
    double sum = 0;
    *noise = 0;
    for (size_t i = 0; i < f->info->slot_count; i++) {
        const double *w = f->weight[i], *a = f->high[i], *b = f->low[i];
        size_t n = w ? clade_tensor_count(&f->args->slot[i]) : 0;
        for (size_t j = 0; j < n; j++) {
            if (a[j] == b[j]) continue;
            sum += w[j] * (a[j] - b[j]);
            *noise += fabs(w[j]) * (fabs(a[j]) + fabs(b[j]));
        }
    }
    *noise *= 0x1p-49; /* a few roundings of long sums in double */
    return sum;
}

/* A line through the inputs: x + t v, v of slot `slot`. One element where `v` is NULL. */
typedef struct line {
    size_t slot, element;
    const double *v, *x; /* x: where the line starts */
} line;

static void move_to(const functional *f, const line *l, double t)
{
    double *x = f->input[l->slot];
    if (!l->v) {
        x[l->element] = l->x[l->element] + t;
        return;
    }
    size_t n = clade_tensor_count(&f->args->slot[l->slot]);
    for (size_t i = 0; i < n; i++) x[i] = l->x[i] + t * l->v[i];
}

/* (L(x + p v) − L(x + q v)) / (p − q) */
static double slope(const functional *f, const line *l, double p, double q, double *noise)
{
    move_to(f, l, p);
    evaluate(f, f->high);
    move_to(f, l, q);
    evaluate(f, f->low);
    move_to(f, l, 0);
    double d = difference(f, noise) / (p - q);
    *noise /= p - q;
    return d;
}

/* The least and the most that gradients may be where the two one-sided derivatives of some outputs
 * differ: each output adds the smaller or the larger of its two. */
static void one_sided(const functional *f, const line *l, double h, double *least, double *most,
                      double *noise)
{
    move_to(f, l, h);
    evaluate(f, f->high);
    move_to(f, l, -h);
    evaluate(f, f->low);
    move_to(f, l, 0);
    evaluate(f, f->middle);
    *least = *most = *noise = 0;
    for (size_t i = 0; i < f->info->slot_count; i++) {
        const double *w = f->weight[i], *a = f->high[i], *b = f->low[i], *c = f->middle[i];
        size_t n = w ? clade_tensor_count(&f->args->slot[i]) : 0;
        for (size_t j = 0; j < n; j++) {
            if (a[j] == c[j] && b[j] == c[j]) continue;
            double right = w[j] * (a[j] - c[j]) / h, left = w[j] * (c[j] - b[j]) / h;
            *least += fmin(right, left);
            *most += fmax(right, left);
            *noise += 0x1p-49 * fabs(w[j] * c[j]) / h;
        }
    }
}

typedef struct point {
    double gradient; /* the backward's */
    double typical;  /* how large gradients are there */
    double measured, ratio;
    bool kink;
} point;

/* Compares the backward's derivative along a line with the measured one. */
static void measure(const functional *f, const line *l, point *p)
{
    static const double steps[] = {0x1p-9, 0x1p-13, 0x1p-17, 0x1p-21, 0x1p-25};
    double h = 0, noise, more;
    p->ratio = INFINITY;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        h = steps[i];
        double wide = slope(f, l, h, -h, &noise), narrow = slope(f, l, h / 2, -h / 2, &more);
        double d = (4 * narrow - wide) / 3;
        double allowed = 1e-6 * (fabs(d) + fabs(p->gradient) + p->typical) + 3 * (noise + more);
        double error = fabs(d - p->gradient), ratio = error == 0 ? 0 : error / allowed;
        if (!(ratio < p->ratio)) continue;
        p->ratio = ratio;
        p->measured = d;
        if (ratio <= 1) return;
    }
    double least, most;
    one_sided(f, l, h, &least, &most, &noise);
    double slack = 1e-6 * (fabs(least) + fabs(most) + p->typical) + noise;
    p->kink = most - least > 2 * slack && p->gradient > least - slack && p->gradient < most + slack;
}

/* Root of the mean square of a block's elements. */
static double typical_size(const double *g, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += g[i] * g[i];
    return sqrt(sum / (double)(n ? n : 1));
}

typedef struct grad_case {
    const clade_op_info *info; /* the gradient op */
    conform_problem *problem, *forward;
    clade_args forward_args;
    functional f;
    void *blocks[conform_slots]; /* of the gradient op, after the oracle's backward */
} grad_case;

static void free_case(grad_case *c)
{
    for (int i = 0; i < conform_slots; i++) {
        free(c->f.input[i]);
        free(c->f.high[i]);
        free(c->f.low[i]);
        free(c->f.middle[i]);
        free(c->blocks[i]);
        free(c->f.weight[i]);
    }
    clade_problem_destroy(&c->problem);
    clade_problem_destroy(&c->forward);
}

/* Data, the forward in double, and the backward in double on what the forward saved. */
static clade_status prepare(conform_run *run, const clade_op_info *info, const clade_case *test,
                            conform_data data, grad_case *c)
{
    const clade_op_info *f = clade_op_describe(info->forward);
    clade_args args;
    clade_status status = clade_case_args(info, test, &args, &c->forward_args);
    if (!status) status = clade_problem_create(info, test, data, run->options->seed, &c->problem);
    if (!status) status = clade_problem_forward(c->problem, &c->forward_args, &c->forward);
    if (status) return status;
    c->info = info;
    c->f.info = f;
    c->f.args = &c->forward_args;
    for (size_t i = 0; i < f->slot_count; i++) {
        const clade_tensor *t = &c->forward_args.slot[i];
        if (!c->forward->initial[i]) continue;
        c->f.input[i] = clade_block_widen(t, clade_slot_rounding(f, &c->forward_args, i),
                                          c->forward->initial[i]);
        c->f.high[i] = malloc(block_bytes(t));
        c->f.low[i] = malloc(block_bytes(t));
        c->f.middle[i] = malloc(block_bytes(t));
        if (!c->f.input[i] || !c->f.high[i] || !c->f.low[i] || !c->f.middle[i])
            return clade_fail(CLADE_ENOMEM, "out of memory for finite differences");
    }
    evaluate(&c->f, c->f.high);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &c->problem->args.slot[i];
        if (!c->problem->initial[i]) continue;
        int g = clade_slot_gradient_of(f, info->slots[i].name);
        int s = clade_slot_find(f, info->slots[i].name);
        const clade_dtype rounding = clade_slot_rounding(info, &c->problem->args, i);
        c->blocks[i] = clade_block_widen(t, rounding, c->problem->initial[i]);
        if (!c->blocks[i]) return clade_fail(CLADE_ENOMEM, "out of memory for gradients");
        if (clade_slot_writes(info->slots[i].kind)) continue;
        if (g >= 0)
            c->f.weight[g] = clade_block_widen(t, rounding, c->problem->initial[i]);
        else if (clade_slot_writes(f->slots[s].kind))
            memcpy(c->blocks[i], c->f.high[s], block_bytes(t));
    }
    args = c->problem->args;
    if (run->fault) clade_fault_alter(run->fault, info, &args);
    clade_oracle_run_on(info, &args, c->blocks);
    if (run->fault) clade_fault_spoil(run->fault, info, &args, c->blocks, c->f.input);
    return CLADE_OK;
}

static void count_point(const grad_case *c, size_t slot, const line *l, const point *p,
                        clade_conform_result *result, conform_failure *failure)
{
    if (p->kink) {
        result->excluded++;
        return;
    }
    result->compared++;
    if (!(p->ratio <= result->worst)) result->worst = p->ratio;
    double error = fabs(p->measured - p->gradient);
    if (!(error <= result->error)) result->error = error;
    if (p->ratio <= 1) return;
    const char *name = c->info->slots[slot].name;
    if (l->v)
        clade_failure_set(failure, "difference",
                          "%s along a random direction: %.9g, finite differences give %.9g", name,
                          p->gradient, p->measured);
    else
        clade_failure_set(failure, "difference",
                          "%s at element %zu: %.9g, finite differences give %.9g", name, l->element,
                          p->gradient, p->measured);
}

/* A sample of elements of gradient slot `slot`, and a direction over all. */
static clade_status check_slot(conform_run *run, const grad_case *c, const clade_case *test,
                               size_t slot, clade_conform_result *result, conform_failure *failure)
{
    const clade_tensor *t = &c->problem->args.slot[slot];
    const double *g = c->blocks[slot];
    size_t n = clade_tensor_count(t), most = test->kind == CASE_FULL ? 4 : 16;
    int x = clade_slot_gradient_of(c->f.info, c->info->slots[slot].name);
    double *start = malloc((n + 1) * sizeof *start), *v = malloc((n + 1) * sizeof *v);
    if (!start || !v) {
        free(start);
        free(v);
        return clade_fail(CLADE_ENOMEM, "out of memory for finite differences");
    }
    memcpy(start, c->f.input[x], n * sizeof *start);
    clade_random r = clade_conform_random(run->options->seed, c->info->name, test->name,
                                          c->info->slots[slot].name, "points");
    line l = {.slot = (size_t)x, .x = start};
    double typical = typical_size(g, n);
    for (size_t i = 0; i < n && i < most; i++) {
        l.element = n <= most ? i : clade_random_below(&r, (uint32_t)n);
        point p = {.gradient = g[l.element], .typical = typical};
        measure(&c->f, &l, &p);
        count_point(c, slot, &l, &p, result, failure);
    }
    point p = {0};
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = clade_random_uniform(&r, -1, 1);
        p.gradient += g[i] * v[i];
        squares += g[i] * g[i] * v[i] * v[i];
    }
    p.typical = sqrt(squares);
    l.v = v;
    measure(&c->f, &l, &p);
    count_point(c, slot, &l, &p, result, failure);
    free(start);
    free(v);
    return CLADE_OK;
}

clade_status clade_conform_differentiate(conform_run *run, const clade_op_info *info,
                                         const clade_case *test, clade_conform_result *result,
                                         conform_failure *failure)
{
    size_t zeros = 0, all = 0;
    clade_status status = CLADE_OK;
    for (int data = CONFORM_RANDOM; !status && data >= CONFORM_INTEGERS; data--) {
        grad_case c = {0};
        if (data == CONFORM_INTEGERS && test->kind == CASE_FULL) break;
        status = prepare(run, info, test, (conform_data)data, &c);
        for (size_t i = 0; !status && i < info->slot_count; i++) {
            if (!clade_slot_accumulates(info->slots[i].kind) || !c.blocks[i]) continue;
            status = check_slot(run, &c, test, i, result, failure);
            for (size_t j = 0; j < c.problem->count[i]; j++, all++)
                zeros += ((const double *)c.blocks[i])[j] == 0;
        }
        free_case(&c);
    }
    if (!status && !result->compared)
        clade_failure_set(failure, "difference", "every point is at a kink");
    result->mistrusted = zeros * 20 > all * 19 || result->excluded > result->compared;
    return status;
}

static clade_status judge_case(conform_run *run, const clade_op_info *info, const clade_case *test)
{
    conform_failure failure = {0};
    char text[CLADE_CALL_TEXT_SIZE];
    clade_conform_result result = {.mode = CLADE_CONFORM_GRAD,
                                   .op = info->name,
                                   .case_name = test->name,
                                   .call = clade_conform_call(info, test, text),
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_begin(run, &result)) return CLADE_OK;
    clade_status status = clade_conform_differentiate(run, info, test, &result, &failure);
    if (status) return clade_context(status, "%s", info->name);
    return clade_conform_end(run, &result, &failure);
}

clade_status clade_conform_grad(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (info->forward == CLADE_OP_none || !clade_conform_chosen(run, info)) continue;
        const clade_case *test;
        for (size_t i = 0; !status && (test = clade_conform_case(run, info, &i));)
            status = judge_case(run, info, test);
    }
    return status;
}
