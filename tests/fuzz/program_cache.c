/* Fuzz target: a file of the cache of compiled programs. What is loaded was stored: a file that is
 * not as it was written is as good as none. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "opencl/cache.h"

#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/* A file that was stored, with one byte changed. */
static void change(const char *path, const uint8_t *data, size_t size)
{
    size_t bytes, n;
    unsigned char *file = NULL;
    clade_opencl_cache_store(key, data, size, OPENCL_CACHE_BYTES);
    void *same = clade_opencl_cache_load(key, &n);
    if (!same || n != size || memcmp(same, data, n) != 0) abort();
    free(same);
    if (clade_file_read(path, OPENCL_CACHE_BYTES, (void **)&file, &bytes)) abort();
    file[(size_t)(data[0] + 256 * data[size - 1]) % bytes] ^= 1;
    if (clade_file_write(path, file, bytes)) abort();
    free(file);
    if (clade_opencl_cache_load(key, &n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char home[64], folder[128], path[256];
    size_t n;
    fuzz_temporary("programs", home);
    setenv("XDG_CACHE_HOME", home, 1);
    snprintf(folder, sizeof folder, "%s/clade/opencl", home);
    snprintf(path, sizeof path, "%s/%s.bin", folder, key);
    if (clade_folder_create(folder)) abort();
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) abort();
    void *loaded = clade_opencl_cache_load(key, &n);
    if (loaded && n + 152 != size) abort();
    free(loaded);
    if (size) change(path, data, size);
    if (clade_folder_remove(home)) abort();
    return 0;
}
