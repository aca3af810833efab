/* For the test of the status line: every look at the clock is two seconds after the one before, so
 * that each wait is a long one. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    static _Atomic long looks;
    (void)clock;
    *now = (struct timespec){.tv_sec = 1000 + 2 * looks++};
    return 0;
}
