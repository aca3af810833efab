/* Writing safetensors. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "weights/safetensors.h"
#include "weights/safetensors_name.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the tensor's data. */
static clade_status measure(const char *path, const clade_safetensors_tensor *tensor,
                            uint64_t *bytes)
{
    uint64_t product = clade_safetensors_dtype_size(tensor->dtype);
    int empty = 0;
    assert(tensor->rank >= 0 && tensor->rank <= clade_safetensors_max_rank);
    for (int32_t i = 0; i < tensor->rank; i++) {
        int64_t d = tensor->shape[i];
        if (d < 0 || (d > 0 && product > (uint64_t)(INT64_MAX / d)))
            return clade_fail(CLADE_EINVAL, "%s: tensor '%s': dimension %d is %lld", path,
                              tensor->name, (int)i, (long long)d);
        empty = empty || d == 0;
        if (d > 0) product *= (uint64_t)d;
    }
    *bytes = empty ? 0 : product;
    return CLADE_OK;
}

static clade_status check_names(const char *path, const clade_safetensors_tensor *tensors,
                                size_t count, const clade_safetensors_pair *metadata,
                                size_t metadata_count)
{
    const char **names = malloc((count + metadata_count + 1) * sizeof *names), *twice;
    clade_status status = CLADE_OK;
    if (!names) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < count && !status; i++) {
        names[i] = tensors[i].name;
        if (!clade_utf8_is_valid(names[i], strlen(names[i])) || !strcmp(names[i], "__metadata__"))
            status = clade_fail(CLADE_EINVAL, "%s: tensor %zu: '%s' cannot be a name", path, i,
                                names[i]);
    }
    if (!status && (twice = clade_names_find_double(names, count)))
        status = clade_fail(CLADE_EINVAL, "%s: two tensors have the name '%s'", path, twice);
    for (size_t i = 0; i < metadata_count && !status; i++) {
        names[i] = metadata[i].key;
        if (!clade_utf8_is_valid(names[i], strlen(names[i])) ||
            !clade_utf8_is_valid(metadata[i].value, strlen(metadata[i].value)))
            status = clade_fail(CLADE_EINVAL, "%s: metadata '%s' is not UTF-8", path, names[i]);
    }
    if (!status && (twice = clade_names_find_double(names, metadata_count)))
        status = clade_fail(CLADE_EINVAL, "%s: metadata '%s' appears twice", path, twice);
    free(names);
    return status;
}

/* Adds `item` to an array or, with a key, to an object; the key is copied. */
static int attach(cJSON *parent, const char *key, cJSON *item)
{
    if (item &&
        (key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item)))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static cJSON *describe(const clade_safetensors_tensor *tensor, uint64_t begin, uint64_t bytes)
{
    cJSON *entry = cJSON_CreateObject(), *shape = cJSON_CreateArray(),
          *offsets = cJSON_CreateArray();
    int good = entry && shape && offsets;
    good = good &&
           attach(entry, "dtype", cJSON_CreateString(clade_safetensors_dtype_name(tensor->dtype)));
    for (int32_t i = 0; i < tensor->rank && good; i++)
        good = attach(shape, NULL, cJSON_CreateNumber((double)tensor->shape[i]));
    good = good && attach(offsets, NULL, cJSON_CreateNumber((double)begin)) &&
           attach(offsets, NULL, cJSON_CreateNumber((double)(begin + bytes)));
    if (!good) {
        cJSON_Delete(shape);
        cJSON_Delete(offsets);
        cJSON_Delete(entry);
        return NULL;
    }
    /* each of the two frees what it cannot attach */
    int attached = attach(entry, "shape", shape);
    attached = attach(entry, "data_offsets", offsets) && attached;
    if (!attached) {
        cJSON_Delete(entry);
        return NULL;
    }
    return entry;
}

/* The header as JSON, without the padding; *end is the size of the data. */
static clade_status make_header(const char *path, const clade_safetensors_tensor *tensors,
                                size_t count, const clade_safetensors_pair *metadata,
                                size_t metadata_count, char **text)
{
    clade_status status = CLADE_OK;
    cJSON *header = cJSON_CreateObject(), *map = metadata_count ? cJSON_CreateObject() : NULL;
    int good = header && (map || !metadata_count);
    for (size_t i = 0; i < metadata_count && good; i++)
        good = attach(map, metadata[i].key, cJSON_CreateString(metadata[i].value));
    if (good && map) {
        good = attach(header, "__metadata__", map);
        map = NULL;
    }
    uint64_t begin = 0, bytes;
    for (size_t i = 0; i < count && good && !status; i++) {
        status = measure(path, &tensors[i], &bytes);
        if (!status && bytes > (UINT64_C(1) << 53) - begin)
            status =
                clade_fail(CLADE_EINVAL, "%s: tensor '%s' is too large", path, tensors[i].name);
        if (status) break;
        good = attach(header, tensors[i].name, describe(&tensors[i], begin, bytes));
        begin += bytes;
    }
    if (good && !status) good = (*text = cJSON_PrintUnformatted(header)) != NULL;
    cJSON_Delete(map);
    cJSON_Delete(header);
    return good ? status : clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
}

clade_status clade_safetensors_write(const char *path, const clade_safetensors_tensor *tensors,
                                     size_t count, const clade_safetensors_pair *metadata,
                                     size_t metadata_count)
{
    assert(path && (tensors || !count) && (metadata || !metadata_count));
    char *text = NULL;
    static const char spaces[65] =
        "                                                                ";
    clade_status status = check_names(path, tensors, count, metadata, metadata_count);
    if (!status) status = make_header(path, tensors, count, metadata, metadata_count, &text);
    if (status) return status;

    size_t length = strlen(text), padding = (64 - (8 + length) % 64) % 64;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
    clade_file_writer writer;
    status = clade_file_writer_open(&writer, path);
    if (!status) {
        status = clade_file_writer_add(&writer, prefix, sizeof prefix);
        if (!status) status = clade_file_writer_add(&writer, text, length);
        if (!status) status = clade_file_writer_add(&writer, spaces, padding);
        for (size_t i = 0; i < count && !status; i++) {
            uint64_t bytes = 0;
            status = measure(path, &tensors[i], &bytes);
            if (!status) status = clade_file_writer_add(&writer, tensors[i].data, (size_t)bytes);
        }
        if (status)
            clade_file_writer_abort(&writer);
        else
            status = clade_file_writer_commit(&writer);
    }
    cJSON_free(text);
    return status;
}
