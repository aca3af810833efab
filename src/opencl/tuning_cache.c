/* The file of measured choices, opencl/KEY.json of Clade's cache, KEY standing for the device, its
 * driver and this version:
 *     {"gemm": "gemm:2", "calls": {"dense x=32x3136 …": {"algorithm": "gemm",
 *      "tried": {"direct": 1.9, "gemm": 0.8, …}}, …}}
 * where `tried` has milliseconds, or why an algorithm failed. What Clade comes with for a family of
 * devices has the same form, and says besides on what it was measured; it counts for calls that the
 * file does not have. */
#define _GNU_SOURCE
#include "opencl/tuning_cache.h"

#include "base/file.h"
#include "base/json.h"
#include "op/call_text.h"
#include "opencl/cache.h"
#include "opencl/gemm.h"
#include "opencl/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { file_most = 4 << 20 };

/* What was measured for a call. */
typedef struct kept {
    uint64_t key;
    const char *best, *exact; /* of all; of those of exact mode's arithmetic */
} kept;

struct opencl_tuning {
    char *path; /* of the file; NULL: there is no cache folder */
    kept *kept; /* the file's first */
    size_t count;
    bool gemm; /* CLBlast's parameters are set */
    char warning[512];
};

/* Convolutions are kept for any number of images, and calls for any format of their tensors: what
 * is best for a batch is best for a part, and what is best in float32 in 16 bits. */
static uint64_t kept_key(clade_op op, const clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    clade_args one = *args;
    for (size_t i = 0; i < info->slot_count; i++) {
        if (one.slot[i].rank == 4 && !clade_slot_is_weight(info->slots[i].kind))
            one.slot[i].dim[0] = 1;
        if (clade_dtype_is_half(one.slot[i].dtype)) one.slot[i].dtype = CLADE_F32;
    }
    return clade_call_hash(op, &one);
}

/* ---- reading ---- */

/* A text as a tree; NULL when it is damaged. */
static clade_status parse_tree(const void *text, size_t size, const char *what, cJSON **out)
{
    clade_status status = clade_json_parse(text, size, what, NULL, out);
    if (status || cJSON_IsObject(cJSON_GetObjectItem(*out, "calls"))) return status;
    cJSON_Delete(*out);
    *out = NULL;
    return clade_fail(CLADE_EFORMAT, "%s: no object 'calls'", what);
}

/* The file as a tree; NULL when there is none or it is damaged. */
static clade_status read_tree(const char *path, cJSON **out)
{
    void *bytes;
    size_t size;
    *out = NULL;
    clade_status status = clade_file_read(path, file_most, &bytes, &size);
    if (status) return status;
    status = parse_tree(bytes, size, path, out);
    free(bytes);
    return status;
}

static const opencl_shipped *find_shipped(const char *family)
{
    const opencl_shipped *s = clade_opencl_shipped;
    while (s->family && strcmp(s->family, family) != 0) s++;
    return s->family ? s : NULL;
}

/* The faster of the algorithms of exact mode's arithmetic; direct if neither was tried. */
static const char *exact_algorithm(const cJSON *tried)
{
    const cJSON *direct = cJSON_GetObjectItem(tried, "direct"),
                *implicit = cJSON_GetObjectItem(tried, "implicit");
    bool faster = cJSON_IsNumber(implicit) &&
                  !(cJSON_IsNumber(direct) && direct->valuedouble <= implicit->valuedouble);
    return faster ? "implicit" : "direct";
}

/* Takes over an entry; false: it cannot be understood. */
static bool take_entry(opencl_tuning *t, const cJSON *entry)
{
    clade_call call;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(entry, "algorithm"));
    if (!name || clade_call_parse(entry->string, &call)) return false;
    const opencl_op *op = clade_opencl_op(call.op);
    const opencl_algorithm *a = op ? op->algorithms : NULL;
    while (a && a->name && strcmp(a->name, name) != 0) a++;
    if (!a || !a->name) return false;
    kept *grown = realloc(t->kept, (t->count + 1) * sizeof *grown);
    if (!grown) return false;
    t->kept = grown;
    grown[t->count++] = (kept){kept_key(call.op, &call.args), a->name,
                               exact_algorithm(cJSON_GetObjectItem(entry, "tried"))};
    return true;
}

