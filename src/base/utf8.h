/* UTF-8, one character at a time. */
#ifndef CLADE_BASE_UTF8_H
#define CLADE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the first character of a zero-terminated text: returns its length in bytes and gives its
 * number in *out. Returns 0 for invalid bytes (also overlong forms and surrogates). Source: Unicode
 * 15, table 3-7. */
size_t clade_utf8_read(const char *text, uint32_t *out);

#endif
