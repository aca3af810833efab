/* Mode vectors: an op's cases frozen in files, so that other programs can judge by them, and so
 * that it is seen when an op comes to mean something else.
 *
 * A case is a folder of its name: `call`, and for each kind of data a folder with SLOT.in.npy of
 * what the op reads, SLOT.out.npy of what the oracle makes of it, in double (whole numbers as the
 * op has them), and SLOT.bound.npy, how far a result in float32 may be from that. SHA256SUMS is as
 * sha256sum(1) has it. No device takes part. */
#include "conform/conform.h"
#include "base/file.h"
#include "base/sha256.h"
#include "op/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_text = 1 << 16, hex_size = 65 };

/* A case's folder. */
typedef struct vectors {
    char *folder;
    char sums[most_text]; /* SHA256SUMS as it is from the files, of `length` bytes */
    size_t length;
    char *frozen; /* the file, of `size` bytes; NULL where it is to be written */
    size_t size;
} vectors;

/* Of a file in the folder. */
static clade_status digest(const vectors *v, const char *name, char hex[hex_size])
{
    void *bytes = NULL;
    size_t size;
    char *path = clade_path_join(v->folder, name);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = clade_file_read(path, UINT64_C(1) << 32, &bytes, &size);
    clade_sha256 hash;
    clade_sha256_start(&hash);
    if (!status) clade_sha256_add(&hash, bytes, size);
    clade_sha256_end(&hash, hex);
    free(bytes);
    free(path);
    return status;
}

/* The next line of SHA256SUMS; what was frozen has the same. */
static clade_status add_sum(vectors *v, const char *name, conform_failure *failure)
{
    char hex[hex_size];
    clade_status status = digest(v, name, hex);
    if (status) return status;
    size_t room = sizeof v->sums - v->length;
    int n = snprintf(v->sums + v->length, room, "%s  %s\n", hex, name);
    if ((size_t)n >= room) return clade_fail(CLADE_EINVAL, "%s: too many files", v->folder);
    if (v->frozen && strncmp(v->frozen + v->length, v->sums + v->length, (size_t)n) != 0)
        clade_failure_set(failure, "digest", "%s has another SHA-256", name);
    v->length += (size_t)n;
    return CLADE_OK;
}

static clade_status write_text(vectors *v, const char *name, const char *text, size_t size)
{
    char *path = clade_path_join(v->folder, name);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = clade_file_write(path, text, size);
    free(path);
    return status;
}

static clade_status read_text(const vectors *v, const char *name, char **text, size_t *size)
{
    void *bytes = NULL;
    char *path = clade_path_join(v->folder, name);
    clade_status status = path ? clade_file_read(path, most_text, &bytes, size)
                               : clade_fail(CLADE_ENOMEM, "out of memory");
    *text = bytes;
    free(path);
    return status;
}

/* ---- the arrays of a problem ---- */

typedef struct frozen_array {
    char name[128];
    size_t slot;
    bool wide;
    void *block;
} frozen_array;

/* The problem's arrays one after the other; `which` from 0. false: there is none. */
static bool find_array(const conform_problem *p, size_t which, frozen_array *a)
{
    static const char *const parts[] = {"in", "out", "bound"};
    size_t slot = which / 3, part = which % 3;
    if (slot >= p->info->slot_count || !p->initial[slot]) return false;
    clade_slot_kind kind = p->info->slots[slot].kind;
    bool wide = p->args.slot[slot].dtype == CLADE_F32;
    *a = (frozen_array){.slot = slot, .wide = part && wide};
    if (part == 0 ? !clade_slot_reads(kind) : !clade_slot_writes(kind) || (part == 2 && !wide))
        return false;
    a->block = part == 0   ? p->initial[slot]
               : part == 2 ? (void *)p->bound[slot]
               : wide      ? (void *)p->truth[slot]
                           : p->expected[slot];
    snprintf(a->name, sizeof a->name, "%s/%s.%s.npy", clade_conform_data_name(p->data),
             p->info->slots[slot].name, parts[part]);
    return true;
}

