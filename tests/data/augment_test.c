/* Augmentation matrices: the identity, each part by itself by hand, their order, and repeatability.
 */
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

int main(void)
{
    test_identity();
    test_zoom();
    test_rotation();
    test_shift_and_shear();
    test_flips();
    test_order();
    test_draws();
    return TEST_END();
}
