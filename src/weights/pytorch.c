/* Reading PyTorch's files: the two containers, storages, tensors, conversion to float32. */
#include "weights/pytorch.h"
#include "weights/pickle.h"
#include "weights/pytorch_dict.h"
#include "weights/zip.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may occur in a file of tensors, and what training checkpoints have besides: that is read
 * over. */
static const char *const globals[] = {
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter",
    "torch.storage.UntypedStorage",
    /* storages and dtypes */
    "torch.FloatStorage", "torch.HalfStorage", "torch.BFloat16Storage", "torch.DoubleStorage",
    "torch.BoolStorage", "torch.ByteStorage", "torch.CharStorage", "torch.ShortStorage",
    "torch.IntStorage", "torch.LongStorage", "torch.cuda.FloatStorage", "torch.cuda.HalfStorage",
    "torch.cuda.DoubleStorage", "torch.cuda.LongStorage", "torch.float32", "torch.float16",
    "torch.bfloat16", "torch.float64", "torch.float8_e4m3fn", "torch.float8_e5m2", "torch.bool",
    "torch.uint8", "torch.int8", "torch.uint16", "torch.int16", "torch.uint32", "torch.int32",
    "torch.uint64", "torch.int64",
    /* read over */
    "torch.Size", "torch.device", "argparse.Namespace", "builtins.dict", "__builtin__.dict",
    "builtins.list", "__builtin__.list", "builtins.int", "__builtin__.int", "numpy.dtype",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "_codecs.encode", NULL};

static const struct {
    const char *name, *dtype;
} dtypes[] = {
    {"FloatStorage", "F32"},
    {"HalfStorage", "F16"},
    {"BFloat16Storage", "BF16"},
    {"DoubleStorage", "F64"},
    {"BoolStorage", "BOOL"},
    {"ByteStorage", "U8"},
    {"UntypedStorage", "U8"},
    {"CharStorage", "I8"},
    {"ShortStorage", "I16"},
    {"IntStorage", "I32"},
    {"LongStorage", "I64"},
    {"float32", "F32"},
    {"float16", "F16"},
    {"bfloat16", "BF16"},
    {"float64", "F64"},
    {"float8_e4m3fn", "F8_E4M3"},
    {"float8_e5m2", "F8_E5M2"},
    {"bool", "BOOL"},
    {"uint8", "U8"},
    {"int8", "I8"},
    {"uint16", "U16"},
    {"int16", "I16"},
    {"uint32", "U32"},
    {"int32", "I32"},
    {"uint64", "U64"},
    {"int64", "I64"},
};

/* Memory that tensors are views of. */
typedef struct pytorch_storage {
    const char *key;
    clade_safetensors_dtype dtype;
    uint64_t count, at; /* elements, and where they begin in the file; 0: nowhere yet */
} pytorch_storage;

struct clade_pytorch {
    clade_blob bytes;
    char *name;
    clade_zip zip;
    clade_pickle *pickle;     /* owns the names */
    pytorch_storage *storage; /* sorted by key */
    size_t storages;
    clade_pytorch_tensor *tensor;
    size_t count;
};

static clade_status fail_memory(const clade_pytorch *f)
{
    return clade_fail(CLADE_ENOMEM, "%s: out of memory", f->name);
}

static clade_status damaged(const clade_pytorch *f, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: damaged PyTorch file: %s", f->name, what);
}

static const clade_pickle_value *item_of(const clade_pickle_value *value, size_t i,
                                         clade_pickle_kind kind)
{
    bool there = value && i < value->count && value->item[i]->kind == kind;
    return there ? value->item[i] : NULL;
}

static bool read_count(const clade_pickle_value *value, size_t i, uint64_t *out)
{
    const clade_pickle_value *number = item_of(value, i, CLADE_PICKLE_INT);
    if (!number || number->number < 0) return false;
    *out = (uint64_t)number->number;
    return true;
}

/* "torch.FloatStorage" or "torch.float32". */
static bool read_dtype(const clade_pickle_value *global, clade_safetensors_dtype *out)
{
    if (!global) return false;
    const char *name = strrchr(global->text, '.') + 1;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, name))
            return clade_safetensors_dtype_find(dtypes[i].dtype, out);
    return false;
}

