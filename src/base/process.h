/* Other programs, run with a limit of time. */
#ifndef CLADE_BASE_PROCESS_H
#define CLADE_BASE_PROCESS_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

/* How a program ended. */
typedef struct clade_process_end {
    int exit;   /* its exit status, if it ended by itself */
    int signal; /* that killed it; 0: none */
    bool hung;  /* it did not end in time and was killed, with all that it had started */
} clade_process_end;

/* Runs argv[0] (a path) with its arguments, NULL at the end, for at most `seconds`. What it writes
 * to standard output goes to `output`, cut after size − 1 bytes, with a zero at the end; what it
 * writes to standard error is dropped. Errors: EIO when it cannot be started. */
clade_status clade_process_run(const char *const *argv, double seconds, char *output, size_t size,
                               clade_process_end *end);

#endif
