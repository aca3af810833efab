/* Optimizer steps against their formulas in double, clipping, and learning rate schedules. */
#include "../test.h"
#include "train/optimizer.h"
#include "train/lr_schedule.h"

#include <clade/device.h>

#include <math.h>

enum { n = 37, steps = 5 };

static bool near(double a, double b, double error)
{
    return fabs(a - b) <= error * fmax(1, fabs(b));
}

/* Keras' formulas, and PyTorch's of a velocity that is a sum of gradients; one weight. */
static void step_in_double(const clade_optimizer *o, double lr, int t, double g, double *w,
                           double m[2])
{
    *w -= (double)o->weight_decay * lr * *w;
    switch (o->kind) {
    case CLADE_SGD: {
        double momentum = (double)o->momentum;
        if (o->velocity == CLADE_VELOCITY_GRADIENTS) {
            m[0] = momentum * m[0] + g;
            *w -= lr * (o->nesterov ? g + momentum * m[0] : m[0]);
            break;
        }
        m[0] = momentum * m[0] - lr * g;
        *w += o->nesterov ? momentum * m[0] - lr * g : m[0];
        break;
    }
    case CLADE_RMSPROP: {
        m[0] = (double)o->rho * m[0] + (1 - (double)o->rho) * g * g;
        double step = lr * g / sqrt(m[0] + (double)o->eps);
        m[1] = (double)o->momentum * m[1] + step;
        *w -= m[1];
        break;
    }
    case CLADE_LION: {
        double b1 = (double)o->beta1, b2 = (double)o->beta2, mixed = b1 * m[0] + (1 - b1) * g;
        *w -= mixed > 0 ? lr : mixed < 0 ? -lr : 0;
        m[0] = b2 * m[0] + (1 - b2) * g;
        break;
    }
    default: {
        double b1 = (double)o->beta1, b2 = (double)o->beta2;
        m[0] = b1 * m[0] + (1 - b1) * g;
        m[1] = b2 * m[1] + (1 - b2) * g * g;
        double rate = lr * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t));
        *w -= rate * m[0] / (sqrt(m[1]) + (double)o->eps);
    }
    }
}

static void test_kind(clade_device *device, clade_optimizer settings)
{
    clade_buffer *buffer = NULL;
    clade_updater *updater = NULL;
    float w[n], g[n];
    double expected[n], moments[n][2] = {{0}};
    CHECK_OK(clade_buffer_create(device, 2 * sizeof w, &buffer));
    clade_tensor wt = {.buffer = buffer, .dtype = CLADE_F32, .rank = 1, .dim = {n}}, gt = wt;
    gt.offset = n;
    for (int i = 0; i < n; i++) expected[i] = (double)(w[i] = sinf((float)i));
    CHECK_OK(clade_tensor_write(&wt, w));
    CHECK_OK(clade_updater_create(&settings, device, &wt, &gt, &updater));
    clade_optimizer o = clade_optimizer_resolve(&settings);
    for (int t = 1; t <= steps && updater; t++) {
        double norm = 0, lr = (double)o.lr / t;
        for (int i = 0; i < n; i++) {
            g[i] = cosf((float)(i * t));
            norm += (double)g[i] * (double)g[i];
        }
        double limit = (double)o.clip_norm, scale = limit > 0 ? fmin(1, limit / sqrt(norm)) : 1;
        CHECK_OK(clade_tensor_write(&gt, g));
        CHECK_OK(clade_updater_step(updater, lr, (uint64_t)t));
        for (int i = 0; i < n; i++)
            step_in_double(&o, lr, t, scale * (double)g[i], &expected[i], moments[i]);
    }
    CHECK_OK(clade_tensor_read(&wt, w));
    for (int i = 0; i < n; i++) CHECK(near((double)w[i], expected[i], 2e-6));
    clade_updater_destroy(&updater);
    clade_buffer_destroy(&buffer);
}

