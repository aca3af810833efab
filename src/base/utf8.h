/* UTF-8, a character at a time. */
#ifndef CLADE_BASE_UTF8_H
#define CLADE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character that text, which ends in a 0, begins with: its bytes, and its number in *out; 0
 * where these are none (overlong forms and surrogates too). Source: Unicode 15, table 3-7. */
size_t clade_utf8_read(const char *text, uint32_t *out);

#endif
