/* Random affine augmentation as a 2×3 matrix and a brightness per image. */
#include <clade/data.h>

#include "base/random.h"

#include <math.h>
#include <stddef.h>

/* A map of homogeneous (row, column, 1); the last row is 0 0 1. */
typedef struct affine {
    double m[2][3];
} affine;

static affine multiply(affine a, affine b)
{
    affine c;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            c.m[i][j] = a.m[i][0] * b.m[0][j] + a.m[i][1] * b.m[1][j] + (j == 2 ? a.m[i][2] : 0);
    return c;
}

/* Sine and cosine of an angle in degrees, from additions and multiplications alone, so that every
 * machine draws the same matrices; libm's last bits differ. Taylor's series on ±45°, error below
 * 1e-15; exact at multiples of 90°. */
static void turn(double degrees, double *sine, double *cosine)
{
    double quarters = floor(degrees / 90 + 0.5);
    double x = (degrees - 90 * quarters) * 0.017453292519943295, square = x * x;
    double s = 1, c = 1;
    for (int k = 9; k >= 1; k--) {
        s = 1 - s * square / ((2 * k) * (2 * k + 1));
        c = 1 - c * square / ((2 * k - 1) * (2 * k));
    }
    s *= x;
    switch ((int)(quarters - 4 * floor(quarters / 4))) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

/* low + (high − low)·u for the next u. */
static double draw(clade_random *r, double low, double high)
{
    return low + (high - low) * (double)clade_random_unit(r);
}

static bool is_range(const float range[2]) { return range[0] != 0 || range[1] != 0; }

void clade_augment_matrix(const clade_augment *augment, int32_t height, int32_t width,
                          uint64_t seed, uint64_t epoch, uint64_t position, float m[8])
{
    static const clade_augment none;
    const clade_augment *a = augment ? augment : &none;
    /* one draw for each, wanted or not, so that to turn one on leaves the others as they are */
    clade_random r = clade_random_start(seed, CLADE_STREAM_AUGMENT, epoch << 32 | position);
    double angle = draw(&r, -a->rotation, a->rotation);
    double down = draw(&r, -a->height_shift, a->height_shift) * height;
    double right = draw(&r, -a->width_shift, a->width_shift) * width;
    double shear = draw(&r, -a->shear, a->shear);
    double zoom_rows = draw(&r, a->zoom[0], a->zoom[1]),
           zoom_columns = draw(&r, a->zoom[0], a->zoom[1]);
    bool mirror = draw(&r, 0, 1) < 0.5 && a->horizontal_flip;
    bool overturn = draw(&r, 0, 1) < 0.5 && a->vertical_flip;
    double brightness = draw(&r, a->brightness[0], a->brightness[1]);
    if (!is_range(a->zoom)) zoom_rows = zoom_columns = 1;
    if (!is_range(a->brightness)) brightness = 1;

    double sine, cosine, shear_sine, shear_cosine;
    turn(angle, &sine, &cosine);
    turn(shear, &shear_sine, &shear_cosine);
    double row = (height - 1) / 2.0, column = (width - 1) / 2.0; /* the centre */
    affine t = {{{1, 0, row}, {0, 1, column}}};
    t = multiply(t, (affine){{{cosine, -sine, 0}, {sine, cosine, 0}}});
    t = multiply(t, (affine){{{1, 0, down}, {0, 1, right}}});
    t = multiply(t, (affine){{{1, -shear_sine, 0}, {0, shear_cosine, 0}}});
    t = multiply(t, (affine){{{zoom_rows, 0, 0}, {0, zoom_columns, 0}}});
    t = multiply(t, (affine){{{1, 0, -row}, {0, 1, -column}}});
    /* a flip of the result is a flip of the coordinates that go in */
    if (mirror) t = multiply(t, (affine){{{1, 0, 0}, {0, -1, width - 1}}});
    if (overturn) t = multiply(t, (affine){{{-1, 0, height - 1}, {0, 1, 0}}});

    m[0] = (float)t.m[1][1];
    m[1] = (float)t.m[1][0];
    m[2] = (float)t.m[1][2];
    m[3] = (float)t.m[0][1];
    m[4] = (float)t.m[0][0];
    m[5] = (float)t.m[0][2];
    m[6] = (float)brightness;
    m[7] = 0;
}
