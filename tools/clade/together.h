/* A command that an MPI launcher has started several times. */
#ifndef CLADE_TOOLS_TOGETHER_H
#define CLADE_TOOLS_TOGETHER_H

#include <clade/ranks.h>

#include <stdbool.h>

/* Joins the other ranks, if there are any; from then on only the first one writes to standard
 * output. `seconds` as clade_ranks_join. */
clade_status together_join(double seconds, clade_ranks **out);
/* To be called before an error is printed: what all ranks have found only the first one says.
 * False: it has. */
bool together_speak(const clade_ranks *ranks);
/* Leaves the others, or ends them where this rank has failed. Gives the exit status back. */
int together_leave(clade_ranks **ranks, int result);

#endif
