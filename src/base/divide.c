/* Division on the host with the ops' arithmetic. */
#include "base/divide.h"

#include "../../kernels/math.clh"

float clade_divide(float a, float b) { return math_div(a, b); }
