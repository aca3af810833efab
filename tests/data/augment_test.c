/* Augmentation: matrices (the identity, each part by itself by hand, their order, repeatability),
 * crops, what is erased, colours, and how batches are mixed. */
#include <clade/data.h>

#include "../test.h"

#include <math.h>

static const float identity[8] = {1, 0, 0, 0, 1, 0, 1, 0};

static void test_identity(void)
{
    float m[8];
    clade_augment zero = {0};
    clade_augment_matrix(NULL, 64, 48, 1, 2, 3, m);
    CHECK(memcmp(m, identity, sizeof m) == 0);
    clade_augment_matrix(&zero, 1, 1, 9, 9, 9, m);
    CHECK(memcmp(m, identity, sizeof m) == 0);
}

/* Where output (row i, column j) is read from. */
static void map(const float m[8], double i, double j, double *row, double *column)
{
    *column = (double)m[0] * j + (double)m[1] * i + (double)m[2];
    *row = (double)m[3] * j + (double)m[4] * i + (double)m[5];
}

/* What each setting by itself, at its least, makes of the batches. */
static void test_kinds(void)
{
    static const struct {
        clade_augment a;
        bool changes, adjusts, mixes;
    } settings[] = {
        {{0}, false, false, false},
        {{.rotation = 1e-3f}, true, false, false},
        {{.width_shift = 1e-3f}, true, false, false},
        {{.height_shift = 1e-3f}, true, false, false},
        {{.shear = 1e-3f}, true, false, false},
        {{.zoom = {0.999f, 1}}, true, false, false},
        {{.horizontal_flip = true}, true, false, false},
        {{.vertical_flip = true}, true, false, false},
        {{.alternating_flip = true}, true, false, false},
        {{.brightness = {1, 1.001f}}, true, false, false},
        {{.pad_crop = 1}, true, false, false},
        {{.crop_area = {0.999f, 1}}, true, false, false},
        {{.erasing = {.p = 1e-3f}}, true, true, false},
        {{.cutout = 1}, true, true, false},
        {{.jitter = {.p = 1e-3f}}, true, true, false},
        {{.grey = 1e-3f}, true, true, false},
        {{.rand = {.steps = 1}}, true, true, false},
        {{.trivial = true}, true, true, false},
        {{.augmix = {.severity = 1}}, true, true, false},
        {{.mixup = 1e-3f}, true, false, true},
        {{.cutmix = 1e-3f}, true, false, true},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const clade_augment *a = &settings[i].a;
        CHECK(clade_augment_changes(a) == settings[i].changes);
        CHECK(clade_augment_adjusts(a) == settings[i].adjusts);
        CHECK(clade_augment_mixes(a) == settings[i].mixes);
        CHECK(clade_augment_chains(a) == (a->augmix.severity > 0));
    }
    CHECK(!clade_augment_changes(NULL) && !clade_augment_adjusts(NULL) &&
          !clade_augment_mixes(NULL) && clade_augment_chains(NULL) == 0);
}

static void test_zoom(void)
{
    /* a range of one value: twice the distance from the centre (1.5, 2.5) of a 4×6 image */
    clade_augment a = {.zoom = {2, 2}};
    float m[8];
    clade_augment_matrix(&a, 4, 6, 1, 0, 0, m);
    const float want[8] = {2, 0, -2.5f, 0, 2, -1.5f, 1, 0};
    CHECK(memcmp(m, want, sizeof m) == 0);
    /* each side has its own factor within the range */
    a = (clade_augment){.zoom = {0.5f, 1.5f}};
    int differ = 0;
    for (int i = 0; i < 50; i++) {
        clade_augment_matrix(&a, 4, 6, 1, 0, (uint64_t)i, m);
        CHECK(m[0] >= 0.5f && m[0] <= 1.5f && m[4] >= 0.5f && m[4] <= 1.5f && m[1] == 0 &&
              m[3] == 0);
        differ += m[0] != m[4];
    }
    CHECK(differ > 40);
}

