/* A folder of cached files, each named by a key and an ending, and kept below a size. */
#ifndef CLADE_BASE_CACHE_FOLDER_H
#define CLADE_BASE_CACHE_FOLDER_H

#include <stdint.h>

enum { clade_cache_key_digits = 64 }; /* hexadecimal: a key is a SHA-256 */

/* folder/KEY and the ending, to be freed; NULL: out of memory. */
char *clade_cache_file(const char *folder, const char *key, const char *ending);

/* Notes that the file was used just now. */
void clade_cache_touch(const char *path);

/* Drops the files used longest ago until all with this ending together have at most `limit` bytes,
 * with them what interrupted writes have left. Does nothing where that fails. */
void clade_cache_trim(const char *folder, const char *ending, uint64_t limit);

#endif
