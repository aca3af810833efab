/* The fast ops of an instruction set. */
#include "cpu/cpu.h"

void CPU_NAME(ops)(clade_op_slot *slot)
{
#define FAMILY(name) CPU_NAME(name)(slot);
    CPU_FAMILIES(FAMILY)
#undef FAMILY
}
