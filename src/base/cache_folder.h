/* A folder of cached files, each named by a key and an extension, with a limit on their total
 * size. */
#ifndef CLADE_BASE_CACHE_FOLDER_H
#define CLADE_BASE_CACHE_FOLDER_H

#include <stdint.h>

enum { clade_cache_key_digits = 64 }; /* hexadecimal: a key is a SHA-256 */

/* Returns folder/KEY and the extension, which the caller frees; NULL: out of memory. */
char *clade_cache_file(const char *folder, const char *key, const char *ending);

/* Marks the file as just used. */
void clade_cache_touch(const char *path);

/* Deletes the least recently used files with this extension until the rest take at most `limit`
 * bytes together, and the leftovers of interrupted writes. Ignores failures. */
void clade_cache_trim(const char *folder, const char *ending, uint64_t limit);

#endif
