/* Handles Ctrl-C, SIGTERM and SIGHUP (the terminal is gone). */
#ifndef CLADE_TOOLS_INTERRUPT_H
#define CLADE_TOOLS_INTERRUPT_H

#include <stdbool.h>

/* From now on the first such signal is only recorded, so that work can be saved; a second one ends
 * the process at once. */
void interrupt_watch(void);
bool interrupt_asked(void);
/* Returns 128 + the signal: the exit status that a shell expects. */
int interrupt_status(void);

#endif