/* Slices that cut across parts, with an average, against the whole: the same bits, and nothing
 * beyond them. */
static void test_slices(clade_device *device, clade_optimizer settings, bool divided)
{
    static const uint64_t cuts[] = {0, 1, 5, 5, 9, n};
    const clade_updater_part parts[] = {{.count = 3, .scale = 1},
                                        {.first = 3, .count = 4, .scale = 0.5f, .began = 2},
                                        {.first = 7, .count = n - 7, .scale = 1, .l2 = 0.1f}};
    clade_buffer *memory[2][CLADE_UPDATER_TENSORS] = {{NULL}};
    clade_updater *whole = NULL, *slice[5] = {NULL};
    clade_tensor t[2], moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    float w[n], g[n], other[n];
    for (int i = 0; i < 2; i++) {
        CHECK_OK(clade_buffer_create(device, sizeof w, &memory[0][i]));
        t[i] = (clade_tensor){.buffer = memory[0][i], .dtype = CLADE_F32, .rank = 1, .dim = {n}};
    }
    for (int i = 0; i < n; i++) w[i] = sinf((float)i);
    CHECK_OK(clade_tensor_write(&t[0], w));
    CHECK_OK(clade_updater_create(&settings, device, &t[0], &t[1], &whole));
    if (divided) CHECK_OK(clade_updater_divide(whole, parts, 3));
    CHECK_OK(clade_updater_average(whole, 0.75f));
    CHECK_OK(clade_updater_begin_average(whole));
    CHECK(clade_updater_is_elementwise(whole));
    const size_t moments = clade_updater_moments(whole, moment, name), all = 2 + moments;
    for (size_t i = 2; i < all; i++) memory[0][i] = moment[i - 2].buffer;
    for (size_t i = 0; i < all; i++) {
        CHECK_OK(clade_buffer_create(device, sizeof w, &memory[1][i]));
        CHECK_OK(clade_buffer_read(memory[0][i], 0, other, sizeof other));
        CHECK_OK(clade_buffer_write(memory[1][i], 0, other, sizeof other));
    }
    for (int i = 0; i < 5; i++)
        CHECK_OK(clade_updater_create_slice(whole, device, memory[1], cuts[i],
                                            cuts[i + 1] - cuts[i], &slice[i]));
    for (uint64_t step = 1; step <= 6; step++) {
        for (int i = 0; i < n; i++) g[i] = cosf((float)i * (float)step);
        for (int i = 0; i < 2; i++) CHECK_OK(clade_buffer_write(memory[i][1], 0, g, sizeof g));
        CHECK_OK(clade_updater_step(whole, 0.1, step));
        for (int i = 0; i < 5; i++) { /* each one leaves the others' elements alone */
            CHECK_OK(clade_buffer_read(memory[1][0], 0, w, sizeof w));
            CHECK_OK(clade_updater_step(slice[i], 0.1, step));
            CHECK_OK(clade_buffer_read(memory[1][0], 0, other, sizeof other));
            for (uint64_t k = 0; k < n; k++)
                CHECK((k >= cuts[i] && k < cuts[i + 1]) || w[k] == other[k]);
        }
    }
    for (size_t i = 0; i < all; i++) {
        CHECK_OK(clade_buffer_read(memory[0][i], 0, w, sizeof w));
        CHECK_OK(clade_buffer_read(memory[1][i], 0, other, sizeof other));
        CHECK(!memcmp(w, other, sizeof w));
    }
    for (int i = 0; i < 5; i++) clade_updater_destroy(&slice[i]);
    clade_updater_destroy(&whole);
    for (size_t i = 0; i < all; i++) clade_buffer_destroy(&memory[1][i]);
    for (int i = 0; i < 2; i++) clade_buffer_destroy(&memory[0][i]);
}

