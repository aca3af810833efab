/* What all charts are made of: frame, scale, ticks, numbers and texts. */
#include "report/chart.h"

#include "report/style.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_chart_sheet_begin(clade_page *page, const char *title, int32_t width, int32_t height)
{
    *page = (clade_page){.sheet = true};
    clade_page_markup(page,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" "
                      "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>",
                      (int)width, (int)height, (int)width, (int)height);
    clade_page_text(page, "%s", title);
    clade_page_markup(page, "</title>\n<style>\n");
    for (const char *const *line = clade_chart_style; *line; line++)
        clade_page_markup(page, "%s\n", *line);
    clade_page_markup(page, "</style>\n<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n",
                      (int)width, (int)height);
}

void clade_chart_begin(clade_page *page, const clade_chart *chart, int32_t height)
{
    unsigned id = ++page->chart_count;
    clade_page_markup(
        page,
        "<svg class=\"chart\" role=\"img\" aria-labelledby=\"t%u d%u\" x=\"%d\" "
        "y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<title id=\"t%u\">",
        id, id, (int)chart->left, (int)chart->top, CLADE_CHART_WIDTH, (int)height,
        CLADE_CHART_WIDTH, (int)height, id);
    clade_page_text(page, "%s", chart->title);
    clade_page_markup(page, "</title><desc id=\"d%u\">", id);
    clade_page_text(page, "%s", chart->description ? chart->description : chart->title);
    clade_page_markup(page, "</desc>\n<text class=\"title\" x=\"4\" y=\"16\">");
    clade_page_text(page, "%s", chart->title);
    clade_page_markup(page, "</text>\n");
}

void clade_chart_end(clade_page *page) { clade_page_markup(page, "</svg>\n"); }

double clade_scale_at(const clade_scale *s, double value)
{
    double low = s->low, high = s->high;
    if (s->logarithmic) {
        low = log10(low);
        high = log10(high);
        value = log10(value);
    }
    return s->first + (value - low) / (high - low) * (s->last - s->first);
}

/* The least of 1, 2, 5 times a power of ten that is not below `value`. */
static double round_up(double value)
{
    double power = pow(10, floor(log10(value)));
    static const double steps[] = {1, 2, 5, 10};
    for (int i = 0; i < 3; i++)
        if (steps[i] * power >= value * (1 - 1e-9)) return steps[i] * power;
    return 10 * power;
}

static size_t logarithmic_ticks(const clade_scale *s, size_t room, double *ticks)
{
    int from = (int)ceil(log10(s->low) - 1e-9), to = (int)floor(log10(s->high) + 1e-9);
    size_t n = 0;
    if (to - from >= 2) { /* decades, some left out where there are many */
        int step = (to - from) / (int)room + 1;
        for (int e = from; e <= to && n < room; e += step) ticks[n++] = pow(10, e);
        return n;
    }
    static const double digits[] = {1, 2, 5};
    for (int e = from - 1; e <= to; e++)
        for (int i = 0; i < 3 && n < room; i++) {
            double value = digits[i] * pow(10, e);
            if (value >= s->low * (1 - 1e-9) && value <= s->high * (1 + 1e-9)) ticks[n++] = value;
        }
    if (n == 0) ticks[n++] = s->low;
    return n;
}

size_t clade_scale_ticks(const clade_scale *s, bool integer, size_t room, double ticks[CLADE_TICKS])
{
    if (room < 2) room = 2;
    if (room > CLADE_TICKS) room = CLADE_TICKS;
    if (s->logarithmic) return logarithmic_ticks(s, room, ticks);
    double step = round_up((s->high - s->low) / (double)(room - 1));
    if (integer && step < 1) step = 1;
    size_t n = 0;
    double first = ceil(s->low / step - 1e-9);
    for (double i = first; i * step <= s->high + 1e-9 * step && n < room; i++)
        ticks[n++] = i * step + 0.0; /* never -0 */
    if (n == 0) ticks[n++] = s->low;
    return n;
}

void clade_chart_number(double value, char text[32])
{
    double size = fabs(value);
    if (size == 0) value = 0; /* no sign */
    bool plain = size == 0 || (size >= 1e-4 && size < 1e7);
    for (int digits = plain ? 0 : 1; digits <= 6; digits++) {
        if (plain)
            snprintf(text, 32, "%.*f", digits, value);
        else
            snprintf(text, 32, "%.*g", digits, value);
        if (fabs(strtod(text, NULL) - value) <= 1e-9 * size) return;
    }
}

size_t clade_chart_letters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first `most` characters of UTF-8, all of them if there are no more. */
static size_t cut(const char *text, size_t most)
{
    size_t i = 0, n = 0;
    for (; text[i]; i++)
        if ((text[i] & 0xc0) != 0x80 && n++ == most) return i;
    return i;
}

void clade_chart_text(clade_page *page, double x, double y, const char *anchor, const char *text,
                      size_t most)
{
    size_t all = strlen(text), size = most ? cut(text, most) : all;
    bool whole = size == all;
    if (!whole) size = cut(text, most - 1);
    clade_page_markup(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    clade_page_text(page, "%.*s%s", (int)size, text, whole ? "" : "\xe2\x80\xa6");
    if (!whole) {
        clade_page_markup(page, "<title>");
        clade_page_text(page, "%s", text);
        clade_page_markup(page, "</title>");
    }
    clade_page_markup(page, "</text>\n");
}
