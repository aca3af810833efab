/* Charts on two axes: lines, points, histograms. */
#include "report/chart.h"
#include "report/chart_labels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    margin_left = 54,
    margin_right = 14,
    ends_width = 58, /* of the last values, in place of that */
    ends_most = 12,  /* of them; where there are more lines, there are none */
    slanted_height = 44,
    letter_width = 7, /* of plain text */
    label_height = 13,
    marks_most = 16,
    legend_line = 17,
    dots_most = 40, /* points of a series that are drawn as dots on its line */
    hits_most = 240 /* points of a line that show their values */
};

typedef struct frame {
    clade_scale x, y; /* y from the bottom up */
    bool slanted;     /* names of the x axis, which have no room side by side */
    bool ends;
} frame;

static bool drawable(const clade_axis *axis, double value)
{
    return isfinite(value) && (!axis->logarithmic || value > 0);
}

static double series_x(const clade_series *s, size_t i) { return s->x ? s->x[i] : (double)i + 1; }

static bool point(const clade_chart *c, const clade_series *s, size_t i, double *x, double *y)
{
    *x = series_x(s, i);
    *y = s->y[i];
    return drawable(&c->x, *x) && drawable(&c->y, *y);
}

static void widen(clade_scale *scale, double value)
{
    if (!(value >= scale->low)) scale->low = value;
    if (!(value <= scale->high)) scale->high = value;
}

/* The range of an axis before it has seen data: NaN on both sides where nothing is asked for. */
static clade_scale start_scale(const clade_axis *axis)
{
    clade_scale scale = {.low = NAN, .high = NAN, .logarithmic = axis->logarithmic};
    if (axis->low != 0 || axis->high != 0) {
        if (drawable(axis, axis->low)) widen(&scale, axis->low);
        if (drawable(axis, axis->high)) widen(&scale, axis->high);
    }
    if (axis->zero && !axis->logarithmic) widen(&scale, 0);
    return scale;
}

/* A range of some extent, whatever the data were. */
static void settle(clade_scale *scale, bool round)
{
    if (isnan(scale->low)) {
        scale->low = scale->logarithmic ? 0.1 : 0;
        scale->high = 1;
    }
    double least = 1e-9 * fmax(fabs(scale->low), fabs(scale->high));
    if (!(scale->high - scale->low > least)) {
        double by = fabs(scale->low) / 4, most = scale->high > 0 && scale->high <= 1 ? 1 : INFINITY;
        scale->low -= by;
        scale->high = fmin(scale->high + (by > 0 ? by : 1), most); /* a share stays one */
    }
    if (!round || scale->logarithmic) return;
    double ticks[CLADE_TICKS];
    size_t n = clade_scale_ticks(scale, false, 6, ticks);
    if (n < 2) return;
    double step = ticks[1] - ticks[0];
    scale->low = floor(scale->low / step + 1e-9) * step;
    scale->high = ceil(scale->high / step - 1e-9) * step;
}