static clade_status write_problem(vectors *v, const conform_problem *p, conform_failure *failure)
{
    char *folder = clade_path_join(v->folder, clade_conform_data_name(p->data));
    clade_status status =
        folder ? clade_folder_create(folder) : clade_fail(CLADE_ENOMEM, "out of memory");
    frozen_array a;
    for (size_t i = 0; !status && i < 3 * p->info->slot_count; i++) {
        if (!find_array(p, i, &a)) continue;
        char *path = clade_path_join(v->folder, a.name);
        status = path ? clade_npy_write(path, &p->args.slot[a.slot], a.wide, a.block)
                      : clade_fail(CLADE_ENOMEM, "out of memory");
        free(path);
        if (!status) status = add_sum(v, a.name, failure);
    }
    free(folder);
    return status;
}

/* ---- checking ---- */

/* The oracle may be off by the rounding of another C library's functions in double, which is a tiny
 * part of any bound. */
void clade_frozen_compare(const conform_problem *p, size_t slot, const double *out,
                          const double *bound, clade_conform_result *result,
                          conform_failure *failure)
{
    const double moved = 1e-6;
    const float *reference = p->expected[slot];
    for (size_t i = 0; i < p->count[slot]; i++) {
        double error = fabs(p->truth[slot][i] - out[i]);
        double rounding = fabs((double)reference[i] - out[i]);
        result->compared++;
        if (!(error <= result->error)) result->error = error;
        if (!(error <= moved * bound[i]) && error != 0)
            clade_failure_set(failure, "oracle", "%s at element %zu: %.17g, frozen %.17g",
                              p->info->slots[slot].name, i, p->truth[slot][i], out[i]);
        if (!(rounding <= bound[i]))
            clade_failure_set(failure, "bound", "%s at element %zu: %.9g, frozen %.17g, bound %.3g",
                              p->info->slots[slot].name, i, (double)reference[i], out[i], bound[i]);
    }
}

/* Whole numbers, and 16 bits, are those of the reference. */
static void compare_bits(const conform_problem *p, size_t slot, const void *out,
                         clade_conform_result *result, conform_failure *failure)
{
    const size_t bytes = p->count[slot] * clade_dtype_size(p->args.slot[slot].dtype);
    result->compared += p->count[slot];
    if (memcmp(out, p->expected[slot], bytes) != 0)
        clade_failure_set(failure, "bits", "%s differs", p->info->slots[slot].name);
}

/* The frozen arrays of one part of a slot, in memory to be freed. */
static clade_status read_array(const vectors *v, const conform_problem *p, size_t which,
                               void **block)
{
    frozen_array a;
    *block = NULL;
    if (!find_array(p, which, &a)) return CLADE_OK;
    const clade_tensor *t = &p->args.slot[a.slot];
    char *path = clade_path_join(v->folder, a.name);
    *block = malloc(clade_tensor_count(t) * sizeof(double) + 1);
    clade_status status = path && *block ? clade_npy_read(path, t, a.wide, *block)
                                         : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    return status;
}

static clade_status check_problem(vectors *v, conform_problem *p, clade_conform_result *result,
                                  conform_failure *failure)
{
    clade_status status = CLADE_OK;
    frozen_array a;
    for (size_t i = 0; !status && !failure->check && i < 3 * p->info->slot_count; i++)
        if (find_array(p, i, &a)) status = add_sum(v, a.name, failure);
    if (status || failure->check) return status;
    for (size_t slot = 0; !status && slot < p->info->slot_count; slot++) {
        void *in;
        status = read_array(v, p, 3 * slot, &in);
        if (!status && in)
            memcpy(p->initial[slot], in,
                   p->count[slot] * clade_dtype_size(p->args.slot[slot].dtype));
        free(in);
    }
    if (!status) status = clade_problem_solve(p);
    for (size_t slot = 0; !status && slot < p->info->slot_count; slot++) {
        void *out = NULL, *bound = NULL;
        status = read_array(v, p, 3 * slot + 1, &out);
        if (!status) status = read_array(v, p, 3 * slot + 2, &bound);
        if (!status && out && bound)
            clade_frozen_compare(p, slot, out, bound, result, failure);
        else if (!status && out)
            compare_bits(p, slot, out, result, failure);
        free(out);
        free(bound);
    }
    return status;
}

