/* Where labels stand in a chart: apart from each other, and off the lines. */
#ifndef CLADE_REPORT_CHART_LABELS_H
#define CLADE_REPORT_CHART_LABELS_H

#include <stddef.h>

/* Coordinates, y from the top down. */
typedef struct clade_box {
    double left, top, right, bottom;
} clade_box;

typedef struct clade_segment {
    double x[2], y[2];
} clade_segment;

/* Moves values apart to at least `gap`, in their order, as little as it takes, within low…high
 * where there is room for all. */
void clade_labels_spread(double *at, size_t count, double gap, double low, double high);

/* A box of this size near a point, within `frame`: of the places around it that where it stands on
 * the least of the lines and on no other box, of equals the nearest. */
clade_box clade_label_place(double x, double y, double width, double height, const clade_box *frame,
                            const clade_segment *lines, size_t line_count, const clade_box *taken,
                            size_t taken_count);

#endif
