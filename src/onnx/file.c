/* ONNX files: unpacking under a limit of memory, and tensors with their values. */
#define _XOPEN_SOURCE 700
#include "base/content.h"
#include "base/file.h"
#include "onnx/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { slack = 64 << 20, growth = 8 };

/* --- counted memory --- */

/* Before each block: its size, as wide as any alignment. */
typedef union onnx_header {
    size_t size;
    max_align_t align;
} onnx_header;

static void *take(clade_onnx_file *file, uint64_t size)
{
    if (size > file->limit || file->used > file->limit - size) return NULL;
    onnx_header *block = calloc(1, sizeof *block + (size_t)size);
    if (!block) return NULL;
    block->size = (size_t)size;
    file->used += size;
    return block + 1;
}

void *clade_onnx_take(clade_onnx_file *file, uint64_t count, size_t size)
{
    void *memory = count > file->limit / size ? NULL : take(file, count * size);
    if (!memory)
        clade_fail(CLADE_ENOMEM,
                   "%s: reading needs more memory than a file of its size should (%llu MiB)",
                   file->path, (unsigned long long)(file->limit >> 20));
    return memory;
}

void clade_onnx_give(clade_onnx_file *file, void *memory)
{
    if (!memory) return;
    onnx_header *block = (onnx_header *)memory - 1;
    file->used -= block->size;
    free(block);
}

float *clade_onnx_release(clade_onnx_file *file, float *data, size_t count)
{
    float *copy = malloc((count ? count : 1) * sizeof *copy);
    if (copy)
        memcpy(copy, data, count * sizeof *copy);
    else
        clade_fail(CLADE_ENOMEM, "%s: out of memory for %zu weights", file->path, count);
    clade_onnx_give(file, data);
    return copy;
}

static void *unpack_take(void *allocator_data, size_t size)
{
    clade_onnx_file *file = allocator_data;
    void *memory = take(file, size);
    if (!memory && size <= file->limit - file->used) file->short_of_memory = true;
    return memory;
}
static void unpack_give(void *file, void *memory) { clade_onnx_give(file, memory); }

/* --- the file --- */

static clade_status check_head(clade_onnx_file *file)
{
    const Onnx__Model *model = file->model;
    if (!model->graph || model->graph->n_node == 0)
        return clade_fail(CLADE_EFORMAT, "%s: not an ONNX model: it has no graph with nodes",
                          file->path);
    file->graph = model->graph;
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (!*clade_onnx_string(model->opset_import[i]->domain) ||
            !strcmp(model->opset_import[i]->domain, "ai.onnx"))
            file->opset = model->opset_import[i]->version;
    if (file->opset < 7 || file->opset > 21)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: ONNX opset %lld; expected 7 to 17 (18 to 21 are "
                          "read as 17)",
                          file->path, (long long)file->opset);
    return CLADE_OK;
}

clade_status clade_onnx_file_open(const char *path, const void *bytes, size_t size,
                                  clade_onnx_file *out)
{
    *out = (clade_onnx_file){.path = path, .limit = growth * (uint64_t)size + slack};
    const char *slash = strrchr(path, '/');
    out->folder = clade_string_join(slash ? path : ".", "");
    if (!out->folder) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    if (slash) out->folder[slash - path + (slash == path)] = 0;
    out->allocator =
        (ProtobufCAllocator){.alloc = unpack_take, .free = unpack_give, .allocator_data = out};
    out->model = onnx__model__unpack(&out->allocator, size, bytes);
    clade_status status = CLADE_OK;
    if (!out->model && out->short_of_memory)
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory to unpack it", path);
    else if (!out->model)
        status = clade_fail(CLADE_EFORMAT,
                            "%s: not an ONNX file, or damaged: its %zu bytes cannot "
                            "be unpacked%s",
                            path, size, clade_content_hint(bytes, size));
    else
        status = check_head(out);
    if (status) clade_onnx_file_close(out);
    return status;
}

