/* A bitmap font for the captions of images. */
#ifndef CLADE_REPORT_CAPTION_H
#define CLADE_REPORT_CAPTION_H

#include <stdint.h>

enum {
    CLADE_CAPTION_GLYPHS = 96, /* ' ' to '~', and one for all other characters */
    CLADE_CAPTION_ROWS = 9,
    CLADE_CAPTION_COLUMNS = 5
};

extern const uint8_t clade_caption_font[CLADE_CAPTION_GLYPHS][CLADE_CAPTION_ROWS];

#endif
