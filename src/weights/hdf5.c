/* Reading HDF5 files of weights. */
#include "weights/hdf5.h"
#include "weights/zip.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

const char clade_hdf5_in_zip[] = "model.weights.h5";

static const uint64_t most_bytes = (uint64_t)4 << 30;
enum {
    most_objects = 20000, /* members of groups, nodes of trees */
    most_depth = 16,      /* groups within groups, levels of a B-tree */
    most_blocks = 64,     /* of one object's header */
    path_size = 512
};

struct clade_hdf5 {
    char *name;
    uint8_t *bytes;
    size_t size;
    clade_hdf5_array *array; /* names are malloc'ed */
    size_t count, capacity;
    size_t objects;
    char path[path_size]; /* of the object being read */
};

static clade_status damaged(const clade_hdf5 *f, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: damaged HDF5: %s%s%s", f->name, f->path,
                      f->path[0] ? ": " : "", what);
}

static clade_status unsupported(const clade_hdf5 *f, const char *what)
{
    return clade_fail(CLADE_EUNSUPPORTED, "%s: %s%s%s: expected what h5py writes by default",
                      f->name, f->path, f->path[0] ? ": " : "", what);
}

/* --- numbers: little-endian, inside the file --- */

/* NULL where the file does not have `size` bytes at `at`. */
static const uint8_t *look(const clade_hdf5 *f, uint64_t at, uint64_t size)
{
    return at <= f->size && size <= f->size - at ? f->bytes + at : NULL;
}

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* --- arrays --- */

/* What the messages of an object's header say. */
typedef struct header {
    const uint8_t *space, *type, *layout, *label; /* label: the value of the attribute "name" */
    size_t space_size, type_size, layout_size;
    bool filtered, external, group;
    uint64_t tree, heap;
} header;

/* Sizes of a simple dataspace. */
static bool read_space(const header *h, clade_hdf5_array *a)
{
    const uint8_t *p = h->space;
    if (h->space_size < 4 || (p[0] != 1 && p[0] != 2) || p[1] > clade_hdf5_max_rank) return false;
    size_t start = p[0] == 1 ? 8 : 4;
    a->rank = p[1];
    a->count = 1;
    if (h->space_size < start + 8 * (size_t)a->rank) return false;
    for (int32_t i = 0; i < a->rank; i++) {
        uint64_t n = number(p + start + 8 * (size_t)i, 8);
        if (n > INT32_MAX || (n && a->count > SIZE_MAX / 16 / n)) return false;
        a->shape[i] = (int64_t)n;
        a->count *= (size_t)n;
    }
    return true;
}

/* Is the type a little-endian IEEE float? Sets `wide`. */
static bool read_type(const header *h, clade_hdf5_array *a)
{
    static const uint8_t single[12] = {0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0};
    static const uint8_t twice[12] = {0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0};
    const uint8_t *p = h->type;
    if (h->type_size < 20 || (p[0] & 15) != 1 || (p[1] & 1)) return false;
    uint64_t size = number(p + 4, 4);
    a->wide = size == 8;
    return (size == 4 && !memcmp(p + 8, single, sizeof single)) ||
           (size == 8 && !memcmp(p + 8, twice, sizeof twice));
}

static clade_status find_data(const clade_hdf5 *f, const header *h, clade_hdf5_array *a)
{
    const uint8_t *p = h->layout;
    uint64_t bytes = (uint64_t)a->count * (a->wide ? 8 : 4), size = 0;
    a->data = f->bytes; /* of an array without elements */
    if (bytes == 0) return CLADE_OK;
    if (h->layout_size < 4) return damaged(f, "a layout that is cut short");
    if (p[0] != 3) return unsupported(f, "another version of layout");
    if (h->filtered || p[1] == 2) return unsupported(f, "chunked or compressed data");
    if (h->external || p[1] > 2) return unsupported(f, "data in other files");
    if (p[1] == 0) {
        size = number(p + 2, 2);
        a->data = size <= h->layout_size - 4 ? p + 4 : NULL;
    } else if (h->layout_size >= 18) {
        size = number(p + 10, 8);
        a->data = look(f, number(p + 2, 8), bytes);
    }
    if (!a->data || size < bytes) return damaged(f, "data outside the file");
    return CLADE_OK;
}

static clade_status add_array(clade_hdf5 *f, const header *h)
{
    clade_hdf5_array a = {0};
    if (!read_type(h, &a)) return CLADE_OK; /* no floats: names, counters */
    if (!read_space(h, &a)) return damaged(f, "sizes that no array has");
    clade_status status = find_data(f, h, &a);
    if (status) return status;
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 64;
        clade_hdf5_array *array = realloc(f->array, capacity * sizeof *array);
        if (!array) return clade_fail(CLADE_ENOMEM, "%s: out of memory", f->name);
        f->array = array;
        f->capacity = capacity;
    }
    a.name = clade_string_join(f->path, "");
    if (!a.name) return clade_fail(CLADE_ENOMEM, "%s: out of memory", f->name);
    f->array[f->count++] = a;
    return CLADE_OK;
}

