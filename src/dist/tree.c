/* A pairwise sum in any order of arrival: a part that comes waits for its neighbour, and whoever
 * brings that adds the two. */
#include "dist/tree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct clade_tree {
    size_t length;
    pthread_mutex_t mutex; /* of all below */
    int32_t terms;
    clade_tree_part *part; /* those that wait */
    size_t parts;
    clade_tree_part lent; /* instead of them: its sum is the caller's; else NULL */
    float **spare;
    size_t spares, buffers; /* spare ones; all that there are, for which `spare` has room */
};

clade_status clade_tree_create(size_t length, clade_tree **out)
{
    clade_tree *tree = *out = calloc(1, sizeof *tree);
    if (!tree) return clade_fail(CLADE_ENOMEM, "out of memory for a sum of gradients");
    tree->length = length;
    pthread_mutex_init(&tree->mutex, NULL);
    return CLADE_OK;
}

static void forget_parts(clade_tree *tree)
{
    while (tree->parts) tree->spare[tree->spares++] = tree->part[--tree->parts].sum;
    tree->lent.sum = NULL;
}

void clade_tree_destroy(clade_tree **handle)
{
    clade_tree *tree = *handle;
    if (!tree) return;
    forget_parts(tree);
    for (size_t i = 0; i < tree->spares; i++) free(tree->spare[i]);
    free(tree->spare);
    free(tree->part);
    pthread_mutex_destroy(&tree->mutex);
    free(tree);
    *handle = NULL;
}

void clade_tree_start(clade_tree *tree, int32_t terms)
{
    forget_parts(tree);
    tree->terms = terms;
}

/* Makes room for one more buffer, also among the parts: it may wait there. */
static bool make_room(clade_tree *tree)
{
    float **spare = realloc(tree->spare, (tree->buffers + 1) * sizeof *spare);
    if (!spare) return false;
    tree->spare = spare;
    clade_tree_part *part = realloc(tree->part, (tree->buffers + 1) * sizeof *part);
    if (!part) return false;
    tree->part = part;
    return true;
}

float *clade_tree_take(clade_tree *tree)
{
    float *buffer = NULL;
    pthread_mutex_lock(&tree->mutex);
    if (tree->spares)
        buffer = tree->spare[--tree->spares];
    else if (make_room(tree) && (buffer = malloc(tree->length * sizeof *buffer)))
        tree->buffers++;
    pthread_mutex_unlock(&tree->mutex);
    if (!buffer) clade_fail(CLADE_ENOMEM, "out of memory for a sum of %zu gradients", tree->length);
    return buffer;
}

void clade_tree_give_back(clade_tree *tree, float *buffer)
{
    pthread_mutex_lock(&tree->mutex);
    tree->spare[tree->spares++] = buffer;
    pthread_mutex_unlock(&tree->mutex);
}

/* Takes the waiting neighbour of a part out. NULL: it has not come. */
static float *find_neighbour(clade_tree *tree, int32_t first, int32_t level)
{
    for (size_t i = 0; i < tree->parts; i++) {
        if (tree->part[i].first != (first ^ 1 << level) || tree->part[i].level != level) continue;
        float *sum = tree->part[i].sum;
        tree->part[i] = tree->part[--tree->parts];
        return sum;
    }
    return NULL;
}

/* Is it the left one of a pair whose right one would lie beyond the end? */
static bool is_alone(const clade_tree *tree, int32_t first, int32_t level)
{
    return !(first >> level & 1) && (int64_t)first + ((int64_t)1 << level) >= tree->terms;
}

/* Takes out what is to be added to a part, at the level where they are neighbours. NULL: it has not
 * come. */
static float *take_partner(clade_tree *tree, int32_t first, int32_t *level)
{
    while (is_alone(tree, first, *level) && first > 0) ++*level;
    return is_alone(tree, first, *level) ? NULL : find_neighbour(tree, first, *level);
}

void clade_tree_add(clade_tree *tree, int32_t first, int32_t level, float *buffer)
{
    pthread_mutex_lock(&tree->mutex);
    float *other;
    while ((other = take_partner(tree, first, &level)) != NULL) {
        pthread_mutex_unlock(&tree->mutex);
        for (size_t i = 0; i < tree->length; i++) buffer[i] += other[i];
        pthread_mutex_lock(&tree->mutex);
        tree->spare[tree->spares++] = other;
        first &= ~(1 << level);
        level++;
    }
    tree->part[tree->parts++] = (clade_tree_part){first, level, buffer};
    pthread_mutex_unlock(&tree->mutex);
}

/* To its neighbour where that has come, else to a copy that waits for it. */
clade_status clade_tree_add_copy(clade_tree *tree, int32_t first, int32_t level,
                                 const float *values)
{
    pthread_mutex_lock(&tree->mutex);
    float *other = take_partner(tree, first, &level);
    pthread_mutex_unlock(&tree->mutex);
    if (other) {
        for (size_t i = 0; i < tree->length; i++) other[i] += values[i];
        clade_tree_add(tree, first & ~(1 << level), level + 1, other);
        return CLADE_OK;
    }
    other = clade_tree_take(tree);
    if (!other) return CLADE_ENOMEM;
    memcpy(other, values, tree->length * sizeof *other);
    clade_tree_add(tree, first, level, other);
    return CLADE_OK;
}

void clade_tree_finish(clade_tree *tree, int32_t first, int32_t level, const float *values,
                       float *out)
{
    const float *sum = values;
    float *other;
    pthread_mutex_lock(&tree->mutex);
    while ((other = take_partner(tree, first, &level)) != NULL) {
        for (size_t i = 0; i < tree->length; i++) out[i] = sum[i] + other[i];
        tree->spare[tree->spares++] = other;
        sum = out;
        first &= ~(1 << level);
        level++;
    }
    pthread_mutex_unlock(&tree->mutex);
    if (sum != out) memcpy(out, sum, tree->length * sizeof *out);
}

void clade_tree_lend(clade_tree *tree, int32_t first, int32_t level, float *values)
{
    tree->lent = (clade_tree_part){first, level, values};
}

const clade_tree_part *clade_tree_parts(const clade_tree *tree, size_t *count)
{
    *count = tree->lent.sum ? 1 : tree->parts;
    return tree->lent.sum ? &tree->lent : tree->part;
}

int32_t clade_tree_level(int32_t first, int32_t end, int32_t terms)
{
    int32_t level = 0;
    for (; level < 30; level++) {
        int64_t next = (int64_t)first + ((int64_t)2 << level);
        bool aligned = first % (2 << level) == 0;
        if (!aligned || (next > end && (end < terms || next - ((int64_t)1 << level) >= end))) break;
    }
    return level;
}
