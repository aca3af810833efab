/* The page of an inspection. */
#define _POSIX_C_SOURCE 200809L
#include <clade/inspect.h>

#include "report/chart.h"
#include "base/locale.h"
#include "report/inspect_images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    listed_files = 200, /* rows of a table of files */
    scattered = 2000    /* points of sizes, at most about so many */
};

/* What the sections share. */
typedef struct page_writer {
    clade_page page;
    const clade_inspection *in;
} page_writer;

static const char *size_text(double bytes, char text[32])
{
    if (bytes < 10e3)
        snprintf(text, 32, "%.0f bytes", bytes);
    else if (bytes < 10e6)
        snprintf(text, 32, "%.0f kB", bytes / 1e3);
    else
        snprintf(text, 32, "%.1f MB", bytes / 1e6);
    return text;
}

static void add_head(page_writer *w)
{
    const clade_inspection *in = w->in;
    clade_page *page = &w->page;
    char text[32];
    clade_page_grid_begin(page, CLADE_GRID_TILES);
    clade_page_tile(page, "images", "%zu", in->count - in->unreadable);
    clade_page_tile(page, "classes", "%zu", in->classes);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        size_t n = clade_dataset_count(in->dataset, (clade_split)s);
        if (n) clade_page_tile(page, clade_inspect_splits[s], "%zu", n);
    }
    clade_page_tile(page, "of files", "%s", size_text((double)in->bytes, text));
    clade_page_tile(page, "groups of equal files", "%zu", in->exact_groups);
    clade_page_tile(page, "pairs of near duplicates", "%zu%s",
                    in->duplicate_count - in->exact_count, in->more ? " or more" : "");
    clade_page_tile(page, "damaged", "%zu", in->damaged);
    if (in->unreadable > in->damaged)
        clade_page_tile(page, "cannot be read", "%zu", in->unreadable - in->damaged);
    clade_page_grid_end(page);
    if (in->finding_count == 0) return;
    clade_page_markup(page, "<ul>\n");
    for (size_t i = 0; i < in->finding_count; i++) {
        clade_page_markup(page, "<li%s>", in->findings[i].serious ? " class=\"bad\"" : "");
        clade_page_text(page, "%s", in->findings[i].text);
        clade_page_markup(page, "</li>\n");
    }
    clade_page_markup(page, "</ul>\n");
}

static void add_classes(page_writer *w)
{
    const clade_inspection *in = w->in;
    const char **names = malloc(in->classes * sizeof *names);
    double *values = malloc(in->classes * sizeof *values);
    clade_page_section(&w->page, "Classes");
    clade_page_grid_begin(&w->page, CLADE_GRID_CHARTS);
    for (size_t s = 0; s < CLADE_SPLITS && names && values; s++) {
        if (clade_dataset_count(in->dataset, (clade_split)s) == 0) continue;
        for (size_t c = 0; c < in->classes; c++) {
            names[c] = clade_dataset_class_name(in->dataset, c);
            values[c] = (double)in->readable[s * in->classes + c];
        }
        const clade_chart chart = {.title = clade_inspect_splits[s],
                                   .description = "Images of each class.",
                                   .x = {.title = "images", .integer = true}};
        clade_chart_bars(&w->page, &chart, names, values, in->classes);
    }
    clade_page_grid_end(&w->page);
    free(names);
    free(values);
}

/* Bars between powers of two. */
static void add_bins(page_writer *w, const char *title, const char *unit,
                     const size_t bins[CLADE_INSPECT_BINS])
{
    double edges[CLADE_INSPECT_BINS + 1], values[CLADE_INSPECT_BINS];
    int first = 0, last = CLADE_INSPECT_BINS - 1;
    while (first < last && !bins[first]) first++;
    while (last > first && !bins[last]) last--;
    for (int i = first; i <= last; i++) {
        edges[i - first] = (double)(1ull << i);
        values[i - first] = (double)bins[i];
    }
    edges[last - first + 1] = (double)(2ull << last);
    const clade_chart chart = {.title = title,
                               .description = "Images between powers of two.",
                               .x = {.title = unit, .logarithmic = true},
                               .y = {.title = "images", .integer = true}};
    clade_chart_histogram(&w->page, &chart, edges, values, (size_t)(last - first + 1));
}

/* Width against height of every so many-th image. */
static void add_scatter(page_writer *w)
{
    const clade_inspection *in = w->in;
    double *x = malloc(in->count * sizeof *x), *y = malloc(in->count * sizeof *y);
    size_t n = 0, step = 1 + in->count / scattered;
    for (size_t i = 0; i < in->count && x && y; i += step) {
        if (in->images[i].fault) continue;
        x[n] = in->images[i].width;
        y[n++] = in->images[i].height;
    }
    const clade_series points = {.x = x, .y = y, .count = n, .style = CLADE_SERIES_POINTS};
    const clade_chart chart = {.title = "Width and height",
                               .description = "A point for each image.",
                               .x = {.title = "width, pixels", .integer = true},
                               .y = {.title = "height, pixels", .integer = true}};
    if (n) clade_chart_lines(&w->page, &chart, &points, 1);
    free(x);
    free(y);
}

