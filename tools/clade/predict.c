/* clade predict: classes of images. */
#include "ensemble.h"
#include "image_files.h"
#include "predict_save.h"
#include "predictions.h"
#include "session.h"
#include "shown.h"
#include "together.h"

#include <stdlib.h>
#include <string.h>

enum { at_once = 64 };

/* What some files at a time gave: first which of them could be read, then their probabilities. */
typedef struct file_results {
    uint8_t *pixels;
    float *member;    /* [at_once, classes]: those of one model */
    float *own, *all; /* [at_once + at_once, classes]; of each rank */
    size_t floats;
} file_results;

static size_t image_size(const clade_classifier *c)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(clade_classifier_recipe(c));
    return (size_t)p->height * (size_t)p->width * (size_t)p->channels;
}

static clade_status allocate(const ensemble *models, size_t ranks, file_results *r)
{
    size_t image = 0;
    const int32_t classes = clade_classifier_classes(models->member[0]);
    for (size_t k = 0; k < models->count; k++) {
        const size_t own = image_size(models->member[k]);
        if (own > image) image = own;
    }
    r->floats = at_once * ((size_t)classes + 1);
    r->pixels = malloc(at_once * image);
    r->member = malloc(at_once * (size_t)classes * sizeof *r->member);
    r->own = malloc(r->floats * sizeof *r->own);
    r->all = malloc(ranks * r->floats * sizeof *r->all);
    return r->pixels && r->member && r->own && r->all ? CLADE_OK
                                                      : clade_fail(CLADE_ENOMEM, "out of memory");
}

static bool read_file(const image_file *file, const clade_preprocessing *p, uint8_t *pixels)
{
    const char *name = strcmp(file->path, "-") ? file->path : "standard input";
    return !(file->bytes ? clade_image_decode(file->bytes, file->size, name, p->height, p->width,
                                              p->channels, p->interpolation, pixels)
                         : clade_image_read(file->path, p->height, p->width, p->channels,
                                            p->interpolation, pixels));
}

/* Those that cannot be read are named. */
static clade_status predict_some(const ensemble *models, const image_files *files, size_t first,
                                 size_t count, const file_results *r)
{
    clade_status status = CLADE_OK;
    for (size_t k = 0; k < models->count && !status; k++) {
        clade_classifier *c = models->member[k];
        const clade_preprocessing *p = clade_recipe_preprocessing(clade_classifier_recipe(c));
        size_t image = image_size(c), n = 0;
        for (size_t i = 0; i < count; i++) {
            if (k && r->own[i] == 0) continue;
            bool read = read_file(&files->item[first + i], p, r->pixels + n * image);
            if (!read && k) return CLADE_EIO; /* it has changed */
            if (!read) fprintf(stderr, "clade predict: %s\n", shown(clade_error()));
            r->own[i] = read;
            n += read;
        }
        status = clade_classifier_predict_pixels(c, r->pixels, n, r->member);
        if (!status) ensemble_add(models, k, r->member, n, r->own + at_once);
    }
    return status;
}

static clade_status save_some(const clade_classifier *classifier, const image_files *files,
                              size_t first, size_t count, const file_results *r,
                              saved_images *saved)
{
    const size_t classes = (size_t)clade_classifier_classes(classifier);
    const float *p = r->own + at_once;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (r->own[i] == 0) continue;
        status = saved_images_write(saved, files, first + i, classifier, p);
        p += classes;
    }
    return status;
}

/* Adds those that could not be read to *unread. */
static void print_some(prediction_printer *out, const image_file *file, size_t count,
                       const float *result, size_t *unread)
{
    const size_t classes = (size_t)clade_classifier_classes(out->classifier);
    const float *p = result + at_once;
    for (size_t i = 0; i < count; i++) {
        if (result[i] == 0) {
            ++*unread;
            continue;
        }
        predictions_print(out, file[i].path, p);
        p += classes;
    }
}

/* Files that are taken at a time, from one of them on. */
static size_t count_some(const image_files *files, size_t first)
{
    if (first >= files->count) return 0;
    return files->count - first < at_once ? files->count - first : at_once;
}

/* In turns, in each of which every rank takes the next files; the first rank prints. */
static clade_status predict(const ensemble *models, const image_files *files, clade_ranks *ranks,
                            prediction_printer *out, saved_images *saved, size_t *unread)
{
    const size_t count = ranks ? (size_t)clade_ranks_count(ranks) : 1;
    const size_t own = ranks ? (size_t)clade_ranks_own(ranks) : 0;
    file_results r = {0};
    clade_status status = allocate(models, count, &r);
    *unread = 0;
    for (size_t turn = 0; turn < files->count && !status; turn += count * at_once) {
        size_t first = turn + own * at_once, n = count_some(files, first);
        if (n > 0) status = predict_some(models, files, first, n, &r);
        if (n > 0 && !status) status = save_some(models->member[0], files, first, n, &r, saved);
        if (!status && ranks)
            status = clade_ranks_gather(ranks, r.own, r.floats * sizeof *r.own, r.all);
        for (size_t k = 0; k < count && !status; k++) {
            first = turn + k * at_once;
            n = count_some(files, first);
            if (n > 0)
                print_some(out, files->item + first, n, ranks ? r.all + k * r.floats : r.own,
                           unread);
        }
    }
    free(r.pixels);
    free(r.member);
    free(r.own);
    free(r.all);
    return status;
}

