/* The output of `clade tune`: a live table on a terminal, one line per trial elsewhere, JSON. */
#ifndef CLADE_TOOLS_TUNE_SHOW_H
#define CLADE_TOOLS_TUNE_SHOW_H

#include <clade/tune.h>

typedef struct tune_show {
    const clade_study *study;
    bool json, quiet, terminal;
    size_t trials;
    size_t number; /* of the current trial */
    bool resumed;
    int32_t until;
    int32_t run; /* of the trial, from 0 */
    double best; /* of the current run; NaN: none */
} tune_show;

/* At most one of json and quiet may be set. */
void tune_show_start(tune_show *show, const clade_study *study, bool json, bool quiet,
                     size_t trials);
/* A trial begins or is continued. */
void tune_show_trial(tune_show *show, const clade_study_job *job);
/* A line of `clade train --json`. */
void tune_show_epoch(tune_show *show, const char *line);
/* The trial has ended; the study is up to date. */
void tune_show_result(tune_show *show);
/* Prints the result; returns whether any trial is done. */
bool tune_show_end(tune_show *show, const char *folder);
/* Prints all trials as a table, or as a line of JSON each. */
void tune_show_list(const clade_study *study, bool json);

#endif
