/* Reading safetensors: header checks, access, conversion to float32. */
#define _XOPEN_SOURCE 700
#include "weights/safetensors.h"
#include "base/content.h"
#include "base/file.h"
#include "base/json.h"
#include "weights/safetensors_name.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    max_header = 100 << 20, /* as the format's own reader has it */
    max_values = 4 << 20,   /* JSON values in a header: bounds what the parser allocates */
    max_depth = 4,          /* of JSON; the format needs three */
    alignment = 64
};

/* Largest whole number that JSON read as double keeps exactly. */
static const double exact = 9007199254740992;

struct clade_safetensors {
    char *name;
    cJSON *header; /* owns the strings */
    unsigned char *data;
    size_t data_bytes;
    clade_safetensors_tensor *tensor; /* in the header's order */
    const clade_safetensors_tensor **by_name;
    size_t count;
    clade_safetensors_pair *pair;
    size_t pairs;
};

void clade_safetensors_destroy(clade_safetensors **handle)
{
    clade_safetensors *file = *handle;
    if (!file) return;
    cJSON_Delete(file->header);
    free(file->name);
    free(file->data);
    free(file->tensor);
    free(file->by_name);
    free(file->pair);
    free(file);
    *handle = NULL;
}

/* --- the header --- */

/* What the JSON parser does not refuse: bad UTF-8, control characters and zeros in strings, depth,
 * sheer number of values. */
static clade_status check_text(const clade_safetensors *file, const char *text, size_t size)
{
    bool in_string = false;
    size_t values = 1, depth = 0;
    if (!clade_utf8_is_valid(text, size))
        return clade_fail(CLADE_EFORMAT, "%s: the header is not UTF-8 text", file->name);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (in_string) {
            if (c < ' ')
                return clade_fail(CLADE_EFORMAT,
                                  "%s: a control character in a string of the header", file->name);
            if (c == '\\') {
                if (size - i > 5 && !memcmp(text + i, "\\u0000", 6))
                    return clade_fail(CLADE_EFORMAT, "%s: a zero in a string of the header",
                                      file->name);
                i++;
            }
            in_string = c != '"';
        } else {
            in_string = c == '"';
            values += c == ',' || c == '{' || c == '[';
            depth += c == '{' || c == '[';
            depth -= (c == '}' || c == ']') && depth > 0;
            if (depth > max_depth)
                return clade_fail(CLADE_EFORMAT, "%s: the header's JSON is nested too deep",
                                  file->name);
        }
    }
    if (values > max_values)
        return clade_fail(CLADE_EFORMAT, "%s: more than %d values in the header", file->name,
                          max_values);
    return CLADE_OK;
}

static clade_status fail_tensor(const clade_safetensors *file, const char *name, const char *text)
{
    return clade_fail(CLADE_EFORMAT, "%s: tensor '%s': %s", file->name, name, text);
}

