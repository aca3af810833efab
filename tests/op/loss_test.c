/* The losses and topk_count where random data do not go: extreme scores, labels that are none,
 * ties, NaN; on the CPU and, where there is one, on an OpenCL device. */
#include "../test.h"

#include <clade/device.h>

#include <math.h>
#include <stdlib.h>

static clade_device *device;

/* A tensor on the device with these values; its buffer is destroyed by drop(). */
static clade_tensor hold(clade_tensor t, const void *values)
{
    CHECK_OK(clade_buffer_create(device, clade_tensor_count(&t) * 4, &t.buffer));
    if (t.buffer && values) CHECK_OK(clade_tensor_write(&t, values));
    return t;
}

static void drop(clade_tensor *t, void *values)
{
    if (t->buffer && values) CHECK_OK(clade_tensor_read(t, values));
    clade_buffer_destroy(&t->buffer);
}

static clade_tensor classes(int n)
{
    clade_tensor t = clade_shape(1, n);
    t.dtype = CLADE_I32;
    return t;
}

/* n rows of c scores with their labels; probabilities, losses and the gradient that come out. */
enum { most = 64 };
typedef struct rows {
    int n, c;
    float smoothing, x[most], dense[most];
    int32_t label[most];
    bool is_dense;
    float y[most], loss[most], dx[most];
} rows;

static clade_tensor hold_label(const rows *r)
{
    return r->is_dense ? hold(clade_shape(2, r->n, r->c), r->dense) : hold(classes(r->n), r->label);
}

static void run_xent(rows *r)
{
    float ones[most];
    for (int i = 0; i < most; i++) ones[i] = 1;
    clade_args a = {.softmax_xent = {.x = hold(clade_shape(2, r->n, r->c), r->x),
                                     .label = hold_label(r),
                                     .y = hold(clade_shape(2, r->n, r->c), NULL),
                                     .loss = hold(clade_shape(1, r->n), NULL),
                                     .smoothing = r->smoothing}};
    CHECK_OK(clade_op_run(device, CLADE_OP_softmax_xent, &a));
    clade_args d = {.softmax_xent_dx = {.y = a.softmax_xent.y,
                                        .label = a.softmax_xent.label,
                                        .dloss = hold(clade_shape(1, r->n), ones),
                                        .dx = hold(clade_shape(2, r->n, r->c), NULL),
                                        .smoothing = r->smoothing}};
    CHECK_OK(clade_op_run(device, CLADE_OP_softmax_xent_dx, &d));
    drop(&a.softmax_xent.x, NULL);
    drop(&a.softmax_xent.label, NULL);
    drop(&a.softmax_xent.y, r->y);
    drop(&a.softmax_xent.loss, r->loss);
    drop(&d.softmax_xent_dx.dloss, NULL);
    drop(&d.softmax_xent_dx.dx, r->dx);
}

static void run_bce(rows *r)
{
    float ones[most];
    for (int i = 0; i < most; i++) ones[i] = 1;
    clade_args a = {.sigmoid_bce = {.x = hold(clade_shape(2, r->n, r->c), r->x),
                                    .label = hold_label(r),
                                    .y = hold(clade_shape(2, r->n, r->c), NULL),
                                    .loss = hold(clade_shape(1, r->n), NULL),
                                    .smoothing = r->smoothing}};
    CHECK_OK(clade_op_run(device, CLADE_OP_sigmoid_bce, &a));
    clade_args d = {.sigmoid_bce_dx = {.y = a.sigmoid_bce.y,
                                       .label = a.sigmoid_bce.label,
                                       .dloss = hold(clade_shape(1, r->n), ones),
                                       .dx = hold(clade_shape(2, r->n, r->c), NULL),
                                       .smoothing = r->smoothing}};
    CHECK_OK(clade_op_run(device, CLADE_OP_sigmoid_bce_dx, &d));
    drop(&a.sigmoid_bce.x, NULL);
    drop(&a.sigmoid_bce.label, NULL);
    drop(&a.sigmoid_bce.y, r->y);
    drop(&a.sigmoid_bce.loss, r->loss);
    drop(&d.sigmoid_bce_dx.dloss, NULL);
    drop(&d.sigmoid_bce_dx.dx, r->dx);
}

