/* Where labels stand in a chart. */
#include "report/chart_labels.h"

#include <math.h>

/* The order of values, kept while they are moved, is by insertion: there are few. */
static void sort(const double *at, size_t count, size_t *order)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = i;
        for (; k > 0 && at[order[k - 1]] > at[i]; k--) order[k] = order[k - 1];
        order[k] = i;
    }
}

void clade_labels_spread(double *at, size_t count, double gap, double low, double high)
{
    enum { most = 32 };
    size_t order[most], first[most], clusters = 0;
    double middle[most];
    if (count == 0 || count > most) return;
    sort(at, count, order);
    /* those that touch become a cluster around the mean of its members' places */
    for (size_t i = 0; i < count; i++) {
        first[clusters] = i;
        middle[clusters++] = at[order[i]];
        while (clusters > 1) {
            size_t a = first[clusters - 2], b = first[clusters - 1];
            double before = (double)(b - a), own = (double)(i + 1 - b);
            if (middle[clusters - 1] - middle[clusters - 2] >= gap * (before + own) / 2) break;
            middle[clusters - 2] =
                (middle[clusters - 2] * before + middle[clusters - 1] * own) / (before + own);
            clusters--;
        }
    }
    for (size_t c = 0; c < clusters; c++) {
        size_t end = c + 1 < clusters ? first[c + 1] : count;
        double half = gap * (double)(end - first[c] - 1) / 2;
        for (size_t i = first[c]; i < end; i++)
            at[order[i]] = middle[c] - half + gap * (double)(i - first[c]);
    }
    for (size_t i = count; i-- > 0; high = at[order[i]] - gap)
        at[order[i]] = fmin(at[order[i]], high);
    for (size_t i = 0; i < count; i++, low += gap) {
        at[order[i]] = fmax(at[order[i]], low);
        low = at[order[i]];
    }
}

/* The length of a line within a box (Liang and Barsky 1984). */
static double length_within(const clade_segment *s, const clade_box *b)
{
    const double dx = s->x[1] - s->x[0], dy = s->y[1] - s->y[0];
    const double p[4] = {-dx, dx, -dy, dy};
    const double q[4] = {s->x[0] - b->left, b->right - s->x[0], s->y[0] - b->top,
                         b->bottom - s->y[0]};
    double from = 0, to = 1;
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0 && q[i] < 0) return 0;
        if (p[i] < 0) from = fmax(from, q[i] / p[i]);
        if (p[i] > 0) to = fmin(to, q[i] / p[i]);
    }
    return to > from ? (to - from) * hypot(dx, dy) : 0;
}

static double common_area(const clade_box *a, const clade_box *b)
{
    double width = fmin(a->right, b->right) - fmax(a->left, b->left);
    double height = fmin(a->bottom, b->bottom) - fmax(a->top, b->top);
    return width > 0 && height > 0 ? width * height : 0;
}

clade_box clade_label_place(double x, double y, double width, double height, const clade_box *frame,
                            const clade_segment *lines, size_t line_count, const clade_box *taken,
                            size_t taken_count)
{
    static const double away[] = {9, 18, 30, 46};
    /* the share of the size by which the box lies to the left of the point and above it: corners,
     * then sides */
    static const double places[][2] = {{0, 1},   {1, 1},   {0, 0},   {1, 0},
                                       {0.5, 1}, {0.5, 0}, {0, 0.5}, {1, 0.5}};
    const double room = 3; /* between letters and a line */
    clade_box best = {0};
    double least = INFINITY;
    for (size_t d = 0; d < sizeof away / sizeof *away; d++)
        for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
            const double *place = places[k];
            clade_box box = {.left = x - place[0] * width + (1 - 2 * place[0]) * away[d],
                             .top = y - place[1] * height + (1 - 2 * place[1]) * away[d]};
            box.left = fmax(frame->left, fmin(box.left, frame->right - width));
            box.top = fmax(frame->top, fmin(box.top, frame->bottom - height));
            box.right = box.left + width;
            box.bottom = box.top + height;
            const clade_box ring = {x - 7, y - 7, x + 7, y + 7};
            double cost = 1000 * common_area(&box, &ring);
            for (size_t i = 0; i < taken_count; i++) cost += 1000 * common_area(&box, &taken[i]);
            const clade_box around = {box.left - room, box.top - room, box.right + room,
                                      box.bottom + room};
            for (size_t i = 0; i < line_count; i++) cost += length_within(&lines[i], &around);
            if (cost >= least - 1e-9) continue;
            least = cost;
            best = box;
        }
    return best;
}
