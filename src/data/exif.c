/* Exif: the orientation of an image. */
#include "data/image.h"

#include <string.h>

static unsigned get16(const uint8_t *p, bool little)
{
    return little ? p[0] | (unsigned)p[1] << 8 : (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p, bool little)
{
    uint32_t a = get16(p, little), b = get16(p + 2, little);
    return little ? a | b << 16 : a << 16 | b;
}

int clade_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8) return 1;
    bool little = tiff[0] == 'I';
    if (memcmp(tiff, little ? "II*\0" : "MM\0*", 4) != 0) return 1;
    size_t at = get32(tiff + 4, little);
    if (at > size - 2) return 1;
    unsigned entries = get16(tiff + at, little);
    at += 2;
    for (; entries > 0 && size - at >= 12; entries--, at += 12) {
        if (get16(tiff + at, little) != 0x0112) continue;
        unsigned value = get16(tiff + at + 8, little);
        bool right = get16(tiff + at + 2, little) == 3 && get32(tiff + at + 4, little) == 1;
        return right && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
