/* A run's curves. */
#include "report/curves.h"

#include "base/locale.h"

/* Training and validation of a quantity, the best epoch marked. */
static void add_pair(clade_page *page, const report_run *run, clade_chart chart,
                     report_column train, report_column validation)
{
    bool validates = clade_report_run_validates(run);
    size_t best = clade_report_run_best(run);
    chart.x = (clade_axis){.title = "epoch", .integer = true};
    chart.ends = true;
    const clade_series series[] = {
        {.name = "training",
         .y = run->column[train],
         .count = run->epochs,
         .mark = validates ? 0 : best},
        {.name = "validation", .y = run->column[validation], .count = run->epochs, .mark = best}};
    clade_chart_lines(page, &chart, series, validates ? 2 : 1);
}

static void add_loss(clade_page *page, const report_run *run, int32_t left)
{
    add_pair(page, run,
             (clade_chart){.title = "Loss",
                           .left = left,
                           .y = {.zero = true},
                           .description = "The loss by epoch; the best epoch is marked."},
             REPORT_LOSS, REPORT_VAL_LOSS);
}

static void add_accuracy(clade_page *page, const report_run *run, int32_t left)
{
    add_pair(page, run,
             run->task == CLADE_TASK_REGRESSION
                 ? (clade_chart){.title = "Mean absolute error",
                                 .left = left,
                                 .y = {.zero = true},
                                 .description = "By epoch; the best epoch is marked."}
                 : (clade_chart){.title = "Accuracy",
                                 .left = left,
                                 .description = "The accuracy by epoch; the best epoch is marked."},
             REPORT_ACCURACY, REPORT_VAL_ACCURACY);
}

/* What validation alone measures. */
static void add_more(clade_page *page, const report_run *run)
{
    static const char *const titles[] = {[CLADE_TASK_CLASS] = "",
                                         [CLADE_TASK_MULTI_LABEL] = "Mean average precision",
                                         [CLADE_TASK_REGRESSION] = "R²",
                                         [CLADE_TASK_ORDINAL] = "Mean distance of classes"};
    const clade_chart chart = {.title = titles[run->task],
                               .description = "By epoch; the best epoch is marked.",
                               .ends = true,
                               .x = {.title = "epoch", .integer = true}};
    const clade_series series = {.name = "validation",
                                 .y = run->column[REPORT_VAL_MORE],
                                 .count = run->epochs,
                                 .mark = clade_report_run_best(run)};
    clade_chart_lines(page, &chart, &series, 1);
}

static void add_one(clade_page *page, const report_run *run, const char *title,
                    report_column column)
{
    const clade_chart chart = {
        .title = title, .y = {.zero = true}, .x = {.title = "epoch", .integer = true}};
    const clade_series series = {.y = run->column[column], .count = run->epochs};
    clade_chart_lines(page, &chart, &series, 1);
}

void clade_report_add_curves(clade_page *page, const report_run *run)
{
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    if (run->task != CLADE_TASK_CLASS && clade_report_run_validates(run)) add_more(page, run);
    add_accuracy(page, run, 0);
    add_loss(page, run, 0);
    add_one(page, run, "Learning rate at the epoch's end", REPORT_LR);
    add_one(page, run, "Images per second", REPORT_SPEED);
    clade_page_grid_end(page);
}

clade_status clade_report_write_curves(const report_run *run, const char *path)
{
    CLADE_PLAIN_NUMBERS;
    clade_page sheet = {0};
    clade_chart_sheet_begin(&sheet, clade_recipe_name(run->recipe), 2 * CLADE_CHART_WIDTH,
                            CLADE_CHART_HEIGHT);
    add_accuracy(&sheet, run, 0);
    add_loss(&sheet, run, CLADE_CHART_WIDTH);
    return clade_page_write(&sheet, path);
}
