/* Telling kinds of files of weights apart, and reading any of them. */
#include "weights/file.h"
#include "weights/blob.h"
#include "weights/hdf5.h"
#include "weights/pytorch.h"
#include "weights/safetensors.h"
#include "weights/zip.h"

#include <stdlib.h>
#include <string.h>

typedef enum weight_kind { SAFETENSORS, PYTORCH, KERAS } weight_kind;

/* One of the three is open. */
struct clade_weight_file {
    clade_safetensors *safetensors;
    clade_pytorch *pytorch;
    clade_hdf5 *hdf5;
};

/* What is neither of the others is left to safetensors' reader, which says what it is. */
static clade_status find_kind(const clade_blob *bytes, weight_kind *out)
{
    static const uint8_t hdf5[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    uint8_t start[16] = {0};
    size_t size = bytes->size < sizeof start ? (size_t)bytes->size : sizeof start;
    clade_status status = clade_blob_read(bytes, 0, start, size);
    *out = SAFETENSORS;
    if (status) return status;
    if (!memcmp(start, hdf5, sizeof hdf5)) *out = KERAS;
    if (clade_pytorch_is_old(start)) *out = PYTORCH;
    if (!clade_zip_is(start)) return CLADE_OK;
    clade_zip zip;
    status = clade_zip_open(bytes, &zip);
    if (!status) *out = clade_zip_find(&zip, clade_hdf5_in_zip) ? KERAS : PYTORCH;
    clade_zip_clear(&zip);
    return status;
}

bool clade_weight_file_is_named_keras(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (!strcmp(dot, ".h5") || !strcmp(dot, ".hdf5") || !strcmp(dot, ".keras"));
}

bool clade_weight_file_is_keras(const char *path)
{
    clade_blob bytes;
    weight_kind kind;
    bool keras = clade_weight_file_is_named_keras(path);
    if (clade_blob_open(path, &bytes)) return keras;
    if (!find_kind(&bytes, &kind)) keras = kind == KERAS;
    clade_blob_close(&bytes);
    return keras;
}

clade_status clade_weight_file_open(const char *path, clade_weight_file **out)
{
    clade_blob bytes;
    weight_kind kind;
    clade_weight_file *f = *out = NULL;
    clade_status status = clade_blob_open(path, &bytes);
    if (status) return status;
    status = find_kind(&bytes, &kind);
    if (!status && !(f = calloc(1, sizeof *f)))
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    if (!status && kind == PYTORCH)
        status = clade_pytorch_open(&bytes, &f->pytorch);
    else
        clade_blob_close(&bytes);
    if (!status && kind == KERAS) status = clade_hdf5_open(path, &f->hdf5);
    if (!status && kind == SAFETENSORS) status = clade_safetensors_open(path, &f->safetensors);
    *out = f;
    if (status) clade_weight_file_close(out);
    return status;
}

void clade_weight_file_close(clade_weight_file **handle)
{
    clade_weight_file *f = *handle;
    if (!f) return;
    clade_safetensors_destroy(&f->safetensors);
    clade_pytorch_destroy(&f->pytorch);
    clade_hdf5_destroy(&f->hdf5);
    free(f);
    *handle = NULL;
}

size_t clade_weight_file_count(const clade_weight_file *f)
{
    return f->hdf5      ? clade_hdf5_count(f->hdf5)
           : f->pytorch ? clade_pytorch_count(f->pytorch)
                        : clade_safetensors_count(f->safetensors);
}

static clade_weight_array make(size_t index, const char *name, int32_t rank, const int64_t *shape)
{
    clade_weight_array a = {.name = name, .rank = rank, .count = 1, .index = index};
    for (int32_t d = 0; d < rank; d++) {
        a.shape[d] = shape[d];
        a.count *= (size_t)shape[d];
    }
    return a;
}

clade_weight_array clade_weight_file_at(const clade_weight_file *f, size_t i)
{
    if (f->hdf5) {
        const clade_hdf5_array *a = clade_hdf5_at(f->hdf5, i);
        return make(i, a->name, a->rank, a->shape);
    }
    if (f->pytorch) {
        const clade_pytorch_tensor *t = clade_pytorch_at(f->pytorch, i);
        return make(i, t->name, t->rank, t->shape);
    }
    const clade_safetensors_tensor *t = clade_safetensors_at(f->safetensors, i);
    return make(i, t->name, t->rank, t->shape);
}

clade_status clade_weight_file_floats(const clade_weight_file *f, const clade_weight_array *array,
                                      float *out)
{
    const size_t i = array->index;
    if (f->pytorch) return clade_pytorch_floats(f->pytorch, clade_pytorch_at(f->pytorch, i), out);
    if (f->safetensors)
        return clade_safetensors_floats(f->safetensors, clade_safetensors_at(f->safetensors, i),
                                        array->count, out);
    clade_hdf5_floats(clade_hdf5_at(f->hdf5, i), out);
    return CLADE_OK;
}
