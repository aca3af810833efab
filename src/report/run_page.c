/* report.html: what a run folder says, and what the classifier makes of images. */
#include "base/file.h"
#include "base/locale.h"
#include "report/curves.h"
#include "report/predictions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { reload_seconds = 5, most_matrix = 50, few_classes = 10 };

/* A share, or a number of any size. */
static void tile_score(clade_page *page, const char *label, double score, bool number)
{
    if (!isnan(score))
        clade_page_tile(page, label, number ? "%.4g" : "%.2f %%", number ? score : 100 * score);
}

/* When, with what and on what data the run was trained. */
static void add_origin(clade_page *page, const report_run *run)
{
    static const char *const keys[] = {"train", "validation", "test"};
    static const char *const names[] = {"training", "validation", "test"};
    enum { most_names = 20 };
    const char *date = clade_report_text(run, NULL, "date");
    const char *path = clade_report_text(run, "data", "path");
    const size_t classes = clade_report_classes(run);
    bool first = true;
    clade_page_markup(page, "<p>");
    if (strlen(date) >= sizeof "2026-01-01T00:00" - 1)
        clade_page_text(page, "%.10s %.5s UTC. ", date, date + 11);
    clade_page_text(
        page, "Clade %s, seed %.0f, on %s, %s, %s math.",
        clade_report_text(run, NULL, "clade_version"), clade_report_number(run, NULL, "seed"),
        clade_report_text(run, "device", "name"), clade_report_text(run, "device", "driver"),
        clade_report_text(run, "device", "math"));
    clade_page_markup(page, "</p>\n<p>Data: ");
    if (*path) clade_page_text(page, "%s; ", path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double count = clade_report_number(run, "data", keys[i]);
        if (isnan(count)) continue;
        clade_page_text(page, "%s%.0f %s", first ? "" : ", ", count, names[i]);
        first = false;
    }
    double left_out = clade_report_number(run, "data", "left_out");
    if (!first) clade_page_text(page, " images");
    if (left_out > 0) clade_page_text(page, ", %.0f files skipped", left_out);
    clade_page_text(page, "%s%zu %s: ", first ? "" : "; ", classes,
                    run->task == CLADE_TASK_REGRESSION ? "targets" : "classes");
    for (size_t i = 0; i < classes && i < most_names; i++)
        clade_page_text(page, "%s%s", i ? ", " : "", clade_report_class(run, i));
    if (classes > most_names) clade_page_text(page, " and %zu more", classes - most_names);
    clade_page_markup(page, ".</p>\n");
}

static void add_head(clade_page *page, const report_run *run)
{
    size_t best = clade_report_run_best(run), last = run->epochs;
    bool validates = clade_report_run_validates(run);
    clade_page_grid_begin(page, CLADE_GRID_TILES);
    clade_page_tile(page, "epochs", "%zu of %d", run->epochs,
                    clade_recipe_training(run->recipe)->epochs);
    if (last) {
        double seconds = 0;
        for (size_t i = 0; i < last; i++) seconds += run->column[REPORT_SECONDS][i];
        const report_column score = clade_report_run_score(run);
        const bool numbers = run->task == CLADE_TASK_REGRESSION;
        const char *name = numbers                    ? validates ? "validation loss" : "loss"
                           : score == REPORT_VAL_MORE ? "validation mAP"
                           : validates                ? "validation accuracy"
                                                      : "accuracy";
        char label[64];
        snprintf(label, sizeof label, "best %s, epoch %zu", name, best);
        tile_score(page, label, run->column[score][best - 1], numbers);
        snprintf(label, sizeof label, "last %s", name);
        tile_score(page, label, run->column[score][last - 1], numbers);
        tile_score(page, numbers ? "last training mean absolute error" : "last training accuracy",
                   run->column[REPORT_ACCURACY][last - 1], numbers);
        clade_page_tile(page, "training", "%.0f s", seconds);
        clade_page_tile(page, "images per second", "%.0f", run->column[REPORT_SPEED][last - 1]);
        clade_page_tile(page, "parameters", "%.0f",
                        clade_report_number(run, "parameters", "trained") +
                            clade_report_number(run, "parameters", "fixed"));
        clade_page_tile(page, "device", "%s", clade_report_text(run, "device", "id"));
    }
    clade_page_grid_end(page);
    if (!last) {
        clade_page_paragraph(page, "No epoch has ended yet.");
        return;
    }
    add_origin(page, run);
}

