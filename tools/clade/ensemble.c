/* Ensembles: opening their members, the views of --tta, and the mean of probabilities. */
#include "ensemble.h"

#include <stdlib.h>
#include <string.h>

/* --- views --- */

enum { matrix_size = 8, most_views = 1000 };

/* The image mirrored: column j is column w − 1 − j. */
static void mirror(float m[matrix_size], int32_t width)
{
    m[0] = -m[0];
    m[1] = -m[1];
    m[2] = (float)(width - 1) - m[2];
}

/* 7/8 of each side, enlarged to the whole: down and right are 0 for the top and left edge, 1 for
 * the bottom and right one. */
static void crop(float m[matrix_size], const clade_preprocessing *p, double down, double right)
{
    const double part = 7.0 / 8, edge = (part - 1) / 2; /* of half a pixel, in input pixels */
    const float matrix[matrix_size] = {(float)part,
                                       0,
                                       (float)(edge + right * (1 - part) * p->width),
                                       0,
                                       (float)part,
                                       (float)(edge + down * (1 - part) * p->height),
                                       1,
                                       0};
    memcpy(m, matrix, sizeof matrix);
}

static void list_crops(const clade_preprocessing *p, float (*m)[matrix_size], size_t count)
{
    static const double place[5][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0.5, 0.5}};
    for (size_t i = 0; i < count; i++) {
        crop(m[i], p, place[i % 5][0], place[i % 5][1]);
        if (i >= 5) mirror(m[i], p->width);
    }
}

static bool moves(const clade_augment *a)
{
    float m[matrix_size], identity[matrix_size];
    clade_augment_matrix(NULL, 100, 100, 0, 0, 0, identity);
    for (uint64_t i = 0; i < 8; i++) {
        clade_augment_matrix(a, 100, 100, 0, 0, i, m);
        if (memcmp(m, identity, sizeof m)) return true;
    }
    return false;
}

/* Of drawn ones the first is the image as it is. */
static clade_status set_views(clade_classifier *c, const char *views)
{
    const clade_recipe *recipe = clade_classifier_recipe(c);
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    const clade_augment *augment = clade_recipe_augment(recipe);
    const uint64_t seed = clade_recipe_training(recipe)->seed;
    char *end;
    const bool flip = !strcmp(views, "flip"), five = !strcmp(views, "5crop"),
               ten = !strcmp(views, "10crop");
    const long drawn = strtol(views, &end, 10);
    if (!flip && !five && !ten && (*end || drawn < 2 || drawn > most_views))
        return clade_fail(CLADE_EINVAL,
                          "--tta %s: expected flip, 5crop, 10crop, or a number of views, 2 to %d",
                          views, most_views);
    const size_t count = flip ? 2 : five ? 5 : ten ? 10 : (size_t)drawn;
    if (!flip && !five && !ten && !moves(augment))
        return clade_fail(CLADE_EINVAL,
                          "--tta %s: the recipe's augmentation does not move images; expected "
                          "flip, 5crop or 10crop",
                          views);
    float(*m)[matrix_size] = malloc(count * sizeof *m);
    if (!m) return clade_fail(CLADE_ENOMEM, "out of memory for %zu views", count);
    if (five || ten) list_crops(p, m, count);
    for (size_t i = 0; i < count && !five && !ten; i++)
        clade_augment_matrix(i && !flip ? augment : NULL, p->height, p->width, seed, 0, i, m[i]);
    if (flip) mirror(m[1], p->width);
    clade_status status = clade_classifier_set_views(c, m[0], count);
    free(m);
    return status;
}

/* --- members --- */

static int32_t find_class(const clade_classifier *c, const char *name)
{
    for (int32_t i = 0; i < clade_classifier_classes(c); i++)
        if (!strcmp(clade_classifier_class_name(c, i), name)) return i;
    return -1;
}

static clade_status match_classes(ensemble *e, size_t k)
{
    const clade_classifier *first = e->member[0], *own = e->member[k];
    const int32_t classes = clade_classifier_classes(first);
    if (clade_classifier_task(own) != clade_classifier_task(first))
        return clade_fail(CLADE_EINVAL, "%s: task %s, expected %s, as in %s", e->path[k],
                          clade_task_words()[clade_classifier_task(own)],
                          clade_task_words()[clade_classifier_task(first)], e->path[0]);
    if (clade_classifier_classes(own) != classes)
        return clade_fail(CLADE_EINVAL, "%s: %d classes, expected %d, as in %s", e->path[k],
                          clade_classifier_classes(own), classes, e->path[0]);
    e->place[k] = malloc((size_t)classes * sizeof *e->place[k]);
    if (!e->place[k]) return clade_fail(CLADE_ENOMEM, "out of memory");
    for (int32_t c = 0; c < classes; c++) {
        const char *name = clade_classifier_class_name(first, c);
        e->place[k][c] = find_class(own, name);
        if (e->place[k][c] < 0)
            return clade_fail(CLADE_EINVAL, "%s: no class '%s'; expected the classes of %s",
                              e->path[k], name, e->path[0]);
    }
    return CLADE_OK;
}

static clade_status open_member(ensemble *e, size_t k, const char *views, clade_device *device)
{
    clade_status status = clade_classifier_open(e->path[k], device, &e->member[k]);
    if (status) return status;
    e->count = k + 1;
    status = match_classes(e, k);
    if (!status && views) status = clade_context(set_views(e->member[k], views), "%s", e->path[k]);
    return status;
}

clade_status ensemble_open(const char *path, const command_list *with, const char *views,
                           clade_device *device, ensemble *out)
{
    *out = (ensemble){.path = {path}};
    for (size_t k = 0; k < with->count; k++) out->path[k + 1] = with->item[k];
    clade_status status = CLADE_OK;
    for (size_t k = 0; k <= with->count && !status; k++)
        status = open_member(out, k, views, device);
    for (size_t k = 0; out->count > 1 && k < out->count && !status; k++)
        if (!clade_classifier_gives_probabilities(out->member[k]) &&
            clade_classifier_task(out->member[k]) != CLADE_TASK_REGRESSION)
            status = clade_fail(
                CLADE_EINVAL,
                "%s: does not end in softmax or sigmoid, so it has no probabilities to average",
                out->path[k]);
    return status;
}

void ensemble_clear(ensemble *e)
{
    for (size_t k = 0; k < e->count; k++) {
        clade_classifier_destroy(&e->member[k]);
        free(e->place[k]);
    }
    *e = (ensemble){0};
}

void ensemble_add(const ensemble *e, size_t k, const float *p, size_t n, float *mean)
{
    const size_t classes = (size_t)clade_classifier_classes(e->member[0]);
    for (size_t i = 0; i < n; i++, p += classes, mean += classes)
        for (size_t c = 0; c < classes; c++) {
            const float own = p[e->place[k][c]];
            mean[c] = k ? mean[c] + own : own;
            if (e->count > 1 && k == e->count - 1) mean[c] /= (float)e->count;
        }
}
