/* A pairwise sum in any order of arrival: a part that comes waits for its neighbour, and whoever
 * brings that adds the two. */
#include "dist/tree.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct clade_tree {
    size_t length;
    clade_ranks *ranks;
    pthread_mutex_t mutex; /* of all below */
    int32_t terms;
    clade_tree_part *part; /* those that wait */
    size_t parts, room;
    float **spare;
    size_t spares, buffers; /* spare ones; all that there are, for which `spare` has room */
};

clade_status clade_tree_create(size_t length, clade_ranks *ranks, clade_tree **out)
{
    clade_tree *tree = *out = calloc(1, sizeof *tree);
    if (!tree) return clade_fail(CLADE_ENOMEM, "out of memory for a sum of gradients");
    tree->length = length;
    tree->ranks = ranks;
    pthread_mutex_init(&tree->mutex, NULL);
    return CLADE_OK;
}

/* A part's buffer is free again, if it is the tree's. With the mutex. */
static void spare(clade_tree *tree, const clade_tree_part *part)
{
    if (!part->lent) tree->spare[tree->spares++] = (float *)(uintptr_t)part->sum;
}

static void forget_parts(clade_tree *tree)
{
    while (tree->parts) spare(tree, &tree->part[--tree->parts]);
}

void clade_tree_destroy(clade_tree **handle)
{
    clade_tree *tree = *handle;
    if (!tree) return;
    forget_parts(tree);
    for (size_t i = 0; i < tree->spares; i++) clade_ranks_free(tree->ranks, tree->spare[i]);
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

/* With the mutex. */
static float *make_buffer(clade_tree *tree)
{
    float **list = realloc(tree->spare, (tree->buffers + 1) * sizeof *list);
    if (!list) return NULL;
    tree->spare = list;
    float *buffer = clade_ranks_memory(tree->ranks, tree->length * sizeof *buffer);
    tree->buffers += buffer != NULL;
    return buffer;
}

float *clade_tree_take(clade_tree *tree)
{
    pthread_mutex_lock(&tree->mutex);
    float *buffer = tree->spares ? tree->spare[--tree->spares] : make_buffer(tree);
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

/* Takes the waiting neighbour of a part out. False: it has not come. */
static bool find_neighbour(clade_tree *tree, int32_t first, int32_t level, clade_tree_part *out)
{
    for (size_t i = 0; i < tree->parts; i++) {
        if (tree->part[i].first != (first ^ 1 << level) || tree->part[i].level != level) continue;
        *out = tree->part[i];
        tree->part[i] = tree->part[--tree->parts];
        return true;
    }
    return false;
}

/* Is it the left one of a pair whose right one would lie beyond the end? */
static bool is_alone(const clade_tree *tree, int32_t first, int32_t level)
{
    return !(first >> level & 1) && (int64_t)first + ((int64_t)1 << level) >= tree->terms;
}

/* Takes out what is to be added to a part, at the level where they are neighbours. False: it has
 * not come. With the mutex. */
static bool take_partner(clade_tree *tree, clade_tree_part *part, clade_tree_part *out)
{
    while (is_alone(tree, part->first, part->level) && part->first > 0) part->level++;
    return !is_alone(tree, part->first, part->level) &&
           find_neighbour(tree, part->first, part->level, out);
}

/* What the sum of a part and its neighbour is a part of. */
static void climb(clade_tree_part *part)
{
    part->first &= ~(1 << part->level);
    part->level++;
}

/* *part and its neighbour become their sum, in the buffer of one of them or in a new one. */
static clade_status combine(clade_tree *tree, clade_tree_part *part, clade_tree_part other)
{
    if (part->lent) {
        const clade_tree_part swapped = *part;
        part->sum = other.sum, part->lent = other.lent;
        other.sum = swapped.sum, other.lent = swapped.lent;
    }
    float *sum = part->lent ? clade_tree_take(tree) : (float *)(uintptr_t)part->sum;
    if (!sum) return CLADE_ENOMEM;
    for (size_t i = 0; i < tree->length; i++) sum[i] = part->sum[i] + other.sum[i];
    part->sum = sum;
    part->lent = false;
    climb(part);
    pthread_mutex_lock(&tree->mutex);
    spare(tree, &other);
    pthread_mutex_unlock(&tree->mutex);
    return CLADE_OK;
}

/* Makes the values the tree's own. */
static clade_status copy(clade_tree *tree, clade_tree_part *part)
{
    float *own = clade_tree_take(tree);
    if (!own) return CLADE_ENOMEM;
    memcpy(own, part->sum, tree->length * sizeof *own);
    part->sum = own;
    part->lent = false;
    return CLADE_OK;
}

/* With the mutex. */
static clade_status wait_for_neighbour(clade_tree *tree, clade_tree_part part)
{
    if (tree->parts == tree->room) {
        const size_t room = tree->room ? 2 * tree->room : 4;
        clade_tree_part *list = realloc(tree->part, room * sizeof *list);
        if (!list) {
            spare(tree, &part);
            return clade_fail(CLADE_ENOMEM, "out of memory for a sum of gradients");
        }
        tree->part = list;
        tree->room = room;
    }
    tree->part[tree->parts++] = part;
    return CLADE_OK;
}

/* Adds a part to its neighbours that have come; what that gives waits for the next one. `keep`:
 * lent memory may wait as it is. */
static clade_status add(clade_tree *tree, clade_tree_part part, bool keep)
{
    clade_status status = CLADE_OK;
    clade_tree_part other;
    pthread_mutex_lock(&tree->mutex);
    for (;;) {
        const bool found = take_partner(tree, &part, &other);
        if (!found && (keep || !part.lent)) break;
        pthread_mutex_unlock(&tree->mutex);
        status = found ? combine(tree, &part, other) : copy(tree, &part);
        if (status) return status;
        pthread_mutex_lock(&tree->mutex);
    }
    status = wait_for_neighbour(tree, part);
    pthread_mutex_unlock(&tree->mutex);
    return status;
}

clade_status clade_tree_add(clade_tree *tree, int32_t first, int32_t level, float *buffer)
{
    return add(tree, (clade_tree_part){first, level, buffer, false}, false);
}

clade_status clade_tree_add_copy(clade_tree *tree, int32_t first, int32_t level,
                                 const float *values)
{
    return add(tree, (clade_tree_part){first, level, values, true}, false);
}

clade_status clade_tree_lend(clade_tree *tree, int32_t first, int32_t level, const float *values)
{
    return add(tree, (clade_tree_part){first, level, values, true}, true);
}

void clade_tree_finish(clade_tree *tree, int32_t first, int32_t level, const float *values,
                       float *out)
{
    clade_tree_part part = {first, level, values, true}, other;
    pthread_mutex_lock(&tree->mutex);
    while (take_partner(tree, &part, &other)) {
        for (size_t i = 0; i < tree->length; i++) out[i] = part.sum[i] + other.sum[i];
        spare(tree, &other);
        part.sum = out;
        climb(&part);
    }
    pthread_mutex_unlock(&tree->mutex);
    if (part.sum != out) memcpy(out, part.sum, tree->length * sizeof *out);
}

const clade_tree_part *clade_tree_parts(const clade_tree *tree, size_t *count)
{
    *count = tree->parts;
    return tree->part;
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