/* Numbers below the x axis. */
static void draw_ticks(clade_page *page, const clade_chart *c, const frame *f)
{
    double ticks[CLADE_TICKS];
    char text[32];
    size_t n = clade_scale_ticks(&f->x, c->x.integer, 8, ticks);
    for (size_t i = 0; i < n; i++) {
        double x = clade_scale_at(&f->x, ticks[i]);
        clade_page_markup(page, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>", x, f->y.first);
        clade_chart_number(ticks[i], text);
        clade_chart_text(page, x, f->y.first + 17, "middle", text, 0);
    }
}

/* Names below the x axis. */
static void draw_names(clade_page *page, const clade_chart *c, const frame *f)
{
    enum { most = 9 };
    for (size_t i = 0; i < c->x.name_count; i++) {
        double x = clade_scale_at(&f->x, (double)i), y = f->y.first + 17;
        clade_page_markup(page, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>", x, f->y.first);
        if (f->slanted)
            clade_page_markup(page, "<g transform=\"rotate(-45 %.1f %.1f)\">", x + 4, y - 3);
        clade_chart_text(page, f->slanted ? x + 4 : x, f->slanted ? y - 3 : y,
                         f->slanted ? "end" : "middle", c->x.names[i], f->slanted ? most : 0);
        if (f->slanted) clade_page_markup(page, "</g>\n");
    }
}

static void draw_axes(clade_page *page, const clade_chart *c, const frame *f)
{
    double ticks[CLADE_TICKS];
    char text[32];
    size_t n = clade_scale_ticks(&f->y, c->y.integer, 7, ticks);
    for (size_t i = 0; i < n; i++) {
        double y = clade_scale_at(&f->y, ticks[i]);
        clade_page_markup(page, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", f->x.first, y,
                          f->x.last);
        clade_chart_number(ticks[i], text);
        clade_chart_text(page, f->x.first - 6, y + 4, "end", text, 0);
    }
    if (c->x.names)
        draw_names(page, c, f);
    else
        draw_ticks(page, c, f);
    clade_page_markup(page, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", f->x.first,
                      f->y.first, f->x.last);
    if (c->x.title)
        clade_chart_text(page, (f->x.first + f->x.last) / 2,
                         f->y.first + 34 + (f->slanted ? slanted_height : 0), "middle", c->x.title,
                         60);
    if (c->y.title) {
        double middle = (f->y.first + f->y.last) / 2;
        clade_page_markup(page, "<g transform=\"rotate(-90 12 %.1f)\">", middle);
        clade_chart_text(page, 12, middle, "middle", c->y.title, 34);
        clade_page_markup(page, "</g>\n");
    }
}

/* The scales in their place, `top` units below the upper edge. */
static void place(frame *f, const clade_chart *c, double top, int32_t height)
{
    f->x.first = margin_left + (c->y.title ? 8 : 0);
    f->x.last = CLADE_CHART_WIDTH - (f->ends ? ends_width : margin_right);
    for (size_t i = 0; i < c->x.name_count; i++)
        f->slanted |= (double)(letter_width * (clade_chart_letters(c->x.names[i]) + 1)) >
                      (f->x.last - f->x.first) / (double)c->x.name_count;
    f->y.first = height - (c->x.title ? 42 : 24) - (f->slanted ? slanted_height : 0);
    f->y.last = top;
    if (!c->x.names) return;
    f->x.low = -0.5;
    f->x.high = (double)c->x.name_count - 0.5;
}

static int color_of(const clade_series *s, size_t place)
{
    if (s->color < 0) return 0;
    return s->color ? s->color : (int)(place % CLADE_CHART_COLORS) + 1;
}

static bool dashed(const clade_series *s, size_t place)
{
    return s->style == CLADE_SERIES_DASHED ||
           (s->color == 0 && place / CLADE_CHART_COLORS % 2 == 1);
}

/* Swatches and names from left to right, in lines; returns where the next part may begin. */
static double draw_legend(clade_page *page, const clade_series *series, size_t count)
{
    size_t named = 0;
    for (size_t i = 0; i < count; i++) named += series[i].name != NULL;
    if (named < 2) return 30;
    double x = 4, y = 34;
    for (size_t i = 0; i < count; i++) {
        const clade_series *s = &series[i];
        if (!s->name) continue;
        size_t length = clade_chart_letters(s->name);
        enum { most = 40 };
        double width = 32 + 6.6 * (double)(length < most ? length : most);
        if (x > 4 && x + width > CLADE_CHART_WIDTH) {
            x = 4;
            y += legend_line;
        }
        clade_page_markup(page, "<g class=\"c%d\">", color_of(s, i));
        if (s->style == CLADE_SERIES_POINTS)
            clade_page_markup(page, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
                              x + 9, y - 4);
        else
            clade_page_markup(page, "<path class=\"line%s\" d=\"M%.1f %.1fh18\"/>",
                              dashed(s, i) ? " dashed" : "", x, y - 4);
        clade_page_markup(page, "</g>");
        clade_chart_text(page, x + 23, y, "start", s->name, most);
        x += width + 8;
    }
    return y + 14;
}

static void draw_path(clade_page *page, const clade_chart *c, const frame *f, const clade_series *s,
                      size_t place)
{
    bool open = false;
    clade_page_markup(page, "<path class=\"line%s\" d=\"", dashed(s, place) ? " dashed" : "");
    for (size_t i = 0; i < s->count; i++) {
        double x, y;
        if (!point(c, s, i, &x, &y)) {
            open = false;
            continue;
        }
        x = clade_scale_at(&f->x, x);
        y = clade_scale_at(&f->y, y);
        if (!open)
            clade_page_markup(page, "M%.1f %.1fh0", x, y); /* a point alone shows too */
        else if (s->style == CLADE_SERIES_STEPS)
            clade_page_markup(page, "H%.1fV%.1f", x, y);
        else
            clade_page_markup(page, "L%.1f %.1f", x, y);
        open = true;
    }
    clade_page_markup(page, "\"/>\n");
}

static void draw_points(clade_page *page, const clade_chart *c, const frame *f,
                        const clade_series *s)
{
    bool scatter = s->style == CLADE_SERIES_POINTS;
    if (!scatter && s->count > hits_most) return;
    double radius = scatter ? 3.5 : s->count <= dots_most ? 2.5 : 6;
    const char *class = scatter || s->count <= dots_most ? "dot" : "hit";
    for (size_t i = 0; i < s->count; i++) {
        double x, y;
        if (!point(c, s, i, &x, &y)) continue;
        clade_page_markup(page, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"><title>",
                          class, clade_scale_at(&f->x, x), clade_scale_at(&f->y, y), radius);
        if (s->label)
            clade_page_text(page, "%s", s->label[i]);
        else
            clade_page_text(page, "%s%s%s %.6g: %.6g", s->name ? s->name : "", s->name ? ", " : "",
                            c->x.title ? c->x.title : "x", x, y);
        clade_page_markup(page, "</title></circle>\n");
    }
}

/* --- labels --- */

static bool has_end(const clade_series *s)
{
    return s->color >= 0 && (s->style == CLADE_SERIES_LINE || s->style == CLADE_SERIES_DASHED);
}

/* The last value of each line, beside its end. */
static void draw_ends(clade_page *page, const clade_chart *c, const frame *f,
                      const clade_series *series, size_t count)
{
    double at[ends_most], value[ends_most];
    int color[ends_most];
    size_t n = 0;
    for (size_t k = 0; k < count; k++) {
        double x, y;
        size_t last = series[k].count;
        while (last > 0 && !point(c, &series[k], last - 1, &x, &y)) last--;
        if (!last || !has_end(&series[k])) continue;
        value[n] = y;
        color[n] = color_of(&series[k], k);
        at[n++] = clade_scale_at(&f->y, y);
    }
    clade_labels_spread(at, n, label_height, f->y.last, f->y.first - 4);
    for (size_t i = 0; i < n; i++)
        clade_page_markup(page, "<text class=\"end c%d\" x=\"%.1f\" y=\"%.1f\">%.3g</text>\n",
                          color[i], f->x.last + 7, at[i] + 4, value[i]);
}

/* All lines, and points as short ones, in coordinates, to be freed. NULL: there is no memory. */
static clade_segment *trace(const clade_chart *c, const frame *f, const clade_series *series,
                            size_t count, size_t *lines)
{
    size_t room = 1;
    for (size_t k = 0; k < count; k++) room += 2 * series[k].count;
    clade_segment *line = malloc(room * sizeof *line);
    *lines = 0;
    for (size_t k = 0; k < count && line; k++) {
        bool open = false;
        double before[2] = {0};
        for (size_t i = 0; i < series[k].count; i++) {
            double x, y;
            bool there = point(c, &series[k], i, &x, &y);
            if (there) {
                x = clade_scale_at(&f->x, x);
                y = clade_scale_at(&f->y, y);
                bool alone = !open || series[k].style == CLADE_SERIES_POINTS;
                bool steps = open && series[k].style == CLADE_SERIES_STEPS;
                double from = alone ? x - 3.5 : before[0];
                double level = alone ? y : before[1];
                if (steps) line[(*lines)++] = (clade_segment){{from, x}, {level, level}};
                line[(*lines)++] =
                    (clade_segment){{steps ? x : from, alone ? x + 3.5 : x}, {level, y}};
                before[0] = x;
                before[1] = y;
            }
            open = there;
        }
    }
    return line;
}

/* A ring around each marked point, with its value where it stands on nothing else. */
static void draw_marks(clade_page *page, const clade_chart *c, const frame *f,
                       const clade_series *series, size_t count)
{
    clade_box taken[marks_most];
    const clade_box within = {f->x.first + 2, f->y.last - 6, f->x.last, f->y.first - 5};
    size_t lines, n = 0;
    clade_segment *line = trace(c, f, series, count, &lines);
    if (!line && !page->status) page->status = clade_fail(CLADE_ENOMEM, "out of memory for labels");
    for (size_t k = 0; k < count && line && n < marks_most; k++) {
        const clade_series *s = &series[k];
        double x, y;
        char text[64];
        if (s->mark == 0 || s->mark > s->count || !point(c, s, s->mark - 1, &x, &y)) continue;
        if (s->mark_text)
            snprintf(text, sizeof text, "%s", s->mark_text);
        else if (c->x.integer && !c->x.names && c->x.title)
            snprintf(text, sizeof text, "%.20s %.6g: %.4g", c->x.title, x, y);
        else
            snprintf(text, sizeof text, "%.4g", y);
        double left = clade_scale_at(&f->x, x), top = clade_scale_at(&f->y, y);
        clade_box box = clade_label_place(left, top, 7.5 * (double)clade_chart_letters(text),
                                          label_height, &within, line, lines, taken, n);
        taken[n++] = box;
        clade_page_markup(page,
                          "<circle class=\"ring c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>"
                          "<text class=\"mark rim\" x=\"%.1f\" y=\"%.1f\">",
                          color_of(s, k), left, top, box.left, box.bottom - 2);
        clade_page_text(page, "%s", text);
        clade_page_markup(page, "</text>\n");
    }
    free(line);
}

void clade_chart_lines(clade_page *page, const clade_chart *c, const clade_series *series,
                       size_t count)
{
    int32_t height = c->height ? c->height : CLADE_CHART_HEIGHT;
    frame f = {.x = start_scale(&c->x), .y = start_scale(&c->y)};
    size_t longest = 0;
    for (size_t k = 0; k < count; k++) {
        if (series[k].count > longest) longest = series[k].count;
        for (size_t i = 0; i < series[k].count; i++) {
            double x, y;
            if (!point(c, &series[k], i, &x, &y)) continue;
            widen(&f.x, x);
            widen(&f.y, y);
        }
    }
    f.ends = c->ends && count <= ends_most && longest > 1;
    settle(&f.x, false);
    settle(&f.y, true);
    clade_chart_begin(page, c, height);
    place(&f, c, draw_legend(page, series, count), height);
    draw_axes(page, c, &f);
    for (size_t k = 0; k < count; k++) {
        const clade_series *s = &series[k];
        clade_page_markup(page, "<g class=\"c%d\">\n", color_of(s, k));
        if (s->style != CLADE_SERIES_POINTS) draw_path(page, c, &f, s, k);
        draw_points(page, c, &f, s);
        clade_page_markup(page, "</g>\n");
    }
    if (f.ends) draw_ends(page, c, &f, series, count);
    draw_marks(page, c, &f, series, count);
    clade_chart_end(page);
}

void clade_chart_histogram(clade_page *page, const clade_chart *c, const double *edges,
                           const double *values, size_t count)
{
    int32_t height = c->height ? c->height : CLADE_CHART_HEIGHT;
    frame f = {.x = start_scale(&c->x), .y = start_scale(&c->y)};
    if (!c->y.logarithmic) widen(&f.y, 0);
    for (size_t i = 0; i < count; i++) {
        if (drawable(&c->y, values[i])) widen(&f.y, values[i]);
        if (drawable(&c->x, edges[i])) widen(&f.x, edges[i]);
        if (drawable(&c->x, edges[i + 1])) widen(&f.x, edges[i + 1]);
    }
    settle(&f.x, false);
    settle(&f.y, true);
    clade_chart_begin(page, c, height);
    place(&f, c, 30, height);
    draw_axes(page, c, &f);
    clade_page_markup(page, "<g class=\"c1\">\n");
    double base = c->y.logarithmic ? f.y.low : 0;
    for (size_t i = 0; i < count; i++) {
        if (!drawable(&c->y, values[i]) || !drawable(&c->x, edges[i]) ||
            !drawable(&c->x, edges[i + 1]))
            continue;
        double left = clade_scale_at(&f.x, edges[i]), right = clade_scale_at(&f.x, edges[i + 1]);
        double top = clade_scale_at(&f.y, values[i]), bottom = clade_scale_at(&f.y, base);
        clade_page_markup(page,
                          "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                          "height=\"%.1f\"><title>%.6g to %.6g: %.6g</title></rect>\n",
                          left + 0.5, fmin(top, bottom), fmax(right - left - 1, 0.5),
                          fabs(bottom - top), edges[i], edges[i + 1], values[i]);
    }
    clade_page_markup(page, "</g>\n");
    clade_chart_end(page);
}
