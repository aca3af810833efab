/* Labels of charts: apart from each other, within their frame, off the lines. */
#include "report/chart_labels.h"
#include "../test.h"

#include <math.h>
#include <stdbool.h>

static void check_spread(size_t count, const double *at, double low, double high,
                         const double *expected)
{
    double moved[8];
    for (size_t i = 0; i < count; i++) moved[i] = at[i];
    clade_labels_spread(moved, count, 10, low, high);
    for (size_t i = 0; i < count; i++) CHECK(fabs(moved[i] - expected[i]) < 1e-9);
}

static void check_spreads(void)
{
    check_spread(3, (double[]){50, 10, 30}, 0, 100, (double[]){50, 10, 30}); /* apart already */
    check_spread(2, (double[]){52, 50}, 0, 100, (double[]){56, 46});
    /* two clusters that meet once each has been spread */
    check_spread(4, (double[]){40, 41, 52, 53}, 0, 100, (double[]){31.5, 41.5, 51.5, 61.5});
    check_spread(3, (double[]){1, 2, 3}, 0, 100, (double[]){0, 10, 20});
    check_spread(3, (double[]){99, 98, 97}, 0, 100, (double[]){100, 90, 80});
    check_spread(3, (double[]){5, 5, 5}, 0, 20, (double[]){0, 10, 20}); /* just fits */
    check_spread(0, NULL, 0, 20, NULL);
}

static bool crosses(const clade_box *box, double x, double y)
{
    return x > box->left && x < box->right && y > box->top && y < box->bottom;
}

static bool is_within(const clade_box *box, const clade_box *frame)
{
    return box->left >= frame->left && box->right <= frame->right && box->top >= frame->top &&
           box->bottom <= frame->bottom;
}

/* Near every point of a curve there is a place that the curve does not cross. */
static void check_curve(void)
{
    enum { count = 60 };
    clade_segment line[count];
    const clade_box frame = {0, 0, 400, 200};
    for (int i = 0; i < count; i++)
        for (int end = 0; end < 2; end++) {
            line[i].x[end] = 400.0 * (i + end) / count;
            line[i].y[end] = 180 * exp(-line[i].x[end] / 60) + 10 + 4 * ((i + end) % 2);
        }
    for (int i = 0; i < count; i++) {
        double x = line[i].x[1], y = line[i].y[1];
        clade_box box = clade_label_place(x, y, 90, 13, &frame, line, count, NULL, 0);
        CHECK(is_within(&box, &frame));
        CHECK(fabs(box.right - box.left - 90) < 1e-9 && fabs(box.bottom - box.top - 13) < 1e-9);
        CHECK(hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y) < 110);
        CHECK(!crosses(&box, x, y));
        for (int k = 0; k < count; k++)
            for (double t = 0; t <= 1; t += 0.05)
                CHECK(!crosses(&box, line[k].x[0] + t * (line[k].x[1] - line[k].x[0]),
                               line[k].y[0] + t * (line[k].y[1] - line[k].y[0])));
        /* a second label of the same point stands beside the first */
        clade_box other = clade_label_place(x, y, 90, 13, &frame, NULL, 0, &box, 1);
        CHECK(other.left >= box.right || other.right <= box.left || other.top >= box.bottom ||
              other.bottom <= box.top);
    }
}

int main(void)
{
    check_spreads();
    check_curve();
    return TEST_END();
}
