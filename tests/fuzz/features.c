/* Fuzz target: a file of features. Rows that are found were added: one that is not as it was
 * written is as good as none, and costs no other. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "train/feature_cache.h"

#include "temporary.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
enum { floats = 2, images = 4, header = 88, record = 16 + floats * 4, ample = 1 << 20 };

/* Finds what is there of images 1, 2, …, and adds what is not; how many were found. */
static size_t visit(void)
{
    static const uint64_t digest[images] = {1, 2, 3, 4};
    clade_feature_cache cache;
    clade_features f;
    int32_t index[images];
    size_t missing = 0;
    if (clade_features_create(digest, images, floats, &f)) abort();
    clade_feature_cache_open(key, floats, ample, &cache);
    clade_feature_cache_find(&cache, &f);
    for (int32_t i = 0; i < images; i++) {
        if (f.have[i]) continue;
        for (size_t k = 0; k < floats; k++) f.row[(size_t)i * floats + k] = (float)(10 * i) + k;
        index[missing++] = i;
    }
    if (f.found + missing != images) abort();
    if (missing) clade_feature_cache_add(&cache, &f, index, missing);
    if (clade_features_missing(&f)) abort();
    clade_feature_cache_close(&cache);
    clade_features_clear(&f);
    return images - missing;
}

/* One byte of a sound file changed: the row that it was in is gone, or with the header all are. */
static void change(const char *path, const uint8_t *data, size_t size)
{
    size_t bytes;
    unsigned char *file = NULL;
    if (clade_file_read(path, ample, (void **)&file, &bytes)) abort();
    size_t at = (size_t)(data[0] + 256 * data[size - 1]) % bytes;
    file[at] ^= 1;
    if (clade_file_write(path, file, bytes)) abort();
    free(file);
    const size_t found = visit();
    if (at < header ? found != 0 : found < images - 1) abort();
    if (visit() != images) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char home[64], folder[128], path[256];
    fuzz_temporary("features", home);
    setenv("XDG_CACHE_HOME", home, 1);
    snprintf(folder, sizeof folder, "%s/clade/features", home);
    snprintf(path, sizeof path, "%s/%s.rows", folder, key);
    if (clade_folder_create(folder) || clade_file_write(path, data, size)) abort();
    visit();
    if (visit() != images) abort();
    if (size) change(path, data, size);
    if (clade_folder_remove(home)) abort();
    return 0;
}
