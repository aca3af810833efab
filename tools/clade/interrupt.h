/* Being asked to end, by Ctrl-C, SIGTERM, or SIGHUP: the terminal is gone. */
#ifndef CLADE_TOOLS_INTERRUPT_H
#define CLADE_TOOLS_INTERRUPT_H

#include <stdbool.h>

/* From now on the first such signal is noted, so that what is under way can be saved; a second one
 * ends the process at once. */
void interrupt_watch(void);
bool interrupt_asked(void);
/* 128 + the signal: what a shell takes for its exit status. */
int interrupt_status(void);

#endif
