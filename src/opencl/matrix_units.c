/* The matrix units that there are, and the file of what came of trying them, opencl/KEY.json of
 * Clade's cache, KEY standing for the device, its driver, this version and its kernels:
 *     {"mma tf32": "", "mma bfloat16": "crashed (signal 11)", …}
 * where an empty text says that the unit was right. */
#define _GNU_SOURCE
#include "opencl/matrix_units.h"

#include "base/file.h"
#include "base/json.h"
#include "opencl/cache.h"
#include "opencl/source.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const opencl_matrix_unit units[] = {
    {"mma", 1, 32, 16, 8, true},          {"wmma-gfx11", 2, 32, 16, 16, false},
    {"wmma-gfx12", 3, 32, 16, 16, false}, {"mfma", 4, 64, 16, 16, true},
    {"xmx-8", 5, 8, 8, 8, false},         {"xmx-16", 6, 16, 8, 16, true},
};
enum { unit_count = sizeof units / sizeof *units, file_most = 1 << 16 };

/* A unit for products of one kind. */
typedef struct kept_unit {
    const opencl_matrix_unit *unit;
    char name[32]; /* "mma", "emulated-mma" */
    clade_products products;
    bool judged;
    char *failure; /* NULL: it was right, or is not judged */
} kept_unit;

struct opencl_matrix_units {
    kept_unit entry[unit_count * CLADE_FACTORS];
    size_t count;
    bool emulated;
    char *path; /* of the file; NULL: there is no cache folder, or nothing is to be kept */
};

/* ---- which there may be ---- */

/* What follows a word; NULL: the text does not begin with it. */
static const char *after(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) ? NULL : text + strlen(word);
}

/* Intel's functions may only be called by the smallest sub-groups that the device has
 * (cl_intel_subgroup_matrix_multiply_accumulate). */
static bool has_smallest_sub_groups(const opencl_context *cl, size_t lanes)
{
    size_t sizes[8], bytes = 0, least = SIZE_MAX;
    if (clade_icd.clGetDeviceInfo(cl->device, CL_DEVICE_SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes,
                                  &bytes))
        return false;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (sizes[i] < least) least = sizes[i];
    return least == lanes;
}

