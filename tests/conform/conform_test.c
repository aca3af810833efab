/* clade_conform_run as other programs call it: what it counts, chooses, hands out and refuses. */
#include "test.h"

#include <clade/conform.h>

typedef struct seen {
    unsigned results, failures, integers, accumulating;
    clade_status answer;
    char first[64];
} seen;

static clade_status look(void *user, const clade_conform_result *result)
{
    seen *s = user;
    if (!s->results++) snprintf(s->first, sizeof s->first, "%s/%s", result->op, result->case_name);
    s->accumulating += result->accumulate == 1;
    if (result->verdict == CLADE_CONFORM_FAIL) {
        s->failures++;
        printf("%s %s: %s: %s\n", result->op, result->case_name, result->check, result->text);
    }
    CHECK(result->check && result->text && result->reproduce);
    return s->answer;
}

static void choosing(void)
{
    seen s = {0};
    clade_conform_summary summary;
    clade_conform_options o = {.device = "cpu", .modes = CLADE_CONFORM_OPS, .quick = true};
    o.op = "dense_dw";
    o.case_name = "small";
    CHECK_OK(clade_conform_run(&o, look, &s, &summary));
    CHECK(s.results == 2 && s.accumulating == 1 && s.failures == 0);
    CHECK(summary.passed == 2 && summary.failed == 0 && summary.compared > 0);
    CHECK(!strcmp(summary.device.id, "cpu") && !strcmp(s.first, "dense_dw/small"));

    o.pass = CLADE_CONFORM_ACCUMULATE;
    s = (seen){0};
    CHECK_OK(clade_conform_run(&o, look, &s, &summary));
    CHECK(s.results == 1 && s.accumulating == 1);

    o = (clade_conform_options){
        .device = "cpu", .modes = CLADE_CONFORM_OPS, .quick = true, .op = "dense*"};
    CHECK_OK(clade_conform_run(&o, NULL, NULL, &summary));
    uint64_t by_pattern = summary.passed;
    o.op = "dense"; /* the family's name, as well as an op's */
    CHECK_OK(clade_conform_run(&o, NULL, NULL, &summary));
    CHECK(by_pattern > 10 && summary.passed == by_pattern);

    o.case_name = "no-such-case";
    CHECK_FAILS(clade_conform_run(&o, NULL, NULL, &summary), CLADE_EINVAL, "no-such-case");
    o.op = "no-such-op";
    CHECK_FAILS(clade_conform_run(&o, NULL, NULL, &summary), CLADE_EINVAL, "no-such-op");
    o = (clade_conform_options){.device = "no-such-device"};
    CHECK_FAILS(clade_conform_run(&o, NULL, NULL, &summary), CLADE_ENODEVICE, "no-such-device");
}

static void stopping(void)
{
    seen s = {.answer = clade_fail(CLADE_ECANCELLED, "enough")};
    clade_conform_options o = {.device = "cpu", .modes = CLADE_CONFORM_OPS, .quick = true};
    CHECK_FAILS(clade_conform_run(&o, look, &s, NULL), CLADE_ECANCELLED, "enough");
    CHECK(s.results == 1);
}

/* Another seed gives other data; the same one the same. */
static void seeding(void)
{
    clade_conform_options o = {
        .device = "cpu", .modes = CLADE_CONFORM_OPS, .op = "dense", .case_name = "small"};
    clade_conform_summary a, b, c;
    CHECK_OK(clade_conform_run(&o, NULL, NULL, &a));
    CHECK_OK(clade_conform_run(&o, NULL, NULL, &b));
    o.seed = 1;
    CHECK_OK(clade_conform_run(&o, NULL, NULL, &c));
    CHECK(a.worst == b.worst && a.worst != c.worst && a.worst > 0 && a.worst <= 1);
}

/* Every gradient op is judged by finite differences, with kinks among the points. */
static void differentiating(void)
{
    clade_conform_options o = {.modes = CLADE_CONFORM_GRAD, .quick = true};
    clade_conform_summary summary;
    seen s = {0};
    CHECK_OK(clade_conform_run(&o, look, &s, &summary));
    CHECK(summary.failed == 0 && summary.passed >= 40 && summary.excluded > 0);
    CHECK(summary.excluded * 20 < summary.compared && summary.device.id[0] == 0);
}

static void chains(void)
{
    clade_conform_options o = {
        .device = "cpu", .modes = CLADE_CONFORM_LAYERS, .quick = true, .seed = 3};
    clade_conform_summary summary;
    seen s = {0};
    CHECK_OK(clade_conform_run(&o, look, &s, &summary));
    CHECK(summary.failed == 0 && summary.passed == 3 && summary.worst > 0);
}

int main(void)
{
    choosing();
    stopping();
    seeding();
    differentiating();
    chains();
    return TEST_END();
}
