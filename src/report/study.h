/* What the parts of a study's page share. */
#ifndef CLADE_REPORT_STUDY_H
#define CLADE_REPORT_STUDY_H

#include <clade/tune.h>

#include "report/chart.h"

typedef struct clade_study_view {
    const clade_study_trial *trial;
    size_t count;
    const clade_study_trial *best; /* NULL: none */
    const clade_tunable *parameter;
    size_t parameters;
    const char *objective; /* its name */
    bool low_is_good;
    const char *cost; /* NULL: none */
} clade_study_view;

/* Writes a parameter's value as text; "–" if it is inactive. */
void clade_study_value(const clade_tunable *p, double value, char text[64]);
/* Adds parallel coordinates: a line per done trial across one axis per parameter, the objective
 * last. */
void clade_chart_parallel(clade_page *page, const clade_study_view *view);

/* Adds the objective over the cost: the front, and the other trials below it. */
clade_status clade_chart_front(clade_page *page, const clade_study_view *view);

#endif
