/* Checks of names that reading and writing safetensors share. */
#ifndef CLADE_WEIGHTS_SAFETENSORS_NAME_H
#define CLADE_WEIGHTS_SAFETENSORS_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (no overlong forms, surrogates or values above U+10FFFF). */
bool clade_utf8_is_valid(const char *text, size_t size);

/* One of the names that is there twice, or NULL. Sorts them. */
const char *clade_names_find_double(const char **names, size_t count);

#endif
