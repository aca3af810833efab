/* Elapsed time. */
#ifndef CLADE_BASE_CLOCK_H
#define CLADE_BASE_CLOCK_H

/* Returns the seconds since an arbitrary moment, by a monotonic clock. */
double clade_clock(void);

#endif