void clade_onnx_file_close(clade_onnx_file *file)
{
    if (file->model) onnx__model__free_unpacked(file->model, &file->allocator);
    for (size_t i = 0; i < file->external_count; i++) free(file->external[i]);
    free(file->external);
    free(file->folder);
    *file = (clade_onnx_file){0};
}

/* --- constants --- */

clade_status clade_onnx_constant_make(clade_onnx_file *file, bool real, int32_t rank,
                                      const int64_t *dim, clade_onnx_constant *out)
{
    *out = (clade_onnx_constant){.real = real, .rank = rank, .count = 1};
    if (rank > clade_onnx_max_rank)
        return clade_fail(CLADE_EUNSUPPORTED, "%d dimensions: expected at most %d", rank,
                          clade_onnx_max_rank);
    uint64_t count = 1;
    for (int32_t k = 0; k < rank; k++) {
        if (dim[k] < 0 || (dim[k] > 0 && count > (UINT64_C(1) << 40) / (uint64_t)dim[k]))
            return clade_fail(CLADE_EFORMAT, "dimension %d is %lld", k, (long long)dim[k]);
        count *= (uint64_t)dim[k];
        out->dim[k] = dim[k];
    }
    out->count = (size_t)count;
    void *data = clade_onnx_take(file, count ? count : 1, real ? sizeof *out->f : sizeof *out->i);
    if (!data) return CLADE_ENOMEM;
    if (real)
        out->f = data;
    else
        out->i = data;
    return CLADE_OK;
}

void clade_onnx_constant_clear(clade_onnx_file *file, clade_onnx_constant *constant)
{
    clade_onnx_give(file, constant->f);
    clade_onnx_give(file, constant->i);
    *constant = (clade_onnx_constant){0};
}

/* --- tensors --- */

/* The format's element types: bytes of one, and whether they are real. */
static const struct {
    int8_t size;
    bool real;
} types[] = {
    [1] = {4, true},   [2] = {1, false},  [3] = {1, false}, [4] = {2, false}, [5] = {2, false},
    [6] = {4, false},  [7] = {8, false},  [9] = {1, false}, [10] = {2, true}, [11] = {8, true},
    [12] = {4, false}, [13] = {8, false}, [16] = {2, true}};
enum { type_count = sizeof types / sizeof *types };

static float from_half(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                    : ldexp(1024 + fraction, exponent - 25);
    return (float)(half & 0x8000 ? -value : value);
}

static float real_at(int32_t type, const unsigned char *p)
{
    float f;
    double d;
    uint16_t h;
    uint32_t u;
    switch (type) {
    case 1: memcpy(&f, p, sizeof f); return f;
    case 11: memcpy(&d, p, sizeof d); return (float)d;
    case 10: memcpy(&h, p, sizeof h); return from_half(h);
    default:
        memcpy(&h, p, sizeof h);
        u = (uint32_t)h << 16;
        memcpy(&f, &u, sizeof f);
        return f;
    }
}

static int64_t whole_at(int32_t type, const unsigned char *p)
{
    int64_t i64 = 0;
    int32_t i32 = 0;
    uint32_t u32 = 0;
    int16_t i16 = 0;
    uint16_t u16 = 0;
    switch (type) {
    case 3: return (int8_t)*p;
    case 4: memcpy(&u16, p, sizeof u16); return u16;
    case 5: memcpy(&i16, p, sizeof i16); return i16;
    case 6: memcpy(&i32, p, sizeof i32); return i32;
    case 12: memcpy(&u32, p, sizeof u32); return u32;
    case 7:
    case 13: memcpy(&i64, p, sizeof i64); return i64;
    default: return *p; /* uint8, bool */
    }
}

static void decode(int32_t type, const unsigned char *bytes, clade_onnx_constant *out)
{
    size_t size = (size_t)types[type].size;
    if (type == CLADE_ONNX_FLOAT) {
        if (out->count) memcpy(out->f, bytes, out->count * sizeof *out->f);
        return;
    }
    for (size_t k = 0; k < out->count; k++)
        if (out->real)
            out->f[k] = real_at(type, bytes + k * size);
        else
            out->i[k] = whole_at(type, bytes + k * size);
}