static void add_counts(page_writer *w, const char *caption, const char *what,
                       const clade_inspect_count *list, size_t n, size_t most)
{
    const clade_column columns[] = {{what, false}, {"images", true}};
    if (n == 0) return;
    clade_page_table_begin(&w->page, caption, columns, 2);
    for (size_t i = 0; i < n && i < most; i++) {
        clade_page_cell(&w->page, "%s", list[i].name);
        clade_page_cell(&w->page, "%zu", list[i].count);
    }
    clade_page_table_end(&w->page);
    if (n > most) clade_page_paragraph(&w->page, "and %zu more", n - most);
}

static void add_orientations(page_writer *w)
{
    const clade_column columns[] = {{"EXIF orientation", false}, {"images", true}};
    bool turned = false;
    for (int i = 2; i < 9; i++) turned |= w->in->orientations[i] > 0;
    if (!turned) return;
    clade_page_table_begin(&w->page, NULL, columns, 2);
    for (int i = 1; i < 9; i++) {
        if (!w->in->orientations[i]) continue;
        clade_page_cell(&w->page, "%d%s", i, i == 1 ? " (upright)" : "");
        clade_page_cell(&w->page, "%zu", w->in->orientations[i]);
    }
    clade_page_table_end(&w->page);
}

static void add_sizes(page_writer *w)
{
    const clade_inspection *in = w->in;
    clade_page_section(&w->page, "Sizes and formats");
    if (in->count == in->unreadable) return;
    clade_page_grid_begin(&w->page, CLADE_GRID_CHARTS);
    if (in->size_count > 1) {
        add_bins(w, "Longer side", "pixels", in->side_bins);
        add_scatter(w);
    }
    if (in->file_bytes.low < in->file_bytes.high)
        add_bins(w, "Sizes of files", "bytes", in->byte_bins);
    clade_page_grid_end(&w->page);
    add_counts(w, NULL, "format", in->formats, in->format_count, SIZE_MAX);
    add_counts(w, in->size_count > 10 ? "The most frequent sizes" : NULL, "width × height",
               in->sizes, in->size_count, 10);
    add_orientations(w);
}

static void add_channels(page_writer *w)
{
    static const char *const names[] = {"red", "green", "blue"};
    static const clade_column columns[] = {{"channel", false}, {"mean", true}, {"deviation", true}};
    clade_page_section(&w->page, "Values");
    clade_page_paragraph(&w->page,
                         "From 0 to 1, over the %s split; all images have the same weight.",
                         clade_inspect_splits[w->in->measured]);
    clade_page_table_begin(&w->page, NULL, columns, 3);
    for (int k = 0; k < w->in->channels; k++) {
        clade_page_cell(&w->page, "%s", w->in->channels == 1 ? "grey" : names[k]);
        clade_page_cell(&w->page, "%.4f", w->in->mean[k]);
        clade_page_cell(&w->page, "%.4f", w->in->deviation[k]);
    }
    clade_page_table_end(&w->page);
}

/* --- what is wrong with single files --- */

static void add_file(page_writer *w, size_t *n, const char *name, const char *reason)
{
    if ((*n)++ >= listed_files) return;
    clade_page_cell(&w->page, "%s", name);
    clade_page_cell(&w->page, "%s", reason);
}

static void add_faults(page_writer *w)
{
    static const clade_column columns[] = {{"file", false}, {"reason", false}};
    const clade_inspection *in = w->in;
    size_t skipped = clade_dataset_skipped(in->dataset), n = 0;
    if (in->unreadable + in->single_coloured + skipped == 0) return;
    clade_page_section(&w->page, "Files");
    clade_page_table_begin(&w->page, NULL, columns, 2);
    for (size_t i = 0; i < in->count; i++)
        if (in->images[i].fault) add_file(w, &n, in->images[i].name, in->images[i].fault);
    for (size_t i = 0; i < in->count; i++)
        if (in->images[i].single_colour) add_file(w, &n, in->images[i].name, "of a single colour");
    for (size_t i = 0; i < skipped; i++)
        add_file(w, &n, clade_dataset_skipped_name(in->dataset, i),
                 clade_dataset_skipped_reason(in->dataset, i));
    clade_page_table_end(&w->page);
    if (n > listed_files) clade_page_paragraph(&w->page, "and %zu more", n - listed_files);
}

clade_status clade_inspection_write(const clade_inspection *in, const clade_inspect_page *options,
                                    const char *path)
{
    CLADE_PLAIN_NUMBERS;
    static const clade_inspect_page defaults;
    if (!options) options = &defaults;
    if (!in || !path) return clade_fail(CLADE_EINVAL, "no inspection to write, or no path");
    if (options->recipe && !options->device)
        return clade_fail(CLADE_EINVAL, "a page with augmented images needs a device");
    page_writer w = {.in = in};
    clade_page_begin(&w.page, options->title ? options->title : "Data set", 0);
    add_head(&w);
    add_classes(&w);
    add_sizes(&w);
    add_channels(&w);
    clade_inspect_images(&w.page, in, options);
    add_faults(&w);
    return clade_page_write(&w.page, path);
}
