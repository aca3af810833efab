/* Judging the cases of a plan by children, several at a time. */
#ifndef CLADE_TOOLS_CONFORM_POOL_H
#define CLADE_TOOLS_CONFORM_POOL_H

#include "conform_format.h"
#include "conform_plan.h"

typedef struct conform_limits {
    int jobs;       /* children at a time; 1 to CONFORM_MOST_JOBS */
    double timeout; /* seconds that a case may take; 0: any number */
    int retries;    /* of a flaky case that fails */
} conform_limits;

enum { CONFORM_MOST_JOBS = 256 };

/* Judges all cases but the skipped; `writer` gets the results in the plan's order. Whatever a child
 * does is a verdict of the case that it had in hand; with none in hand an error, before which the
 * writer has got all results that there are. Errors besides: those of clade_conform_run; EIO. */
clade_status conform_pool_run(const clade_conform_options *options, const conform_plan *plan,
                              const conform_limits *limits, conform_writer *writer,
                              conform_totals *totals);

#endif
