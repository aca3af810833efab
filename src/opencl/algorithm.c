/* Choosing algorithms: the decisions of a device, and the file in which measured ones are kept. The
 * file opencl/KEY.json of Clade's cache, KEY standing for the device, its driver and this version:
 *     {"gemm": "gemm:2", "calls": {"dense x=32x3136 …": {"algorithm": "gemm",
 *      "tried": {"direct": 1.9, "gemm": 0.8, …}}, …}}
 * where `tried` has milliseconds, or why an algorithm failed. */
#define _GNU_SOURCE
#include "opencl/algorithm.h"

#include "base/file.h"
#include "op/call_text.h"
#include "opencl/cache.h"
#include "opencl/implicit.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { file_most = 4 << 20 };

static const char *const names[OPENCL_ALGORITHMS] = {"direct", "implicit", "winograd", "gemm"};

/* How a call is done. */
typedef struct decision {
    uint64_t key;
    opencl_algorithm algorithm;
    opencl_algorithm exact; /* of those kept: the same for exact mode */
    clade_call call;        /* without buffers */
} decision;

struct opencl_choices {
    char *path;  /* of the file; NULL: there is no cache folder */
    bool forced; /* all calls use `algorithm` where they can */
    opencl_algorithm algorithm;
    decision *kept, *made; /* read from the file; made so far */
    size_t kept_count, made_count;
    char warning[512];
};

static bool find_algorithm(const char *name, opencl_algorithm *algorithm)
{
    for (int i = 0; i < OPENCL_ALGORITHMS; i++) {
        *algorithm = (opencl_algorithm)i;
        if (name && !strcmp(name, names[i])) return true;
    }
    return false;
}

static bool add_decision(decision **list, size_t *count, const decision *d)
{
    decision *grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown) return false;
    *list = grown;
    grown[(*count)++] = *d;
    return true;
}

static const decision *find(const decision *list, size_t count, uint64_t key)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].key == key) return &list[i];
    return NULL;
}

/* Convolutions are kept for any number of images: what is best for a batch is best for a part. */
static uint64_t kept_key(clade_op op, const clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    clade_args one = *args;
    for (size_t i = 0; i < info->slot_count; i++)
        if (one.slot[i].rank == 4 && !clade_slot_is_weight(info->slots[i].kind))
            one.slot[i].dim[0] = 1;
    return clade_call_hash(op, &one);
}

/* ---- the file ---- */

static void find_path(opencl_context *cl)
{
    char *folder, key[65], name[80];
    if (clade_cache_path("opencl", &folder)) return;
    clade_opencl_cache_key(cl, 0, NULL, "choices", key);
    snprintf(name, sizeof name, "/%s.json", key);
    cl->choices->path = clade_string_join(folder, name);
    free(folder);
}

/* The file as a tree; NULL when there is none or it is damaged. */
static cJSON *read_tree(const char *path)
{
    void *bytes;
    size_t size;
    if (clade_file_read(path, file_most, &bytes, &size)) return NULL;
    cJSON *root = cJSON_ParseWithLength(bytes, size);
    free(bytes);
    if (cJSON_IsObject(root) && cJSON_IsObject(cJSON_GetObjectItem(root, "calls"))) return root;
    cJSON_Delete(root);
    return NULL;
}

/* The faster of the algorithms of exact mode's arithmetic; direct if neither was tried. */
static opencl_algorithm exact_algorithm(const cJSON *tried)
{
    const cJSON *direct = cJSON_GetObjectItem(tried, names[OPENCL_DIRECT]),
                *implicit = cJSON_GetObjectItem(tried, names[OPENCL_IMPLICIT]);
    bool faster = cJSON_IsNumber(implicit) &&
                  !(cJSON_IsNumber(direct) && direct->valuedouble <= implicit->valuedouble);
    return faster ? OPENCL_IMPLICIT : OPENCL_DIRECT;
}

/* Takes over what the file says; false: not all of it can be understood. */
static bool take_over(opencl_context *cl, const cJSON *root)
{
    opencl_choices *c = cl->choices;
    const char *gemm = cJSON_GetStringValue(cJSON_GetObjectItem(root, "gemm"));
    bool good = !gemm || clade_opencl_gemm_use(cl, gemm);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(root, "calls"))
    {
        decision d;
        const char *algorithm = cJSON_GetStringValue(cJSON_GetObjectItem(entry, "algorithm"));
        if (!find_algorithm(algorithm, &d.algorithm) || clade_call_parse(entry->string, &d.call))
            good = false;
        else {
            d.key = kept_key(d.call.op, &d.call.args);
            d.exact = exact_algorithm(cJSON_GetObjectItem(entry, "tried"));
            good = add_decision(&c->kept, &c->kept_count, &d) && good;
        }
    }
    return good;
}

static void read_kept(opencl_context *cl)
{
    opencl_choices *c = cl->choices;
    if (!c->path || access(c->path, F_OK)) return;
    cJSON *root = read_tree(c->path);
    if (!root || !take_over(cl, root))
        snprintf(c->warning, sizeof c->warning,
                 "%s is damaged: what was measured on this device is not used; `clade tune-device` "
                 "makes it anew",
                 c->path);
    cJSON_Delete(root);
}

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
    const char *algorithm = best   ? best->algorithm
                            : call ? names[OPENCL_DIRECT]
                                   : names[OPENCL_GEMM];
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
    cJSON *root = read_tree(path);
    if (!root) {
        root = cJSON_CreateObject();
        cJSON_AddObjectToObject(root, "calls");
    }
    record(root, call, timings, count);
    char *text = cJSON_Print(root);
    clade_status status = text ? clade_file_write(path, text, strlen(text))
                               : clade_fail(CLADE_ENOMEM, "out of memory for choices");
    cJSON_free(text);
    cJSON_Delete(root);
    close(lock);
    return status;
}

