/* Ground floor: drivers that are installed and do not load. */
#ifndef CLADE_OPENCL_VENDORS_H
#define CLADE_OPENCL_VENDORS_H

#include <stdbool.h>
#include <stddef.h>

/* Why a driver that the ICD loader was to take cannot be loaded, as one line: the first such.
 * false: none is found. Loads them, so this is for when no platform is there. */
bool clade_opencl_broken_vendor(char *text, size_t size);

#endif
