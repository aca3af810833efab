/* A recipe for images of which nothing is known. */
#define _POSIX_C_SOURCE 200809L
#include "auto_recipe.h"
#include "backbone_option.h"
#include "shown.h"

#include <clade/inspect.h>
#include <clade/pretrained.h>

#include <stdlib.h>
#include <string.h>

/* --- the data --- */

typedef struct auto_data {
    int32_t hwc[3];
    size_t images, classes;
    clade_task task;
} auto_data;

static clade_status look(const session_source *source, auto_data *out)
{
    clade_task task = CLADE_TASK_CLASS;
    clade_status status = source->labels
                              ? clade_labels_guess(source->labels, source->label_columns, &task)
                              : CLADE_OK;
    const clade_data_options options = {.path = source->data,
                                        .task = task,
                                        .validation = source->validation,
                                        .label_pattern = source->label_pattern,
                                        .labels = source->labels,
                                        .label_columns = source->label_columns};
    clade_dataset *dataset = NULL;
    if (!status) status = clade_dataset_open(&options, &dataset);
    if (status) return status;
    out->task = task;
    clade_dataset_shape(dataset, out->hwc);
    out->images = clade_dataset_count(dataset, CLADE_TRAIN);
    out->classes = clade_dataset_classes(dataset);
    clade_dataset_destroy(&dataset);
    return CLADE_OK;
}

static int32_t shorter_side(const auto_data *d)
{
    return d->hwc[0] < d->hwc[1] ? d->hwc[0] : d->hwc[1];
}

/* Features of photographs are of no use to small drawings: what there is to see lies between a few
 * pixels. */
static bool suits_transfer(const auto_data *d)
{
    enum { least = 96 };
    return shorter_side(d) >= least;
}

/* --- the weights --- */

typedef struct auto_weights {
    const char *backbone; /* NULL: none */
    double accuracy, gflops;
    char *path;
} auto_weights;

/* What is published of a backbone. */
static void find_published(const char *backbone, auto_weights *out)
{
    *out = (auto_weights){.backbone = backbone};
    for (size_t i = 0; i < clade_pretrained_count() && out->accuracy == 0; i++) {
        const clade_pretrained p = clade_pretrained_at(i);
        if (strcmp(p.backbone, backbone)) continue;
        out->accuracy = p.accuracy;
        out->gflops = p.gflops;
    }
}

/* Without a GPU what takes long is worse than what does not; then the more accurate is better. */
static bool is_better(const auto_weights *a, const auto_weights *b, bool gpu)
{
    static const double bearable = 2; /* GFLOPs an image */
    const bool quick = gpu || a->gflops <= bearable, other = gpu || b->gflops <= bearable;
    if (!b->backbone || quick != other) return !b->backbone || quick;
    return a->accuracy > b->accuracy;
}

/* The best of the backbones that are at hand, or of all. */
static clade_status choose_weights(bool gpu, bool at_hand, auto_weights *best)
{
    *best = (auto_weights){0};
    for (const char *const *name = clade_backbone_names(); *name; name++) {
        auto_weights w;
        find_published(*name, &w);
        clade_status status = at_hand ? clade_pretrained_find_any(*name, &w.path) : CLADE_OK;
        if (status) {
            free(best->path);
            return status;
        }
        if ((at_hand && !w.path) || !is_better(&w, best, gpu)) {
            free(w.path);
            continue;
        }
        free(best->path);
        *best = w;
    }
    return CLADE_OK;
}

/* Those of the backbone that is asked for, by its name alone. */
static clade_status find_weights(const char *model, auto_weights *out)
{
    const char *const *names = clade_backbone_names();
    size_t count = 0;
    while (names[count] && strcmp(names[count], model)) count++;
    if (!names[count]) {
        const char *near = command_nearest(model, names, count, sizeof *names);
        return clade_fail(CLADE_EINVAL, "--model %s: no such backbone%s%s%s", shown(model),
                          near                     ? "; did you mean '"
                          : strpbrk(model, "./\\") ? "; to use a file of weights, write NAME=FILE"
                                                   : "; `clade weights list` lists them",
                          near ? near : "", near ? "'?" : "");
    }
    find_published(names[count], out);
    clade_status status = clade_pretrained_find_any(model, &out->path);
    if (status || out->path) return status;
    return clade_fail(
        CLADE_EINVAL,
        "--model %s: this machine has no weights of it; `clade weights fetch %s` downloads them",
        model, model);
}

