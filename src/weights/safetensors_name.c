/* Checks of names that reading and writing safetensors share. */
#include "weights/safetensors_name.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

const char *clade_names_find_double(const char **names, size_t count)
{
    if (count) qsort(names, count, sizeof *names, by_text);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(names[i - 1], names[i])) return names[i];
    return NULL;
}

bool clade_utf8_is_valid(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80) continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - p < more) return false;
        /* the first byte after narrows the range: no overlong forms, no surrogates, no more than
         * 0x10ffff */
        unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (*p < low || *p > high) return false;
        for (p++; --more > 0; p++)
            if ((*p & 0xc0) != 0x80) return false;
    }
    return true;
}
