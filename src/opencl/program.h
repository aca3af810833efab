/* Ground floor: the programs of a device, each a file of kernels with options. Planning only asks
 * for them; all that were asked for by then are built together, when the first call runs that needs
 * one that is not. */
#ifndef CLADE_OPENCL_PROGRAM_H
#define CLADE_OPENCL_PROGRAM_H

#include "opencl/context.h"

enum { OPENCL_OPTIONS_SIZE = 2048 }; /* of the compiler's options */

typedef struct opencl_program {
    char family[32], options[224];
    cl_program program;  /* NULL until it is built */
    bool tried, cached;  /* has it been built, or failed? is it from the cache on disk? */
    clade_status status; /* why it failed, with its text */
    char *error;
} opencl_program;

/* The program of kernels/FAMILY.cl with `options`, to be built. NULL: out of memory. */
opencl_program *clade_opencl_program(opencl_context *cl, const char *family, const char *options);

/* Builds all programs that are not, on as many threads as there are processors: from source, or
 * from the cache on disk. The directory in the environment's CLADE_KERNELS, if set, is used instead
 * of the embedded sources, and no cache. A program that does not build keeps its error for those
 * who need it; this fails only for lack of memory or threads. */
clade_status clade_opencl_programs_build(opencl_context *cl);
/* What building a program came to: EDEVICE with the driver's log when it does not compile. */
clade_status clade_opencl_program_status(const opencl_program *program);
/* A program's source with its #include lines replaced by the files, to be freed, and the compiler's
 * options for it. Errors: EIO, EFORMAT, ENOMEM. */
clade_status clade_opencl_program_text(const opencl_context *cl, const opencl_program *program,
                                       char options[OPENCL_OPTIONS_SIZE], char **source);
void clade_opencl_programs_release(opencl_context *cl);

#endif