/* A whole number from 0 to 2^53. */
static bool read_size(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= exact))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static clade_status read_tensor(const clade_safetensors *file, const cJSON *item,
                                clade_safetensors_tensor *tensor)
{
    const char *name = tensor->name = item->string;
    const cJSON *dtype = NULL, *shape = NULL, *offsets = NULL;
    if (!cJSON_IsObject(item)) return fail_tensor(file, name, "expected an object");
    for (const cJSON *field = item->child; field; field = field->next) {
        const cJSON **slot = !strcmp(field->string, "dtype")          ? &dtype
                             : !strcmp(field->string, "shape")        ? &shape
                             : !strcmp(field->string, "data_offsets") ? &offsets
                                                                      : NULL;
        if (!slot || *slot)
            return clade_fail(CLADE_EFORMAT, "%s: tensor '%s': %s field '%s'", file->name, name,
                              slot ? "a second" : "unknown", field->string);
        *slot = field;
    }
    if (!cJSON_IsString(dtype)) return fail_tensor(file, name, "no dtype");
    if (!clade_safetensors_dtype_find(dtype->valuestring, &tensor->dtype))
        return clade_fail(CLADE_EUNSUPPORTED, "%s: tensor '%s': unknown dtype '%s'", file->name,
                          name, dtype->valuestring);

    if (!cJSON_IsArray(shape)) return fail_tensor(file, name, "no shape");
    uint64_t bytes = clade_safetensors_dtype_size(tensor->dtype), dimension, begin, end;
    bool empty = false, overflow = false;
    for (const cJSON *d = shape->child; d; d = d->next) {
        if (tensor->rank == clade_safetensors_max_rank)
            return clade_fail(CLADE_EUNSUPPORTED, "%s: tensor '%s': more than %d dimensions",
                              file->name, name, clade_safetensors_max_rank);
        if (!read_size(d, &dimension))
            return fail_tensor(file, name, "the shape is not made of whole numbers");
        tensor->shape[tensor->rank++] = (int64_t)dimension;
        empty = empty || dimension == 0;
        overflow = overflow || (dimension > 0 && bytes > UINT64_MAX / dimension);
        if (!overflow && dimension > 0) bytes *= dimension;
    }
    if (empty) bytes = 0;
    if (overflow && !empty) return fail_tensor(file, name, "the shape is larger than any memory");

    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_size(offsets->child, &begin) || !read_size(offsets->child->next, &end))
        return fail_tensor(file, name, "data_offsets is not two whole numbers");
    if (begin > end || end > file->data_bytes)
        return clade_fail(
            CLADE_EFORMAT,
            "%s: tensor '%s': bytes %llu to %llu of the data, which has %zu: cut short?",
            file->name, name, (unsigned long long)begin, (unsigned long long)end, file->data_bytes);
    if (end - begin != bytes)
        return clade_fail(
            CLADE_EFORMAT, "%s: tensor '%s': %llu bytes, but its shape and dtype need %llu",
            file->name, name, (unsigned long long)(end - begin), (unsigned long long)bytes);
    tensor->data = file->data + begin;
    tensor->bytes = (size_t)bytes;
    return CLADE_OK;
}

static clade_status read_metadata(clade_safetensors *file, const cJSON *map)
{
    if (!cJSON_IsObject(map) || file->pair)
        return clade_fail(CLADE_EFORMAT, "%s: expected one '__metadata__', a map of strings",
                          file->name);
    size_t room = (size_t)cJSON_GetArraySize(map);
    file->pair = malloc((room + 1) * sizeof *file->pair);
    const char **keys = malloc((room + 1) * sizeof *keys);
    if (!file->pair || !keys) {
        free(keys);
        return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->name);
    }
    const char *bad = NULL, *what = "is not a string";
    for (const cJSON *item = map->child; item && !bad; item = item->next) {
        if (!cJSON_IsString(item)) bad = item->string;
        keys[file->pairs] = item->string;
        file->pair[file->pairs++] = (clade_safetensors_pair){item->string, item->valuestring};
    }
    if (!bad && (bad = clade_names_find_double(keys, file->pairs))) what = "appears twice";
    clade_status status = CLADE_OK;
    if (bad) status = clade_fail(CLADE_EFORMAT, "%s: metadata '%s' %s", file->name, bad, what);
    free(keys);
    return status;
}

