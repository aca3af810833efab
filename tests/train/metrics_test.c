/* Metrics against values worked out by hand. */
#include "../test.h"
#include "train/metrics.h"

#include <math.h>

static bool near(double a, double b) { return fabs(a - b) < 1e-12; }

static void test_tally(void)
{
    /* class 1 above 0.5, not at it */
    static const float y[] = {0.5f, 0.51f, 0.1f, 0.9f, NAN};
    static const float loss[] = {1, 2, 3, 4, 5};
    static const int32_t label[] = {1, 1, 0, 0, 0};
    clade_tally tally = {0};
    clade_tally_add(&tally, y, 1, loss, label, NULL, 3, 0);
    clade_tally_add(&tally, y + 3, 1, loss + 3, label + 3, NULL, 2, 0);
    clade_metrics m = clade_tally_means(&tally);
    CHECK(m.count == 5 && near(m.loss, 3) && near(m.accuracy, 2.0 / 5));
    static const float weight[] = {2, 0.5f};
    tally = (clade_tally){0};
    clade_tally_add(&tally, y, 1, loss, label, weight, 4, 0);
    CHECK(near(tally.loss, 0.5 * 1 + 0.5 * 2 + 2 * 3 + 2 * 4));
}

static void test_top_k(void)
{
    static const float y[] = {
        0.1f, 0.2f, 0.3f, 0.4f, /* label 2: second */
        0.4f, 0.3f, 0.2f, 0.1f, /* label 3: last */
        0.3f, 0.3f, 0.3f, 0.1f, /* label 1: second of equals */
        0.3f, 0.3f, 0.3f, 0.1f, /* label 0: first of equals */
    };
    static const int32_t label[] = {2, 3, 1, 0};
    static const uint64_t expected[] = {1, 3, 3, 4};
    for (int32_t k = 1; k <= 4; k++) {
        clade_tally tally = {0};
        clade_tally_add(&tally, y, 4, NULL, label, NULL, 4, k);
        CHECK(tally.in_top_k == expected[k - 1]);
        CHECK(tally.correct == 1);
    }
}

static void test_binary(void)
{
    /* scores of class 1; one pair of equals across the classes */
    static const float y[] = {0.9f, 0.8f, 0.6f, 0.6f, 0.4f, 0.2f};
    static const int32_t label[] = {1, 0, 1, 0, 1, 0};
    uint64_t confusion[4];
    clade_tally tally = {0};
    clade_metrics m;
    clade_tally_add(&tally, y, 1, NULL, label, NULL, 6, 0);
    CHECK_OK(clade_metrics_measure(&tally, y, 1, label, 6, 2, confusion, &m));
    /* [true][predicted]: of three 0s one is right, of three 1s two are */
    CHECK(confusion[0] == 1 && confusion[1] == 2 && confusion[2] == 1 && confusion[3] == 2);
    CHECK(near(m.accuracy, 0.5) && near(m.precision, 0.5) && near(m.recall, 2.0 / 3));
    CHECK(near(m.f1, 2 * 0.5 * (2.0 / 3) / (0.5 + 2.0 / 3)));
    /* pairs won: 0.9 wins 3; 0.6 wins 1, draws 1; 0.4 wins 1 → 5.5 of 9 */
    CHECK(near(m.auc, 5.5 / 9));
}

static void test_auc_edges(void)
{
    static const float y[] = {0.1f, 0.2f, 0.3f};
    static const int32_t one_class[] = {1, 1, 1}, perfect[] = {0, 0, 1}, worst[] = {1, 0, 0};
    static const float same[] = {0.5f, 0.5f, 0.5f}, nan[] = {0.1f, NAN, 0.3f};
    double auc;
    CHECK_OK(clade_metrics_auc(y, 1, one_class, 1, 3, &auc));
    CHECK(isnan(auc));
    CHECK_OK(clade_metrics_auc(y, 1, perfect, 1, 3, &auc));
    CHECK(auc == 1);
    CHECK_OK(clade_metrics_auc(y, 1, worst, 1, 3, &auc));
    CHECK(auc == 0);
    CHECK_OK(clade_metrics_auc(same, 1, perfect, 1, 3, &auc));
    CHECK(auc == 0.5);
    CHECK_OK(clade_metrics_auc(nan, 1, perfect, 1, 3, &auc));
    CHECK(isnan(auc));
}

static void test_many_classes(void)
{
    static const float y[] = {
        0.7f, 0.2f, 0.1f, /* 0 as 0 */
        0.1f, 0.8f, 0.1f, /* 0 as 1 */
        0.2f, 0.6f, 0.2f, /* 1 as 1 */
        0.3f, 0.3f, 0.4f, /* 1 as 2 */
    };
    static const int32_t label[] = {0, 0, 1, 1};
    uint64_t confusion[9];
    clade_tally tally = {0};
    clade_metrics m;
    clade_tally_add(&tally, y, 3, NULL, label, NULL, 4, 0);
    CHECK_OK(clade_metrics_measure(&tally, y, 3, label, 4, 3, confusion, &m));
    CHECK(confusion[0] == 1 && confusion[1] == 1 && confusion[4] == 1 && confusion[5] == 1);
    /* class 2 has no images: means over classes 0 and 1 */
    CHECK(near(m.precision, (1.0 + 0.5) / 2) && near(m.recall, 0.5));
    CHECK(near(m.f1, (2.0 / 3 + 0.5) / 2));
    /* class 0: 0.7 wins both, 0.1 wins none → 2/4; class 1: 0.6 wins 1, 0.3 wins 1 → 2/4 */
    CHECK(near(m.auc, 0.5));
}

int main(void)
{
    test_tally();
    test_top_k();
    test_binary();
    test_auc_edges();
    test_many_classes();
    return TEST_END();
}
