/* Comparing ranks by digests, and copying what the first one has. */
#include "train/agree.h"
#include "base/hash.h"
#include "config.h"
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

/* --- the same beginning --- */

typedef struct beginning {
    char version[32], identity[sizeof((clade_dataset *)NULL)->identity];
    uint64_t recipe, contents;
    int32_t math;
} beginning;

/* The text without its part on data, in which ranks may differ. */
static clade_status digest_recipe(const clade_recipe *recipe, uint64_t *out)
{
    const char *text = clade_recipe_text(recipe);
    char *kept = malloc(strlen(text) + 1);
    size_t size = 0;
    bool within = false;
    if (!kept) return clade_fail(CLADE_ENOMEM, "out of memory");
    for (const char *end; *text; text = end) {
        end = text + strcspn(text, "\n");
        end += *end == '\n';
        if (!strchr(" \t\n#}", *text)) within = !strncmp(text, "data:", 5);
        if (within) continue;
        memcpy(kept + size, text, (size_t)(end - text));
        size += (size_t)(end - text);
    }
    *out = clade_hash(kept, size);
    free(kept);
    return CLADE_OK;
}

/* Of the bytes of all images. */
static clade_status digest_contents(const clade_dataset *dataset, uint64_t *out)
{
    uint64_t both[2] = {0};
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION; split++) {
        size_t count = dataset->split[split].listed;
        uint64_t *digest = malloc((count + 1) * sizeof *digest);
        if (!digest) return clade_fail(CLADE_ENOMEM, "out of memory for %zu digests", count);
        clade_dataset_digests(dataset, (clade_split)split, digest);
        both[split] = clade_hash(digest, count * sizeof *digest);
        free(digest);
    }
    *out = clade_hash(both, sizeof both);
    return CLADE_OK;
}

static const char *find_difference(const beginning *a, const beginning *b)
{
    if (strcmp(a->version, b->version)) return "another version of Clade";
    if (a->recipe != b->recipe) return "another recipe";
    if (strcmp(a->identity, b->identity)) return "other images or classes";
    if (a->contents != b->contents) return "images of other content";
    return a->math != b->math ? "another kind of math" : NULL;
}

clade_status clade_agree_check(const clade_trainer *t)
{
    size_t count = (size_t)clade_ranks_count(t->ranks);
    beginning own = {.version = CLADE_VERSION, .math = (int32_t)clade_device_math(t->device)};
    memcpy(own.identity, t->dataset->identity, sizeof own.identity);
    clade_status status = digest_recipe(t->recipe, &own.recipe);
    if (!status) status = digest_contents(t->dataset, &own.contents);
    beginning *all = calloc(count, sizeof *all);
    if (!status && !all) status = clade_fail(CLADE_ENOMEM, "out of memory for %zu ranks", count);
    if (!status) status = clade_ranks_gather(t->ranks, &own, sizeof own, all);
    for (size_t r = 1; r < count && !status; r++) {
        const char *difference = find_difference(&all[0], &all[r]);
        if (difference)
            status = clade_fail(CLADE_EINVAL, "rank %zu has %s than rank 0", r, difference);
    }
    free(all);
    return status;
}

/* --- what the first one has --- */

static clade_status copy_tensor(clade_trainer *t, const clade_tensor *x)
{
    size_t bytes = clade_tensor_count(x) * sizeof(float);
    float *values = malloc(bytes ? bytes : 1);
    if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for weights");
    bool lead = clade_ranks_own(t->ranks) == 0;
    clade_status status = lead ? clade_tensor_read(x, values) : CLADE_OK;
    if (!status) status = clade_ranks_broadcast(t->ranks, values, bytes);
    if (!status && !lead) status = clade_tensor_write(x, values);
    free(values);
    return status;
}

clade_status clade_agree_begin(clade_trainer *t)
{
    const clade_model *model = clade_learner_whole(&t->learner);
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_model_parameters(model) && !status; i++)
        status = copy_tensor(t, &clade_model_parameter(model, i)->value);
    size_t moments = clade_updater_moments(t->learner.updater, moment, name);
    for (size_t i = 0; i < moments && !status; i++) status = copy_tensor(t, &moment[i]);
    return status ? status : clade_ranks_broadcast(t->ranks, &t->progress, sizeof t->progress);
}