static void test_rotation(void)
{
    /* Keras' matrix [cos −sin; sin cos] on (row, column) about the centre of a 5×5 image */
    clade_augment a = {.rotation = 90};
    float m[8];
    int signs[2] = {0, 0};
    for (int i = 0; i < 50; i++) {
        clade_augment_matrix(&a, 5, 5, 7, 0, (uint64_t)i, m);
        CHECK(fabsf(m[0] * m[0] + m[1] * m[1] - 1) < 1e-6f); /* a rotation */
        CHECK(m[0] == m[4] && m[1] == -m[3] && m[0] > -1e-6f);
        double row, column;
        map(m, 2, 2, &row, &column);
        CHECK(fabs(row - 2) < 1e-5 && fabs(column - 2) < 1e-5); /* the centre stays */
        double sine = m[1], cosine = m[4]; /* column gets +sin of row, row −sin of column */
        map(m, 4, 2, &row, &column);
        CHECK(fabs(row - (2 + 2 * cosine)) < 1e-5 && fabs(column - (2 + 2 * sine)) < 1e-5);
        signs[sine > 0]++;
    }
    CHECK(signs[0] > 5 && signs[1] > 5);
}

static void test_shift_and_shear(void)
{
    float m[8];
    clade_augment a = {.width_shift = 0.25f};
    double most = 0, least = 0;
    for (int i = 0; i < 200; i++) {
        clade_augment_matrix(&a, 10, 20, 7, 0, (uint64_t)i, m);
        CHECK(m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && m[5] == 0);
        most = fmax(most, m[2]);
        least = fmin(least, m[2]);
    }
    CHECK(most <= 5 && most > 4.5 && least >= -5 && least < -4.5); /* a quarter of 20 columns */
    a = (clade_augment){.height_shift = 0.5f};
    clade_augment_matrix(&a, 10, 20, 7, 0, 1, m);
    CHECK(m[2] == 0 && fabsf(m[5]) <= 5 && m[5] != 0);

    /* Keras' shear [1 −sin; 0 cos]: columns shrink by cos, rows move by −sin of the column */
    a = (clade_augment){.shear = 30};
    for (int i = 0; i < 20; i++) {
        clade_augment_matrix(&a, 5, 9, 7, 0, (uint64_t)i, m);
        CHECK(m[4] == 1 && m[1] == 0);
        CHECK(fabsf(m[3] * m[3] + m[0] * m[0] - 1) < 1e-6f && fabsf(m[3]) <= 0.5001f);
        CHECK(fabsf(m[2] - 4 * (1 - m[0])) < 1e-5f && fabsf(m[5] + 4 * m[3]) < 1e-5f);
    }
}

static void test_flips(void)
{
    clade_augment a = {.horizontal_flip = true};
    float m[8];
    int flipped = 0;
    for (int i = 0; i < 400; i++) {
        clade_augment_matrix(&a, 4, 6, 3, 1, (uint64_t)i, m);
        const float mirror[8] = {-1, 0, 5, 0, 1, 0, 1, 0};
        int is = memcmp(m, mirror, sizeof m) == 0;
        CHECK(is || memcmp(m, identity, sizeof m) == 0);
        flipped += is;
    }
    CHECK(flipped > 140 && flipped < 260);
    a = (clade_augment){.vertical_flip = true};
    flipped = 0;
    for (int i = 0; i < 400; i++) {
        clade_augment_matrix(&a, 4, 6, 3, 1, (uint64_t)i, m);
        const float over[8] = {1, 0, 0, 0, -1, 3, 1, 0};
        int is = memcmp(m, over, sizeof m) == 0;
        CHECK(is || memcmp(m, identity, sizeof m) == 0);
        flipped += is;
    }
    CHECK(flipped > 140 && flipped < 260);
}

/* The parts one by one, as the same draws give them, multiplied in Keras' order, give the whole. */
static void test_order(void)
{
    clade_augment all = {.rotation = 40,
                         .width_shift = 0.2f,
                         .height_shift = 0.1f,
                         .shear = 20,
                         .zoom = {0.7f, 1.3f},
                         .horizontal_flip = true};
    clade_augment parts[5] = {{.rotation = 40},
                              {.width_shift = 0.2f, .height_shift = 0.1f},
                              {.shear = 20},
                              {.zoom = {0.7f, 1.3f}},
                              {.horizontal_flip = true}};
    for (int k = 0; k < 50; k++) {
        float whole[8], m[8];
        clade_augment_matrix(&all, 30, 40, 11, 2, (uint64_t)k, whole);
        static const double points[3][2] = {{0, 0}, {29, 3}, {10.5, 39}};
        for (int p = 0; p < 3; p++) {
            /* the last factor of R·Shift·Shear·Zoom·Flip is applied to the output's place first */
            double row = points[p][0], column = points[p][1], r, c;
            for (int part = 4; part >= 0; part--) {
                clade_augment_matrix(&parts[part], 30, 40, 11, 2, (uint64_t)k, m);
                map(m, row, column, &r, &c);
                row = r;
                column = c;
            }
            map(whole, points[p][0], points[p][1], &r, &c);
            CHECK(fabs(r - row) < 1e-3 && fabs(c - column) < 1e-3);
        }
    }
}