/* Takes over the entries of calls; false: not all of them can be understood. */
static bool take_calls(opencl_tuning *t, const cJSON *root)
{
    bool good = true;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(root, "calls"))
    {
        good = take_entry(t, entry) && good;
    }
    return good;
}

/* Takes over what the file says; false: not all of it can be understood. */
static bool take_over(opencl_context *cl, opencl_tuning *t, const cJSON *root)
{
    const char *gemm = cJSON_GetStringValue(cJSON_GetObjectItem(root, "gemm"));
    const bool good = !gemm || t->gemm || clade_opencl_gemm_use(cl, gemm);
    t->gemm = t->gemm || gemm;
    return take_calls(t, root) && good;
}

bool clade_opencl_tuning_take(opencl_context *cl, opencl_tuning *t, const opencl_shipped *shipped)
{
    cJSON *root;
    bool good =
        !parse_tree(shipped->text, shipped->size, shipped->family, &root) && take_over(cl, t, root);
    cJSON_Delete(root);
    return good;
}

/* Takes over the file, where there is one; a warning if it is damaged. */
static void take_file(opencl_context *cl, opencl_tuning *t)
{
    cJSON *root = NULL;
    if (!t->path || access(t->path, F_OK)) return;
    clade_status status = read_tree(t->path, &root);
    if (status == CLADE_EIO)
        snprintf(t->warning, sizeof t->warning, "what was measured on this device is not used: %s",
                 clade_error());
    else if (status || !take_over(cl, t, root))
        snprintf(t->warning, sizeof t->warning,
                 "%s is damaged: what cannot be understood of it is not used; `clade tune-device` "
                 "measures anew",
                 t->path);
    cJSON_Delete(root);
}

clade_status clade_opencl_tuning_open(opencl_context *cl, bool read, opencl_tuning **out)
{
    char family[sizeof((clade_device_info *)NULL)->family];
    opencl_tuning *t = *out = calloc(1, sizeof *t);
    if (!t) return clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
    t->path = clade_opencl_cache_json(cl, "choices", NULL);
    if (!read) return CLADE_OK;
    clade_opencl_family(cl->platform, cl->device, family);
    const opencl_shipped *shipped = find_shipped(family);
    take_file(cl, t);
    if (shipped)
        clade_opencl_tuning_take(cl, t, shipped); /* the test opencl-tuning reads them all */
    return CLADE_OK;
}

/* Of how many calls the choices can be taken over. */
static uint32_t count_calls(const cJSON *root)
{
    opencl_tuning t = {.path = NULL};
    (void)take_calls(&t, root);
    free(t.kept);
    return (uint32_t)t.count;
}

void clade_opencl_tuning_describe(cl_platform_id platform, cl_device_id device,
                                  clade_device_info *info)
{
    const opencl_context cl = {.platform = platform, .device = device};
    char *path = clade_opencl_cache_json(&cl, "choices", NULL);
    cJSON *own = NULL, *root = NULL;
    clade_opencl_family(platform, device, info->family);
    const opencl_shipped *shipped = find_shipped(info->family);
    if (path) read_tree(path, &own);
    if (shipped) parse_tree(shipped->text, shipped->size, info->family, &root);
    info->measured = count_calls(own);
    info->shipped = count_calls(root);
    cJSON_Delete(own);
    cJSON_Delete(root);
    free(path);
}

void clade_opencl_tuning_close(opencl_tuning *t)
{
    if (!t) return;
    free(t->path);
    free(t->kept);
    free(t);
}

const char *clade_opencl_tuning_warning(const opencl_tuning *t) { return t->warning; }

const char *clade_opencl_tuned(const opencl_tuning *t, clade_op op, const clade_args *args,
                               bool exact)
{
    const uint64_t key = t->count ? kept_key(op, args) : 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->kept[i].key == key) return exact ? t->kept[i].exact : t->kept[i].best;
    return NULL;
}

