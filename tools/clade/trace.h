/* The steps of training as lines of JSON, for programs that follow it. */
#ifndef CLADE_TOOLS_TRACE_H
#define CLADE_TOOLS_TRACE_H

#include <clade/status.h>
#include <clade/train.h>

#include <stdio.h>

typedef struct trace {
    const char *path; /* NULL: nothing is written and the functions below do nothing */
    FILE *file;
} trace;

/* Opens the file for appending, so that a resumed run continues its trace. Errors: EIO. */
clade_status trace_open(trace *t);
/* An observer of training. */
void trace_step(trace *t, const clade_step *step);
/* Closes the file. Errors: EIO (also from earlier writes). */
clade_status trace_close(trace *t);

#endif
