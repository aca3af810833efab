/* UTF-8, one character at a time. */
#include "base/utf8.h"

#include <stdbool.h>

size_t clade_utf8_read(const char *text, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    if (n == 0) return 0;
    *out = n == 1 ? *p : *p & 0x7fu >> n;
    for (size_t i = 1; i < n; i++) { /* the terminating zero is not such a byte */
        if (p[i] >> 6 != 2) return 0;
        *out = *out << 6 | (p[i] & 63u);
    }
    bool surrogate = *out >= 0xd800 && *out < 0xe000;
    return *out < least[n] || *out > 0x10ffff || surrogate ? 0 : n;
}
