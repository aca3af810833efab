/* Division on the host as ops do it. */
#include "base/divide.h"

#include "../../kernels/math.clh"

float clade_divide(float a, float b) { return math_div(a, b); }