/* --- storages --- */

static int by_key(const void *left, const void *right)
{
    const pytorch_storage *a = left, *b = right;
    return strcmp(a->key, b->key);
}

static pytorch_storage *find_storage(const clade_pytorch *f, const char *key)
{
    const pytorch_storage wanted = {.key = key};
    if (!f->storages) return NULL;
    return bsearch(&wanted, f->storage, f->storages, sizeof *f->storage, by_key);
}

/* ("storage", type, key, place, elements, …) */
static clade_status read_storage(const clade_pytorch *f, const clade_pickle_value *outside,
                                 pytorch_storage *out)
{
    const clade_pickle_value *id = item_of(outside, 0, CLADE_PICKLE_TUPLE);
    const clade_pickle_value *word = item_of(id, 0, CLADE_PICKLE_TEXT);
    const clade_pickle_value *key = item_of(id, 2, CLADE_PICKLE_TEXT);
    *out = (pytorch_storage){0};
    if (!word || strcmp(word->text, "storage") || !key || !read_count(id, 4, &out->count) ||
        !read_dtype(item_of(id, 1, CLADE_PICKLE_GLOBAL), &out->dtype))
        return damaged(f, "a storage without type, key or size");
    out->key = key->text;
    if (out->count > INT64_MAX / 8) return damaged(f, "a storage larger than any memory");
    return CLADE_OK;
}

static clade_status read_storages(clade_pytorch *f)
{
    const clade_pickle_value *all = clade_pickle_outside(f->pickle);
    size_t kept = 0;
    f->storage = malloc((all->count + 1) * sizeof *f->storage);
    if (!f->storage) return fail_memory(f);
    for (size_t i = 0; i < all->count; i++) {
        clade_status status = read_storage(f, all->item[i], &f->storage[i]);
        if (status) return status;
    }
    if (all->count) qsort(f->storage, all->count, sizeof *f->storage, by_key);
    for (size_t i = 0; i < all->count; i++) {
        const pytorch_storage *s = &f->storage[i], *before = kept ? &f->storage[kept - 1] : NULL;
        if (!before || strcmp(s->key, before->key))
            f->storage[kept++] = *s;
        else if (s->dtype != before->dtype || s->count != before->count)
            return damaged(f, "one storage of two types or sizes");
    }
    f->storages = kept;
    return CLADE_OK;
}

static uint64_t storage_bytes(const pytorch_storage *s)
{
    return s->count * clade_safetensors_dtype_size(s->dtype);
}

/* --- the zip archive --- */

/* NAME/data.pkl, and how long NAME/ is. */
static const clade_zip_entry *find_pickle(const clade_pytorch *f, int *prefix)
{
    static const char ending[] = "data.pkl";
    for (size_t i = 0; i < f->zip.count; i++) {
        const char *name = f->zip.entry[i].name;
        size_t n = strlen(name), e = sizeof ending - 1;
        if (n < e || n > 1000 || strcmp(name + n - e, ending) || (n > e && name[n - e - 1] != '/'))
            continue;
        *prefix = (int)(n - e);
        return &f->zip.entry[i];
    }
    return NULL;
}

static clade_status check_byte_order(const clade_pytorch *f, const char *name)
{
    char order[7] = {0};
    uint64_t at;
    const clade_zip_entry *entry = clade_zip_find(&f->zip, name);
    if (!entry) return CLADE_OK;
    clade_status status = clade_zip_locate(&f->zip, entry, &at);
    if (!status)
        status = clade_blob_read(&f->bytes, at, order,
                                 entry->size < sizeof order ? (size_t)entry->size : 6);
    if (status || !strcmp(order, "little")) return status;
    return clade_fail(CLADE_EUNSUPPORTED, "%s: written by a big-endian machine", f->name);
}

static clade_status place_zipped(clade_pytorch *f, const char *folder, int prefix)
{
    char name[1200];
    for (size_t i = 0; i < f->storages; i++) {
        pytorch_storage *s = &f->storage[i];
        snprintf(name, sizeof name, "%.*sdata/%.100s", prefix, folder, s->key);
        const clade_zip_entry *entry = clade_zip_find(&f->zip, name);
        if (!entry || entry->size < storage_bytes(s))
            return clade_fail(CLADE_EFORMAT, "%s: damaged PyTorch file: '%s' in it is %s", f->name,
                              name, entry ? "cut short" : "missing");
        clade_status status = clade_zip_locate(&f->zip, entry, &s->at);
        if (status) return status;
    }
    return CLADE_OK;
}

