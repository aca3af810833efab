/* Scores of predictions against numbers of PyTorch 2.15 in double precision (softmax,
 * cross_entropy, LBFGS over the logarithm of the temperature), and those worked out by hand. */
#include "../test.h"
#include <clade/scores.h>

#include <math.h>

enum { images = 8, classes = 3 };
static const int32_t label[images] = {0, 1, 1, 2, 0, 1, 0, 2};
static const float logit[images][classes] = {{4, 0, 1}, {3, 1, 0}, {0, 5, 1}, {2, 0, 6},
                                             {1, 0, 3}, {0, 4, 3}, {5, 1, 1}, {0, 1, 4}};

static bool near(double a, double b, double by) { return fabs(a - b) < by; }

static void fill(float p[images * classes])
{
    for (int i = 0; i < images; i++) {
        double sum = 0;
        for (int c = 0; c < classes; c++) sum += exp((double)logit[i][c]);
        for (int c = 0; c < classes; c++)
            p[i * classes + c] = (float)(exp((double)logit[i][c]) / sum);
    }
}

static void test_interval(void)
{
    double low, high;
    clade_share_interval(0.9, 50, &low, &high);
    CHECK(near(low, 0.7863976845, 1e-9) && near(high, 0.9565242353, 1e-9));
    clade_share_interval(0, 10, &low, &high);
    CHECK(low == 0 && near(high, 0.2775328030, 1e-9));
    clade_share_interval(1, 10, &low, &high);
    CHECK(near(low, 0.7224671970, 1e-9) && near(high, 1, 1e-12));
}

static void test_probabilities(void)
{
    float p[images * classes];
    fill(p);
    CHECK(near(clade_log_loss(p, label, images, classes), 0.6099156021, 1e-7));
    const clade_calibration c = clade_calibration_measure(p, label, images, classes);
    CHECK(near(c.error, 0.2717325079, 1e-7));
    CHECK(c.count[7] == 1 && c.count[8] == 2 && c.count[9] == 5);
    CHECK(c.right[7] == 1 && c.right[8] == 0 && c.right[9] == 5);
    /* a probability of 0 costs as much as one of 1e-7 */
    static const float sure[] = {1, 0};
    static const int32_t other = 1;
    CHECK(near(clade_log_loss(sure, &other, 1, 2), 7 * log(10), 1e-9));
}

static void test_confusion(void)
{
    float p[images * classes];
    uint64_t confusion[classes * classes];
    clade_metrics m;
    clade_confused_pair pair[3];
    fill(p);
    CHECK_OK(clade_metrics_of(p, label, images, classes, 2, confusion, &m));
    CHECK(m.count == images && near(m.accuracy, 6.0 / 8, 1e-12) && near(m.top_k, 1, 1e-12));
    CHECK(near(m.loss, 0.6099156021, 1e-7));
    /* of three 0s one is taken for 2, of three 1s one for 0, both 2s are right */
    const clade_class_scores s = clade_metrics_class(&m, 2);
    CHECK(s.images == 2 && s.predicted == 3 && s.right == 2);
    CHECK(near(s.precision, 2.0 / 3, 1e-12) && s.recall == 1 && near(s.f1, 0.8, 1e-12));
    CHECK(clade_metrics_confused(&m, pair, 3) == 2 && pair[0].label == 0);
    CHECK(pair[0].predicted == 2 && pair[1].label == 1 && pair[1].predicted == 0);
    static const uint64_t counts[] = {9, 1, 2, 3, 9, 3, 0, 5, 9};
    m.confusion = counts;
    CHECK(clade_metrics_confused(&m, pair, 3) == 3);
    CHECK(pair[0].count == 5 && pair[0].label == 2 && pair[0].predicted == 1);
    CHECK(pair[1].count == 3 && pair[1].label == 1 && pair[1].predicted == 0);
    CHECK(pair[2].count == 3 && pair[2].label == 1 && pair[2].predicted == 2);
}

static void test_temperature(void)
{
    float p[images * classes];
    double t;
    fill(p);
    CHECK_OK(clade_temperature_fit(p, label, images, classes, &t));
    CHECK(near(t, 1.4546339723, 1e-5));
    clade_temperature_apply(p, images, classes, t);
    CHECK(near(clade_log_loss(p, label, images, classes), 0.5602414400, 1e-6));
    fill(p);
    clade_temperature_apply(p, 1, classes, 2);
    CHECK(near((double)p[0], 0.7361247, 1e-6) && near((double)p[1], 0.0996236, 1e-6));
    /* what is impossible stays so */
    float sure[] = {1, 0};
    clade_temperature_apply(sure, 1, 2, 3);
    CHECK(sure[0] == 1 && sure[1] == 0);
    /* the best is beyond every bound */
    static const int32_t best[images] = {0, 0, 1, 2, 2, 1, 0, 2};
    static const int32_t worst[images] = {1, 2, 0, 1, 1, 0, 1, 0};
    fill(p);
    CHECK_FAILS(clade_temperature_fit(p, best, images, classes, &t), CLADE_EINVAL, "right");
    CHECK_FAILS(clade_temperature_fit(p, worst, images, classes, &t), CLADE_EINVAL, "chance");
    CHECK_FAILS(clade_temperature_fit(p, label, 0, classes, &t), CLADE_EINVAL, "no images");
    p[4] = NAN;
    CHECK_FAILS(clade_temperature_fit(p, label, images, classes, &t), CLADE_EINVAL, "NaN");
}

int main(void)
{
    test_interval();
    test_probabilities();
    test_confusion();
    test_temperature();
    return TEST_END();
}