/* --- headers --- */

enum {
    MESSAGE_SPACE = 1,
    MESSAGE_TYPE = 3,
    MESSAGE_EXTERNAL = 7,
    MESSAGE_LAYOUT = 8,
    MESSAGE_FILTERS = 11,
    MESSAGE_ATTRIBUTE = 12,
    MESSAGE_CONTINUATION = 16,
    MESSAGE_GROUP = 17
};

/* The value of an attribute "name" that is one text of any length; NULL: another attribute. */
static const uint8_t *find_label(const uint8_t *p, size_t size)
{
    enum { variable = 9, string = 1, reference_bytes = 16 };
    if (size < 9 || p[0] < 1 || p[0] > 3) return NULL;
    size_t name = (size_t)number(p + 2, 2), type = (size_t)number(p + 4, 2),
           space = (size_t)number(p + 6, 2), head = p[0] == 3 ? 9 : 8;
    size_t pad = p[0] == 1 ? 7 : 0; /* version 1 fills up to 8 bytes */
    size_t type_at = head + ((name + pad) & ~pad), space_at = type_at + ((type + pad) & ~pad),
           value_at = space_at + ((space + pad) & ~pad);
    if (value_at + reference_bytes > size || name != 5 || memcmp(p + head, "name", 5) || type < 8)
        return NULL;
    return (p[type_at] & 15) == variable && (p[type_at + 1] & 15) == string ? p + value_at : NULL;
}

static void take_message(header *h, unsigned type, const uint8_t *data, size_t size)
{
    switch (type) {
    case MESSAGE_SPACE: h->space = data, h->space_size = size; break;
    case MESSAGE_TYPE: h->type = data, h->type_size = size; break;
    case MESSAGE_LAYOUT: h->layout = data, h->layout_size = size; break;
    case MESSAGE_FILTERS: h->filtered = true; break;
    case MESSAGE_EXTERNAL: h->external = true; break;
    case MESSAGE_ATTRIBUTE:
        if (find_label(data, size)) h->label = find_label(data, size);
        break;
    case MESSAGE_GROUP:
        if (size < 16) break;
        h->group = true;
        h->tree = number(data, 8);
        h->heap = number(data + 8, 8);
        break;
    default: break; /* times, fill values */
    }
}

static clade_status read_header(const clade_hdf5 *f, uint64_t at, header *h)
{
    const uint8_t *p = look(f, at, 16);
    *h = (header){0};
    if (!p) return damaged(f, "a header outside the file");
    if (!memcmp(p, "OHDR", 4)) return unsupported(f, "an object header of version 2");
    if (p[0] != 1) return damaged(f, "no object header");
    struct {
        uint64_t at, size;
    } block[most_blocks] = {{at + 16, number(p + 8, 4)}};
    size_t blocks = 1;
    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *m = look(f, block[b].at, block[b].size);
        if (!m) return damaged(f, "a header outside the file");
        for (uint64_t left = block[b].size; left >= 8;) {
            unsigned type = (unsigned)number(m, 2), size = (unsigned)number(m + 2, 2);
            if (size > left - 8) return damaged(f, "a header's message is cut short");
            if (type == MESSAGE_CONTINUATION) {
                if (size < 16 || blocks == most_blocks)
                    return damaged(f, "a header in too many pieces");
                block[blocks].at = number(m + 8, 8);
                block[blocks++].size = number(m + 16, 8);
            } else if (m[4] & 2) {
                if (type == MESSAGE_TYPE || type == MESSAGE_SPACE)
                    return unsupported(f, "a shared type");
            } else {
                take_message(h, type, m + 8, size);
            }
            m += 8 + size;
            left -= 8 + size;
        }
    }
    return CLADE_OK;
}

/* --- groups --- */

static clade_status read_object(clade_hdf5 *f, uint64_t at, int depth);

/* The names of a group's members. */
typedef struct heap {
    const uint8_t *data;
    uint64_t size;
} heap;

/* One member: its name goes on the path while it is read. */
static clade_status read_member(clade_hdf5 *f, const heap *names, const uint8_t *entry, int depth)
{
    uint64_t name = number(entry, 8);
    const char *text = (const char *)names->data + (name < names->size ? name : 0);
    size_t length = strlen(f->path);
    if (++f->objects > most_objects) return damaged(f, "too many objects");
    if (name >= names->size || !memchr(text, 0, (size_t)(names->size - name)))
        return damaged(f, "a name outside its heap");
    if (number(entry + 16, 4) == 2) return CLADE_OK; /* a symbolic link */
    if (length + strlen(text) + 2 > path_size) return damaged(f, "names that are too long");
    if (length) strcat(f->path, "/");
    strcat(f->path, text);
    clade_status status = read_object(f, number(entry + 8, 8), depth + 1);
    f->path[length] = 0;
    return status;
}

