/* report.html: what a run folder says, and what the classifier makes of images. */
#include "base/file.h"
#include "base/locale.h"
#include "report/curves.h"
#include "report/predictions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { reload_seconds = 5, most_confusion = 50 };

static void tile_percent(clade_page *page, const char *label, double share)
{
    if (!isnan(share)) clade_page_tile(page, label, "%.2f %%", 100 * share);
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
        report_column accuracy = validates ? REPORT_VAL_ACCURACY : REPORT_ACCURACY;
        char label[64];
        snprintf(label, sizeof label, "best %s, epoch %zu",
                 validates ? "validation accuracy" : "accuracy", best);
        tile_percent(page, label, run->column[accuracy][best - 1]);
        tile_percent(page, validates ? "last validation accuracy" : "last accuracy",
                     run->column[accuracy][last - 1]);
        tile_percent(page, "last training accuracy", run->column[REPORT_ACCURACY][last - 1]);
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
    clade_page_paragraph(
        page, "%s, %s, %s math. Clade %s, seed %.0f.", clade_report_text(run, "device", "name"),
        clade_report_text(run, "device", "driver"), clade_report_text(run, "device", "math"),
        clade_report_text(run, NULL, "clade_version"), clade_report_number(run, NULL, "seed"));
}

/* The last epoch's confusion matrix as metrics.json has it. */
static void add_confusion(clade_page *page, const report_run *run)
{
    const cJSON *split = cJSON_GetObjectItemCaseSensitive(run->metrics, "validation");
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(split, "confusion"), *row, *cell;
    size_t n = clade_report_classes(run), i = 0;
    if (!cJSON_IsArray(rows) || n < 2 || n > most_confusion ||
        (size_t)cJSON_GetArraySize(rows) != n)
        return;
    const char **names = calloc(n, sizeof *names);
    double *values = calloc(n * n, sizeof *values);
    if (names && values) {
        for (size_t c = 0; c < n; c++) names[c] = clade_report_class(run, c);
        cJSON_ArrayForEach(row, rows)
        {
            size_t end = i / n * n + n;
            cJSON_ArrayForEach(cell, row) if (i < end) values[i++] =
                cJSON_IsNumber(cell) ? cell->valuedouble : 0;
            i = end;
        }
        static const clade_chart chart = {
            .title = "Confusion matrix of the validation images, last epoch",
            .description = "Each row is a true class, each column what was predicted.",
            .x = {.title = "predicted"},
            .y = {.title = "true"}};
        clade_page_grid_begin(page, CLADE_GRID_CHARTS);
        clade_chart_heat(page, &chart, names, n, names, n, values);
        clade_page_grid_end(page);
    } else if (!page->status) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for a confusion matrix");
    }
    free(names);
    free(values);
}

static void add_scores(clade_page *page, const report_run *run)
{
    static const char *const keys[] = {"accuracy", "precision", "recall", "f1", "auc", "top_k"};
    static const char *const names[] = {"accuracy", "precision", "recall",
                                        "F1",       "AUC",       "among the first k"};
    if (!clade_report_run_validates(run)) return;
    clade_page_section(page, "Validation");
    clade_page_grid_begin(page, CLADE_GRID_TILES);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = clade_report_number(run, "validation", keys[i]);
        if (!isnan(value)) clade_page_tile(page, names[i], "%.4f", value);
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
        page, "Of the %zu images of the %s split, by the weights of epoch %zu, the best.", r.count,
        splits[r.split], clade_report_run_best(run));
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
