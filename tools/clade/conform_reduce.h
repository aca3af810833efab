/* clade conform --reduce. */
#ifndef CLADE_TOOLS_CONFORM_REDUCE_H
#define CLADE_TOOLS_CONFORM_REDUCE_H

#include <clade/conform.h>

/* Reduces what `what` names: a case of mode ops, a call, a case of the ops that the options select,
 * or a folder with a call. Each try may take `timeout` seconds. Prints the outcome, and returns the
 * exit status. `out` NULL: nothing is written. */
int conform_reduce(const clade_conform_options *options, const char *what, const char *out,
                   double timeout);

#endif