static void test_optimizers(void)
{
    clade_device *device = NULL;
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return;
    for (int divided = 0; divided < 2; divided++) {
        test_slices(device, (clade_optimizer){.kind = CLADE_SGD}, divided);
        test_slices(device, (clade_optimizer){.kind = CLADE_SGD, .momentum = 0.9f}, divided);
        test_slices(device, (clade_optimizer){.kind = CLADE_RMSPROP, .momentum = 0.5f}, divided);
        test_slices(device, (clade_optimizer){.kind = CLADE_ADAMW}, divided);
        test_slices(device, (clade_optimizer){.kind = CLADE_LION}, divided);
    }
    test_kind(device, (clade_optimizer){.kind = CLADE_SGD});
    test_kind(device, (clade_optimizer){.kind = CLADE_SGD, .lr = 0.1f, .momentum = 0.9f});
    test_kind(device, (clade_optimizer){.kind = CLADE_SGD, .momentum = 0.9f, .nesterov = true});
    for (int nesterov = 0; nesterov < 2; nesterov++)
        test_kind(device, (clade_optimizer){.kind = CLADE_SGD,
                                            .lr = 0.1f,
                                            .momentum = 0.9f,
                                            .nesterov = nesterov,
                                            .velocity = CLADE_VELOCITY_GRADIENTS,
                                            .weight_decay = 0.1f,
                                            .clip_norm = 2});
    test_kind(device, (clade_optimizer){.kind = CLADE_SGD, .lr = 0.5f, .clip_norm = 1});
    test_kind(device, (clade_optimizer){.kind = CLADE_RMSPROP});
    test_kind(device, (clade_optimizer){.kind = CLADE_RMSPROP, .momentum = 0.5f, .rho = 0.8f});
    test_kind(device, (clade_optimizer){.kind = CLADE_ADAM});
    test_kind(device,
              (clade_optimizer){.kind = CLADE_ADAM, .lr = 0.1f, .eps = 0.01f, .clip_norm = 2});
    test_kind(device, (clade_optimizer){.kind = CLADE_ADAMW, .lr = 0.1f});
    test_kind(device, (clade_optimizer){.kind = CLADE_LION, .weight_decay = 0.1f, .clip_norm = 2});
    clade_device_close(&device);
}

static void test_defaults(void)
{
    clade_optimizer o = clade_optimizer_resolve(&(clade_optimizer){.kind = CLADE_SGD});
    CHECK(o.lr == 0.01f && o.momentum == 0);
    o = clade_optimizer_resolve(&(clade_optimizer){.kind = CLADE_RMSPROP});
    CHECK(o.lr == 0.001f && o.rho == 0.9f && o.eps == 1e-7f && o.weight_decay == 0);
    o = clade_optimizer_resolve(&(clade_optimizer){.kind = CLADE_ADAMW});
    CHECK(o.beta1 == 0.9f && o.beta2 == 0.999f && o.weight_decay == 0.004f);
    o = clade_optimizer_resolve(&(clade_optimizer){.kind = CLADE_LION});
    CHECK(o.beta1 == 0.9f && o.beta2 == 0.99f && o.weight_decay == 0);
}

static double rate(clade_lr_schedule settings, int32_t epochs, int32_t epoch, size_t batch)
{
    clade_lr_scheduler s = clade_lr_scheduler_start(&settings, 0.8, epochs, 10);
    return clade_lr_scheduler_rate(&s, epoch, batch);
}