static bool near(float value, double truth)
{
    return isnan(truth)   ? isnan(value)
           : isinf(truth) ? value == (float)truth
                          : fabs((double)value - truth) <= 1e-6 * (1e-6 + fabs(truth));
}

static void test_large_scores(void)
{
    /* no score overflows, and losses of thousands are exact */
    rows r = {.n = 4,
              .c = 3,
              .label = {0, 2, 1, 1},
              .x = {1e4f, -1e4f, 0, 1e4f, 1e4f, -1e4f, -1e4f, -1e4f, -1e4f, 3e38f, 3e38f, -3e38f}};
    run_xent(&r);
    const double loss[] = {0, 20000 + log(2), log(3), log(2)};
    const double y[] = {1, 0, 0, 0.5, 0.5, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3, 0.5, 0.5, 0};
    const double dx[] = {0, 0, 0, 0.5, 0.5, -1, 1.0 / 3, -2.0 / 3, 1.0 / 3, 0.5, -0.5, 0};
    for (int i = 0; i < 4; i++) CHECK(near(r.loss[i], loss[i]));
    for (int i = 0; i < 12; i++) CHECK(near(r.y[i], y[i]));
    for (int i = 0; i < 12; i++) CHECK(near(r.dx[i], dx[i]));
}

static void test_impossible_classes(void)
{
    /* a score of −∞ is a class of probability 0: no loss unless it is the label, or smoothed */
    const float inf = INFINITY;
    rows r = {.n = 3, .c = 3, .label = {0, 1, 2}, .x = {0, -inf, 0, 0, -inf, 0, -inf, -inf, 5}};
    run_xent(&r);
    CHECK(near(r.loss[0], log(2)));
    CHECK(r.loss[1] == inf);
    CHECK(r.loss[2] == 0);
    CHECK(r.y[1] == 0 && r.y[6] == 0 && r.y[8] == 1);
    CHECK(near(r.dx[0], -0.5) && r.dx[1] == 0 && near(r.dx[2], 0.5));
    CHECK(r.dx[4] == -1 && near(r.dx[3], 0.5));
    r.smoothing = 0.1f;
    run_xent(&r);
    CHECK(r.loss[0] == inf);
    rows dense = {.n = 1, .c = 3, .is_dense = true, .dense = {0.25f, 0, 0.75f}, .x = {0, -inf, 0}};
    run_xent(&dense);
    CHECK(near(dense.loss[0], log(2)));
    CHECK(near(dense.dx[0], 0.25) && dense.dx[1] == 0 && near(dense.dx[2], -0.25));
    rows nothing = {.n = 1, .c = 2, .x = {-inf, -inf}};
    run_xent(&nothing);
    CHECK(isnan(nothing.loss[0]) && isnan(nothing.y[0]) && isnan(nothing.dx[1]));
}

static void test_smoothing(void)
{
    rows r = {.n = 2, .c = 4, .label = {2, 0}, .smoothing = 0.2f, .x = {1, 2, 3, 4, 0, 0, 0, 0}};
    run_xent(&r);
    double sum = 0, truth = 0;
    for (int j = 0; j < 4; j++) sum += exp(r.x[j]);
    for (int j = 0; j < 4; j++) {
        double t = (j == 2 ? 1 - 0.2 : 0) + 0.2 / 4;
        truth += t * (log(sum) - r.x[j]);
        CHECK(fabs(r.dx[j] - (exp(r.x[j]) / sum - t)) < 1e-6);
    }
    CHECK(near(r.loss[0], truth));
    CHECK(near(r.loss[1], log(4)));
}

