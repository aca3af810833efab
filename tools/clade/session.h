/* What the subcommands that open devices, data and models share. */
#ifndef CLADE_TOOLS_SESSION_H
#define CLADE_TOOLS_SESSION_H

#include "command.h"

#include <clade/clade.h>

#include <stdio.h>

/* Options of where to compute; zero but for `math`, which is session_math_default. */
typedef struct session_place {
    const char *device;
    int64_t threads;
    int math;
    bool profile; /* note when each call runs */
} session_place;
enum { session_math_default = -1 };
extern const char *const session_math_words[];
#define SESSION_PLACE_OPTIONS(place)                                                               \
    SESSION_DEVICE_OPTIONS(place, "cpu, opencl, opencl:P.D, auto or part of a name")
#define SESSION_DEVICE_OPTIONS(place, devices)                                                     \
    OPTION_TEXT("device", "NAME", &(place)->device, devices),                                      \
        OPTION_INTEGER("threads", "N", &(place)->threads, 0, 4096, "default: one per processor"),  \
        OPTION_CHOICE("math", &(place)->math, session_math_words,                                  \
                      "exact: the same bits on every device (default: fast on GPUs only)")

clade_status session_open_device(const session_place *place, clade_device **out);

/* Options of which images; NULL: not given. */
typedef struct session_source {
    const char *data, *validation, *label_pattern, *labels, *label_columns;
} session_source;
#define SESSION_SOURCE_OPTIONS(source)                                                             \
    OPTION_TEXT("data", "PATH", &(source)->data, "folder, archive, CIFAR or IDX files"),           \
        OPTION_TEXT("validation", "PATH", &(source)->validation,                                   \
                    "the validation images, if they are elsewhere"),                               \
        OPTION_TEXT("label-pattern", "REGEX", &(source)->label_pattern,                            \
                    "read the class from the file name: '^(.+)_[0-9]+[.]'"),                       \
        OPTION_TEXT("labels", "FILE", &(source)->labels,                                           \
                    "read the classes from a list of files: CSV, TSV, JSON or words"),             \
        OPTION_TEXT("label-columns", "FILE,LABEL", &(source)->label_columns,                       \
                    "the list's columns, if their names are unusual")

/* "512M", "4GiB" (by 1024), "4GB" (by 1000) or bytes; false: none of these. */
bool session_parse_bytes(const char *text, uint64_t *bytes);
/* "90", "90s", "30m", "2h"; false: none of these. */
bool session_parse_time(const char *text, double *seconds);

/* The bytes that features may take on disk: CLADE_FEATURE_CACHE of the environment, or 4 GiB.
 * EINVAL where that is no size. */
clade_status session_feature_bytes(uint64_t *bytes);

/* Opens a data set without decoding it; EINVAL also where the options name none. */
clade_status session_list_data(const clade_data_options *options, clade_dataset **out);
/* Opens a data set and decodes it. `stop` (may be NULL) is polled. */
clade_status session_open_data(const clade_data_options *options, bool (*stop)(void),
                               clade_dataset **out);
/* Counts per split and class, and what was skipped: the first ten by name. */
void session_print_data(FILE *to, const clade_dataset *dataset);
/* What was skipped from the one numbered `first` on, likewise. */
void session_print_skipped(FILE *to, const clade_dataset *dataset, size_t first);

/* Makes the folder and those above it; fine where it is there. Errors: EIO. */
clade_status session_make_folder(const char *path);
/* A file in the user's cache folder, to be freed; NULL: there is none. */
char *session_cache_path(const char *name);

/* The data that the recipe was trained on, or in its place what is given. *rendered is where the
 * images of the recipe `shapes` lie, if it is that; to be freed after the options were used. The
 * path is NULL where none is known. */
clade_data_options session_data(const clade_recipe *recipe, const session_source *given,
                                char **rendered);

/* "path=value" with the value as YAML text in quotes, to be freed; NULL: out of memory. */
char *session_text_edit(const char *path, const char *value);
/* The same for a path of files, as it is known from every folder. */
char *session_path_edit(const char *key, const char *path);

/* The data of a classifier: of its classes alone, of which some may be absent. *names is to be
 * freed after the options were used; false: out of memory. */
bool session_expect_classes(const clade_classifier *classifier, clade_data_options *options,
                            const char ***names);

/* Appends what is given as edits of a recipe, to be freed, at most session_source_most; false: out
 * of memory. */
enum { session_source_most = 5 };
bool session_source_edits(const session_source *given, char **edits, size_t *count);

/* Options that change how a recipe trains; session_training_none: not given. */
typedef struct session_training {
    int64_t epochs, batch, seed;
    double lr;
    int precision;
} session_training;
static const session_training session_training_none = {.seed = -1, .precision = -1};
#define session_precision_help "precision of activations and gradients; mixed: 16 bits"
#define SESSION_PRECISION_OPTION(precision, what)                                                  \
    OPTION_CHOICE("precision", precision, clade_precision_words(), what)
#define SESSION_TRAINING_OPTIONS(training)                                                         \
    OPTION_INTEGER("epochs", "N", &(training)->epochs, 1, INT32_MAX,                               \
                   "number of passes through the data"),                                           \
        SESSION_STEP_OPTIONS(training),                                                            \
        OPTION_INTEGER("seed", "N", &(training)->seed, 0, 9007199254740992.0,                      \
                       "seed of initial weights, shuffling, augmentation and dropout")
#define SESSION_STEP_OPTIONS(training)                                                             \
    OPTION_INTEGER("batch", "N", &(training)->batch, 1, INT32_MAX, "images per step"),             \
        OPTION_REAL("lr", "X", &(training)->lr, 1e-30, 1e6, "the optimizer's learning rate"),      \
        SESSION_PRECISION_OPTION(&(training)->precision, session_precision_help)

/* Appends what is given as edits of a recipe, to be freed, at most session_training_most; false:
 * out of memory. */
enum { session_training_most = 5 };
bool session_training_edits(const session_training *given, char **edits, size_t *count);

/* This program's file and the arguments by which it does what clade_tune_device_child does, NULL at
 * the end; lasts until it is called again. NULL: it cannot be found. */
const char *const *session_child_command(void);
/* Tries the device's matrix units for these factors (FLOAT32: for any) that were not tried, each
 * for a minute at most. Errors: EIO. */
clade_status session_try_units(clade_device *device, clade_factors factors);
/* Tries the device's matrix units that a model of this precision may use and that were not tried;
 * and says on stderr where tf32 is float32 on it, and why. Errors: EIO. */
clade_status session_prepare_products(clade_device *device, clade_precision precision);

/* The edit that gives a recipe one of clade_precision_words(), to be freed. NULL: out of memory. */
char *session_precision_edit(int precision);

/* The file of a model that is to be read and replaced, to be freed: in a run folder that of its
 * best weights. Nobody begins to train in its folder until *hold is closed, -1 where there is
 * nothing to close. Errors: EINVAL where somebody does. */
clade_status session_hold_model(const char *path, char **file, int *hold);

/* EINVAL where a file of this name is there and `force` does not say to replace it. */
clade_status session_check_new(const char *path, bool force);

/* Is there nothing at the path, or an empty folder? Errors: EIO, EINVAL. */
clade_status session_check_empty(const char *folder);
#define SESSION_FORCE_OPTION(force) OPTION_FLAG("force", force, "overwrite an existing file")

/* The words for splits, in the order of clade_split; NULL at the end. */
extern const char *const session_splits[];

/* 1234567 → "1,234,567". */
const char *session_thousands(uint64_t n, char text[32]);

#endif