static clade_status read_zipped(clade_pytorch *f, const clade_pickle_value **root)
{
    char name[1200];
    int prefix = 0;
    uint64_t at;
    clade_status status = clade_zip_open(&f->bytes, &f->zip);
    if (status) return status;
    const clade_zip_entry *pickle = find_pickle(f, &prefix);
    if (!pickle)
        return clade_fail(CLADE_EFORMAT,
                          "%s: a zip archive, but not PyTorch's: it contains no data.pkl", f->name);
    snprintf(name, sizeof name, "%.*sbyteorder", prefix, pickle->name);
    status = check_byte_order(f, name);
    if (!status) status = clade_zip_locate(&f->zip, pickle, &at);
    if (!status) status = clade_pickle_load(f->pickle, &at, at + pickle->size, root);
    if (!status) status = read_storages(f);
    return status ? status : place_zipped(f, pickle->name, prefix);
}

/* --- the older form --- */

/* 0x1950a86a20f9469cfc6c, pickled, before which the protocol stands. */
static const uint8_t magic[13] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                  0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

bool clade_pytorch_is_old(const uint8_t start[16])
{
    return start[0] == 0x80 && !memcmp(start + 2, magic, sizeof magic);
}

/* Behind the pickles: for each key of the list the number of elements, 8 bytes, and they. */
static clade_status place_old(clade_pytorch *f, const clade_pickle_value *keys, uint64_t at)
{
    for (size_t i = 0; i < keys->count; i++) {
        uint8_t count[8];
        const clade_pickle_value *key = item_of(keys, i, CLADE_PICKLE_TEXT);
        pytorch_storage *s = key ? find_storage(f, key->text) : NULL;
        if (!s || s->at) return damaged(f, "a storage that nothing refers to");
        clade_status status = clade_blob_read(&f->bytes, at, count, sizeof count);
        if (status) return status;
        s->at = at + sizeof count;
        if (clade_blob_number(count, 8) != s->count) return damaged(f, "a storage of another size");
        if (storage_bytes(s) > f->bytes.size - s->at)
            return clade_fail(CLADE_EFORMAT, "%s: cut short: %llu bytes", f->name,
                              (unsigned long long)f->bytes.size);
        at = s->at + storage_bytes(s);
    }
    for (size_t i = 0; i < f->storages; i++)
        if (!f->storage[i].at) return damaged(f, "a storage is missing");
    return CLADE_OK;
}

static clade_status read_old(clade_pytorch *f, const clade_pickle_value **root)
{
    enum { pickled_version = 1001 };
    const clade_pickle_value *version, *system, *keys;
    uint64_t at = 2 + sizeof magic;
    clade_status status = clade_pickle_load(f->pickle, &at, f->bytes.size, &version);
    if (status) return status;
    if (!clade_pickle_is(version, CLADE_PICKLE_INT) || version->number != pickled_version)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: an unknown version of PyTorch's format",
                          f->name);
    status = clade_pickle_load(f->pickle, &at, f->bytes.size, &system);
    if (status) return status;
    const clade_pickle_value *little = clade_pickle_find(system, "little_endian");
    if (little && little->number == 0)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: written by a big-endian machine", f->name);
    status = clade_pickle_load(f->pickle, &at, f->bytes.size, root);
    if (!status) status = read_storages(f);
    if (!status) status = clade_pickle_load(f->pickle, &at, f->bytes.size, &keys);
    if (status) return status;
    if (!clade_pickle_is(keys, CLADE_PICKLE_LIST)) return damaged(f, "no list of storages");
    return place_old(f, keys, at);
}

/* --- tensors --- */

static clade_status bad_tensor(const clade_pytorch *f, const char *name, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: tensor '%.200s': %s", f->name, name, what);
}

/* Sizes and strides, and the elements from the first to the last one; false: more than `limit`, or
 * more in number. */
