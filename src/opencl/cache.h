/* Ground floor: compiled programs on disk, one file each in the folder opencl/ of clade's cache,
 * named by its key. A cache that does not work costs a compilation, never more: nothing here is an
 * error. */
#ifndef CLADE_OPENCL_CACHE_H
#define CLADE_OPENCL_CACHE_H

#include "opencl/context.h"

/* The files of the cache together; the oldest are dropped beyond it. */
#define OPENCL_CACHE_BYTES (UINT64_C(256) << 20)

/* Are programs of this device kept? Yes, unless its driver does so itself; the environment's
 * CLADE_PROGRAM_CACHE=1 or 0 decides otherwise. */
bool clade_opencl_cache_wanted(const opencl_context *cl);

/* Key of a program: the SHA-256, in hexadecimal, of all that its binary depends on: the source, the
 * options, device, driver, platform and the version of Clade. */
void clade_opencl_cache_key(const opencl_context *cl, cl_uint count, const char *const *lines,
                            const char *options, char key[65]);

/* The binary that was kept under this key, or NULL: none, unreadable, damaged or another's. The
 * caller frees it. */
void *clade_opencl_cache_load(const char *key, size_t *size);

/* Keeps a binary. Replaces what is there in one step, so that another process sees the old file or
 * the new one; then drops the files used longest ago until all together have at most `limit` bytes.
 * Does nothing where that fails. */
void clade_opencl_cache_store(const char *key, const void *binary, size_t size, uint64_t limit);

/* The path of the device's file of `what`, opencl/KEY.json, to be freed, for this source of
 * kernels, lines ended by NULL (NULL: for any). NULL: there is no folder for it, or no memory. */
char *clade_opencl_cache_json(const opencl_context *cl, const char *what,
                              const char *const *source);

#endif
