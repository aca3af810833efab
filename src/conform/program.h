/* Writes a call with its data as a program in C. */
#ifndef CLADE_CONFORM_PROGRAM_H
#define CLADE_CONFORM_PROGRAM_H

#include "conform/reduce.h"
#include "conform/stage.h"

/* The part of the program that is the same for all calls, from program.in: lines, ended by NULL. */
extern const char *const conform_program_lines[];

/* Writes case.c, the kernels, and arrays that are too large for it into `folder`. Errors:
 * EUNSUPPORTED if the call does not consist of OpenCL launches alone, in which case nothing is
 * written; EIO, ENOMEM. */
clade_status clade_program_write(const conform_stage *stage, const clade_call *call,
                                 const conform_outcome *outcome, const char *folder);

#endif
