/* clade_conform_run as other programs call it: what it counts, chooses, hands out and refuses. */
#include "test.h"

#include <clade/conform.h>

#include <stdlib.h>

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
    if (result->mode == CLADE_CONFORM_GRAD) CHECK(result->error < 1e-4);
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

typedef struct listed {
    size_t count, begun, judged;
    const char *chosen;
    char name[4000][96];
} listed;

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static clade_status list(void *user, const clade_conform_result *about)
{
    listed *l = user;
    CHECK(l->count < sizeof l->name / sizeof *l->name && strlen(about->name) < sizeof *l->name);
    snprintf(l->name[l->count++], sizeof *l->name, "%s", about->name);
    return CLADE_OK;
}

static bool choose(void *user, const clade_conform_result *about)
{
    return !strcmp(about->name, ((listed *)user)->chosen);
}

static void begins(void *user, const clade_conform_result *about)
{
    listed *l = user;
    l->begun++;
    CHECK(!strcmp(about->name, l->chosen) && !strncmp(about->reproduce, "clade conform --", 16));
}

static clade_status judged(void *user, const clade_conform_result *result)
{
    listed *l = user;
    l->judged++;
    CHECK(!strcmp(result->name, l->chosen) && l->begun == l->judged);
    return CLADE_OK;
}

/* Names: their form, that no two are the same, and choosing by them. No device is needed to list.
 */
static void naming(void)
{
    static listed l;
    clade_conform_options o = {.device = "no-such-device",
                               .modes = CLADE_CONFORM_OPS | CLADE_CONFORM_GRAD |
                                        CLADE_CONFORM_LAYERS | CLADE_CONFORM_NETS |
                                        CLADE_CONFORM_SUPPORT | CLADE_CONFORM_SELF_TEST};
    CHECK_OK(clade_conform_list(&o, list, &l));
    CHECK(l.count > 1000 && !strncmp(l.name[0], "ops.", 4));
    for (size_t i = 0; i < l.count; i++) {
        const char *name = l.name[i], *end = strstr(name, "/accumulate");
        size_t dots = 0, length = end ? (size_t)(end - name) : strlen(name);
        for (size_t k = 0; k < length; k++) dots += name[k] == '.';
        CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length);
        CHECK(dots == (strncmp(name, "support.", 8) ? 2U : 1U) && (!end || !end[11]));
    }
    qsort(l.name, l.count, sizeof *l.name, by_name);
    for (size_t i = 1; i < l.count; i++) CHECK(strcmp(l.name[i - 1], l.name[i]) != 0);

    static const char *const chosen[] = {"ops.dense_dw.small/accumulate", "grad.dense_dw.small",
                                         "nets.shapes.1", "self-test.dense.no-fault"};
    o.device = "cpu";
    o.quick = true;
    o.choose = choose;
    o.begins = begins;
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        clade_conform_summary summary;
        l = (listed){.chosen = chosen[i]};
        CHECK_OK(clade_conform_list(&o, list, &l));
        CHECK(l.count == 1 && !strcmp(l.name[0], chosen[i]) && !l.begun);
        CHECK_OK(clade_conform_run(&o, judged, &l, &summary));
        CHECK(l.begun == 1 && l.judged == 1 && summary.passed == 1 && summary.failed == 0);
    }
    l.chosen = "nothing"; /* none is wanted, which is no error: there are cases */
    CHECK_OK(clade_conform_run(&o, judged, &l, NULL));

    l = (listed){.chosen = "ops.dense.dense_x=3x5_w=5x7"};
    o = (clade_conform_options){.modes = CLADE_CONFORM_OPS,
                                .op = "dense",
                                .case_name = "dense x=3x5 w=5x7",
                                .choose = choose};
    CHECK_OK(clade_conform_list(&o, list, &l));
    CHECK(l.count == 1);
    o.case_name = "no-such-case";
    CHECK_FAILS(clade_conform_list(&o, list, &l), CLADE_EINVAL, "no-such-case");
}

static void stopping(void)
{
    seen s = {.answer = clade_fail(CLADE_ECANCELLED, "enough")};
    clade_conform_options o = {.device = "cpu", .modes = CLADE_CONFORM_OPS, .quick = true};
    CHECK_FAILS(clade_conform_run(&o, look, &s, NULL), CLADE_ECANCELLED, "enough");
    CHECK(s.results == 1);
}

/* What is kept in 16 bits is judged so, not only counted. */
static void halves(void)
{
    static const char *const cases[] = {"one-bf16", "one-f16", "small-bf16"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clade_conform_options o = {
            .device = "cpu", .modes = CLADE_CONFORM_OPS, .op = "dense", .case_name = cases[i]};
        clade_conform_summary summary;
        seen s = {0};
        CHECK_OK(clade_conform_run(&o, look, &s, &summary));
        CHECK(s.results == 5 && summary.failed == 0 && summary.compared > s.results);
    }
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

/* In double, whatever a call's tensors are stored as. */
static void differentiating_halves(void)
{
    clade_conform_options o = {.modes = CLADE_CONFORM_GRAD,
                               .case_name = "conv2d x:f16=1x4x5x3 w=3x3x3x4 pad=1,1,1,1"};
    clade_conform_summary summary;
    seen s = {0};
    CHECK_OK(clade_conform_run(&o, look, &s, &summary));
    CHECK(summary.failed == 0 && summary.passed == 2 && summary.excluded == 0);
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
    naming();
    stopping();
    halves();
    seeding();
    differentiating();
    differentiating_halves();
    chains();
    return TEST_END();
}
