/* clade conform --reduce. */
#ifndef CLADE_TOOLS_CONFORM_REDUCE_H
#define CLADE_TOOLS_CONFORM_REDUCE_H

#include <clade/conform.h>

/* Reduces what `what` names: a case of mode ops by its name, a call, a case of the ops that the
 * options choose, or a folder with a call; each try may take `timeout` seconds. Prints what came of
 * it, and gives the exit status. `out`: NULL: nothing is written. */
int conform_reduce(const clade_conform_options *options, const char *what, const char *out,
                   double timeout);

#endif
