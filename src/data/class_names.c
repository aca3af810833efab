/* Finds names of classes that a person would take for the same: they differ in case, or in how
 * Unicode writes a letter: "é" is one character on most systems, and "e" followed by an accent on
 * macOS. */
#include "data/inspect.h"

/* Returns the next UTF-8 character; an invalid byte stands for itself, above all characters. */
static uint32_t next(const char **at)
{
    const unsigned char *p = (const unsigned char *)*at;
    int more = *p >= 0xf0 && *p < 0xf8 ? 3 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xc2 && *p < 0xe0;
    uint32_t code = more == 0 ? *p : *p & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            more = 0;
            code = *p;
            break;
        }
        code = code << 6 | (p[i] & 0x3f);
    }
    if (more == 0 && code >= 0x80) code += 0x110000;
    *at += more + 1;
    return code;
}

/* Returns the small letter of Latin, Greek and Cyrillic capitals. */
static uint32_t lower(uint32_t code)
{
    if ((code >= 'A' && code <= 'Z') || (code >= 0xc0 && code <= 0xde && code != 0xd7) ||
        (code >= 0x391 && code <= 0x3a9) || (code >= 0x410 && code <= 0x42f))
        return code + 32;
    if (code >= 0x400 && code <= 0x40f) return code + 80;
    if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17e))
        return code + (code & 1);
    if (code >= 0x100 && code <= 0x177) return code | 1;
    return code;
}

/* Returns whether a character joins the letter before it: a combining mark, a Kana voice mark, or
 * the later parts of a Hangul syllable. */
static bool is_mark(uint32_t code)
{
    return (code >= 0x300 && code <= 0x36f) || code == 0x3099 || code == 0x309a ||
           (code >= 0x1161 && code <= 0x11ff);
}

/* A letter with its marks. */
typedef struct cluster {
    uint32_t letter;
    uint64_t marks; /* a hash of all of them; 0: none */
} cluster;

static cluster next_cluster(const char **at)
{
    cluster c = {.letter = lower(next(at))};
    for (;;) {
        const char *after = *at;
        uint32_t code = next(&after);
        if (!is_mark(code)) return c;
        c.marks = c.marks * 0x110000 + code;
        *at = after;
    }
}

bool clade_names_alike(const char *a, const char *b)
{
    while (*a && *b) {
        cluster x = next_cluster(&a), y = next_cluster(&b);
        if (x.letter == y.letter && x.marks == y.marks) continue;
        /* one has separate marks, the other is precomposed: comparing them takes Unicode's
         * tables */
        if (!(x.marks && y.letter >= 0x80) && !(y.marks && x.letter >= 0x80)) return false;
    }
    return *a == *b;
}
