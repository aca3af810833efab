/* Placing labels in a chart: without overlaps, and off the lines. */
#ifndef CLADE_REPORT_CHART_LABELS_H
#define CLADE_REPORT_CHART_LABELS_H

#include <stddef.h>

/* Coordinates, y downwards. */
typedef struct clade_box {
    double left, top, right, bottom;
} clade_box;

typedef struct clade_segment {
    double x[2], y[2];
} clade_segment;

/* Moves values apart to at least `gap`, keeping their order, by as little as possible, and within
 * low…high if there is room for all. */
void clade_labels_spread(double *at, size_t count, double gap, double low, double high);

/* Places a box of this size near a point, within `frame`: of the positions around the point, the
 * one that covers the fewest lines and no other box; in a tie, the nearest. */
clade_box clade_label_place(double x, double y, double width, double height, const clade_box *frame,
                            const clade_segment *lines, size_t line_count, const clade_box *taken,
                            size_t taken_count);

#endif