/* A label that is no class: its row's loss and gradient are NaN, the other rows' are not. */
static void test_wrong_classes(void)
{
    rows r = {.n = 5, .c = 3, .label = {0, 3, -1, 2, INT32_MIN}};
    for (int i = 0; i < 15; i++) r.x[i] = (float)i * 0.25f;
    run_xent(&r);
    for (int i = 0; i < 5; i++) {
        bool wrong = i == 1 || i == 2 || i == 4;
        CHECK(isnan(r.loss[i]) == wrong);
        for (int j = 0; j < 3; j++) CHECK(isnan(r.dx[i * 3 + j]) == wrong);
        for (int j = 0; j < 3; j++) CHECK(!isnan(r.y[i * 3 + j]));
    }
    rows b = {.n = 5, .c = 1, .label = {0, 1, 2, -1, INT32_MAX}, .x = {1, 2, 3, 4, 5}};
    run_bce(&b);
    for (int i = 0; i < 5; i++) {
        CHECK(isnan(b.loss[i]) == (i > 1));
        CHECK(isnan(b.dx[i]) == (i > 1));
        CHECK(!isnan(b.y[i]));
    }
}

static void test_nan_scores(void)
{
    rows r = {.n = 3, .c = 2, .label = {0, 0, 0}, .x = {NAN, 1, 1, NAN, 1, 2}};
    run_xent(&r);
    for (int i = 0; i < 3; i++) CHECK(isnan(r.loss[i]) == (i < 2) && isnan(r.dx[2 * i]) == (i < 2));
    rows b = {.n = 2, .c = 1, .label = {1, 1}, .x = {NAN, 1}};
    run_bce(&b);
    CHECK(isnan(b.loss[0]) && isnan(b.dx[0]) && !isnan(b.loss[1]));
}

static void test_binary(void)
{
    const float inf = INFINITY;
    rows r = {.n = 8,
              .c = 1,
              .label = {1, 0, 1, 0, 1, 0, 1, 1},
              .x = {1e4f, 1e4f, -1e4f, -1e4f, inf, -inf, -inf, 30}};
    run_bce(&r);
    const double loss[] = {0, 1e4, 1e4, 0, 0, 0, (double)inf, log1p(exp(-30))};
    const double dx[] = {0, 1, -1, 0, 0, 0, -1, 0};
    for (int i = 0; i < 8; i++) CHECK(near(r.loss[i], loss[i]));
    for (int i = 0; i < 8; i++) CHECK(fabs(r.dx[i] - dx[i]) < 1e-6);
    rows s = {
        .n = 1, .c = 2, .smoothing = 0.2f, .is_dense = true, .dense = {1, 0.5f}, .x = {2, -1}};
    run_bce(&s);
    double a = log1p(exp(-2)) + 2 * 0.1, b = log1p(exp(-1)) + 0.5;
    CHECK(near(s.loss[0], (a + b) / 2));
    CHECK(near(s.dx[1], (1 / (1 + exp(1)) - 0.5) / 2));
}

/* A focal loss and its gradient; `weight` [2, c] or NULL. */
static void run_focal(rows *r, bool softmax, float gamma, float alpha, const float *weight)
{
    float ones[most];
    for (int i = 0; i < most; i++) ones[i] = 1;
    const clade_tensor shape = clade_shape(2, r->n, r->c);
    clade_tensor x = hold(shape, r->x), y = hold(shape, NULL), dx = hold(shape, NULL);
    clade_tensor label = hold_label(r), w = {0};
    clade_tensor loss = hold(clade_shape(1, r->n), NULL), dloss = hold(clade_shape(1, r->n), ones);
    if (weight) w = hold(clade_shape(2, 2, r->c), weight);
    if (softmax) {
        clade_args a = {.softmax_focal = {x, label, y, loss, gamma, alpha, r->smoothing}};
        clade_args d = {.softmax_focal_dx = {y, label, dloss, dx, gamma, alpha, r->smoothing, 0}};
        CHECK_OK(clade_op_run(device, CLADE_OP_softmax_focal, &a));
        CHECK_OK(clade_op_run(device, CLADE_OP_softmax_focal_dx, &d));
    } else {
        clade_args a = {.sigmoid_focal = {x, label, w, y, loss, gamma, alpha, r->smoothing}};
        clade_args d = {
            .sigmoid_focal_dx = {y, label, w, dloss, dx, gamma, alpha, r->smoothing, 0}};
        CHECK_OK(clade_op_run(device, CLADE_OP_sigmoid_focal, &a));
        CHECK_OK(clade_op_run(device, CLADE_OP_sigmoid_focal_dx, &d));
    }
    drop(&x, NULL);
    drop(&label, NULL);
    if (weight) drop(&w, NULL);
    drop(&y, r->y);
    drop(&loss, r->loss);
    drop(&dloss, NULL);
    drop(&dx, r->dx);
}

