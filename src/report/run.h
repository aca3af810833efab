/* Reading a run folder. */
#ifndef CLADE_REPORT_RUN_H
#define CLADE_REPORT_RUN_H

#include <clade/train.h>

#include <cjson/cJSON.h>

/* Columns of history.csv. */
typedef enum report_column {
    REPORT_EPOCH,
    REPORT_LOSS,
    REPORT_ACCURACY, /* REGRESSION: the mean absolute error */
    REPORT_VAL_LOSS,
    REPORT_VAL_ACCURACY,
    REPORT_LR,
    REPORT_SECONDS,
    REPORT_SPEED,    /* images per second */
    REPORT_VAL_MORE, /* several labels: mAP; numbers: R²; ordered classes: the mean absolute error;
                      * else NaN */
    REPORT_COLUMNS
} report_column;

typedef struct report_run {
    char *folder;
    clade_recipe *recipe;
    clade_task task;                /* determined by the history's columns */
    size_t epochs;                  /* rows of the history */
    double *column[REPORT_COLUMNS]; /* NaN: an empty field */
    cJSON *metrics;                 /* of the last epoch; NULL: no epoch yet */
} report_run;

/* Reads a run folder. Zeroed runs may be closed. Errors: EIO; EFORMAT with file and line. */
clade_status clade_report_run_open(const char *folder, report_run *out);
void clade_report_run_close(report_run *run);

/* Reads the text of a history, which it changes, into the columns; `path` is for messages. Errors:
 * EFORMAT, with the line. */
clade_status clade_report_read_history(report_run *run, char *text, const char *path);

/* Returns whether the run has a validation split. */
bool clade_report_run_validates(const report_run *run);
/* Returns the column by which epochs are judged: validation mAP or accuracy, without such a split
 * accuracy; for numbers the loss, where lower is better. */
report_column clade_report_run_score(const report_run *run);
/* Returns the best epoch, from 1: the highest validation score, in a tie the lowest loss (without a
 * validation split: the lowest loss); 0: no epoch has ended. */
size_t clade_report_run_best(const report_run *run);

/* Read OBJECT.KEY of metrics.json (object NULL: KEY) as a number, NaN if missing, and as text, ""
 * if missing. */
double clade_report_number(const report_run *run, const char *object, const char *key);
const char *clade_report_text(const report_run *run, const char *object, const char *key);
/* The class names of metrics.json. */
size_t clade_report_classes(const report_run *run);
const char *clade_report_class(const report_run *run, size_t i);

#endif