/* A leaf of symbols, or a node of the tree above it at `level`. */
static clade_status read_symbols(clade_hdf5 *f, uint64_t at, const heap *names, int depth)
{
    const uint8_t *p = look(f, at, 8);
    if (++f->objects > most_objects) return damaged(f, "too many objects");
    if (!p || memcmp(p, "SNOD", 4)) return damaged(f, "no symbols where they should be");
    uint64_t count = number(p + 6, 2);
    p = look(f, at + 8, 40 * count);
    if (!p) return damaged(f, "symbols outside the file");
    clade_status status = CLADE_OK;
    for (uint64_t i = 0; i < count && !status; i++)
        status = read_member(f, names, p + 40 * i, depth);
    return status;
}

static clade_status read_tree(clade_hdf5 *f, uint64_t at, const heap *names, int level, int depth)
{
    const uint8_t *p = look(f, at, 24);
    if (!p || memcmp(p, "TREE", 4) || p[4] != 0) return damaged(f, "no tree where it should be");
    if (level < 0 ? p[5] > most_depth : p[5] != level)
        return damaged(f, "a tree with a wrong level");
    if (++f->objects > most_objects) return damaged(f, "too many objects");
    uint64_t used = number(p + 6, 2);
    int own = p[5];
    p = look(f, at + 24, 16 * used);
    if (!p) return damaged(f, "a tree outside the file");
    clade_status status = CLADE_OK;
    for (uint64_t i = 0; i < used && !status; i++) {
        uint64_t child = number(p + 16 * i + 8, 8);
        status = own > 0 ? read_tree(f, child, names, own - 1, depth)
                         : read_symbols(f, child, names, depth);
    }
    return status;
}

static clade_status read_group(clade_hdf5 *f, const header *h, int depth)
{
    const uint8_t *p = look(f, h->heap, 32);
    heap names;
    if (depth > most_depth) return damaged(f, "groups too deep");
    if (!p || memcmp(p, "HEAP", 4)) return damaged(f, "no heap where it should be");
    names.size = number(p + 8, 8);
    names.data = look(f, number(p + 24, 8), names.size);
    if (!names.data || !names.size) return damaged(f, "a heap outside the file");
    return read_tree(f, h->tree, &names, -1, depth);
}

/* The text that a label refers to in a global heap, shorter than path_size; false: it is damaged.
 */
static bool read_label(const clade_hdf5 *f, const uint8_t *label, char text[path_size])
{
    enum { head = 16 }; /* bytes of a collection's header and of an object's */
    uint64_t length = number(label, 4), at = number(label + 4, 8), index = number(label + 12, 4);
    const uint8_t *p = look(f, at, head);
    if (!p || memcmp(p, "GCOL", 4) || length == 0 || length >= path_size) return false;
    uint64_t left = number(p + 8, 8);
    if (left < head || !look(f, at, left)) return false;
    for (p += head, left -= head; left >= head;) {
        uint64_t size = number(p + 8, 8), own = number(p, 2);
        if (own == 0 || size > left - head) return false;
        if (own == index) {
            if (size < length || memchr(p + head, 0, (size_t)length)) return false;
            memcpy(text, p + head, (size_t)length);
            text[length] = 0;
            return true;
        }
        size = (size + 7) & ~(uint64_t)7;
        if (size > left - head) return false;
        p += head + size;
        left -= head + size;
    }
    return false;
}

/* Keras 3 numbers layers, and keeps a layer's name beside its weights. */
static clade_status read_vars(clade_hdf5 *f, const header *h, int depth)
{
    static const char vars[] = "/vars";
    char outer[path_size], label[path_size];
    size_t n = strlen(f->path), v = sizeof vars - 1;
    bool own = h->label && n > v && !strcmp(f->path + n - v, vars) &&
               !strncmp(f->path, "layers/", 7) && read_label(f, h->label, label) &&
               strlen(label) + v < path_size;
    if (!own) return read_group(f, h, depth);
    memcpy(outer, f->path, n + 1);
    strcpy(f->path, label);
    strcat(f->path, vars);
    clade_status status = read_group(f, h, depth);
    memcpy(f->path, outer, n + 1);
    return status;
}