/* The values from the field that the type has; small types share int32_data. */
static clade_status decode_fields(const Onnx__Tensor *t, clade_onnx_constant *out)
{
    size_t have = t->data_type == 1                          ? t->n_float_data
                  : t->data_type == 11                       ? t->n_double_data
                  : t->data_type == 7                        ? t->n_int64_data
                  : t->data_type >= 12 && t->data_type <= 13 ? t->n_uint64_data
                                                             : t->n_int32_data;
    if (have != out->count)
        return clade_fail(CLADE_EFORMAT, "has %zu values, but its shape says %zu", have,
                          out->count);
    for (size_t k = 0; k < have; k++) {
        switch (t->data_type) {
        case 1: out->f[k] = t->float_data[k]; break;
        case 11: out->f[k] = (float)t->double_data[k]; break;
        case 7: out->i[k] = t->int64_data[k]; break;
        case 12:
        case 13: out->i[k] = (int64_t)t->uint64_data[k]; break;
        case 10:
        case 16: {
            unsigned char bits[8] = {0};
            memcpy(bits, &t->int32_data[k], sizeof t->int32_data[k]); /* little-endian */
            out->f[k] = real_at(t->data_type, bits);
            break;
        }
        default: out->i[k] = t->int32_data[k];
        }
    }
    return CLADE_OK;
}

/* --- data in other files --- */

static const char *external(const Onnx__Tensor *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++)
        if (!strcmp(clade_onnx_string(t->external_data[i]->key), key))
            return clade_onnx_string(t->external_data[i]->value);
    return NULL;
}

/* A number of bytes; missing: `otherwise`. */
static clade_status external_number(const Onnx__Tensor *t, const char *key, uint64_t otherwise,
                                    uint64_t *out)
{
    const char *text = external(t, key);
    char *end;
    *out = otherwise;
    if (!text) return CLADE_OK;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno) return CLADE_OK;
    return clade_fail(CLADE_EFORMAT, "its %s in an external file is '%.40s'", key, text);
}

/* The path of the external file, which must lie in the model's folder. */
static clade_status external_path(const clade_onnx_file *file, const Onnx__Tensor *t, char **out)
{
    const char *location = external(t, "location");
    *out = NULL;
    if (!location || !*location) return clade_fail(CLADE_EFORMAT, "its external file is not named");
    char *folder = realpath(file->folder, NULL);
    char *prefix = folder ? clade_string_join(folder, strcmp(folder, "/") ? "/" : "") : NULL;
    char *joined = prefix ? clade_string_join(prefix, location) : NULL;
    char *real = joined ? realpath(joined, NULL) : NULL;
    clade_status status = CLADE_OK;
    if (*location == '/' || (real && strncmp(real, prefix, strlen(prefix))))
        status = clade_fail(CLADE_EFORMAT,
                            "its external file '%.200s' is outside the model's folder", location);
    else if (!real)
        status = clade_fail(CLADE_EIO, "its external file '%.200s': %s", location, strerror(errno));
    free(folder);
    free(prefix);
    free(joined);
    if (status) {
        free(real);
        return status;
    }
    *out = real;
    return CLADE_OK;
}

/* A file's size counts towards the limit of memory the first time it is used. */
static clade_status count_external(clade_onnx_file *file, const char *path, uint64_t size)
{
    for (size_t i = 0; i < file->external_count; i++)
        if (!strcmp(file->external[i], path)) return CLADE_OK;
    char **grown = realloc(file->external, (file->external_count + 1) * sizeof *grown);
    if (grown) file->external = grown;
    char *copy = grown ? clade_string_join(path, "") : NULL;
    if (!copy) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->path);
    file->external[file->external_count++] = copy;
    file->limit += size <= UINT64_MAX / 16 ? growth * size : 0;
    return CLADE_OK;
}