static void test_draws(void)
{
    clade_augment a = {.rotation = 30, .brightness = {0.5f, 1.5f}};
    float m[8], n[8];
    clade_augment_matrix(&a, 8, 8, 1, 2, 3, m);
    clade_augment_matrix(&a, 8, 8, 1, 2, 3, n);
    CHECK(memcmp(m, n, sizeof m) == 0);
    CHECK(m[6] >= 0.5f && m[6] <= 1.5f && m[6] != 1 && m[7] == 0);
    static const uint64_t others[3][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (int i = 0; i < 3; i++) {
        clade_augment_matrix(&a, 8, 8, others[i][0], others[i][1], others[i][2], n);
        CHECK(m[0] != n[0] && m[6] != n[6]);
    }
    /* one more kind leaves the draws of the others alone */
    a.horizontal_flip = true;
    a.brightness[0] = a.brightness[1] = 0;
    clade_augment_matrix(&a, 8, 8, 1, 2, 3, n);
    CHECK(n[4] == m[4] && n[6] == 1);
}

static void test_pad_crop(void)
{
    clade_augment a = {.pad_crop = 3};
    int seen[7][7] = {{0}};
    for (int i = 0; i < 1000; i++) {
        float m[8];
        clade_augment_matrix(&a, 8, 10, 5, 0, (uint64_t)i, m);
        CHECK(m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && m[6] == 1);
        CHECK(fabsf(m[2]) <= 3 && fabsf(m[5]) <= 3 && m[2] == rintf(m[2]) && m[5] == rintf(m[5]));
        seen[(int)m[5] + 3][(int)m[2] + 3]++;
    }
    for (int i = 0; i < 49; i++) CHECK(seen[i / 7][i % 7] > 0);
}

/* Height, width, row and column of the crop that a matrix shows. */
static void crop_of(const float m[8], int h, int w, double crop[4])
{
    crop[0] = (double)m[4] * h;
    crop[1] = (double)m[0] * w;
    crop[2] = (double)m[5] - ((double)m[4] - 1) / 2;
    crop[3] = (double)m[2] - ((double)m[0] - 1) / 2;
}

static void test_resized_crop(void)
{
    enum { h = 30, w = 40 };
    clade_augment a = {.crop_area = {0.3f, 0.6f}, .crop_ratio = {0.5f, 2}};
    double crop[4], small = 0, wide = 0, low = 0, left = 0;
    float m[8];
    for (int i = 0; i < 400; i++) {
        clade_augment_matrix(&a, h, w, 5, 1, (uint64_t)i, m);
        CHECK(m[1] == 0 && m[3] == 0);
        crop_of(m, h, w, crop);
        for (int k = 0; k < 4; k++) CHECK(fabs(crop[k] - rint(crop[k])) < 1e-4);
        CHECK(crop[2] > -1e-4 && crop[2] + crop[0] < h + 1e-4 && crop[3] > -1e-4 &&
              crop[3] + crop[1] < w + 1e-4);
        const double area = crop[0] * crop[1] / (h * w), ratio = crop[1] / crop[0];
        CHECK(area > 0.28 && area < 0.63 && ratio > 0.47 && ratio < 2.1);
        small += area < 0.45;
        wide += ratio > 1;
        low += crop[0] < h - 0.5 && crop[2] > (h - crop[0]) / 2;
        left += crop[1] < w - 0.5 && crop[3] < (w - crop[1]) / 2;
    }
    CHECK(small > 150 && small < 300 && wide > 150 && wide < 300 && low > 120 && low < 260 &&
          left > 120 && left < 260);
    /* no crop is that wide: the widest in the centre; rounded, 40 ÷ 4 = 10 rows */
    a = (clade_augment){.crop_area = {0.9f, 1}, .crop_ratio = {4, 5}};
    clade_augment_matrix(&a, h, w, 5, 1, 0, m);
    crop_of(m, h, w, crop);
    CHECK(fabs(crop[0] - 10) < 1e-4 && crop[1] == w && fabs(crop[2] - 10) < 1e-4 && crop[3] == 0);
    a = (clade_augment){.crop_area = {0.9f, 1}, .crop_ratio = {0.2f, 0.25f}};
    clade_augment_matrix(&a, h, w, 5, 1, 0, m);
    crop_of(m, h, w, crop);
    CHECK(crop[0] == h && fabs(crop[1] - 8) < 1e-4 && crop[2] == 0 && fabs(crop[3] - 16) < 1e-4);
}

static void test_alternating_flip(void)
{
    const clade_augment a = {.alternating_flip = true}, by_chance = {.horizontal_flip = true};
    int flipped = 0;
    for (int i = 0; i < 100; i++) {
        float first[8], m[8];
        clade_augment_matrix(&by_chance, 4, 6, 3, 0, (uint64_t)i, first);
        for (uint64_t epoch = 0; epoch < 5; epoch++) {
            clade_augment_matrix(&a, 4, 6, 3, epoch, (uint64_t)i, m);
            CHECK((m[0] == first[0]) == (epoch % 2 == 0));
        }
        flipped += first[0] < 0;
    }
    CHECK(flipped > 30 && flipped < 70);
}

static void test_erase(void)
{
    enum { h = 20, w = 30 };
    clade_augment a = {.erasing = {.p = 0.7f, .area = {0.1f, 0.2f}, .ratio = {0.5f, 1}},
                       .cutout = 6};
    int erased = 0, whole = 0;
    for (int i = 0; i < 500; i++) {
        int32_t r[4 * CLADE_ERASE_RECTANGLES];
        clade_augment_erase(&a, h, w, 9, 0, (uint64_t)i, r);
        whole += r[2] - r[0] == 6 && r[3] - r[1] == 6;
        for (int k = 0; k < 8; k += 4)
            CHECK(r[k] >= 0 && r[k + 1] >= 0 && r[k + 2] <= h && r[k + 3] <= w);
        CHECK(r[2] - r[0] >= 3 && r[2] - r[0] <= 6 && r[3] - r[1] >= 3 && r[3] - r[1] <= 6);
        const int height = r[6] - r[4], width = r[7] - r[5];
        if (width == 0) continue;
        erased++;
        CHECK(height * width > 50 && height * width < 135 && height <= width + 1 &&
              2 * height >= width - 2);
    }
    CHECK(erased > 310 && erased < 390 && whole > 280 && whole < 380);
}

static void test_adjust(void)
{
    clade_augment a = {
        .jitter = {.p = 0.5f, .brightness = {0.5f, 1.5f}, .contrast = {1, 2}, .hue = {-0.1f, 0.1f}},
        .grey = 0.25f};
    int jittered = 0, grey = 0, first[CLADE_ADJUSTMENTS] = {0};
    for (int i = 0; i < 600; i++) {
        float drawn[2 * CLADE_ADJUST_STEPS];
        const float *s = drawn + 6; /* after those of a policy */
        int steps = 0;
        clade_augment_adjust(&a, 9, 2, (uint64_t)i, drawn);
        for (int k = 0; k < 4; k++) {
            const int kind = (int)s[2 * k];
            const float f = s[2 * k + 1];
            CHECK(kind != CLADE_ADJUST_SATURATION && kind != CLADE_ADJUST_GREY);
            if (kind == CLADE_ADJUST_BRIGHTNESS) CHECK(f >= 0.5f && f <= 1.5f);
            if (kind == CLADE_ADJUST_CONTRAST) CHECK(f >= 1 && f <= 2);
            if (kind == CLADE_ADJUST_HUE) CHECK(f >= -0.1f && f <= 0.1f);
            if (k == 0) first[kind]++;
            steps += kind != CLADE_ADJUST_NONE;
        }
        CHECK(steps == 0 || steps == 3);
        jittered += steps == 3;
        grey += drawn[14] == CLADE_ADJUST_GREY;
    }
    CHECK(jittered > 250 && jittered < 350 && grey > 110 && grey < 190);
    for (int k = CLADE_ADJUST_BRIGHTNESS; k <= CLADE_ADJUST_HUE; k++)
        CHECK(k == CLADE_ADJUST_SATURATION || (first[k] > 45 && first[k] < 110));
}

typedef struct draws {
    float matrix[8], steps[2 * CLADE_ADJUST_STEPS];
    int32_t erased[4 * CLADE_ERASE_RECTANGLES];
    clade_chain chains[2];
    clade_mix mix;
} draws;

/* All that is random of an image, or a batch. */
static draws draw(uint64_t seed, uint64_t epoch, uint64_t position)
{
    static const clade_augment jitters = {.rotation = 30,
                                          .pad_crop = 40,
                                          .cutout = 9,
                                          .jitter = {.p = 1, .brightness = {0.5f, 1.5f}},
                                          .mixup = 1},
                               chains = {.augmix = {.severity = 9, .width = 1, .alpha = 1}};
    draws d = {.mix = {.share = 0}};
    clade_augment_matrix(&jitters, 90, 90, seed, epoch, position, d.matrix);
    clade_augment_adjust(&jitters, seed, epoch, position, d.steps);
    clade_augment_erase(&jitters, 90, 90, seed, epoch, position, d.erased);
    clade_augment_chain(&chains, 90, 90, seed, epoch, position, d.chains);
    clade_augment_mix(&jitters, 90, 90, seed, epoch, position, &d.mix);
    return d;
}

/* Seed, epoch and position each count, for each kind of draw, and which of them is which. */
static void test_streams(void)
{
    static const uint64_t at[][3] = {{1, 2, 3}, {9, 2, 3}, {1, 9, 3}, {1, 2, 9}, {1, 3, 2},
                                     {2, 1, 3}, {3, 2, 1}, {2, 3, 1}, {3, 1, 2}};
    enum { count = sizeof at / sizeof *at };
    for (int i = 0; i < count; i++)
        for (int k = 0; k <= i; k++) {
            const draws a = draw(at[i][0], at[i][1], at[i][2]);
            const draws b = draw(at[k][0], at[k][1], at[k][2]);
            const bool same = i == k;
            CHECK((a.matrix[0] == b.matrix[0]) == same);
            CHECK(!memcmp(a.steps, b.steps, sizeof a.steps) == same);
            CHECK(!memcmp(a.erased, b.erased, sizeof a.erased) == same);
            CHECK((a.chains[1].weight == b.chains[1].weight) == same);
            CHECK((a.mix.share == b.mix.share) == same);
        }
}

/* Beta(α, α): mean ½, variance 1 ÷ (4 (2 α + 1)). */
static void test_mix(void)
{
    enum { count = 4000, h = 16, w = 24 };
    static const float alphas[] = {0.1f, 0.4f, 1, 3};
    for (int k = 0; k < 4; k++) {
        const clade_augment a = {.mixup = alphas[k]};
        double sum = 0, squares = 0;
        for (int i = 0; i < count; i++) {
            clade_mix mix;
            clade_augment_mix(&a, h, w, 2, 3, (uint64_t)i, &mix);
            CHECK(mix.share == mix.blend && mix.share >= 0 && mix.share <= 1 && mix.rect[2] == 0);
            sum += mix.share;
            squares += ((double)mix.share - 0.5) * ((double)mix.share - 0.5);
        }
        CHECK(fabs(sum / count - 0.5) < 0.03);
        CHECK(fabs(squares / count * 4 * (2 * (double)alphas[k] + 1) - 1) < 0.06);
    }
    const clade_augment both = {.mixup = 1, .cutmix = 1};
    int cut = 0;
    for (int i = 0; i < 400; i++) {
        clade_mix mix;
        clade_augment_mix(&both, h, w, 2, 3, (uint64_t)i, &mix);
        const int area = (mix.rect[2] - mix.rect[0]) * (mix.rect[3] - mix.rect[1]);
        CHECK(mix.rect[0] >= 0 && mix.rect[1] >= 0 && mix.rect[2] <= h && mix.rect[3] <= w);
        if (mix.blend == 1) CHECK(fabsf(mix.share - (1 - (float)area / (h * w))) < 1e-6f);
        cut += mix.blend == 1;
    }
    CHECK(cut > 150 && cut < 250);
}

int main(void)
{
    test_identity();
    test_kinds();
    test_zoom();
    test_rotation();
    test_shift_and_shear();
    test_flips();
    test_order();
    test_draws();
    test_pad_crop();
    test_resized_crop();
    test_alternating_flip();
    test_erase();
    test_adjust();
    test_streams();
    test_mix();
    return TEST_END();
}
