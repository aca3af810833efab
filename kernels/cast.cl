/* Casts between formats of numbers: compiled for one pair, with OF and TO the formats' names and
 * OF_BITS and TO_BITS integers of their sizes. elements.clh; reads x and writes y once. */
#include "elements.clh"
#include "cast.clh"

#ifndef OF
#define OF f32
#define OF_BITS uint
#define TO bf16
#define TO_BITS ushort
#endif

#define JOIN(a, b) a##b
#define NAMED(a, b) JOIN(a, b)

kernel void cast(TENSOR(OF_BITS, x), TENSOR(TO_BITS, y), ELEMENTS)
{
    FOR_EACH(i) y[y0 + i] = (TO_BITS)NAMED(cast_to_, TO)(NAMED(cast_of_, OF)(x[x0 + i]));
}
