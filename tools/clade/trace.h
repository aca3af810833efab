/* The steps of training as lines of JSON, for those who follow it with a program of their own. */
#ifndef CLADE_TOOLS_TRACE_H
#define CLADE_TOOLS_TRACE_H

#include <clade/status.h>
#include <clade/train.h>

#include <stdio.h>

typedef struct trace {
    const char *path; /* NULL: none is written and all below does nothing */
    FILE *file;
} trace;

/* What is in the file stays, so that a run that is resumed goes on with its trace. Errors: EIO. */
clade_status trace_open(trace *t);
/* As an observer of training. */
void trace_step(trace *t, const clade_step *step);
/* Errors: EIO (also of what could not be written before). */
clade_status trace_close(trace *t);

#endif