/* ---- writing ---- */

static void record(cJSON *root, const clade_call *call, const clade_algorithm_timing *timings,
                   size_t count)
{
    const clade_algorithm_timing *best = NULL;
    cJSON *tried = cJSON_CreateObject();
    for (size_t i = 0; i < count; i++) {
        const clade_algorithm_timing *t = &timings[i];
        if (t->failure) {
            cJSON_AddStringToObject(tried, t->algorithm, t->failure);
            continue;
        }
        cJSON_AddNumberToObject(tried, t->algorithm, 1e3 * t->seconds);
        if (!best || t->seconds < best->seconds) best = t;
    }
    char text[CLADE_CALL_TEXT_SIZE];
    const char *algorithm = best ? best->algorithm : call ? "direct" : "gemm";
    if (!call) {
        cJSON_DeleteItemFromObjectCaseSensitive(root, "gemm");
        cJSON_DeleteItemFromObjectCaseSensitive(root, "gemm_tried");
        cJSON_AddStringToObject(root, "gemm", algorithm);
        cJSON_AddItemToObject(root, "gemm_tried", tried);
        return;
    }
    cJSON *calls = cJSON_GetObjectItem(root, "calls"), *entry = cJSON_CreateObject();
    clade_call_text(call->op, &call->args, text);
    cJSON_AddStringToObject(entry, "algorithm", algorithm);
    cJSON_AddItemToObject(entry, "tried", tried);
    cJSON_DeleteItemFromObjectCaseSensitive(calls, text);
    cJSON_AddItemToObject(calls, text, entry);
}

/* Another process may keep something else meanwhile: who has the lock reads, adds and writes. */
static clade_status keep(const char *path, const clade_call *call,
                         const clade_algorithm_timing *timings, size_t count)
{
    char *lock_path = clade_string_join(path, ".lock");
    int lock = lock_path ? open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0666) : -1;
    free(lock_path);
    if (lock < 0 || flock(lock, LOCK_EX)) {
        if (lock >= 0) close(lock);
        return clade_fail(CLADE_EIO, "%s cannot be locked", path);
    }
    bool exists = false;
    cJSON *root = NULL;
    char *text = NULL;
    clade_status status = clade_file_exists(path, &exists);
    if (!status && exists) status = read_tree(path, &root);
    if (status == CLADE_EFORMAT) status = CLADE_OK; /* a damaged one is made anew */
    if (!status) {
        clade_json_begin();
        if (!root) {
            root = cJSON_CreateObject();
            cJSON_AddObjectToObject(root, "calls");
        }
        record(root, call, timings, count);
        text = clade_json_end(root);
        status = text ? clade_file_write(path, text, strlen(text))
                      : clade_fail(CLADE_ENOMEM, "out of memory for choices");
    }
    cJSON_free(text);
    cJSON_Delete(root);
    close(lock);
    return status;
}

clade_status clade_opencl_tuning_keep(const opencl_tuning *t, const clade_call *call,
                                      const clade_algorithm_timing *timings, size_t count)
{
    const char *path = t->path;
    if (!path)
        return clade_fail(CLADE_EIO, "no folder for choices: neither XDG_CACHE_HOME nor HOME is an "
                                     "absolute path");
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    clade_status status = folder ? clade_folder_create(folder)
                                 : clade_fail(CLADE_ENOMEM, "out of memory for choices");
    free(folder);
    return status ? status : keep(path, call, timings, count);
}

clade_status clade_opencl_tuning_text(const opencl_tuning *t, const char *label, char **out)
{
    cJSON *root = NULL;
    *out = NULL;
    if (!t->path || access(t->path, F_OK))
        return clade_fail(CLADE_EUNSUPPORTED,
                          "nothing was measured on %s: `clade tune-device` does", label);
    clade_status status = read_tree(t->path, &root);
    cJSON_Delete(root);
    if (status) return status;
    void *bytes;
    size_t size;
    status = clade_file_read(t->path, file_most, &bytes, &size); /* with a zero behind it */
    if (!status) *out = bytes;
    return status;
}
