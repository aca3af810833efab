/* Training in a separate process, so that a crash costs only one trial. */
#ifndef CLADE_TOOLS_TUNE_CHILD_H
#define CLADE_TOOLS_TUNE_CHILD_H

#include <clade/status.h>

#include <stdbool.h>

enum { tune_child_text = 1024 };

typedef enum tune_child_end {
    TUNE_CHILD_DONE,
    TUNE_CHILD_STOPPED, /* as requested */
    TUNE_CHILD_IO,      /* it could not read or write a file */
    TUNE_CHILD_FAILED   /* another error, or a crash */
} tune_child_end;

typedef struct tune_child_watch {
    void *user;
    /* Receives each line that it prints. */
    void (*line)(void *user, const char *text);
    /* Polled a few times a second; returning true asks it to save and end. */
    bool (*stop)(void *user);
} tune_child_watch;

/* Runs this program with these arguments (argv[0] is its name; ended by NULL). Its standard error
 * goes to the file `log`. `error` receives what was wrong if it failed or could not read or write.
 * Errors: EIO, ENOMEM. */
clade_status tune_child_run(const char **argv, const char *log, const tune_child_watch *watch,
                            tune_child_end *end, char error[tune_child_text]);

#endif
