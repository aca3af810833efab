/* Checks of names, shared by reading and writing safetensors. */
#ifndef CLADE_WEIGHTS_SAFETENSORS_NAME_H
#define CLADE_WEIGHTS_SAFETENSORS_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether a text is well-formed UTF-8 (no overlong forms, surrogates or values above
 * U+10FFFF). */
bool clade_utf8_is_valid(const char *text, size_t size);

/* Returns a name that occurs twice, or NULL. Sorts the names. */
const char *clade_names_find_double(const char **names, size_t count);

#endif
