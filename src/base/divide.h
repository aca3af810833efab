/* Division on the host as ops do it. */
#ifndef CLADE_BASE_DIVIDE_H
#define CLADE_BASE_DIVIDE_H

/* a / b by the arithmetic of kernels/math.clh, which is not always the nearest float. */
float clade_divide(float a, float b);

#endif