static int by_name(const void *left, const void *right)
{
    const clade_safetensors_tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static int by_place(const void *left, const void *right)
{
    const clade_safetensors_tensor *a = *(const clade_safetensors_tensor *const *)left;
    const clade_safetensors_tensor *b = *(const clade_safetensors_tensor *const *)right;
    uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
    if (x != y) return x < y ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes; /* empty ones first */
}

/* Sorted by place, each must begin where the one before ends; sorted by name, no two are equal. */
static clade_status check_layout(clade_safetensors *file)
{
    file->by_name = malloc((file->count + 1) * sizeof(const clade_safetensors_tensor *));
    if (!file->by_name) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->name);
    for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->tensor[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, by_place);
    const unsigned char *end = file->data;
    for (size_t i = 0; i < file->count; i++) {
        const clade_safetensors_tensor *t = file->by_name[i];
        const unsigned char *begin = t->data;
        if (begin < end) return fail_tensor(file, t->name, "overlaps another tensor");
        if (begin > end)
            return fail_tensor(file, t->name, "there are bytes before it that belong to no tensor");
        end = begin + t->bytes;
    }
    size_t used = (size_t)(end - file->data);
    if (used != file->data_bytes)
        return clade_fail(CLADE_EFORMAT, "%s: %zu bytes after the last tensor", file->name,
                          file->data_bytes - used);
    qsort(file->by_name, file->count, sizeof *file->by_name, by_name);
    for (size_t i = 1; i < file->count; i++)
        if (!strcmp(file->by_name[i - 1]->name, file->by_name[i]->name))
            return fail_tensor(file, file->by_name[i]->name, "appears twice");
    return CLADE_OK;
}

static clade_status read_header(clade_safetensors *file, const char *text, size_t size)
{
    if (size == 0 || text[0] != '{')
        return clade_fail(CLADE_EFORMAT,
                          "%s: not a safetensors file: the header does not begin with {",
                          file->name);
    clade_status status = check_text(file, text, size);
    if (status) return status;
    const char *end;
    status = clade_json_parse(text, size, file->name, &end, &file->header);
    if (status == CLADE_EFORMAT)
        return clade_fail(status, "%s: the header is not JSON, at byte %zu", file->name,
                          (size_t)(end - text));
    if (status) return status;
    while (end < text + size && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t'))
        end++;
    if (end < text + size)
        return clade_fail(CLADE_EFORMAT, "%s: the header continues after its end, at byte %zu",
                          file->name, (size_t)(end - text));
    size_t members = (size_t)cJSON_GetArraySize(file->header);
    file->tensor = calloc(members + 1, sizeof *file->tensor);
    if (!file->tensor) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->name);
    for (const cJSON *item = file->header->child; item && !status; item = item->next) {
        if (!strcmp(item->string, "__metadata__"))
            status = read_metadata(file, item);
        else
            status = read_tensor(file, item, &file->tensor[file->count++]);
    }
    return status ? status : check_layout(file);
}

/* --- opening --- */

typedef struct input {
    int fd; /* -1: memory */
    const unsigned char *bytes;
} input;

/* The next `size` bytes; false with errno, 0 at the end of the file. */
static bool take(input *in, void *out, size_t size)
{
    char *p = out;
    if (in->fd < 0) {
        memcpy(p, in->bytes, size);
        in->bytes += size;
        return true;
    }
    while (size > 0) {
        ssize_t n = read(in->fd, p, size < 1u << 30 ? size : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = 0;
        if (n <= 0) return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* A version of the format, then who wrote it. */
static bool is_onnx(const unsigned char prefix[8])
{
    return prefix[0] == 0x08 && prefix[1] < 0x20 && prefix[2] == 0x12;
}

/* Header first, so that a file of some other kind is refused before its bulk is read. */
static clade_status open_input(input *in, uint64_t size, const char *name, clade_safetensors **out)
{
    unsigned char prefix[8];
    uint64_t header = 0;
    char *text = NULL;
    clade_status status = CLADE_ENOMEM;
    clade_safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->name = clade_string_join(name, ""))) {
        clade_fail(status, "%s: out of memory", name);
        goto fail;
    }
    if (size < sizeof prefix) {
        status =
            clade_fail(CLADE_EFORMAT, "%s: not a safetensors file: only %d bytes", name, (int)size);
        goto fail;
    }
    if (!take(in, prefix, sizeof prefix)) goto unreadable;
    for (int i = 7; i >= 0; i--) header = header << 8 | prefix[i];
    if (header > max_header || header > size - sizeof prefix) {
        status = clade_fail(
            CLADE_EFORMAT,
            "%s: not a safetensors file, or cut short: a header of %llu bytes in a file of %llu%s",
            name, (unsigned long long)header, (unsigned long long)size,
            is_onnx(prefix) ? "; this is ONNX: `clade import` converts it to a model"
                            : clade_content_hint(prefix, sizeof prefix));
        goto fail;
    }
    uint64_t rest = size - sizeof prefix - header;
    /* data last, a multiple of the alignment, never empty */
    if (rest > SIZE_MAX - 2 * alignment || !(text = malloc((size_t)header + 1))) {
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory for %llu bytes", name,
                            (unsigned long long)size);
        goto fail;
    }
    if (!take(in, text, (size_t)header)) goto unreadable;
    text[header] = 0; /* some versions of cJSON look one byte beyond the length */
    file->data_bytes = (size_t)rest;
    file->data = aligned_alloc(alignment, file->data_bytes / alignment * alignment + alignment);
    if (!file->data) {
        status =
            clade_fail(CLADE_ENOMEM, "%s: out of memory for %zu bytes", name, file->data_bytes);
        goto fail;
    }
    if ((status = read_header(file, text, (size_t)header))) goto fail;
    if (!take(in, file->data, file->data_bytes)) goto unreadable;
    free(text);
    *out = file;
    return CLADE_OK;
unreadable:
    status = clade_fail(CLADE_EIO, "%s: cannot read: %s", name,
                        errno ? strerror(errno) : "it became shorter while being read");
fail:
    free(text);
    clade_safetensors_destroy(&file);
    return status;
}