static void test_schedules(void)
{
    clade_lr_schedule constant = {0},
                      step = {.kind = CLADE_SCHEDULE_STEP, .epochs = 3, .factor = 0.5f};
    clade_lr_schedule cosine = {.kind = CLADE_SCHEDULE_COSINE, .minimum = 0.2f};
    CHECK(rate(constant, 5, 4, 0) == 0.8);
    CHECK(rate(step, 9, 2, 9) == 0.8 && rate(step, 9, 3, 0) == 0.4 && rate(step, 9, 8, 0) == 0.2);
    CHECK(near(rate(cosine, 4, 0, 0), 0.8, 1e-7) && near(rate(cosine, 4, 2, 0), 0.5, 1e-7) &&
          near(rate(cosine, 4, 3, 0), 0.2 + 0.3 * (1 - sqrt(0.5)), 1e-7));
    CHECK(rate((clade_lr_schedule){.kind = CLADE_SCHEDULE_COSINE}, 1, 0, 0) == 0.8);
    /* a run that was made longer goes on as one that was planned so */
    CHECK(near(rate(cosine, 8, 4, 0), 0.5, 1e-7));
    clade_lr_schedule warm = cosine;
    warm.warmup = 2;
    /* twenty steps of linear rise, then the whole cosine over the rest */
    CHECK(near(rate(warm, 7, 0, 0), 0.8 / 20, 1e-7) && near(rate(warm, 7, 1, 9), 0.8, 1e-7));
    CHECK(near(rate(warm, 7, 2, 0), 0.8, 1e-7) && near(rate(warm, 6, 4, 0), 0.5, 1e-7));

    clade_lr_schedule plateau = {
        .kind = CLADE_SCHEDULE_PLATEAU, .factor = 0.5f, .patience = 2, .minimum = 0.15f};
    clade_lr_scheduler s = clade_lr_scheduler_start(&plateau, 0.8, 20, 10);
    static const double losses[] = {1, 0.9, 0.89995, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6};
    static const double after[] = {0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.15, 0.15, 0.15};
    for (int i = 0; i < 11; i++) {
        clade_lr_scheduler_epoch(&s, losses[i]);
        CHECK(near(clade_lr_scheduler_rate(&s, i + 1, 0), after[i], 1e-7));
    }
}

/* What PyTorch 2.15 gives for a rate of 0.8 and epochs of ten steps. */
static void test_schedules_of_steps(void)
{
    static const struct {
        clade_lr_schedule settings;
        int32_t epochs;
        int step[4];
        double rate[4];
    } cases[] = {
        {{.kind = CLADE_SCHEDULE_ONE_CYCLE},
         5,
         {0, 1, 14, 30},
         {0.032, 0.04162768172217979, 0.8, 0.4536946915538369}},
        {{.kind = CLADE_SCHEDULE_ONE_CYCLE},
         5,
         {13, 15, 49, 49},
         {0.7903723182778203, 0.7983897240392254, 3.2e-06, 3.2e-06}},
        {{.kind = CLADE_SCHEDULE_POLYNOMIAL, .power = 2.5f},
         4,
         {0, 1, 20, 39},
         {0.8, 0.7509335814504453, 0.14142135623730956, 7.905694150420973e-05}},
        {{.kind = CLADE_SCHEDULE_COSINE_RESTARTS, .t_0 = 1, .t_mult = 2, .minimum = 0.01f},
         6,
         {5, 10, 25, 45},
         {0.405, 0.8, 0.12569282143131377, 0.5561599557842105}},
        {{.kind = CLADE_SCHEDULE_EXPONENTIAL, .epochs = 2, .factor = 0.25f},
         4,
         {0, 10, 20, 30},
         {0.8, 0.4, 0.2, 0.1}},
        {{.kind = CLADE_SCHEDULE_LINEAR, .minimum = 0.1f, .warmup = 1},
         5,
         {0, 10, 20, 49},
         {0.08, 0.8, 0.625, 0.1175}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 4; k++) {
            const int step = cases[i].step[k];
            const double found =
                rate(cases[i].settings, cases[i].epochs, step / 10, (size_t)step % 10);
            CHECK(fabs(found - cases[i].rate[k]) <= 1e-7 * cases[i].rate[k] + 1e-9);
        }
}

int main(void)
{
    test_optimizers();
    test_defaults();
    test_schedules();
    test_schedules_of_steps();
    return TEST_END();
}
