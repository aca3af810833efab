/* Commands that an MPI launcher starts several times. */
#ifndef CLADE_TOOLS_TOGETHER_H
#define CLADE_TOOLS_TOGETHER_H

#include <clade/ranks.h>

#include <stdbool.h>

/* Joins the other ranks, if there are any; from then on only the first one writes to standard
 * output. For `seconds` see clade_ranks_join. */
clade_status together_join(double seconds, clade_ranks **out);
/* Call this before printing an error: if all ranks have found it, only the first prints it. Returns
 * false for the others. */
bool together_speak(const clade_ranks *ranks);
/* Leaves the other ranks, or ends them if this rank has failed. Returns the exit status. */
int together_leave(clade_ranks **ranks, int result);

#endif