static clade_status read_object(clade_hdf5 *f, uint64_t at, int depth)
{
    header h;
    clade_status status = read_header(f, at, &h);
    if (status) return status;
    if (h.group) return read_vars(f, &h, depth);
    return h.space && h.type && h.layout ? add_array(f, &h) : CLADE_OK;
}

/* --- the file --- */

static clade_status read_file(clade_hdf5 *f)
{
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    const uint8_t *p = look(f, 0, 9);
    if (!p || memcmp(p, signature, sizeof signature))
        return clade_fail(CLADE_EFORMAT, "%s: not an HDF5 file", f->name);
    if (p[8] > 1) return unsupported(f, "a superblock of version 2 or later");
    size_t start = p[8] == 0 ? 24 : 28;
    p = look(f, 0, start + 72);
    if (!p) return damaged(f, "cut short");
    if (p[13] != 8 || p[14] != 8) return unsupported(f, "offsets that are not 8 bytes wide");
    if (number(p + start, 8) != 0) return unsupported(f, "a base address that is not 0");
    if (number(p + start + 16, 8) > f->size)
        return clade_fail(CLADE_EFORMAT, "%s: cut short: %zu bytes of %llu", f->name, f->size,
                          (unsigned long long)number(p + start + 16, 8));
    return read_object(f, number(p + start + 40, 8), 0);
}

/* Takes the bytes. */
static clade_status make(void *bytes, size_t size, const char *name, clade_hdf5 **out)
{
    clade_hdf5 *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f) f->name = clade_string_join(name, "");
    if (!f || !f->name) {
        free(f);
        free(bytes);
        return clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
    }
    f->bytes = bytes;
    f->size = size;
    clade_status status = read_file(f);
    if (status)
        clade_hdf5_destroy(&f);
    else
        *out = f;
    return status;
}

/* The part of a file that is HDF5: all of it, or what a .keras file has of it. */
static clade_status find_part(const clade_blob *file, uint64_t *at, uint64_t *size)
{
    uint8_t start[4] = {0};
    clade_zip zip;
    *at = 0;
    *size = file->size;
    clade_status status = clade_blob_read(file, 0, start, *size < 4 ? (size_t)*size : 4);
    if (status || !clade_zip_is(start)) return status;
    status = clade_zip_open(file, &zip);
    const clade_zip_entry *entry = status ? NULL : clade_zip_find(&zip, clade_hdf5_in_zip);
    if (entry) {
        status = clade_zip_locate(&zip, entry, at);
        *size = entry->size;
    } else if (!status) {
        status = clade_fail(CLADE_EFORMAT, "%s: a zip archive, but not Keras': it contains no %s",
                            file->name, clade_hdf5_in_zip);
    }
    clade_zip_clear(&zip);
    return status;
}

clade_status clade_hdf5_open(const char *path, clade_hdf5 **out)
{
    clade_blob file;
    uint64_t at, size;
    void *bytes = NULL;
    *out = NULL;
    clade_status status = clade_blob_open(path, &file);
    if (status) return status;
    status = find_part(&file, &at, &size);
    if (!status && size > most_bytes)
        status = clade_fail(CLADE_EFORMAT, "%s: larger than 4 GiB", path);
    if (!status && !(bytes = malloc((size_t)size + 1)))
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    if (!status) status = clade_blob_read(&file, at, bytes, (size_t)size);
    clade_blob_close(&file);
    if (!status) return make(bytes, (size_t)size, path, out);
    free(bytes);
    return status;
}

clade_status clade_hdf5_open_memory(const void *bytes, size_t size, const char *name,
                                    clade_hdf5 **out)
{
    *out = NULL;
    void *copy = malloc(size ? size : 1);
    if (!copy) return clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
    if (size) memcpy(copy, bytes, size);
    return make(copy, size, name, out);
}

void clade_hdf5_destroy(clade_hdf5 **handle)
{
    clade_hdf5 *f = *handle;
    if (!f) return;
    for (size_t i = 0; i < f->count; i++) free((char *)(uintptr_t)f->array[i].name);
    free(f->array);
    free(f->bytes);
    free(f->name);
    free(f);
    *handle = NULL;
}

size_t clade_hdf5_count(const clade_hdf5 *f) { return f->count; }
const clade_hdf5_array *clade_hdf5_at(const clade_hdf5 *f, size_t i) { return &f->array[i]; }

void clade_hdf5_floats(const clade_hdf5_array *a, float *out)
{
    for (size_t i = 0; i < a->count; i++) {
        uint64_t bits = number(a->data + i * (a->wide ? 8 : 4), a->wide ? 8 : 4);
        uint32_t low = (uint32_t)bits;
        double wide;
        memcpy(&out[i], &low, sizeof low);
        if (!a->wide) continue;
        memcpy(&wide, &bits, sizeof wide);
        out[i] = (float)wide;
    }
}
