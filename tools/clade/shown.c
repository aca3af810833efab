/* Writing out what a terminal would obey. Source: Unicode 15, general categories Cc, Zl and Zp, and
 * the bidirectional controls. */
#include "shown.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool is_obeyed(uint32_t c)
{
    return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The next character as it is to be shown; returns how many bytes it was. */
static size_t show_character(const char *text, char out[16])
{
    uint32_t c = 0;
    size_t n = clade_utf8_read(text, &c);
    if (n == 0)
        snprintf(out, 16, "\\x%02x", (unsigned char)*text);
    else if (!is_obeyed(c))
        snprintf(out, 16, "%.*s", (int)n, text);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(out, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else
        snprintf(out, 16, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
    return n ? n : 1;
}

const char *shown(const char *text)
{
    char one[16];
    size_t clean = 0;
    while (text[clean]) {
        size_t n = show_character(text + clean, one);
        if (strlen(one) != n) break;
        clean += n;
    }
    return text[clean] ? shown_start(text, SIZE_MAX) : text;
}

const char *shown_start(const char *text, size_t most)
{
    enum { copies = 16, room = 8192 };
    static char copy[copies][room];
    static size_t next;
    char *out = copy[next++ % copies], one[16];
    size_t length = 0, columns = 0;
    while (*text) {
        bool plain = show_character(text, one) == strlen(one);
        columns += plain ? 1 : strlen(one);
        if (columns > most) break;
        if (length + strlen(one) + sizeof "…" > room) {
            strcpy(out + length, "…");
            return out;
        }
        strcpy(out + length, one);
        length += strlen(one);
        text += show_character(text, one);
    }
    out[length] = 0;
    return out;
}
