/* Scores where an image may have several labels, against numbers of scikit-learn 1.9.1
 * (average_precision_score, roc_auc_score, precision_score, recall_score and f1_score with
 * zero_division=0, multilabel_confusion_matrix) on the same probabilities. */
#include "../test.h"
#include "train/metrics.h"
#include <clade/scores.h>

#include <math.h>

enum { images = 8, classes = 4 }; /* no image shows the last one */
static const float p[images * classes] = {.9f, .2f, .5f,  .1f, .8f, .7f, .5f, .2f,  .8f, .3f, .1f,
                                          .9f, .4f, .9f,  .6f, .3f, .6f, .6f, .5f,  .4f, .3f, .1f,
                                          .2f, .5f, .55f, .4f, .7f, .6f, .2f, .45f, .9f, .7f};
static const uint8_t target[images * classes] = {1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0,
                                                 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0};

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

static void test_metrics(void)
{
    static const uint64_t expected[4 * classes] = {2, 2, 1, 3, 4, 0, 1, 3, 3, 1, 2, 2, 5, 3, 0, 0};
    uint64_t confusion[4 * classes];
    clade_metrics m;
    CHECK_OK(clade_label_metrics(p, target, images, classes, NULL, confusion, &m));
    CHECK(m.count == images && m.task == CLADE_TASK_MULTI_LABEL && m.classes == classes);
    CHECK(!memcmp(confusion, expected, sizeof expected) && m.confusion == confusion);
    CHECK(near(m.map, 0.8277777777777778) && near(m.auc, 0.8229166666666666));
    CHECK(near(m.precision, 0.5666666666666667) && near(m.recall, 0.5));
    CHECK(near(m.f1, 0.5238095238095237) && near(m.micro_f1, 0.6153846153846154));
    CHECK(near(m.accuracy, 0.6875) && fabs(m.loss - 0.5767392904389166) < 1e-6);
    CHECK(clade_metrics_score(&m) == m.map);
    clade_class_scores s = clade_metrics_class(&m, 1);
    CHECK(s.images == 4 && s.predicted == 3 && s.right == 3 && s.precision == 1);
    clade_confused_pair pair[2];
    CHECK(clade_metrics_confused(&m, pair, 2) == 0);
    /* above other thresholds; a probability that equals its threshold is not told */
    CHECK_OK(clade_label_metrics(p, target, images, classes, (const float[]){.9f, 0, 1, .5f},
                                 confusion, &m));
    CHECK(confusion[0] == 4 && confusion[1] == 0 && confusion[2] == 4 && confusion[3] == 0);
    CHECK(confusion[5] == 4 && confusion[7] == 4 && confusion[9] == 0 && confusion[11] == 0);
}

static void test_average_precision(void)
{
    static const double expected[] = {0.7333333333333333, 1, 0.75};
    double average;
    for (int c = 0; c < 3; c++) {
        CHECK_OK(clade_average_precision(p + c, target + c, classes, images, &average));
        CHECK(near(average, expected[c]));
    }
    CHECK_OK(clade_average_precision(p + 3, target + 3, classes, images, &average));
    CHECK(isnan(average));
    CHECK_OK(
        clade_average_precision((const float[]){NAN, 1}, (const uint8_t[]){0, 1}, 1, 2, &average));
    CHECK(isnan(average));
}

/* By precision_recall_curve class 0 has its best F1, 0.8, at scores from 0.4 up, class 1 has 1 from
 * 0.45, class 2 0.8 from 0.5. */
static void test_thresholds(void)
{
    float t[classes];
    uint64_t confusion[4 * classes];
    clade_metrics m;
    CHECK_OK(clade_thresholds_fit(p, target, images, classes, t));
    CHECK(fabsf(t[0] - .35f) < 1e-6f && fabsf(t[1] - .425f) < 1e-6f && fabsf(t[2] - .35f) < 1e-6f);
    CHECK(t[3] == .5f);
    /* where the lowest score is told, too, it is half of that */
    CHECK_OK(clade_thresholds_fit((const float[]){.6f, .4f}, (const uint8_t[]){1, 1}, 2, 1, t));
    CHECK(fabsf(t[0] - .2f) < 1e-6f);
    CHECK_OK(clade_thresholds_fit(p, target, images, classes, t));
    CHECK_OK(clade_label_metrics(p, target, images, classes, t, confusion, &m));
    CHECK(near(clade_metrics_class(&m, 0).f1, 0.8) && near(clade_metrics_class(&m, 1).f1, 1));
    /* neighbours in float32: what is above is told, what is below is not */
    const float low = .5f, close[] = {low, nextafterf(low, 1)};
    CHECK_OK(clade_thresholds_fit(close, (const uint8_t[]){0, 1}, 2, 1, t));
    CHECK(t[0] >= low && t[0] < close[1]);
    CHECK_FAILS(clade_thresholds_fit(p, target, 0, classes, t), CLADE_EINVAL, "no images");
    CHECK_FAILS(clade_thresholds_fit((const float[]){NAN}, (const uint8_t[]){1}, 1, 1, t),
                CLADE_EINVAL, "NaN");
}

static void test_tally(void)
{
    clade_tally tally = {0};
    static const float loss[] = {1, 2, 3};
    const float y[] = {.9f, .5f, .6f, .1f, NAN, .2f};
    clade_tally_add_labels(&tally, y, 2, loss, (const float[]){1, 0, 0, 0, 0, 1}, 3);
    CHECK(tally.count == 3 && tally.correct == 3 && tally.loss == 6);
}

int main(void)
{
    test_metrics();
    test_average_precision();
    test_thresholds();
    test_tally();
    return TEST_END();
}