/* By what the driver says of the device; whether it is so is tried. */
static bool may_have(const opencl_context *cl, const opencl_matrix_unit *unit)
{
    char extensions[8192] = "", name[128] = "";
    clade_icd.clGetDeviceInfo(cl->device, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions,
                              NULL);
    clade_icd.clGetDeviceInfo(cl->device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    if (!strcmp(unit->name, "mma")) return strstr(extensions, "cl_nv_") != NULL;
    if (!strcmp(unit->name, "wmma-gfx11")) return after(name, "gfx11") != NULL;
    if (!strcmp(unit->name, "wmma-gfx12")) return after(name, "gfx12") != NULL;
    if (!strcmp(unit->name, "mfma")) return after(name, "gfx9") != NULL;
    return strstr(extensions, "cl_intel_subgroup_matrix_multiply_accumulate") &&
           has_smallest_sub_groups(cl, (size_t)unit->lanes);
}

static void add(opencl_matrix_units *u, const opencl_matrix_unit *unit, bool judged)
{
    for (clade_products p = CLADE_FACTORS_TF32; p < CLADE_FACTORS; p++) {
        if (p == CLADE_FACTORS_TF32 && !unit->tf32) continue;
        kept_unit *e = &u->entry[u->count++];
        *e = (kept_unit){.unit = unit, .products = p, .judged = judged};
        snprintf(e->name, sizeof e->name, "%s%s", u->emulated ? "emulated-" : "", unit->name);
    }
}

/* The unit as the environment wants it. */
static clade_status add_asked(opencl_matrix_units *u, const char *asked)
{
    const char *untried = after(asked, "untried-"), *name = untried ? untried : asked;
    const char *emulated = after(name, "emulated-");
    u->emulated = emulated != NULL;
    if (emulated) name = emulated;
    if (!strcmp(asked, "none")) return CLADE_OK;
    for (size_t i = 0; i < unit_count; i++)
        if (!strcmp(units[i].name, name)) add(u, &units[i], !untried);
    return u->count ? CLADE_OK
                    : clade_fail(CLADE_EINVAL,
                                 "CLADE_MATRIX_UNIT is '%.40s'; expected none, or mma, wmma-gfx11, "
                                 "wmma-gfx12, mfma, xmx-8 or xmx-16, after emulated-, untried- or "
                                 "untried-emulated-, if any",
                                 asked);
}

/* ---- what is known of them ---- */

static void entry_key(const kept_unit *e, char key[64])
{
    snprintf(key, 64, "%s %s", e->name, clade_factors_name((clade_factors)e->products));
}

/* What is not there, or cannot be read, is tried anew. */
static void read_verdicts(opencl_matrix_units *u)
{
    void *bytes;
    size_t size;
    cJSON *root = NULL;
    bool exists = false;
    if (!u->path || clade_file_exists(u->path, &exists) || !exists) return;
    if (clade_file_read(u->path, file_most, &bytes, &size)) return;
    if (clade_json_parse(bytes, size, u->path, NULL, &root)) root = NULL;
    free(bytes);
    for (size_t i = 0; i < u->count; i++) {
        kept_unit *e = &u->entry[i];
        char key[64];
        entry_key(e, key);
        const char *failure = cJSON_GetStringValue(cJSON_GetObjectItem(root, key));
        if (!failure) continue;
        e->failure = *failure ? clade_string_join(failure, "") : NULL;
        e->judged = !*failure || e->failure;
    }
    cJSON_Delete(root);
}

/* Of the kernels for matrix units. */
static const char *const *find_source(void)
{
    const opencl_source *s = clade_opencl_sources;
    while (s->family && strcmp(s->family, "conv_matrix") != 0) s++;
    return s->lines;
}

clade_status clade_opencl_matrix_units_open(opencl_context *cl)
{
    const char *asked = getenv("CLADE_MATRIX_UNIT");
    opencl_matrix_units *u = cl->matrix_units = calloc(1, sizeof *u);
    if (!u) return clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
    clade_status status = asked && *asked ? add_asked(u, asked) : CLADE_OK;
    for (size_t i = 0; i < unit_count && !(asked && *asked); i++)
        if (may_have(cl, &units[i])) add(u, &units[i], false);
    if (status || !u->count || u->entry[0].judged) return status;
    u->path = clade_opencl_cache_json(cl, "matrix units", find_source());
    read_verdicts(u);
    return CLADE_OK;
}

void clade_opencl_matrix_units_close(opencl_context *cl)
{
    opencl_matrix_units *u = cl->matrix_units;
    for (size_t i = 0; u && i < u->count; i++) free(u->entry[i].failure);
    if (u) free(u->path);
    free(u);
}

const opencl_matrix_unit *clade_opencl_matrix_unit_for(const opencl_context *cl,
                                                       clade_products products)
{
    const opencl_matrix_units *u = cl->matrix_units;
    for (size_t i = 0; u && i < u->count; i++)
        if (u->entry[i].products == products && u->entry[i].judged && !u->entry[i].failure)
            return u->entry[i].unit;
    return NULL;
}

bool clade_opencl_matrix_emulated(const opencl_context *cl) { return cl->matrix_units->emulated; }

/* ---- the backend's table ---- */

bool clade_opencl_matrix_unit(void *context, size_t i, clade_matrix_unit *out)
{
    const opencl_context *cl = context;
    const opencl_matrix_units *u = cl->matrix_units;
    if (i >= u->count) return false;
    const kept_unit *e = &u->entry[i];
    *out = (clade_matrix_unit){
        .name = e->name, .products = e->products, .judged = e->judged, .failure = e->failure};
    return true;
}

static clade_status write_verdicts(const opencl_matrix_units *u)
{
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    for (size_t i = 0; i < u->count; i++) {
        char key[64];
        entry_key(&u->entry[i], key);
        if (u->entry[i].judged)
            cJSON_AddStringToObject(root, key, u->entry[i].failure ? u->entry[i].failure : "");
    }
    char *text = clade_json_end(root);
    char *folder = strndup(u->path, (size_t)(strrchr(u->path, '/') - u->path));
    clade_status status = text && folder ? clade_folder_create(folder)
                                         : clade_fail(CLADE_ENOMEM, "out of memory for verdicts");
    if (!status) status = clade_file_write(u->path, text, strlen(text));
    free(folder);
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

clade_status clade_opencl_matrix_judge(void *context, size_t i, const char *failure)
{
    const opencl_context *cl = context;
    opencl_matrix_units *u = cl->matrix_units;
    kept_unit *e = &u->entry[i];
    char *kept = failure ? clade_string_join(failure, "") : NULL;
    if (failure && !kept) return clade_fail(CLADE_ENOMEM, "out of memory for verdicts");
    free(e->failure);
    e->failure = kept;
    e->judged = true;
    return u->path ? write_verdicts(u) : CLADE_OK;
}
