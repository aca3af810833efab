/* Quantizing a net to 8 bits before export, using the images that it was trained on. */
#ifndef CLADE_TOOLS_EXPORT_INT8_H
#define CLADE_TOOLS_EXPORT_INT8_H

#include "session.h"

typedef struct int8_request {
    bool wanted;
    session_source source;
    session_place place;
    int64_t samples; /* number of images to choose scales from; 0: 256 */
} int8_request;

/* Quantizes the model at `path`; prints how many validation images both nets get right. */
clade_status export_int8(const clade_network *network, const char *path,
                         const int8_request *request, clade_network **out);

#endif
