/* A call on its numbers as a program in C. */
#ifndef CLADE_CONFORM_PROGRAM_H
#define CLADE_CONFORM_PROGRAM_H

#include "conform/reduce.h"
#include "conform/stage.h"

/* What the program does whatever the call is, from program.in: lines, NULL at the end. */
extern const char *const conform_program_lines[];

/* Writes case.c, the kernels and arrays that are too large for it into `folder`. Errors:
 * EUNSUPPORTED where the call is not of OpenCL's launches alone, and nothing is written then; EIO,
 * ENOMEM. */
clade_status clade_program_write(const conform_stage *stage, const clade_call *call,
                                 const conform_outcome *outcome, const char *folder);

#endif