clade_status clade_safetensors_open_memory(const void *bytes, size_t size, const char *name,
                                           clade_safetensors **out)
{
    assert((bytes || size == 0) && name && out);
    *out = NULL;
    return open_input(&(input){.fd = -1, .bytes = bytes}, size, name, out);
}

clade_status clade_safetensors_open(const char *path, clade_safetensors **out)
{
    assert(path && out);
    *out = NULL;
    input in = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info;
    if (in.fd < 0) return clade_fail(CLADE_EIO, "%s: cannot open: %s", path, strerror(errno));
    clade_status status;
    if (fstat(in.fd, &info))
        status = clade_fail(CLADE_EIO, "%s: cannot read: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = clade_fail(CLADE_EIO, "%s: cannot read: it is not a regular file", path);
    else
        status = open_input(&in, (uint64_t)info.st_size, path, out);
    close(in.fd);
    return status;
}

/* --- access --- */

size_t clade_safetensors_count(const clade_safetensors *file) { return file->count; }

const clade_safetensors_tensor *clade_safetensors_at(const clade_safetensors *file, size_t i)
{
    assert(i < file->count);
    return &file->tensor[i];
}

const clade_safetensors_tensor *clade_safetensors_find(const clade_safetensors *file,
                                                       const char *name)
{
    clade_safetensors_tensor wanted = {.name = name};
    const clade_safetensors_tensor *key = &wanted;
    const clade_safetensors_tensor **found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, by_name);
    return found ? *found : NULL;
}

size_t clade_safetensors_metadata_count(const clade_safetensors *file) { return file->pairs; }

clade_safetensors_pair clade_safetensors_metadata_at(const clade_safetensors *file, size_t i)
{
    assert(i < file->pairs);
    return file->pair[i];
}

const char *clade_safetensors_metadata(const clade_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->pairs; i++)
        if (!strcmp(file->pair[i].key, key)) return file->pair[i].value;
    return NULL;
}

clade_status clade_safetensors_floats(const clade_safetensors *file,
                                      const clade_safetensors_tensor *tensor, size_t count,
                                      float *out)
{
    size_t elements = tensor->bytes / clade_safetensors_dtype_size(tensor->dtype);
    if (count != elements)
        return clade_fail(CLADE_EINVAL, "%s: tensor '%s': %zu elements, expected %zu", file->name,
                          tensor->name, elements, count);
    if (!clade_dtype_floats(tensor->dtype, tensor->data, count, out))
        return clade_fail(CLADE_EFORMAT,
                          "%s: tensor '%s': expected floating-point numbers, found %s", file->name,
                          tensor->name, clade_safetensors_dtype_name(tensor->dtype));
    return CLADE_OK;
}