/* ---- deciding ---- */

clade_status clade_opencl_choices_open(opencl_context *cl, const char *algorithm)
{
    opencl_choices *c = cl->choices = calloc(1, sizeof *c);
    if (!c) return clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
    if (cl->math != CLADE_FAST && cl->cpu_like) return CLADE_OK;
    find_path(cl);
    if (!algorithm) {
        read_kept(cl);
        return CLADE_OK;
    }
    bool set = clade_opencl_gemm_present() && clade_opencl_gemm_use(cl, algorithm);
    c->forced = true;
    c->algorithm = OPENCL_GEMM;
    if (!set && !find_algorithm(algorithm, &c->algorithm))
        return clade_fail(CLADE_EINVAL,
                          "there is no algorithm '%s'; expected direct, implicit, winograd "
                          "or gemm",
                          algorithm);
    if (c->algorithm == OPENCL_GEMM && !clade_opencl_gemm_present())
        return clade_fail(CLADE_EUNSUPPORTED, "%s: this build has no CLBlast", cl->label);
    return CLADE_OK;
}

void clade_opencl_choices_close(opencl_context *cl)
{
    opencl_choices *c = cl->choices;
    if (!c) return;
    free(c->path);
    free(c->kept);
    free(c->made);
    free(c);
    cl->choices = NULL;
}

static bool can(const opencl_context *cl, opencl_algorithm algorithm, clade_op op,
                const clade_args *args)
{
    switch (algorithm) {
    case OPENCL_DIRECT: return true;
    case OPENCL_IMPLICIT: return clade_opencl_implicit_can(cl, op, args);
    case OPENCL_WINOGRAD: return cl->math == CLADE_FAST && clade_opencl_winograd_can(op, args);
    default: return clade_opencl_by_gemm_can(cl, op, args);
    }
}

static bool has_groups(clade_op op, const clade_args *args)
{
    return (op == CLADE_OP_conv2d && args->conv2d.groups > 1) ||
           (op == CLADE_OP_conv2d_dx && args->conv2d_dx.groups > 1) ||
           (op == CLADE_OP_conv2d_dw && args->conv2d_dw.groups > 1);
}

/* Where nothing was measured: by Winograd's tiles what suits them, as a result then takes 2.25
 * multiplications for each channel, not 9. The rest on a GPU by implicit products: what im2col
 * writes and reads again, 9 times the images for 3 × 3, they read from caches, so that a layer
 * has as many times the flops for each byte of memory. Groups make products with few columns, most
 * of a tile for nothing: those go direct, as does a CPU, where a barrier costs a loop. */
static opencl_algorithm usual_algorithm(const opencl_context *cl, clade_op op,
                                        const clade_args *args)
{
    if (can(cl, OPENCL_WINOGRAD, op, args)) return OPENCL_WINOGRAD;
    bool product = can(cl, OPENCL_IMPLICIT, op, args) && !has_groups(op, args);
    return product ? OPENCL_IMPLICIT : OPENCL_DIRECT;
}

opencl_algorithm clade_opencl_algorithm(opencl_context *cl, clade_op op, const clade_args *args)
{
    opencl_choices *c = cl->choices;
    bool fast = cl->math == CLADE_FAST;
    if (!fast && clade_opencl_winograd_can(op, args)) return OPENCL_WINOGRAD;
    if (!fast && cl->cpu_like) return OPENCL_DIRECT;
    uint64_t key = clade_call_hash(op, args);
    const decision *known = find(c->made, c->made_count, key);
    if (known) return known->algorithm;
    known = find(c->kept, c->kept_count, kept_key(op, args));
    decision d = {.key = key, .call = {.op = op, .args = *args}};
    d.algorithm = c->forced ? c->algorithm
                  : !known  ? usual_algorithm(cl, op, args)
                  : fast    ? known->algorithm
                            : known->exact;
    if (!can(cl, d.algorithm, op, args)) d.algorithm = OPENCL_DIRECT;
    if (d.algorithm == OPENCL_GEMM && !clade_opencl_by_gemm_right(cl, op, args))
        d.algorithm = OPENCL_DIRECT;
    add_decision(&c->made, &c->made_count, &d); /* without memory it is made again */
    return d.algorithm;
}

/* ---- the backend's table ---- */

bool clade_opencl_choice(void *context, size_t i, clade_algorithm_choice *out)
{
    opencl_context *cl = context;
    if (i >= cl->choices->made_count) return false;
    const decision *d = &cl->choices->made[i];
    *out = (clade_algorithm_choice){.call = d->call, .algorithm = names[d->algorithm]};
    for (int algorithm = 0; algorithm < OPENCL_ALGORITHMS; algorithm++)
        if (can(cl, (opencl_algorithm)algorithm, d->call.op, &d->call.args))
            out->algorithms[out->algorithm_count++] = names[algorithm];
    return true;
}

clade_status clade_opencl_choose(void *context, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count)
{
    opencl_context *cl = context;
    const char *path = cl->choices->path;
    if (!path)
        return clade_fail(CLADE_EIO, "no folder for choices: neither XDG_CACHE_HOME nor HOME is an "
                                     "absolute path");
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    clade_status status = folder ? clade_folder_create(folder)
                                 : clade_fail(CLADE_ENOMEM, "out of memory for choices");
    free(folder);
    return status ? status : keep(path, call, timings, count);
}

const char *clade_opencl_warning(void *context)
{
    const opencl_context *cl = context;
    return cl->choices->warning;
}
