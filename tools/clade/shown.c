/* Writing out what a terminal would obey, and how wide that is. Source: Unicode 15, general
 * categories Cc, Zl and Zp, the bidirectional controls, the blocks of wide letters (UAX 11) and of
 * marks. */
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

/* Columns of a character that is shown as it is. */
static size_t width_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        size_t width;
    } blocks[] = {{0x300, 0x36f, 0},     {0x200b, 0x200d, 0},   {0xfe00, 0xfe0f, 0},
                  {0x1100, 0x115f, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
                  {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},
                  {0xff01, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2},
                  {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1faff, 2}, {0x20000, 0x3fffd, 2}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i].first && c <= blocks[i].last) return blocks[i].width;
    return 1;
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

size_t shown_columns(const char *text)
{
    char one[16];
    size_t columns = 0;
    while (*text) {
        uint32_t c = 0;
        const bool known = clade_utf8_read(text, &c) > 0;
        const size_t n = show_character(text, one);
        columns += known && strlen(one) == n ? width_of(c) : strlen(one);
        text += n;
    }
    return columns;
}

/* Room for a copy, which is used again after sixteen others. */
enum { copies = 16, room = 8192 };
static char *next_copy(void)
{
    static char copy[copies][room];
    static size_t next;
    return copy[next++ % copies];
}

const char *shown_cell(const char *text, size_t columns, bool right)
{
    const size_t own = shown_columns(text);
    const int blanks = own < columns ? (int)(columns - own) : 0;
    char *out = next_copy();
    snprintf(out, room, "%*s%s%*s", right ? blanks : 0, "", text, right ? 0 : blanks, "");
    return out;
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
    char *out = next_copy(), one[16];
    size_t length = 0, columns = 0;
    while (*text) {
        show_character(text, one);
        columns += shown_columns(one);
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
