/* Time that passes. */
#ifndef CLADE_BASE_CLOCK_H
#define CLADE_BASE_CLOCK_H

/* Seconds since some moment, by a clock that nobody sets. */
double clade_clock(void);

#endif