static bool read_shape(const clade_pickle_value *shape, const clade_pickle_value *stride,
                       uint64_t limit, clade_pytorch_tensor *t, uint64_t *span)
{
    uint64_t count = 1, last = 0;
    bool fits = true;
    for (size_t i = 0; i < shape->count; i++) {
        uint64_t n, step;
        if (!read_count(shape, i, &n) || !read_count(stride, i, &step)) return false;
        t->shape[t->rank] = (int64_t)n;
        t->stride[t->rank++] = (int64_t)step;
        fits = fits && (n < 2 || (count <= limit / n && step <= limit / (n - 1)));
        if (!fits && n) continue;
        count *= n;
        last += n > 1 ? (n - 1) * step : 0;
        fits = n == 0 || last < limit;
    }
    t->count = (size_t)count;
    *span = count ? last + 1 : 0;
    return fits || count == 0;
}

/* (storage, offset, sizes, strides, …); the third version also has a dtype. */
static clade_status read_tensor(const clade_pytorch *f, const clade_pickle_value *call,
                                clade_pytorch_tensor *t)
{
    const clade_pickle_value *outside = item_of(call, 0, CLADE_PICKLE_OUTSIDE);
    const clade_pickle_value *shape = item_of(call, 2, CLADE_PICKLE_TUPLE);
    const clade_pickle_value *stride = item_of(call, 3, CLADE_PICKLE_TUPLE);
    const clade_pickle_value *id = item_of(outside, 0, CLADE_PICKLE_TUPLE);
    const pytorch_storage *s = id ? find_storage(f, id->item[2]->text) : NULL;
    uint64_t offset, span, start = 0, limit;
    if (!s || !shape || !stride || shape->count != stride->count || !read_count(call, 1, &offset))
        return bad_tensor(f, t->name, "without storage, sizes or strides");
    if (shape->count > clade_pytorch_max_rank)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: tensor '%.200s': more than %d dimensions",
                          f->name, t->name, clade_pytorch_max_rank);
    t->dtype = s->dtype;
    if (call->count > 6 && !strcmp(call->function->text, "torch._utils._rebuild_tensor_v3") &&
        !read_dtype(item_of(call, 6, CLADE_PICKLE_GLOBAL), &t->dtype))
        return bad_tensor(f, t->name, "of an unsupported dtype");
    const size_t size = clade_safetensors_dtype_size(t->dtype);
    limit = storage_bytes(s) / size;
    const clade_pickle_value *view = item_of(id, 5, CLADE_PICKLE_TUPLE); /* a part of the storage */
    if (view && (!read_count(view, 1, &start) || start > limit))
        return bad_tensor(f, t->name, "outside its storage");
    limit -= start;
    if (!read_shape(shape, stride, limit, t, &span))
        return bad_tensor(f, t->name,
                          "larger than its storage; where it was expanded, save its .contiguous()");
    if (offset > limit || span > limit - offset)
        return bad_tensor(f, t->name, "outside its storage");
    t->at = s->at + (start + offset) * size;
    return CLADE_OK;
}

