/* Writing JPEGs. */
#ifndef CLADE_REPORT_JPEG_H
#define CLADE_REPORT_JPEG_H

#include <clade/status.h>

#include <stdint.h>

/* Pixels, uint8 height × width × channels (1 or 3). */
typedef struct clade_pixels {
    const uint8_t *data;
    int32_t height, width, channels;
} clade_pixels;

/* Encodes a JPEG into *bytes, to be freed with tjFree. *encoder is created with the first of
 * several images, and freed with tjDestroy. Errors: ENOMEM. */
clade_status clade_jpeg_encode(void **encoder, const clade_pixels *pixels, unsigned char **bytes,
                               unsigned long *size);

#endif
