/* Running other programs with a time limit. */
#ifndef CLADE_BASE_PROCESS_H
#define CLADE_BASE_PROCESS_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

/* How a program ended. */
typedef struct clade_process_end {
    int exit;   /* exit status, if it exited */
    int signal; /* signal that killed it; 0: none */
    bool hung;  /* it timed out and was killed, with all processes it had started */
} clade_process_end;

/* Runs argv[0] (a path) with its arguments, ended by NULL, for at most `seconds`. Its standard
 * output goes to `output`, truncated to size − 1 bytes and zero-terminated; its standard error is
 * discarded. Errors: EIO if it cannot be started. */
clade_status clade_process_run(const char *const *argv, double seconds, char *output, size_t size,
                               clade_process_end *end);

#endif
