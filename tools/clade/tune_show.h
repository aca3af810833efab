/* What `clade tune` shows: a live table on a terminal, one line per trial elsewhere, JSON. */
#ifndef CLADE_TOOLS_TUNE_SHOW_H
#define CLADE_TOOLS_TUNE_SHOW_H

#include <clade/tune.h>

typedef struct tune_show {
    const clade_study *study;
    bool json, quiet, terminal;
    size_t trials;
    size_t number; /* of the trial under way */
    bool resumed;
    int32_t until;
    int32_t run; /* of it, from 0 */
    double best; /* of the run under way; NaN: none */
} tune_show;

/* Of json and quiet at most one. */
void tune_show_start(tune_show *show, const clade_study *study, bool json, bool quiet,
                     size_t trials);
/* A trial begins or is taken up. */
void tune_show_trial(tune_show *show, const clade_study_job *job);
/* A line of `clade train --json`. */
void tune_show_epoch(tune_show *show, const char *line);
/* The trial has ended; the study is up to date. */
void tune_show_result(tune_show *show);
/* Is any trial done? */
bool tune_show_end(tune_show *show, const char *folder);
/* All trials as a table, or as a line of JSON each. */
void tune_show_list(const clade_study *study, bool json);

#endif