/* Scores beyond all doubt, right and wrong, and labels that are none. */
static void test_focal(void)
{
    const float inf = INFINITY;
    rows r = {.n = 4,
              .c = 3,
              .label = {0, 1, 2, 3},
              .x = {1e4f, -1e4f, 0, 1e4f, -1e4f, 0, 0, 0, 0, 1, 2, 3}};
    run_focal(&r, true, 2, 0.25f, NULL);
    CHECK(r.loss[0] == 0 && r.loss[1] == 5000 && isnan(r.loss[3]) && isnan(r.dx[9]));
    CHECK(r.dx[0] == 0 && r.dx[3] == 0.25f && r.dx[4] == -0.25f && r.dx[5] == 0);
    CHECK(near(r.loss[2], 0.25 * (4.0 / 9) * log(3)));
    const double slope = 0.25 * (4.0 / 9) * (2 * (1.0 / 3) * log(3) / (2.0 / 3) + 1);
    CHECK(near(r.dx[8], -slope * 2 / 3) && near(r.dx[6], slope / 3));

    rows b = {
        .n = 7, .c = 1, .label = {1, 0, 1, 0, 1, 1, 2}, .x = {1e4f, 1e4f, -1e4f, -1e4f, inf, 1, 0}};
    run_focal(&b, false, 2, 0.25f, (const float[]){3, 5});
    const double p = 1 / (1 + exp(-1)), w = 0.25 * 5;
    const double loss[] = {0, 0.75 * 3 * 1e4, w * 1e4, 0, 0, w * (1 - p) * (1 - p) * -log(p)};
    const double dx[] = {0, 2.25, -w, 0, 0, w * (1 - p) * (1 - p) * (2 * p * log(p) + p - 1)};
    for (int i = 0; i < 6; i++) CHECK(near(b.loss[i], loss[i]) && fabs(b.dx[i] - dx[i]) < 1e-6);
    CHECK(isnan(b.loss[6]) && isnan(b.dx[6]));
    run_focal(&b, false, 0, 0, NULL);
    rows plain = b;
    run_bce(&plain);
    for (int i = 0; i < 6; i++)
        CHECK(b.loss[i] == plain.loss[i] && near(b.dx[i], (double)plain.dx[i]));
}