/* Every rank finds what is there before any of them writes. */
static clade_status plan_saving(saved_images *saved, const image_files *files, clade_ranks *ranks)
{
    int64_t none = 0;
    clade_status status = saved_images_plan(saved, files);
    return status || !ranks ? status : clade_ranks_add(ranks, &none);
}

static clade_status tell_saved(const saved_images *saved, clade_ranks *ranks)
{
    int64_t count = (int64_t)saved->saved;
    clade_status status = ranks ? clade_ranks_add(ranks, &count) : CLADE_OK;
    if (!status && saved->folder && (!ranks || clade_ranks_own(ranks) == 0))
        fprintf(stderr, "clade predict: %lld image%s saved in %s\n", (long long)count,
                count == 1 ? "" : "s", shown(saved->folder));
    return status;
}

int command_predict(int argc, char **argv)
{
    session_place place = {.math = session_math_default};
    int64_t top = 3;
    int format = PREDICTION_TEXT;
    bool json = false;
    const char *views = NULL;
    command_list with = {0};
    prediction_printer out = {0};
    saved_images saved = {0};
    const command_option options[] = {
        OPTION_INTEGER("top", "K", &top, 1, 1e6,
                       "number of classes to print; default: 3; with several labels, all classes "
                       "above their thresholds are printed"),
        ENSEMBLE_OPTIONS(&with, &views),
        SESSION_PLACE_OPTIONS(&place),
        OPTION_CHOICE(
            "format", &format, prediction_formats,
            "text, json, jsonl (one object per line, as results arrive) or csv; default: text"),
        OPTION_FLAG("json", &json, "the same as --format json"),
        OPTION_TEXT("save", "DIR", &saved.folder,
                    "also write each image to DIR, as NAME.jpg, with its class below"),
        OPTION_FLAG("force", &saved.force, "with --save: overwrite existing files"),
    };
    static const command_usage usage = {
        .name = "predict",
        .arguments = "MODEL IMAGE|FOLDER|ARCHIVE|-...",
        .least = 2,
        .most = COMMAND_ANY,
        .about =
            "Classifies images and prints probabilities. MODEL is a run folder or a\n"
            ".safetensors file. A folder, or a zip or tar archive, stands for all images in it\n"
            "and in its subfolders, whatever their names; - stands for an image on standard\n"
            "input, or for a list of file names there, one per line.",
        .example = "clade predict runs/first photo.jpg holiday/\n"
                   "  curl -s https://example.org/cat.jpg | clade predict runs/first -\n"
                   "  find . -newer seen | clade predict runs/first - --format csv\n"
                   "  clade predict runs/first holiday/ --save holiday-classes\n"
                   "  clade predict runs/first --with runs/second --tta flip photo.jpg",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (saved.force && !saved.folder) return command_misuse("predict", "--force requires --save");
    clade_device *device = NULL;
    ensemble models = {0};
    image_files files = {0};
    size_t unread = 0;
    clade_ranks *ranks = NULL;
    clade_status status = together_join(0, &ranks);
    if (!status) status = image_files_list(argv + 2, count - 1, ranks, &files);
    if (!status) status = session_open_device(&place, &device);
    if (!status) status = ensemble_open(argv[1], &with, views, device, &models);
    if (!status) status = plan_saving(&saved, &files, ranks);
    if (!status) {
        out = (prediction_printer){.format = json ? PREDICTION_JSON : (prediction_format)format,
                                   .top = (int32_t)top,
                                   .classifier = models.member[0]};
        status = predictions_begin(&out);
    }
    if (!status) {
        status = predict(&models, &files, ranks, &out, &saved, &unread);
    }
    if (!status) status = tell_saved(&saved, ranks);
    unread += files.unread;
    predictions_end(&out, !status);
    saved_images_clear(&saved);
    image_files_clear(&files);
    ensemble_clear(&models);
    clade_device_close(&device);
    if (status && together_speak(ranks)) command_fail("predict");
    if (status) return together_leave(&ranks, COMMAND_FAILED);
    fflush(stdout); /* a launcher may end ranks once one exits with an error */
    clade_ranks_leave(&ranks);
    return unread ? COMMAND_FAILED : COMMAND_OK;
}
