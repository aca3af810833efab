/* What subcommands that open devices, data and models share. */
#ifndef CLADE_TOOLS_SESSION_H
#define CLADE_TOOLS_SESSION_H

#include "command.h"

#include <clade/clade.h>

#include <stdio.h>

/* Options on where to compute; zero, except for `math`, which is session_math_default. */
typedef struct session_place {
    const char *device;
    int64_t threads;
    int math;
    bool profile; /* record when each call runs */
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

/* Options on the images to use; NULL: not given. */
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

/* Parses "512M", "4GiB" (by 1024), "4GB" (by 1000) or bytes; false: none of these. */
bool session_parse_bytes(const char *text, uint64_t *bytes);
/* Parses "90", "90s", "30m", "2h"; false: none of these. */
bool session_parse_time(const char *text, double *seconds);

/* Gives the bytes that features may take on disk: the environment's CLADE_FEATURE_CACHE, or 4 GiB.
 * EINVAL if that is not a size. */
clade_status session_feature_bytes(uint64_t *bytes);

/* Opens a data set without decoding it; EINVAL also if the options name none. */
clade_status session_list_data(const clade_data_options *options, clade_dataset **out);
/* Opens a data set and decodes it. `stop` (may be NULL) is polled. */
clade_status session_open_data(const clade_data_options *options, bool (*stop)(void),
                               clade_dataset **out);
/* Prints counts per split and class, and what was skipped: the first ten by name. */
void session_print_data(FILE *to, const clade_dataset *dataset);
/* Prints what was skipped from number `first` on, in the same way. */
void session_print_skipped(FILE *to, const clade_dataset *dataset, size_t first);

/* Creates the folder and its parents, unless they exist. Errors: EIO. */
clade_status session_make_folder(const char *path);
/* Returns the path of a file in the user's cache folder, which the caller frees; NULL: there is
 * none. */
char *session_cache_path(const char *name);

/* Returns the data that the recipe was trained on, replaced by what is given. *rendered is the
 * folder of the recipe `shapes`' images, if it is that recipe; free it after using the options. The
 * path is NULL if none is known. */
clade_data_options session_data(const clade_recipe *recipe, const session_source *given,
                                char **rendered);

/* Returns "path=value" with the value as quoted YAML text, which the caller frees; NULL: out of
 * memory. */
char *session_text_edit(const char *path, const char *value);
/* Returns the same for a file's path, made absolute. */
char *session_path_edit(const char *key, const char *path);

/* Restricts the data to a classifier's classes, of which some may be absent. Free *names after
 * using the options; false: out of memory. */
bool session_expect_classes(const clade_classifier *classifier, clade_data_options *options,
                            const char ***names);

/* Appends the given options as edits of a recipe, at most session_source_most, which the caller
 * frees; false: out of memory. */
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

/* Appends the given options as edits of a recipe, at most session_training_most, which the caller
 * frees; false: out of memory. */
enum { session_training_most = 5 };
bool session_training_edits(const session_training *given, char **edits, size_t *count);

/* Returns this program's file and the arguments with which it runs clade_tune_device_child, ended
 * by NULL; valid until the next call. NULL: it cannot be found. */
const char *const *session_child_command(void);
/* Tries the device's matrix units for these factors (FLOAT32: for any) that were not tried before,
 * each for at most a minute. Errors: EIO. */
clade_status session_try_units(clade_device *device, clade_factors factors);
/* Tries the device's untried matrix units that a model of this precision may use; says on stderr if
 * tf32 is float32 on this device, and why. Errors: EIO. */
clade_status session_prepare_products(clade_device *device, clade_precision precision);

/* Returns the edit that sets a recipe's precision, by index in clade_precision_words(); the caller
 * frees it. NULL: out of memory. */
char *session_precision_edit(int precision);

/* Gives the file of a model to read and replace, which the caller frees: in a run folder that of
 * its best weights. No training can start in its folder until *hold is closed; -1: nothing to
 * close. Errors: EINVAL if training is running there. */
clade_status session_hold_model(const char *path, char **file, int *hold);

/* Fails with EINVAL if the file exists and `force` is not set. */
clade_status session_check_new(const char *path, bool force);

/* Fails with EINVAL unless there is nothing at the path, or an empty folder. Errors also: EIO. */
clade_status session_check_empty(const char *folder);
#define SESSION_FORCE_OPTION(force) OPTION_FLAG("force", force, "overwrite an existing file")

/* The names of splits, in the order of clade_split; ended by NULL. */
extern const char *const session_splits[];

/* Writes 1234567 as "1,234,567". */
const char *session_thousands(uint64_t n, char text[32]);

#endif