static clade_status read_range(int fd, uint64_t offset, unsigned char *bytes, size_t size)
{
    while (size) {
        ssize_t got = pread(fd, bytes, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return clade_fail(CLADE_EIO, "its external file: %s",
                              got ? strerror(errno) : "became shorter");
        bytes += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return CLADE_OK;
}

static clade_status read_external(clade_onnx_file *file, const Onnx__Tensor *t,
                                  clade_onnx_constant *out)
{
    char *path = NULL;
    unsigned char *bytes = NULL;
    int fd = -1;
    struct stat info;
    uint64_t offset, length, size = out->count * (uint64_t)types[t->data_type].size;
    clade_status status = external_number(t, "offset", 0, &offset);
    if (!status) status = external_number(t, "length", size, &length);
    if (!status && length != size)
        status =
            clade_fail(CLADE_EFORMAT, "has %llu bytes in an external file, but its shape says %llu",
                       (unsigned long long)length, (unsigned long long)size);
    if (!status) status = external_path(file, t, &path);
    if (!status) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode))
            status = clade_fail(CLADE_EIO, "%s: cannot be read as a file", path);
        else if (offset > (uint64_t)info.st_size || size > (uint64_t)info.st_size - offset)
            status =
                clade_fail(CLADE_EFORMAT, "lies at bytes %llu to %llu of %s, which has only %llu",
                           (unsigned long long)offset, (unsigned long long)(offset + size), path,
                           (unsigned long long)info.st_size);
        else
            status = count_external(file, path, (uint64_t)info.st_size);
    }
    if (!status) {
        bytes = clade_onnx_take(file, size ? size : 1, 1);
        status = bytes ? read_range(fd, offset, bytes, (size_t)size) : CLADE_ENOMEM;
    }
    if (!status) decode(t->data_type, bytes, out);
    clade_onnx_give(file, bytes);
    if (fd >= 0) close(fd);
    free(path);
    return status;
}

/* --- reading one --- */

/* So large a tensor cannot be in any of the files: said before memory is taken for it. */
static clade_status check_size(const Onnx__Tensor *t, const clade_onnx_constant *shape)
{
    uint64_t size = shape->count * (uint64_t)types[t->data_type].size;
    if (t->has_raw_data && t->raw_data.len != size)
        return clade_fail(CLADE_EFORMAT, "has %zu bytes, but its shape says %llu", t->raw_data.len,
                          (unsigned long long)size);
    return CLADE_OK;
}

static clade_status read_values(clade_onnx_file *file, const Onnx__Tensor *t,
                                clade_onnx_constant *out)
{
    if (!t->has_data_type || t->data_type < 1 || t->data_type >= type_count ||
        !types[t->data_type].size)
        return clade_fail(CLADE_EUNSUPPORTED, "has elements of type %d; expected numbers",
                          t->has_data_type ? t->data_type : 0);
    bool real = types[t->data_type].real;
    if (t->n_dims > clade_onnx_max_rank)
        return clade_fail(CLADE_EUNSUPPORTED, "has %zu dimensions; expected at most %d", t->n_dims,
                          clade_onnx_max_rank);
    clade_onnx_constant shape = {.count = 1};
    for (size_t k = 0; k < t->n_dims; k++) {
        if (t->dims[k] < 0 ||
            (t->dims[k] > 0 && shape.count > ((size_t)1 << 40) / (size_t)t->dims[k]))
            return clade_fail(CLADE_EFORMAT, "dimension %zu is %lld", k, (long long)t->dims[k]);
        shape.count *= (size_t)t->dims[k];
    }
    clade_status status = check_size(t, &shape);
    if (!status) status = clade_onnx_constant_make(file, real, (int32_t)t->n_dims, t->dims, out);
    if (status) return status;
    if (t->data_location == 1) return read_external(file, t, out);
    if (!t->has_raw_data) return decode_fields(t, out);
    decode(t->data_type, t->raw_data.data, out);
    return CLADE_OK;
}

clade_status clade_onnx_tensor_read(clade_onnx_file *file, const Onnx__Tensor *tensor,
                                    clade_onnx_constant *out)
{
    *out = (clade_onnx_constant){0};
    clade_status status = read_values(file, tensor, out);
    if (status) clade_onnx_constant_clear(file, out);
    if (!status) out->type = tensor->data_type;
    return clade_context(status, "tensor '%.200s'", clade_onnx_string(tensor->name));
}
