/* Charts as SVG, inside a page or in a file of their own. Colours are distinguishable for
 * colour-blind readers (after Okabe and Ito) and have a variant for dark windows. Every chart has a
 * title and a description for screen readers, and shows values under the pointer. Values that are
 * not finite are left out. Coordinates are printed with one decimal, so that the same numbers
 * always give the same text. */
#ifndef CLADE_REPORT_CHART_H
#define CLADE_REPORT_CHART_H

#include "report/page.h"

typedef struct clade_axis {
    const char *title; /* may be NULL */
    double low, high;  /* the smallest range to show, widened to fit the data; both 0: the data's */
    bool zero;         /* include 0 */
    bool logarithmic;  /* values above 0 only */
    bool integer;      /* no ticks between integers */
    const char *const *names; /* for 0, 1, 2, … in place of numbers; for the x axis only */
    size_t name_count;
} clade_axis;

typedef struct clade_chart {
    const char *title;
    const char *description; /* one sentence on what the chart shows; NULL: the title */
    clade_axis x, y;
    int32_t height;    /* 0: 300, in units in which the width is 480 */
    int32_t left, top; /* its position on a sheet; 0 in a page */
    bool ends;         /* print the last value of each line beside its end */
} clade_chart;

enum { CLADE_CHART_WIDTH = 480, CLADE_CHART_HEIGHT = 300 };

typedef enum clade_series_style {
    CLADE_SERIES_LINE,
    CLADE_SERIES_DASHED,
    CLADE_SERIES_POINTS, /* scatter */
    CLADE_SERIES_STEPS   /* a line that keeps its value until the next x */
} clade_series_style;

typedef struct clade_series {
    const char *name; /* in the legend; NULL: not in the legend */
    const double *x;  /* NULL: 1, 2, 3, … */
    const double *y;
    size_t count;
    clade_series_style style;
    int color;                /* 1 to CLADE_CHART_COLORS; 0: by its position in the list; < 0: light
                               * grey, as a line to compare with */
    size_t mark;              /* the point to mark, from 1; 0: none */
    const char *mark_text;    /* beside the mark; NULL: its value */
    const char *const *label; /* for each point, shown under the pointer; NULL: its numbers */
} clade_series;

enum { CLADE_CHART_COLORS = 6 }; /* further series repeat them, with dashes */

/* Adds lines and points on two axes, with a legend if more than one series has a name. */
void clade_chart_lines(clade_page *page, const clade_chart *chart, const clade_series *series,
                       size_t count);

/* Adds `count` horizontal bars with names and values, one below the other, which determines the
 * height. The x axis is that of the values and starts at 0. */
void clade_chart_bars(clade_page *page, const clade_chart *chart, const char *const *names,
                      const double *values, size_t count);

/* Adds a histogram: bar i of `count` covers edges[i]…edges[i+1]. */
void clade_chart_histogram(clade_page *page, const clade_chart *chart, const double *edges,
                           const double *values, size_t count);

/* Adds a heat map of rows × columns values, shaded by their share of the row's sum, with both
 * printed if there is room: a confusion matrix, with the diagonal in another colour. y.title names
 * the rows, x.title the columns; the height follows. */
void clade_chart_heat(clade_page *page, const clade_chart *chart, const char *const *row_names,
                      size_t rows, const char *const *column_names, size_t columns,
                      const double *values);

/* Begins a sheet: a separate SVG file, `width` × `height` units, with charts at their left and top;
 * clade_page_write ends and writes it. */
void clade_chart_sheet_begin(clade_page *page, const char *title, int32_t width, int32_t height);

/* ---- for charts of other kinds ---- */

/* Add <svg …> with title and description, and its end. */
void clade_chart_begin(clade_page *page, const clade_chart *chart, int32_t height);
void clade_chart_end(clade_page *page);

/* Maps a range of values to a range of coordinates. */
typedef struct clade_scale {
    double low, high;   /* values */
    double first, last; /* their coordinates */
    bool logarithmic;
} clade_scale;

double clade_scale_at(const clade_scale *scale, double value);

/* Gives ticks at round values within the scale, at most `room` (2 to CLADE_TICKS), at least 1. */
enum { CLADE_TICKS = 16 };
size_t clade_scale_ticks(const clade_scale *scale, bool integer, size_t room,
                         double ticks[CLADE_TICKS]);
/* Writes the shortest sensible text for a value: 0.25, 12000, 1e-05. */
void clade_chart_number(double value, char text[32]);

/* Returns the number of characters of a UTF-8 text. */
size_t clade_chart_letters(const char *text);
/* Adds a text at x, y; `anchor` is start, middle or end. A text of more than `most` characters (0:
 * any) ends in an ellipsis. */
void clade_chart_text(clade_page *page, double x, double y, const char *anchor, const char *text,
                      size_t most);

#endif