static int by_tensor_name(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static clade_status check_names(const clade_pytorch *f)
{
    const char **names = malloc((f->count + 1) * sizeof *names);
    if (!names) return fail_memory(f);
    for (size_t i = 0; i < f->count; i++) names[i] = f->tensor[i].name;
    qsort(names, f->count, sizeof *names, by_tensor_name);
    clade_status status = CLADE_OK;
    for (size_t i = 1; i < f->count && !status; i++)
        if (!strcmp(names[i - 1], names[i])) status = bad_tensor(f, names[i], "appears twice");
    free(names);
    return status;
}

static clade_status read_tensors(clade_pytorch *f, const clade_pickle_value *root)
{
    const clade_pickle_value *dict;
    clade_status status = clade_pytorch_find_dict(f->name, root, &dict);
    if (status) return status;
    const size_t prefix = clade_pytorch_prefix(dict);
    f->tensor = calloc(dict->count / 2 + 1, sizeof *f->tensor);
    if (!f->tensor) return fail_memory(f);
    for (size_t i = 0; i + 1 < dict->count && !status; i += 2) {
        const clade_pickle_value *call = clade_pytorch_tensor_of(dict->item[i + 1]);
        if (!call || dict->item[i]->kind != CLADE_PICKLE_TEXT) continue;
        clade_pytorch_tensor *t = &f->tensor[f->count++];
        t->name = dict->item[i]->text + prefix;
        status = read_tensor(f, call, t);
    }
    return status ? status : check_names(f);
}

/* --- opening --- */

clade_status clade_pytorch_open(clade_blob *bytes, clade_pytorch **out)
{
    uint8_t start[16] = {0};
    const clade_pickle_value *root;
    clade_pytorch *f = *out = calloc(1, sizeof *f);
    if (f) f->name = clade_string_join(bytes->name, "");
    if (!f || !f->name) {
        clade_status status = clade_fail(CLADE_ENOMEM, "%s: out of memory", bytes->name);
        free(f);
        *out = NULL;
        clade_blob_close(bytes);
        return status;
    }
    f->bytes = *bytes;
    f->bytes.name = f->name;
    clade_status status =
        clade_blob_read(&f->bytes, 0, start, f->bytes.size < 16 ? (size_t)f->bytes.size : 16);
    if (!status) status = clade_pickle_create(&f->bytes, globals, &f->pickle);
    if (!status) status = clade_pytorch_is_old(start) ? read_old(f, &root) : read_zipped(f, &root);
    if (!status) status = read_tensors(f, root);
    if (status) clade_pytorch_destroy(out);
    return status;
}

void clade_pytorch_destroy(clade_pytorch **handle)
{
    clade_pytorch *f = *handle;
    if (!f) return;
    clade_blob_close(&f->bytes);
    clade_zip_clear(&f->zip);
    clade_pickle_destroy(&f->pickle);
    free(f->storage);
    free(f->tensor);
    free(f->name);
    free(f);
    *handle = NULL;
}

size_t clade_pytorch_count(const clade_pytorch *f) { return f->count; }
const clade_pytorch_tensor *clade_pytorch_at(const clade_pytorch *f, size_t i)
{
    return &f->tensor[i];
}

/* --- values --- */

/* Is it row-major without gaps? */
static bool is_contiguous(const clade_pytorch_tensor *t)
{
    int64_t stride = 1;
    for (int32_t d = t->rank; d-- > 0;) {
        if (t->shape[d] != 1 && t->stride[d] != stride) return false;
        stride *= t->shape[d];
    }
    return true;
}

/* The elements in row-major order, from all that lies between the first and the last one. */
static void gather(const clade_pytorch_tensor *t, const uint8_t *from, size_t size, uint8_t *to)
{
    int64_t index[clade_pytorch_max_rank] = {0};
    uint64_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        memcpy(to + i * size, from + at * size, size);
        for (int32_t d = t->rank; d-- > 0;) {
            at += (uint64_t)t->stride[d];
            if (++index[d] < t->shape[d]) break;
            at -= (uint64_t)(t->stride[d] * t->shape[d]);
            index[d] = 0;
        }
    }
}

clade_status clade_pytorch_floats(const clade_pytorch *f, const clade_pytorch_tensor *t, float *out)
{
    const size_t size = clade_safetensors_dtype_size(t->dtype);
    const bool straight = is_contiguous(t);
    uint64_t span = t->count ? 1 : 0;
    for (int32_t d = 0; d < t->rank && t->count; d++)
        span += (uint64_t)((t->shape[d] - 1) * t->stride[d]);
    /* floats of 4 bytes are converted where they are */
    const bool in_place = straight && size == sizeof *out;
    uint8_t *whole = in_place ? (uint8_t *)out : malloc((size_t)span * size + 1);
    uint8_t *rows = straight ? whole : malloc(t->count * size + 1);
    clade_status status = whole && rows ? CLADE_OK : fail_memory(f);
    if (!status) status = clade_blob_read(&f->bytes, t->at, whole, (size_t)span * size);
    if (!status && !straight) gather(t, whole, size, rows);
    if (!status && !clade_dtype_floats(t->dtype, rows, t->count, out))
        status = clade_fail(CLADE_EFORMAT,
                            "%s: tensor '%.200s': expected floating-point numbers, found %s",
                            f->name, t->name, clade_safetensors_dtype_name(t->dtype));
    if (!straight) free(rows);
    if (!in_place) free(whole);
    return status;
}
