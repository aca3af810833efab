/* Division on the host with the ops' arithmetic. */
#ifndef CLADE_BASE_DIVIDE_H
#define CLADE_BASE_DIVIDE_H

/* Returns a / b as kernels/math.clh computes it, which is not always the nearest float. */
float clade_divide(float a, float b);

#endif
