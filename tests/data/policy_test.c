/* Operations, magnitudes and maps of RandAugment, TrivialAugment and AugMix against torchvision
 * (policy_vectors.py), and how often and in what shares they are drawn. */
#include "data/policy.h"

#include "../test.h"

#include <math.h>
#include <stdlib.h>

enum { height = 100, width = 60, most = 31 };

/* torchvision's names of the operations, in our order. */
static const char *const names[CLADE_POLICY_OPS] = {
    "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
    "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};

/* One policy's table. */
typedef struct table {
    bool there[CLADE_POLICY_OPS], is_signed[CLADE_POLICY_OPS];
    int count[CLADE_POLICY_OPS], ops;
    double value[CLADE_POLICY_OPS][most];
} table;

static table read_table(const char *file, const char *policy)
{
    table t = {0};
    char word[32], name[32], line[1024];
    FILE *f = fopen(file, "r");
    CHECK(f);
    while (f && fgets(line, sizeof line, f)) {
        int at, is_signed, op = 0;
        if (sscanf(line, "%31s %31s %d%n", word, name, &is_signed, &at) != 3) break;
        if (strcmp(word, policy)) continue;
        while (op < CLADE_POLICY_OPS && strcmp(names[op], name)) op++;
        if (op == CLADE_POLICY_OPS) break;
        t.there[op] = true;
        t.is_signed[op] = is_signed == 1;
        char *rest = line + at, *end;
        for (double v = strtod(rest, &end); end != rest; v = strtod(rest = end, &end))
            t.value[op][t.count[op]++] = v;
        t.ops++;
    }
    if (f) fclose(f);
    CHECK(t.ops > 0);
    return t;
}

/* What a step's value is at a magnitude of the table. */
static double value_of(const table *t, int op, int magnitude, double sign)
{
    const double v = t->value[op][magnitude];
    switch (op) {
    case CLADE_POLICY_TRANSLATE_X:
    case CLADE_POLICY_TRANSLATE_Y: return sign * floor(v);
    case CLADE_POLICY_BRIGHTNESS:
    case CLADE_POLICY_SATURATION:
    case CLADE_POLICY_CONTRAST:
    case CLADE_POLICY_SHARPNESS: return 1 + sign * v;
    case CLADE_POLICY_SOLARIZE: return 255 * v;
    default: return sign * v;
    }
}

static bool is_one(const table *t, const clade_policy_step *step, int first, int end, double sign)
{
    bool found = t->count[step->op] == 0 && step->value == 0;
    for (int m = first; m < end && t->count[step->op]; m++)
        found |= fabs(step->value - value_of(t, (int)step->op, m, sign)) < 1e-4;
    return found;
}

/* Steps against a table, of magnitudes `first` to before `end`. */
typedef struct tally {
    const table *table;
    int first, end, drawn, of[CLADE_POLICY_OPS], negative[CLADE_POLICY_OPS];
} tally;

static void judge(tally *t, const clade_policy_step *step)
{
    const int op = (int)step->op;
    CHECK(t->table->there[op]);
    const bool up = is_one(t->table, step, t->first, t->end, 1);
    const bool down = t->table->is_signed[op] && is_one(t->table, step, t->first, t->end, -1);
    CHECK(up || down);
    t->drawn++;
    t->of[op]++;
    t->negative[op] += down && !up;
}

/* Each of the table's operations about as often, and half of those with a sign negative. */
static void judge_shares(const tally *t)
{
    const double expected = (double)t->drawn / t->table->ops;
    for (int op = 0; op < CLADE_POLICY_OPS; op++) {
        if (!t->table->there[op]) continue;
        CHECK(fabs(t->of[op] - expected) < 5 * sqrt(expected));
        if (t->table->is_signed[op] && t->first > 3)
            CHECK(fabs(t->negative[op] - t->of[op] / 2.0) < 5 * sqrt(t->of[op] / 4.0));
    }
}

static void test_rand(const char *file)
{
    const table t = read_table(file, "rand");
    CHECK(t.ops == CLADE_POLICY_OPS);
    for (int m = 0; m < most; m++) {
        const clade_augment a = {.rand = {.steps = 3, .magnitude = m}};
        tally all = {.table = &t, .first = m, .end = m + 1};
        for (uint64_t i = 0; i < 400; i++) {
            clade_policy_step step[CLADE_POLICY_STEPS];
            CHECK(clade_policy_draw(&a, height, width, 4, 1, i, step) == 3);
            for (int s = 0; s < 3; s++) judge(&all, &step[s]);
        }
        judge_shares(&all);
    }
}

static void test_trivial(const char *file)
{
    const table t = read_table(file, "trivial");
    const clade_augment a = {.trivial = true};
    tally all = {.table = &t, .end = most};
    CHECK(t.ops == CLADE_POLICY_OPS);
    for (uint64_t i = 0; i < 4000; i++) {
        clade_policy_step step[CLADE_POLICY_STEPS];
        CHECK(clade_policy_draw(&a, height, width, 4, 1, i, step) == 1);
        judge(&all, step);
    }
    judge_shares(&all);
}

/* Some operations alone. */
static void test_ops(void)
{
    const uint32_t ops = 1u << CLADE_POLICY_ROTATE | 1u << CLADE_POLICY_EQUALIZE;
    const clade_augment a = {.rand = {.steps = 2, .magnitude = 9}, .policy_ops = ops};
    int rotated = 0;
    for (uint64_t i = 0; i < 200; i++) {
        clade_policy_step step[CLADE_POLICY_STEPS];
        clade_policy_draw(&a, height, width, 4, 1, i, step);
        for (int s = 0; s < 2; s++) {
            CHECK(ops & 1u << step[s].op);
            rotated += step[s].op == CLADE_POLICY_ROTATE;
        }
    }
    CHECK(rotated > 150 && rotated < 250);
}

/* Where an operation that moves an image reads, both ways. */
static void test_maps(const char *file, const char *policy)
{
    const table t = read_table(file, policy);
    for (int op = 0; op < CLADE_POLICY_OPS; op++) {
        if (!t.there[op]) continue;
        const clade_augment a = {.rand = {.steps = 1, .magnitude = 9}, .policy_ops = 1u << op};
        const double *v = t.value[op], sign = v[0] < 0 ? -1 : 1;
        clade_policy_step step[CLADE_POLICY_STEPS] = {{.value = 0}};
        float m[8];
        uint64_t i = 0;
        CHECK(t.count[op] == 7);
        while (i < 64 && step->value * sign <= 0)
            clade_policy_draw(&a, height, width, 4, 1, i++, step);
        clade_augment_matrix(&a, height, width, 4, 1, i - 1, m);
        for (int k = 0; k < 6; k++) CHECK(fabs((double)m[k] - v[1 + k]) < 2e-4);
    }
}

/* Of one draw some steps move an image and the others change its colours. */
static void test_colours(void)
{
    const clade_augment a = {.rand = {.steps = 3, .magnitude = 9}};
    for (uint64_t i = 0; i < 100; i++) {
        const uint64_t epoch = i / 10, position = i % 10;
        clade_policy_step step[CLADE_POLICY_STEPS];
        float colours[2 * CLADE_ADJUST_STEPS];
        clade_policy_draw(&a, height, width, 4, epoch, position, step);
        clade_augment_adjust(&a, 4, epoch, position, colours);
        for (int s = 0; s < 3; s++) {
            const clade_adjustment kind = clade_policy_colour(step[s].op);
            CHECK((int)colours[2 * s] == (int)kind);
            if (kind) CHECK(colours[2 * s + 1] == (float)step[s].value);
        }
    }
}

static void test_chains(const char *file, const char *policy, int severity, int depth)
{
    const table t = read_table(file, policy);
    const clade_augment a = {.augmix = {.severity = severity,
                                        .width = 3,
                                        .depth = depth,
                                        .alpha = 1,
                                        .partial = !strcmp(policy, "augmix-some")}};
    tally all = {.table = &t, .end = severity};
    int of[CLADE_CHAIN_STEPS + 1] = {0};
    for (uint64_t i = 0; i < 2000; i++) {
        clade_policy_step step[CLADE_CHAIN_STEPS];
        clade_random r = clade_random_start(7, CLADE_STREAM_CHAINS, i);
        const int steps = clade_policy_draw_chain(&a, height, width, &r, step);
        CHECK(steps >= 1 && steps <= CLADE_CHAIN_STEPS && (depth == 0 || steps == depth));
        of[steps]++;
        for (int s = 0; s < steps; s++) judge(&all, &step[s]);
    }
    for (int k = 1; k <= CLADE_CHAIN_STEPS && depth == 0; k++) CHECK(of[k] > 550 && of[k] < 800);
    judge_shares(&all);
}

/* Shares are Dirichlet's: of the image Beta(α, α), mean ½ and variance 1 ÷ (4 (2 α + 1)); of each
 * of three chains among them mean ⅓ and variance 2 ÷ (9 (3 α + 1)). */
static void test_shares(double alpha)
{
    enum { images = 4000, chains = 3 };
    const clade_augment a = {.augmix = {.severity = 3, .width = chains, .alpha = (float)alpha}};
    double own = 0, squares = 0, share = 0, of_share = 0;
    CHECK(clade_augment_chains(&a) == 1 + chains);
    for (uint64_t i = 0; i < images; i++) {
        clade_chain c[1 + chains];
        float matrix[8], sum = 0;
        clade_augment_chain(&a, height, width, 3, 1, i, c);
        clade_augment_matrix(&a, height, width, 3, 1, i, matrix);
        CHECK(!memcmp(c[0].matrix, matrix, sizeof matrix) && c[0].steps[0] == 0);
        for (int k = 0; k <= chains; k++) sum += c[k].weight;
        CHECK(fabsf(sum - 1) < 1e-5f);
        const double w = (double)c[0].weight, s = (double)c[2].weight / (1 - w);
        own += w;
        squares += (w - 0.5) * (w - 0.5);
        if (w > 0.999) continue;
        share += s;
        of_share += (s - 1.0 / 3) * (s - 1.0 / 3);
    }
    CHECK(fabs(own / images - 0.5) < 0.03);
    CHECK(fabs(squares / images * 4 * (2 * alpha + 1) - 1) < 0.08);
    CHECK(fabs(share / images - 1.0 / 3) < 0.03);
    CHECK(fabs(of_share / images * 9 * (3 * alpha + 1) / 2 - 1) < 0.1);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    test_rand(argv[1]);
    test_trivial(argv[1]);
    test_ops();
    test_maps(argv[1], "up");
    test_maps(argv[1], "down");
    test_colours();
    test_chains(argv[1], "augmix", 10, 0);
    test_chains(argv[1], "augmix", 3, 2);
    test_chains(argv[1], "augmix-some", 6, 0);
    test_shares(0.5);
    test_shares(1);
    test_shares(2.3);
    return TEST_END();
}
