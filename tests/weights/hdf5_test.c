/* HDF5: the arrays of a file as h5py writes it, forms that are refused, and damage at every byte.
 *   hdf5-test FOLDER with the files that libhdf5 wrote, and a file that Keras 3 wrote */
#define _XOPEN_SOURCE 700
#include "weights/hdf5.h"
#include "../test.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

static const clade_hdf5_array *find(const clade_hdf5 *file, const char *name)
{
    for (size_t i = 0; i < clade_hdf5_count(file); i++)
        if (!strcmp(clade_hdf5_at(file, i)->name, name)) return clade_hdf5_at(file, i);
    return NULL;
}

/* The array has these sizes, and counts up by a quarter from `first`. */
static void check_array(const clade_hdf5 *file, const char *name, int rank, const int64_t *shape,
                        float first)
{
    const clade_hdf5_array *a = find(file, name);
    float values[8] = {0};
    CHECK(a && a->rank == rank && !memcmp(a->shape, shape, (size_t)rank * sizeof *shape));
    if (!a || a->count > 8) return;
    clade_hdf5_floats(a, values);
    for (size_t i = 0; i < a->count; i++) CHECK(values[i] == first + 0.25F * (float)i);
}

static void check_good(const char *folder)
{
    static const int64_t kernel[] = {1, 1, 2, 3}, three[] = {3};
    clade_hdf5 *file = NULL;
    char *path = clade_path_join(folder, "keras.h5");
    CHECK_OK(clade_hdf5_open(path, &file));
    free(path);
    if (!file) return;
    CHECK(clade_hdf5_count(file) == 4); /* whole numbers and links are passed over */
    check_array(file, "conv1/conv1/kernel:0", 4, kernel, 1);
    check_array(file, "conv1/conv1/bias:0", 1, three, -1);
    check_array(file, "dense/compact:0", 1, three, 2);
    check_array(file, "dense/wide:0", 1, three, 3);
    clade_hdf5_destroy(&file);
    path = clade_path_join(folder, "deep.h5"); /* more members than a node holds */
    CHECK_OK(clade_hdf5_open(path, &file));
    free(path);
    if (!file) return;
    CHECK(clade_hdf5_count(file) == 20);
    check_array(file, "g00/layer/kernel:0", 1, three, 0);
    check_array(file, "g19/layer/kernel:0", 1, three, 19);
    clade_hdf5_destroy(&file);
}

/* Keras 3 numbers its layers: convolution 'c', normalisation 'n', and what the optimizer keeps. */
static void check_keras3(const char *path)
{
    static const int64_t kernel[] = {1, 1, 1, 2}, two[] = {2};
    clade_hdf5 *file = NULL;
    CHECK_OK(clade_hdf5_open(path, &file));
    if (!file) return;
    check_array(file, "c/vars/0", 4, kernel, 1);
    check_array(file, "c/vars/1", 1, two, 2);
    for (int i = 0; i < 4; i++) {
        char name[] = "n/vars/0";
        name[7] = (char)('0' + i);
        check_array(file, name, 1, two, (float)(3 + i));
    }
    CHECK(find(file, "optimizer/vars/1"));
    clade_hdf5_destroy(&file);
}

static void check_refused(const char *folder)
{
    static const struct {
        const char *name, *part;
    } refused[] = {{"compressed.h5", "chunked or compressed data"},
                   {"latest.h5", "a superblock of version 2"}};
    clade_hdf5 *file;
    for (size_t i = 0; i < 2; i++) {
        char *path = clade_path_join(folder, refused[i].name);
        CHECK_FAILS(clade_hdf5_open(path, &file), CLADE_EUNSUPPORTED, refused[i].part);
        CHECK(strstr(clade_error(), refused[i].name));
        free(path);
    }
    CHECK_FAILS(clade_hdf5_open_memory("PK\3\4 no HDF5", 12, "m.h5", &file), CLADE_EFORMAT,
                "m.h5: not an HDF5 file");
    CHECK_FAILS(clade_hdf5_open("/nowhere/x.h5", &file), CLADE_EIO, "/nowhere/x.h5");
}

/* Cut short anywhere, and with each byte of it changed: an error or arrays inside the file. */
static void check_damaged(const char *folder, const char *name)
{
    char *path = clade_path_join(folder, name);
    unsigned char *bytes = NULL;
    size_t size = 0, cut = 0;
    clade_hdf5 *file;
    CHECK_OK(clade_file_read(path, 1 << 20, (void **)&bytes, &size));
    free(path);
    for (size_t n = 0; n < size; n++) {
        clade_status status = clade_hdf5_open_memory(bytes, n, "m.h5", &file);
        cut += status == CLADE_EFORMAT;
        clade_hdf5_destroy(&file);
    }
    CHECK(cut == size);
    for (size_t i = 0; i < size; i++)
        for (int change = 1; change < 256; change += 63) {
            bytes[i] ^= (unsigned char)change;
            clade_status status = clade_hdf5_open_memory(bytes, size, "m.h5", &file);
            for (size_t k = 0; !status && k < clade_hdf5_count(file); k++) {
                const clade_hdf5_array *a = clade_hdf5_at(file, k);
                CHECK(a->count <= size);
                float *values = malloc((a->count + 1) * sizeof *values);
                clade_hdf5_floats(a, values);
                free(values);
            }
            clade_hdf5_destroy(&file);
            bytes[i] ^= (unsigned char)change;
        }
    free(bytes);
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    check_good(argv[1]);
    check_keras3(argv[2]);
    check_refused(argv[1]);
    check_damaged(argv[1], "keras.h5");
    check_damaged(argv[1], "keras3.h5");
    return TEST_END();
}
