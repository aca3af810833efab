/* The chart of a search for a learning rate. */
#include <clade/lr_find.h>

#include "base/locale.h"
#include "report/chart.h"

#include <math.h>
#include <stdlib.h>

/* x, y and z of count each: the rates, the losses, their average. */
static void draw(clade_page *sheet, const clade_lr_point *points, size_t count, double suggestion,
                 double *values)
{
    double *lr = values, *loss = values + count, *smoothed = values + 2 * count;
    size_t mark = 0;
    for (size_t i = 0; i < count; i++) {
        lr[i] = points[i].lr;
        loss[i] = points[i].loss;
        smoothed[i] = points[i].smoothed;
        if (points[i].lr == suggestion) mark = i + 1;
    }
    const clade_chart chart = {
        .title = "Loss by learning rate",
        .description = "The loss at each step as the rate rises; the suggestion is marked.",
        .x = {.title = "learning rate", .logarithmic = true},
        .y = {.title = "loss"}};
    const clade_series series[] = {
        {.name = "a batch", .x = lr, .y = loss, .count = count, .color = -1},
        {.name = "smoothed", .x = lr, .y = smoothed, .count = count, .color = 1, .mark = mark}};
    clade_chart_lines(sheet, &chart, series, 2);
}

clade_status clade_lr_find_draw(const clade_lr_point *points, size_t count, double suggestion,
                                const char *path)
{
    CLADE_PLAIN_NUMBERS;
    if (!points || !path) return clade_fail(CLADE_EINVAL, "a chart needs points and a file");
    double *values = malloc((3 * count + 1) * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    clade_page sheet = {0};
    clade_chart_sheet_begin(&sheet, "Learning rates", CLADE_CHART_WIDTH, CLADE_CHART_HEIGHT);
    draw(&sheet, points, count, suggestion, values);
    clade_status status = clade_page_write(&sheet, path);
    free(values);
    return status;
}
