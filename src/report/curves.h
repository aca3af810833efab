/* A run's curves. */
#ifndef CLADE_REPORT_CURVES_H
#define CLADE_REPORT_CURVES_H

#include "report/chart.h"
#include "report/run.h"

/* Adds loss, accuracy, learning rate and speed by epoch to a page. */
void clade_report_add_curves(clade_page *page, const report_run *run);
/* Writes loss and accuracy side by side to a file. */
clade_status clade_report_write_curves(const report_run *run, const char *path);

#endif
