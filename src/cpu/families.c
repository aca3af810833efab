/* The fast ops of an instruction set. */
#include "cpu/cpu.h"

void CPU_NAME(ops)(cpu_op *op)
{
#define FAMILY(name) CPU_NAME(name)(op);
    CPU_FAMILIES(FAMILY)
#undef FAMILY
}
