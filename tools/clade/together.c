/* Ranks that say one thing. */
#define _POSIX_C_SOURCE 200809L
#include "together.h"
#include "command.h"
#include "interrupt.h"
#include "status_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

clade_status together_join(double seconds, clade_ranks **out)
{
    clade_status status = clade_ranks_join(seconds, out);
    if (status || !*out || clade_ranks_own(*out) == 0) return status;
    status_line_hide();
    return freopen("/dev/null", "w", stdout)
               ? CLADE_OK
               : clade_fail(CLADE_EIO, "/dev/null: %s", strerror(errno));
}

bool together_speak(const clade_ranks *ranks)
{
    if (!ranks || clade_ranks_own(ranks) == 0) return true;
    sleep(1);
    return !interrupt_asked(); /* else the first one has ended this one */
}

int together_leave(clade_ranks **ranks, int result)
{
    if (*ranks && result != COMMAND_OK && !interrupt_asked()) {
        nanosleep(&(struct timespec){.tv_nsec = 300000000},
                  NULL); /* the launcher passes errors on */
        clade_ranks_abort(*ranks, result);
    }
    clade_ranks_leave(ranks);
    return result;
}