/* --- the choice --- */

static bool append(char **edits, size_t *count, const char *text)
{
    char *copy = strdup(text);
    if (copy) edits[(*count)++] = copy;
    return copy != NULL;
}

/* What the list of labels asks for; `last` is the place of the last layer in the model's list. */
static bool choose_task(const auto_data *d, int last, char **edits, size_t *count)
{
    const bool several = d->task == CLADE_TASK_MULTI_LABEL;
    char task[64], loss[64], activation[64];
    if (d->task == CLADE_TASK_CLASS) return true;
    snprintf(task, sizeof task, "data.task=%s", clade_task_words()[d->task]);
    snprintf(loss, sizeof loss, "train.loss=%s", several ? "binary_crossentropy" : "huber");
    snprintf(activation, sizeof activation, "model.%d.dense.activation=%s", last,
             several ? "sigmoid" : "linear");
    return append(edits, count, task) && append(edits, count, loss) &&
           append(edits, count, activation);
}

static bool choose_transfer(const auto_request *request, const auto_data *d,
                            const backbone_option *backbone, const auto_weights *w, char **edits,
                            size_t *count, auto_choice *out)
{
    char why[128] = "";
    if (!request->model)
        snprintf(why, sizeof why, ", %.0f %% on ImageNet, the best on this machine%s", w->accuracy,
                 request->gpu ? "" : " that suit a CPU");
    out->recipe = "photos-transfer";
    snprintf(out->about, sizeof out->about,
             "`photos-transfer`, a head on the features of %s\n"
             "Weights: %s%s\n`clade train photos` trains a net from scratch\n",
             shown(backbone->label), shown(backbone->path ? backbone->path : w->path), why);
    return !backbone_option_edits(backbone, edits, count) && choose_task(d, 2, edits, count);
}

/* A size that the net's four halvings fit and that a CPU can bear. */
static int32_t choose_side(const auto_data *d, int32_t asked)
{
    static const int32_t sides[] = {32, 64, 96, 128};
    int32_t shorter = shorter_side(d);
    size_t i = 0;
    if (asked) return asked;
    if (d->hwc[0] == d->hwc[1] && shorter >= 16 && shorter <= 64) return shorter; /* MNIST, CIFAR */
    while (i < 3 && shorter > sides[i] + sides[i] / 4) i++;
    return sides[i];
}

static bool choose_scratch(const auto_request *request, const auto_data *d, const char *to_fetch,
                           char **edits, size_t *count, auto_choice *out)
{
    const int32_t side = choose_side(d, request->size);
    char size[64], hint[256] = "";
    snprintf(size, sizeof size, "input.size=%d", side);
    bool good = append(edits, count, size);
    if (good && d->hwc[2] == 1) /* a digit is none in a mirror */
        good = append(edits, count, "input.channels=1") &&
               append(edits, count, "augment.horizontal_flip=false");
    if (to_fetch)
        snprintf(
            hint, sizeof hint,
            "Pretrained weights do better on few images; `clade weights fetch %s` downloads some\n",
            to_fetch);
    out->recipe = "photos";
    snprintf(out->about, sizeof out->about,
             "`photos`, a small net from scratch, at %d×%d for %zu images\n%s", side, side,
             d->images, hint);
    return good && choose_task(d, 3, edits, count);
}

clade_status auto_recipe(const auto_request *request, char **edits, size_t *count, auto_choice *out)
{
    auto_data d;
    auto_weights w = {0};
    backbone_option backbone = {.path = NULL};
    clade_status status = CLADE_OK;
    if (request->model) {
        status = backbone_option_read("--model", request->model, &backbone);
        if (!status && !backbone.path) status = find_weights(request->model, &w);
    }
    if (!status) status = look(request->source, &d);
    if (!status && !request->model && suits_transfer(&d)) {
        status = choose_weights(request->gpu, true, &w);
        if (w.path) snprintf(backbone.label, sizeof backbone.label, "%s", w.backbone);
        if (!status && !w.path) status = choose_weights(request->gpu, false, &w);
    }
    const bool transfer = backbone.path || w.path;
    if (!status && !(transfer ? choose_transfer(request, &d, &backbone, &w, edits, count, out)
                              : choose_scratch(request, &d, w.backbone, edits, count, out)))
        status = clade_fail(CLADE_ENOMEM, "out of memory");
    free(w.path);
    return status;
}