/* Errors of numbers at the bend, beyond it, and without a number. */
static void test_numbers(void)
{
    float x[] = {1, -2, 0.5f, NAN}, t[] = {0, 0, 0.5f, 0}, one[] = {1, 1, 1, 1}, loss[4], dx[4];
    const float mae[] = {1, 2, 0}, huber[] = {0.5f, 1.5f, 0}, slope[] = {1, -1, 0};
    for (int k = 0; k < 2; k++) {
        clade_tensor a = hold(clade_shape(2, 4, 1), x), b = hold(clade_shape(2, 4, 1), t);
        clade_tensor l = hold(clade_shape(1, 4), NULL), d = hold(clade_shape(1, 4), one);
        clade_tensor g = hold(clade_shape(2, 4, 1), NULL);
        clade_args forward = {.huber = {a, b, l, 1}}, back = {.huber_dx = {a, b, d, g, 1, 0}};
        if (k == 0) forward = (clade_args){.mae = {a, b, l}};
        if (k == 0) back = (clade_args){.mae_dx = {a, b, d, g, 0}};
        CHECK_OK(clade_op_run(device, k ? CLADE_OP_huber : CLADE_OP_mae, &forward));
        CHECK_OK(clade_op_run(device, k ? CLADE_OP_huber_dx : CLADE_OP_mae_dx, &back));
        drop(&a, NULL);
        drop(&b, NULL);
        drop(&d, NULL);
        drop(&l, loss);
        drop(&g, dx);
        for (int i = 0; i < 3; i++) CHECK(loss[i] == (k ? huber : mae)[i] && dx[i] == slope[i]);
        CHECK(isnan(loss[3]) && isnan(dx[3]));
    }
}

static int32_t top(int n, int c, int k, const float *y, const int32_t *label, int32_t before)
{
    clade_args a = {.topk_count = {.y = hold(clade_shape(2, n, c), y),
                                   .label = hold(classes(n), label),
                                   .count = hold(classes(1), &before),
                                   .k = k}};
    int32_t count = -1;
    CHECK_OK(clade_op_run(device, CLADE_OP_topk_count, &a));
    drop(&a.topk_count.y, NULL);
    drop(&a.topk_count.label, NULL);
    drop(&a.topk_count.count, &count);
    return count;
}

static void test_counts(void)
{
    const float y[] = {3, 1, 2, 3, 1, 2, 2, 2, 2, 2, 2, 2, 0, NAN, 1, INFINITY, 0, -INFINITY};
    /* of the equals in rows 2 and 3 class 0 is the first and class 2 the last; row 4 has a NaN */
    const int32_t first[] = {0, 1, 0, 2, 2, 0}, second[] = {2, 2, 1, 2, 2, 1};
    const int32_t none[] = {3, -1, INT32_MAX, INT32_MIN, 0, 7};
    CHECK(top(6, 3, 1, y, first, 0) == 3);
    CHECK(top(6, 3, 2, y, first, 0) == 3);
    CHECK(top(6, 3, 3, y, first, 0) == 5);
    CHECK(top(6, 3, 1, y, second, 0) == 0);
    CHECK(top(6, 3, 2, y, second, 10) == 14);
    CHECK(top(6, 3, INT32_MAX, y, second, 0) == 5);
    CHECK(top(6, 3, 3, y, none, 0) == 0);
    const float one[] = {0.5f, 0.50001f, 0.2f, NAN, NAN, 0.9f, 0.9f};
    const int32_t binary[] = {0, 1, 1, 0, 1, 1, 2};
    CHECK(top(7, 1, 1, one, binary, 100) == 103);
    /* more rows than a work-group has */
    float *many = calloc(5000, sizeof *many);
    int32_t *label = calloc(5000, sizeof *label);
    CHECK(many && label);
    int32_t right = 0;
    for (int i = 0; many && label && i < 5000; i++) {
        many[i] = i % 3 ? 0.75f : 0.25f;
        label[i] = i % 2;
        right += (i % 3 != 0) == label[i];
    }
    if (many && label) CHECK(top(5000, 1, 1, many, label, 0) == right);
    free(many);
    free(label);
}

static void test_device(const char *name)
{
    int before = test_failures;
    test_large_scores();
    test_impossible_classes();
    test_smoothing();
    test_wrong_classes();
    test_nan_scores();
    test_binary();
    test_focal();
    test_numbers();
    test_counts();
    if (test_failures > before) printf("that was on %s\n", name);
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    test_device("cpu");
    clade_device_close(&device);
    if (clade_device_open("opencl", NULL, &device)) {
        printf("no OpenCL device: %s\n", clade_error());
    } else {
        test_device("opencl");
        clade_device_close(&device);
    }
    return TEST_END();
}
