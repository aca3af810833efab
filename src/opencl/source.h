/* Ground floor: the kernels' sources, embedded at build time by kernels/embed.py. */
#ifndef CLADE_OPENCL_SOURCE_H
#define CLADE_OPENCL_SOURCE_H

#include <clade/status.h>

#include <stddef.h>

typedef struct opencl_source {
    const char *family;       /* "conv" for kernels/conv.cl */
    const char *const *lines; /* its text with includes expanded, ended by NULL */
} opencl_source;

/* Ended by an entry whose family is NULL. */
extern const opencl_source clade_opencl_sources[];

/* The lines as one text, to be freed. Errors: ENOMEM. */
clade_status clade_opencl_source_join(const char *const *lines, char **text);
/* The text of FOLDER/FAMILY.cl, to be freed, as kernels/embed.py would embed it. Errors: EIO,
 * ENOMEM; EFORMAT where files include each other without end. */
clade_status clade_opencl_source_expand(const char *folder, const char *family, char **text);

#endif