/* The last epoch's confusion matrix as metrics.json has it, [true][predicted], to be freed; NULL:
 * there is none, or no memory for it. */
static double *read_confusion(clade_page *page, const report_run *run, size_t n)
{
    const cJSON *split = cJSON_GetObjectItemCaseSensitive(run->metrics, "validation");
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(split, "confusion"), *row, *cell;
    size_t i = 0;
    if (!cJSON_IsArray(rows) || n < 2 || (size_t)cJSON_GetArraySize(rows) != n) return NULL;
    double *values = calloc(n * n, sizeof *values);
    if (!values && !page->status)
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for a confusion matrix");
    if (!values) return NULL;
    cJSON_ArrayForEach(row, rows)
    {
        size_t end = i / n * n + n;
        cJSON_ArrayForEach(cell, row) if (i < end) values[i++] =
            cJSON_IsNumber(cell) ? cell->valuedouble : 0;
        i = end;
    }
    return values;
}

static void add_matrix(clade_page *page, const report_run *run, size_t n, const double *values)
{
    static const clade_chart chart = {
        .title = "Confusion matrix of the validation images, last epoch",
        .description =
            "Each row is a true class, each column a predicted class; per cent of the row.",
        .x = {.title = "predicted"},
        .y = {.title = "true"}};
    const char **names = calloc(n, sizeof *names);
    if (!names) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for a confusion matrix");
        return;
    }
    for (size_t c = 0; c < n; c++) names[c] = clade_report_class(run, c);
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    clade_chart_heat(page, &chart, names, n, names, n, values);
    clade_page_grid_end(page);
    free(names);
}

/* The pairs of classes that are mixed up most: a matrix of many classes is hard to read. */
static void add_confusions(clade_page *page, const report_run *run, size_t n, const double *values)
{
    static const clade_column columns[] = {
        {"class", false}, {"mistaken for", false}, {"images", true}, {"of the class", true}};
    enum { listed = 12 };
    size_t list[listed], count = 0;
    for (size_t i = 0; i < n * n; i++) {
        if (i / n == i % n || !(values[i] > 0)) continue;
        size_t at = count;
        while (at > 0 && values[list[at - 1]] < values[i]) at--;
        if (at == listed) continue;
        if (count < listed) count++;
        memmove(list + at + 1, list + at, (count - at - 1) * sizeof *list);
        list[at] = i;
    }
    if (!count) return;
    clade_page_table_begin(page, "Most frequent confusions", columns,
                           sizeof columns / sizeof *columns);
    for (size_t k = 0; k < count; k++) {
        const double *row = values + list[k] / n * n;
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += row[j];
        clade_page_cell(page, "%s", clade_report_class(run, list[k] / n));
        clade_page_cell(page, "%s", clade_report_class(run, list[k] % n));
        clade_page_cell(page, "%.0f", values[list[k]]);
        clade_page_cell(page, "%.1f %%", 100 * values[list[k]] / sum);
    }
    clade_page_table_end(page);
}

static void add_confusion(clade_page *page, const report_run *run)
{
    const size_t n = clade_report_classes(run);
    double *values = read_confusion(page, run, n);
    if (!values) return;
    if (n <= most_matrix) add_matrix(page, run, n, values);
    if (n > few_classes) add_confusions(page, run, n, values);
    free(values);
}

static void add_scores(clade_page *page, const report_run *run)
{
    static const char *const keys[] = {"map", "accuracy", "precision", "recall", "f1", "micro_f1",
                                       "auc", "top_k",    "mse",       "mae",    "r2"};
    static const char *const names[] = {"mAP",
                                        "accuracy",
                                        "precision",
                                        "recall",
                                        "F1",
                                        "micro F1",
                                        "AUC",
                                        "in the top k",
                                        "mean squared error",
                                        "mean absolute error",
                                        "R²"};
    const bool numbers = run->task == CLADE_TASK_REGRESSION;
    if (!clade_report_run_validates(run)) return;
    clade_page_section(page, "Validation");
    clade_page_grid_begin(page, CLADE_GRID_TILES);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = clade_report_number(run, "validation", keys[i]);
        if (!isnan(value)) clade_page_tile(page, names[i], numbers ? "%.5g" : "%.4f", value);
    }
    clade_page_grid_end(page);
    add_confusion(page, run);
}