/* ---- cases ---- */

/* The call that was frozen must be the case's. */
static clade_status check_call(const vectors *v, const char *call, conform_failure *failure)
{
    char *text;
    size_t size;
    clade_status status = read_text(v, "call", &text, &size);
    if (!status && strcmp(text, call) != 0)
        clade_failure_set(failure, "call", "it was frozen as '%.*s'", (int)strcspn(text, "\n"),
                          text);
    free(text);
    return status;
}

static clade_status go_through(conform_run *run, vectors *v, const clade_op_info *info,
                               const clade_case *test, clade_conform_result *result,
                               conform_failure *failure)
{
    bool frozen = result->mode == CLADE_CONFORM_FROZEN;
    char call[CLADE_CALL_TEXT_SIZE + 1];
    snprintf(call, sizeof call, "%s\n", result->call);
    clade_status status = CLADE_OK;
    if (frozen) {
        status = read_text(v, "SHA256SUMS", &v->frozen, &v->size);
    } else {
        status = clade_folder_create(v->folder);
        if (!status) status = write_text(v, "call", call, strlen(call));
    }
    if (!status) status = add_sum(v, "call", failure);
    if (!status && frozen && !failure->check) status = check_call(v, call, failure);
    for (int data = 0; !status && !failure->check && data <= CONFORM_RANDOM; data++) {
        conform_problem *p = NULL;
        if (!clade_problem_wanted(info, test, (conform_data)data)) continue;
        status = clade_problem_create(info, test, (conform_data)data, run->options->seed, &p);
        if (!status)
            status = frozen ? check_problem(v, p, result, failure) : write_problem(v, p, failure);
        clade_problem_destroy(&p);
    }
    if (!status && !frozen) status = write_text(v, "SHA256SUMS", v->sums, v->length);
    if (!status && frozen && !failure->check && v->size != v->length)
        clade_failure_set(failure, "digest", "SHA256SUMS has more files than were frozen");
    return status;
}

static clade_status take_case(conform_run *run, clade_conform_mode mode, const clade_op_info *info,
                              const clade_case *test)
{
    conform_failure failure = {0};
    char text[CLADE_CALL_TEXT_SIZE];
    bool frozen = mode == CLADE_CONFORM_FROZEN, exists = false;
    clade_conform_result result = {.mode = mode,
                                   .op = info->name,
                                   .case_name = test->name,
                                   .call = clade_conform_call(info, test, text),
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_begin(run, &result)) return CLADE_OK;
    vectors v = {.folder = clade_path_join(run->options->vectors, result.name)};
    clade_status status =
        v.folder ? clade_file_exists(v.folder, &exists) : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status && frozen && !exists) {
        result.verdict = CLADE_CONFORM_SKIP;
        result.text = "it was not frozen";
    } else if (!status && !frozen && exists) {
        status = clade_fail(CLADE_EINVAL, "%s already exists", v.folder);
    } else if (!status) {
        status = go_through(run, &v, info, test, &result, &failure);
    }
    free(v.folder);
    free(v.frozen);
    if (frozen && (status == CLADE_EIO || status == CLADE_EFORMAT)) {
        clade_failure_set(&failure, "file", "%s", clade_error());
        status = CLADE_OK;
    }
    return status ? status : clade_conform_end(run, &result, &failure);
}

static clade_status take_cases(conform_run *run, clade_conform_mode mode)
{
    clade_status status = CLADE_OK;
    if (!run->options->vectors) return clade_fail(CLADE_EINVAL, "a folder of vectors is expected");
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (!clade_conform_chosen(run, info)) continue;
        const clade_case *test;
        for (size_t i = 0; !status && (test = clade_conform_case(run, info, &i));)
            status = take_case(run, mode, info, test);
    }
    return status;
}

clade_status clade_conform_freeze(conform_run *run)
{
    return take_cases(run, CLADE_CONFORM_FREEZE);
}

clade_status clade_conform_frozen(conform_run *run)
{
    return take_cases(run, CLADE_CONFORM_FROZEN);
}
