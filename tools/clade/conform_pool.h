/* Judges the cases of a plan in child processes, several at a time. */
#ifndef CLADE_TOOLS_CONFORM_POOL_H
#define CLADE_TOOLS_CONFORM_POOL_H

#include "conform_format.h"
#include "conform_plan.h"

typedef struct conform_limits {
    int jobs;       /* number of children at a time; 1 to CONFORM_MOST_JOBS */
    double timeout; /* time limit per case in seconds; 0: none */
    int retries;    /* for a flaky case that fails */
} conform_limits;

enum { CONFORM_MOST_JOBS = 256 };

/* Judges all but the skipped cases; `writer` receives the results in the plan's order. Whatever
 * happens to a child becomes the verdict of its current case; without one it is an error, before
 * which the writer has received all results there are. Errors besides: those of clade_conform_run;
 * EIO. */
clade_status conform_pool_run(const clade_conform_options *options, const conform_plan *plan,
                              const conform_limits *limits, conform_writer *writer,
                              conform_totals *totals);

#endif