static void add_model(clade_page *page, const report_run *run)
{
    static const clade_column columns[] = {
        {"layer", false}, {"type", false}, {"output", false}, {"parameters", true}};
    clade_graph *graph = NULL;
    int32_t classes = (int32_t)clade_report_classes(run);
    clade_status status = clade_recipe_graph(run->recipe, classes, &graph);
    clade_page_section(page, "Model");
    if (status) { /* as where a backbone's file is not at hand */
        clade_page_paragraph(page, "%s", clade_error());
        return;
    }
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (int32_t i = 0; i < clade_graph_layers(graph); i++) {
        int32_t dim[3], rank = clade_graph_shape(graph, i, dim);
        uint64_t trained, fixed;
        clade_graph_parameters(graph, i, &trained, &fixed);
        const clade_layer *layer = clade_graph_layer(graph, i);
        clade_page_cell(page, "%s", layer->name);
        clade_page_cell(page, "%s", clade_layer_type(layer->kind));
        if (rank == 3)
            clade_page_cell(page, "%d × %d × %d", dim[0], dim[1], dim[2]);
        else if (rank == 2)
            clade_page_cell(page, "%d × %d", dim[0], dim[1]);
        else
            clade_page_cell(page, "%d", dim[0]);
        clade_page_cell(page, "%llu", (unsigned long long)(trained + fixed));
    }
    clade_page_table_end(page);
    clade_graph_destroy(&graph);
}

/* The parts that need the classifier and images. */
static clade_status add_predictions(clade_page *page, const report_run *run,
                                    const clade_report_options *options)
{
    static const char *const splits[] = {"training", "validation", "test"};
    report_predictions r;
    clade_status status = clade_report_predict(options->classifier, options->dataset, &r);
    if (status) return status;
    clade_page_section(page, "Predictions");
    clade_page_paragraph(
        page, "Of the %zu images of the %s split, with the weights of epoch %zu, the best.",
        r.count, splits[r.split], clade_report_run_best(run));
    clade_report_add_scores(page, &r);
    status = clade_report_add_images(page, &r);
    clade_report_predictions_clear(&r);
    return status;
}

static clade_status write_page(const report_run *run, const clade_report_options *options,
                               const char *path)
{
    clade_page page = {0};
    clade_status status = CLADE_OK;
    clade_page_begin(&page, clade_recipe_name(run->recipe), options->running ? reload_seconds : 0);
    add_head(&page, run);
    if (run->epochs) {
        clade_report_add_curves(&page, run);
        add_scores(&page, run);
    }
    if (options->classifier && options->dataset) {
        status = add_predictions(&page, run, options);
    } else if (options->no_images) {
        clade_page_section(&page, "Predictions");
        clade_page_paragraph(&page, "No images: %s", options->no_images);
    }
    add_model(&page, run);
    clade_page_section(&page, "Recipe");
    clade_page_listing(&page, clade_recipe_text(run->recipe));
    if (!status) return clade_page_write(&page, path);
    clade_page_clear(&page);
    return status;
}

clade_status clade_report_write(const char *folder, const clade_report_options *options)
{
    CLADE_PLAIN_NUMBERS;
    static const clade_report_options defaults = {0};
    report_run run;
    clade_status status = clade_report_run_open(folder, &run);
    if (status) return status;
    char *page = clade_string_join(folder, "/report.html");
    char *curves = clade_string_join(folder, "/curves.svg");
    if (!page || !curves) status = clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) status = write_page(&run, options ? options : &defaults, page);
    if (!status && run.epochs) status = clade_report_write_curves(&run, curves);
    free(page);
    free(curves);
    clade_report_run_close(&run);
    return status;
}
