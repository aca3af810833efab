/* Writing JPEGs with libjpeg-turbo. */
#include "report/jpeg.h"

#include <stdbool.h>
#include <stddef.h>
#include <turbojpeg.h>

enum { quality = 88 };

clade_status clade_jpeg_encode(void **encoder, const clade_pixels *x, unsigned char **bytes,
                               unsigned long *size)
{
    const bool grey = x->channels == 1;
    *bytes = NULL;
    *size = 0;
    if (!*encoder) *encoder = tjInitCompress();
    if (!*encoder) return clade_fail(CLADE_ENOMEM, "out of memory for an image");
    if (tjCompress2(*encoder, x->data, x->width, 0, x->height, grey ? TJPF_GRAY : TJPF_RGB, bytes,
                    size, grey ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT)) {
        tjFree(*bytes);
        return clade_fail(CLADE_ENOMEM, "jpeg: %s", tjGetErrorStr2(*encoder));
    }
    return CLADE_OK;
}
