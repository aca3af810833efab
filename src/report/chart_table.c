/* Charts of named rows: bars, and shades of a matrix. */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>

enum { bar_line = 24, bar_top = 30, names_most = 18 };

/* Units that the names need to the left. */
static double width_of_names(const char *const *names, size_t count, size_t most)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = clade_chart_letters(names[i]);
        if (n > longest) longest = n;
    }
    return 7.0 * (double)(longest < most ? longest : most) + 12;
}

void clade_chart_bars(clade_page *page, const clade_chart *c, const char *const *names,
                      const double *values, size_t count)
{
    int32_t height = bar_top + bar_line * (int32_t)count + 6;
    clade_scale x = {.low = fmin(c->x.low, 0), .high = fmax(c->x.high, 0)};
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) x.low = fmin(x.low, values[i]);
        if (isfinite(values[i])) x.high = fmax(x.high, values[i]);
    }
    if (!(x.high > x.low)) x.high = x.low + 1;
    x.first = width_of_names(names, count, names_most);
    x.last = CLADE_CHART_WIDTH - 60;
    clade_chart_begin(page, c, height);
    for (size_t i = 0; i < count; i++) {
        double y = bar_top + bar_line * (double)i;
        clade_chart_text(page, x.first - 6, y + 15, "end", names[i], names_most);
        if (!isfinite(values[i])) continue;
        double zero = clade_scale_at(&x, 0), end = clade_scale_at(&x, values[i]);
        clade_page_markup(
            page,
            "<g class=\"c1\"><rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
            "height=\"%d\"/></g>",
            fmin(zero, end), y + 3, fabs(end - zero), bar_line - 7);
        char text[32];
        snprintf(text, sizeof text, "%.6g", values[i]);
        clade_chart_text(page, fmax(zero, end) + 5, y + 15, "start", text, 0);
    }
    clade_chart_end(page);
}

/* What is written into cells: counts, and below them shares, where there is room. */
typedef struct heat_text {
    bool counts, shares, small;
} heat_text;

static heat_text choose_text(double side_x, double side_y, const double *values, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, values[i]);
    double digits = most < 10 ? 1 : floor(log10(most)) + 1;
    heat_text text = {.small = side_x < 7.4 * digits + 3 || side_y < 15};
    text.counts = side_x >= 5.6 * digits + 2 && side_y >= 11;
    text.shares = text.counts && side_x >= 27 && side_y >= 27;
    return text;
}

/* One cell; its number where there is room for it. */
static void draw_cell(clade_page *page, double x, double y, double side_x, double side_y,
                      double value, double share, const char *row, const char *column,
                      bool diagonal, heat_text text)
{
    clade_page_markup(page,
                      "<g class=\"c%d\"><rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                      "height=\"%.1f\" fill-opacity=\"%.2f\"><title>",
                      diagonal ? 1 : 2, x, y, fmax(side_x - 1, 0.5), fmax(side_y - 1, 0.5),
                      value == 0 ? 0 : 0.08 + 0.55 * share);
    clade_page_text(page, "%s, %s: %.6g (%.1f %%)", row, column, value, 100 * share);
    clade_page_markup(page, "</title></rect></g>\n");
    if (!text.counts) return;
    bool shares = text.shares && value > 0;
    double middle = y + side_y / 2 + (text.small ? 3 : 4) - (shares ? 6 : 0);
    clade_page_markup(page,
                      "<text class=\"%s%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                      "pointer-events=\"none\">%.7g</text>\n",
                      value > 0 ? "mark" : "", text.small ? " small" : "", x + side_x / 2, middle,
                      value);
    if (shares)
        clade_page_markup(page,
                          "<text class=\"mark share\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                          "pointer-events=\"none\">%.3g %%</text>\n",
                          x + side_x / 2, middle + 13,
                          share < 0.1 ? round(1000 * share) / 10 : round(100 * share));
}

void clade_chart_heat(clade_page *page, const clade_chart *c, const char *const *row_names,
                      size_t rows, const char *const *column_names, size_t columns,
                      const double *values)
{
    enum { named_most = 32, high_most = 10 };
    bool named = rows <= named_most && columns <= named_most;
    double left = (named ? width_of_names(row_names, rows, 14) : 8) + (c->y.title ? 18 : 0);
    double names = width_of_names(column_names, columns, 14);
    double side_x = (CLADE_CHART_WIDTH - 4 - left) / (double)(columns ? columns : 1);
    bool slanted = named && names - 12 > side_x;
    if (slanted) /* the last name leans over the edge */
        side_x = (CLADE_CHART_WIDTH - 4 - left - 0.5 * names) / (double)columns;
    double side_y = fmin(side_x, rows <= high_most ? 36 : 480.0 / (double)rows);
    double top = 26 + (c->x.title ? 18 : 0);
    if (named) top += slanted ? 0.75 * names + 8 : 18;
    const heat_text text = choose_text(side_x, side_y, values, rows * columns);
    clade_chart_begin(page, c, (int32_t)ceil(top + side_y * (double)rows + 4));
    if (c->x.title)
        clade_chart_text(page, left + side_x * (double)columns / 2, 36, "middle", c->x.title, 50);
    if (c->y.title) {
        double middle = top + side_y * (double)rows / 2;
        clade_page_markup(page, "<g transform=\"rotate(-90 12 %.1f)\">", middle);
        clade_chart_text(page, 12, middle, "middle", c->y.title, 30);
        clade_page_markup(page, "</g>\n");
    }
    for (size_t j = 0; j < columns && named; j++) {
        double x = left + side_x * ((double)j + 0.5);
        if (slanted) {
            clade_page_markup(page, "<g transform=\"rotate(-45 %.1f %.1f)\">", x, top - 6);
            clade_chart_text(page, x, top - 6, "start", column_names[j], 14);
            clade_page_markup(page, "</g>\n");
        } else {
            clade_chart_text(page, x, top - 6, "middle", column_names[j], 14);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        double y = top + side_y * (double)i, sum = 0;
        if (named) clade_chart_text(page, left - 6, y + side_y / 2 + 4, "end", row_names[i], 14);
        for (size_t j = 0; j < columns; j++) sum += values[i * columns + j];
        for (size_t j = 0; j < columns; j++) {
            double value = values[i * columns + j];
            if (value == 0 && (!text.counts || rows > high_most))
                continue; /* many classes: most cells are empty */
            draw_cell(page, left + side_x * (double)j, y, side_x, side_y, value,
                      sum > 0 ? value / sum : 0, row_names[i], column_names[j], i == j, text);
        }
    }
    clade_chart_end(page);
}
