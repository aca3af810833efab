/* Pages and charts: escaping, base64, numbers and ticks. Writes page.html and charts.svg into the
 * folder given; page_test.py reads them as a browser would. */
#define _XOPEN_SOURCE 700
#include "report/chart.h"
#include "../test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static void check_text(const char *in, const char *expected)
{
    clade_page page = {0};
    clade_page_text(&page, "%s", in);
    CHECK(page.text ? !strcmp(page.text, expected) : !*expected);
    clade_page_clear(&page);
}

static void check_escaping(void)
{
    check_text("", "");
    check_text("plain", "plain");
    check_text("<script>alert('x & \"y\"')</script>",
               "&lt;script&gt;alert(&#39;x &amp; &quot;y&quot;&#39;)&lt;/script&gt;");
    check_text("Äpfel 猫 🐈", "Äpfel 猫 🐈");
    check_text("a\tb\nc", "a\tb\nc");
    check_text("\x01z\x7f", "\xef\xbf\xbdz\x7f");
    check_text("\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd");                 /* not UTF-8; cut */
    check_text("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* too long a form */
    check_text("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    check_text("\xf4\x90\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    check_text("\xe7\x8c"
               "a",
               "\xef\xbf\xbd\xef\xbf\xbd"
               "a");
}

/* The examples of RFC 4648, section 10. */
static void check_base64(void)
{
    static const char *const text[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const code[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (int i = 0; i < 7; i++) {
        clade_page page = {0};
        clade_page_base64(&page, text[i], strlen(text[i]));
        CHECK(!strcmp(page.text, code[i]));
        clade_page_clear(&page);
    }
    clade_page page = {0};
    clade_page_base64(&page, "\xfb\xff\xfe", 3);
    CHECK(!strcmp(page.text, "+//+"));
    clade_page_clear(&page);
}

static void check_number(double value, const char *expected)
{
    char text[32];
    clade_chart_number(value, text);
    CHECK(!strcmp(text, expected));
}

static void check_ticks(double low, double high, bool integer, bool logarithmic, size_t room,
                        size_t count, double first, double last)
{
    clade_scale scale = {low, high, 0, 100, logarithmic};
    double ticks[CLADE_TICKS];
    size_t n = clade_scale_ticks(&scale, integer, room, ticks);
    CHECK(n == count);
    CHECK(fabs(ticks[0] - first) <= 1e-9 * fabs(first));
    CHECK(fabs(ticks[n - 1] - last) <= 1e-9 * fabs(last));
}

static void check_scales(void)
{
    check_number(0, "0");
    check_number(-0.0, "0");
    check_number(0.25, "0.25");
    check_number(12000, "12000");
    check_number(1e-5, "1e-05");
    check_number(-0.3, "-0.3");
    check_number(2.5e9, "2.5e+09");
    check_ticks(0, 1, false, false, 5, 3, 0, 1);
    check_ticks(-0.1, 0.1, false, false, 5, 5, -0.1, 0.1);
    check_ticks(0, 1, false, false, 6, 6, 0, 1);
    check_ticks(1, 3, true, false, 8, 3, 1, 3);
    check_ticks(1, 25, true, false, 8, 5, 5, 25);
    check_ticks(1e-5, 1, false, true, 8, 6, 1e-5, 1);
    check_ticks(1e-3, 1e-2, false, true, 8, 4, 1e-3, 1e-2);
    clade_scale scale = {1, 100, 0, 50, true};
    CHECK(clade_scale_at(&scale, 10) == 25);
    scale.logarithmic = false;
    CHECK(clade_scale_at(&scale, 100) == 50);
}

static const double loss[] = {0.9, 0.5, NAN, 0.35, 0.3, INFINITY, 0.31};
static const double rate[] = {1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 0, -1};
static const char *const names[] = {"<script>alert(1)</script>", "\"dogs\" & 'cats'", "\xff",
                                    "a name that is much longer than any chart has room for"};

static void add_charts(clade_page *page, int32_t step)
{
    const clade_series curves[] = {
        {.name = "training", .y = loss, .count = 7, .mark = 5},
        {.name = names[0], .y = rate, .count = 7, .style = CLADE_SERIES_DASHED},
        {.name = names[3], .y = loss, .count = 1, .style = CLADE_SERIES_POINTS}};
    clade_chart_lines(page,
                      &(clade_chart){.title = "Loss",
                                     .x = {.title = "epoch", .integer = true},
                                     .y = {.title = "loss", .zero = true}},
                      curves, 3);
    const clade_series steps[] = {{.y = rate, .count = 7, .style = CLADE_SERIES_STEPS}};
    clade_chart_lines(page, &(clade_chart){.title = "Rate", .top = step, .y.logarithmic = true},
                      steps, 1);
    const double nothing[] = {NAN};
    clade_chart_lines(page, &(clade_chart){.title = "Nothing", .top = 2 * step},
                      &(clade_series){.y = nothing, .count = 1}, 1);
    const double counts[] = {10, 0, NAN, 3};
    clade_chart_bars(page, &(clade_chart){.title = "Images of each class", .top = 3 * step}, names,
                     counts, 4);
    const double edges[] = {0, 1, 2, 4}, values[] = {3, 0, 7};
    clade_chart_histogram(page, &(clade_chart){.title = "Sizes", .top = 4 * step}, edges, values,
                          3);
    const double matrix[] = {5, 1, 0, 0, 2, 9, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    clade_chart_heat(
        page,
        &(clade_chart){
            .title = "Confusion", .top = 5 * step, .x.title = "predicted", .y.title = "true"},
        names, 4, names, 4, matrix);
    const double category[] = {0, 2, 3}, objective[] = {0.5, 0.75, 0.7};
    const clade_series points = {
        .x = category, .y = objective, .count = 3, .style = CLADE_SERIES_POINTS, .mark = 2};
    clade_chart_lines(page,
                      &(clade_chart){.title = "Categories",
                                     .top = 6 * step,
                                     .x = {.names = names, .name_count = 4}},
                      &points, 1);
    const double up[] = {0.1, 0.9}, also[] = {0.2, 0.89};
    const clade_series ends[] = {{.y = up, .count = 2}, {.y = also, .count = 2}};
    clade_chart_lines(page, &(clade_chart){.title = "Ends", .top = 7 * step, .ends = true}, ends,
                      2);
}

static void write_page(void)
{
    static uint8_t grey[20 * 30], color[120 * 100 * 3];
    for (size_t i = 0; i < sizeof grey; i++) grey[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof color; i++) color[i] = (uint8_t)(i / 7);
    clade_page page;
    clade_page_begin(&page, "Run <1> & \"more\"", 5);
    clade_page_section(&page, "Charts");
    clade_page_grid_begin(&page, CLADE_GRID_CHARTS);
    add_charts(&page, 0);
    clade_page_grid_end(&page);
    clade_page_section(&page, names[0]);
    clade_page_paragraph(&page, "%s has %d", names[0], 3);
    clade_page_grid_begin(&page, CLADE_GRID_TILES);
    clade_page_tile(&page, names[1], "%.1f %%", 12.5);
    clade_page_grid_end(&page);
    const clade_column columns[] = {{.title = names[0]}, {.title = "count", .number = true}};
    clade_page_table_begin(&page, names[1], columns, 2);
    for (int i = 0; i < 4; i++) {
        clade_page_cell(&page, "%s", names[i]);
        clade_page_cell(&page, "%d", i);
    }
    clade_page_table_end(&page);
    clade_page_listing(&page, "model:\n  - dense: \"<b>\"\n");
    clade_page_grid_begin(&page, CLADE_GRID_IMAGES);
    clade_page_figure_begin(&page);
    clade_page_image(&page, &(clade_pixels){grey, 20, 30, 1}, names[1]);
    clade_page_image(&page, &(clade_pixels){color, 120, 100, 3}, names[2]);
    clade_page_caption_begin(&page);
    clade_page_text(&page, "%s", names[0]);
    clade_page_figure_end(&page);
    clade_page_grid_end(&page);
    CHECK_OK(clade_page_write(&page, "page.html"));
    CHECK(!page.text);
}

static void write_sheet(void)
{
    clade_page page;
    clade_chart_sheet_begin(&page, "All <charts>", CLADE_CHART_WIDTH, 8 * CLADE_CHART_HEIGHT);
    add_charts(&page, CLADE_CHART_HEIGHT);
    CHECK_OK(clade_page_write(&page, "charts.svg"));
}

/* A failure leaves what was there. */
static void check_failure(void)
{
    clade_page page;
    clade_page_begin(&page, "x", 0);
    CHECK_FAILS(clade_page_write(&page, "none/such.html"), CLADE_EIO, "none/such.html");
    CHECK(!page.text && !page.status);
    clade_page_begin(&page, "x", 0);
    page.status = CLADE_ENOMEM; /* as after a failed allocation */
    clade_page_paragraph(&page, "%d", 1);
    CHECK(clade_page_write(&page, "none.html") == CLADE_ENOMEM);
    CHECK(access("none.html", F_OK) != 0);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1])) return 2;
    check_escaping();
    check_base64();
    check_scales();
    write_page();
    write_sheet();
    check_failure();
    return TEST_END();
}
