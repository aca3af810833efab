/* Devices, data and small things for the subcommands. */
#define _GNU_SOURCE
#include "session.h"
#include "base/file.h"
#include "shown.h"
#include "status_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const session_math_words[] = {"exact", "fast", NULL};
const char *const session_splits[] = {"train", "validation", "test", NULL};

/* Ranks on one host take its GPUs in turn. */
static clade_status find_own_gpu(char id[32])
{
    clade_device_info *info;
    size_t count, gpus = 0;
    int own, ranks;
    char note[256];
    clade_ranks_on_host(&own, &ranks);
    clade_status status = clade_devices_list(&info, &count, note);
    if (status) return status;
    for (size_t i = 0; i < count; i++)
        if (!info[i].unusable[0] && !info[i].cpu_like) info[gpus++] = info[i];
    snprintf(id, 32, "%s", gpus ? info[(size_t)own % gpus].id : "auto");
    free(info);
    return CLADE_OK;
}

clade_status session_open_device(const session_place *place, clade_device **out)
{
    clade_device_options options = {.threads = (int)place->threads,
                                    .profile = place->profile,
                                    .building = status_line_building};
    const char *name = place->device;
    char id[32];
    int own, ranks;
    clade_ranks_on_host(&own, &ranks);
    clade_status status = CLADE_OK;
    if (ranks > 1 && (!name || !strcmp(name, "auto"))) {
        status = find_own_gpu(id);
        name = id;
    }
    if (place->math != session_math_default) options.math = (clade_math)place->math;
    status_line_wait("Opening the device", 0, 0, NULL);
    if (!status) status = clade_device_open(name, &options, out);
    if (!status && place->math == session_math_default && !clade_device_describe(*out)->cpu_like) {
        clade_device_close(out);
        options.math = CLADE_FAST;
        status = clade_device_open(name, &options, out);
    }
    status_line_clear();
    if (!status && clade_device_warning(*out)[0])
        fprintf(stderr, "clade: warning: %s\n", shown(clade_device_warning(*out)));
    return status;
}

const char *const *session_child_command(void)
{
    static char self[4096];
    static const char *const command[] = {self, "tune-device", "--child", NULL};
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) return NULL;
    self[length] = 0;
    return command;
}

clade_status session_try_units(clade_device *device, clade_factors factors)
{
    const char *const *command = session_child_command();
    if (!command) return CLADE_OK;
    status_line_wait("Trying the device's matrix units", 0, 0, NULL);
    const clade_status status =
        clade_try_matrix_units(device, (clade_products)factors, command, 60);
    status_line_clear();
    return status;
}

clade_status session_prepare_products(clade_device *device, clade_precision precision)
{
    const clade_factors factors = clade_precision_factors(precision);
    char why[128];
    clade_status status = CLADE_OK;
    if (factors && clade_device_math(device) == CLADE_FAST)
        status = session_try_units(device, factors);
    if (!status && precision == CLADE_PRECISION_TF32 &&
        !clade_device_products(device, factors, why))
        fprintf(stderr, "clade: %s: computing in float32 instead of tf32: %s\n",
                clade_device_describe(device)->id, shown(why));
    return status;
}

bool session_parse_bytes(const char *text, uint64_t *bytes)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0)) return false;
    static const char units[] = "kKmMgGtT";
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        const double step = strcmp(end + 1, "B") ? 1024 : 1000;
        for (ptrdiff_t i = (unit - units) / 2; i >= 0; i--) value *= step;
        end++;
        if (!strcmp(end, "B") || !strcmp(end, "iB")) end += strlen(end);
    }
    if (*end || value >= 1e18) return false;
    *bytes = (uint64_t)value;
    return true;
}

bool session_parse_time(const char *text, double *seconds)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value > 0) || value > 1e9) return false;
    if (*end == 'h')
        value *= 3600, end++;
    else if (*end == 'm')
        value *= 60, end++;
    else if (*end == 's')
        end++;
    *seconds = value;
    return !*end;
}

clade_status session_feature_bytes(uint64_t *bytes)
{
    const char *text = getenv("CLADE_FEATURE_CACHE");
    *bytes = UINT64_C(4) << 30;
    if (!text || session_parse_bytes(text, bytes)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "CLADE_FEATURE_CACHE is '%s': expected a size, such as 512M or 4G; 0: none",
                      text);
}

/* --- data --- */

clade_status session_list_data(const clade_data_options *options, clade_dataset **out)
{
    if (!options->path)
        return clade_fail(CLADE_EINVAL,
                          "expected --data PATH: a folder with a folder of images for each class, "
                          "or an archive of it; `clade data list` lists public ones");
    status_line_wait("Listing images", 0, 0, NULL);
    clade_status status = clade_dataset_open(options, out);
    status_line_clear();
    return status;
}

typedef struct session_watcher {
    bool (*stop)(void); /* may be NULL */
} session_watcher;

static bool watch(void *user, size_t done, size_t total)
{
    const session_watcher *w = user;
    status_line_wait("Reading images", done, total, NULL);
    return !w->stop || !w->stop();
}

clade_status session_open_data(const clade_data_options *options, bool (*stop)(void),
                               clade_dataset **out)
{
    session_watcher w = {stop};
    clade_status status = session_list_data(options, out);
    if (status) return status;
    status = clade_dataset_load(*out, watch, &w);
    status_line_clear();
    if (status) clade_dataset_destroy(out);
    return status;
}

void session_print_skipped(FILE *to, const clade_dataset *dataset, size_t first)
{
    enum { listed = 10 };
    size_t skipped = clade_dataset_skipped(dataset) - first;
    if (skipped) fprintf(to, "Skipped: %zu\n", skipped);
    for (size_t i = first; i < first + skipped && i < first + listed; i++)
        fprintf(to, "  %s: %s\n", shown(clade_dataset_skipped_name(dataset, i)),
                shown(clade_dataset_skipped_reason(dataset, i)));
    if (skipped > listed) fprintf(to, "  and %zu more\n", skipped - listed);
}

/* What the data set's targets are called. */
static void print_targets(FILE *to, const clade_dataset *dataset)
{
    enum { listed = 20 };
    const size_t targets = clade_dataset_classes(dataset);
    fprintf(to, "Data: %zu number%s", targets, targets > 1 ? "s" : "");
    for (size_t i = 0; i < targets && i < listed; i++)
        fprintf(to, "%s %s", i ? "," : ":", shown(clade_dataset_class_name(dataset, i)));
    if (targets > listed) fprintf(to, " and %zu more", targets - listed);
    fputc(';', to);
}

void session_print_data(FILE *to, const clade_dataset *dataset)
{
    enum { listed_classes = 20 };
    const bool numbers = clade_dataset_task(dataset) == CLADE_TASK_REGRESSION;
    const size_t classes = numbers ? 0 : clade_dataset_classes(dataset);
    if (numbers)
        print_targets(to, dataset);
    else
        fprintf(to, "Data: %zu classes;", classes);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        size_t count = clade_dataset_count(dataset, (clade_split)s);
        if (count) fprintf(to, " %s %zu", session_splits[s], count);
    }
    fprintf(to, "\n");
    for (size_t i = 0; i < classes && i < listed_classes; i++) {
        fprintf(to, "  %s", shown_cell(shown(clade_dataset_class_name(dataset, i)), 20, false));
        for (int s = 0; s < CLADE_SPLITS; s++)
            if (clade_dataset_count(dataset, (clade_split)s))
                fprintf(to, " %7zu", clade_dataset_class_count(dataset, (clade_split)s, i));
        fprintf(to, "\n");
    }
    if (classes > listed_classes) fprintf(to, "  and %zu more\n", classes - listed_classes);
    session_print_skipped(to, dataset, 0);
}

/* --- text --- */

clade_status session_make_folder(const char *path)
{
    struct stat info;
    char *part = malloc(strlen(path) + 1);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory");
    strcpy(part, path);
    for (char *p = *part ? part + 1 : part; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        mkdir(part, 0777);
        *p = '/';
    }
    int error = mkdir(part, 0777) ? errno : 0;
    free(part);
    if (error == EEXIST && !stat(path, &info) && !S_ISDIR(info.st_mode)) error = ENOTDIR;
    if (!error || error == EEXIST) return CLADE_OK;
    return clade_fail(CLADE_EIO, "%s: cannot create: %s", path, strerror(error));
}

char *session_cache_path(const char *name)
{
    const char *base = getenv("XDG_CACHE_HOME"), *middle = "/clade/";
    if (!base || base[0] != '/') {
        base = getenv("HOME");
        middle = "/.cache/clade/";
    }
    if (!base || base[0] != '/') return NULL;
    size_t size = strlen(base) + strlen(middle) + strlen(name) + 1;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", base, middle, name);
    return path;
}

clade_data_options session_data(const clade_recipe *recipe, const session_source *given,
                                char **rendered)
{
    clade_data_options options = *clade_recipe_data(recipe);
    *rendered = NULL;
    if (given->data) {
        options.path = given->data;
        options.validation = options.test = NULL;
        options.label_pattern = options.labels = options.label_columns = NULL;
    }
    if (given->validation) options.validation = given->validation;
    if (given->label_pattern) options.label_pattern = given->label_pattern;
    if (given->labels) options.labels = given->labels;
    if (given->label_columns) options.label_columns = given->label_columns;
    if (!options.path && !strcmp(clade_recipe_name(recipe), "shapes"))
        options.path = *rendered = session_cache_path("shapes");
    return options;
}

char *session_text_edit(const char *path, const char *value)
{
    char *edit = malloc(strlen(path) + 2 * strlen(value) + 4), *p = edit;
    if (!edit) return NULL;
    p += sprintf(p, "%s='", path);
    for (; *value; value++) { /* a quote within is written twice */
        if (*value == '\'') *p++ = '\'';
        *p++ = *value;
    }
    *p++ = '\'';
    *p = 0;
    return edit;
}

char *session_path_edit(const char *key, const char *path)
{
    char *full = realpath(path, NULL), *edit = session_text_edit(key, full ? full : path);
    free(full);
    return edit;
}

char *session_precision_edit(int precision)
{
    return session_text_edit("train.precision", clade_precision_words()[precision]);
}

bool session_expect_classes(const clade_classifier *classifier, clade_data_options *options,
                            const char ***names)
{
    int32_t count = clade_classifier_classes(classifier);
    *names = malloc((size_t)count * sizeof **names);
    for (int32_t i = 0; i < count && *names; i++)
        (*names)[i] = clade_classifier_class_name(classifier, i);
    options->classes = *names;
    options->class_count = *names ? (size_t)count : 0;
    return *names != NULL;
}

static bool append(char **edits, size_t *count, char *edit)
{
    if (edit) edits[(*count)++] = edit;
    return edit != NULL;
}

bool session_source_edits(const session_source *given, char **edits, size_t *count)
{
    bool good = true;
    if (given->data) good = append(edits, count, session_path_edit("data.path", given->data));
    if (good && given->validation)
        good = append(edits, count, session_path_edit("data.validation", given->validation));
    if (good && given->label_pattern)
        good = append(edits, count, session_text_edit("data.label_pattern", given->label_pattern));
    if (good && given->labels)
        good = append(edits, count, session_path_edit("data.labels", given->labels));
    if (good && given->label_columns)
        good = append(edits, count, session_text_edit("data.label_columns", given->label_columns));
    return good;
}

bool session_training_edits(const session_training *given, char **edits, size_t *count)
{
    const struct {
        const char *key;
        double value;
        bool given;
    } numbers[] = {
        {"train.epochs", (double)given->epochs, given->epochs > 0},
        {"train.batch", (double)given->batch, given->batch > 0},
        {"train.seed", (double)given->seed, given->seed >= 0},
        {"lr", given->lr, given->lr > 0},
    };
    if (given->precision >= 0 && !append(edits, count, session_precision_edit(given->precision)))
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[64];
        if (!numbers[i].given) continue;
        snprintf(text, sizeof text, "%s=%.*g", numbers[i].key, i < 3 ? 17 : 9, numbers[i].value);
        char *edit = malloc(strlen(text) + 1);
        if (edit) strcpy(edit, text);
        if (!append(edits, count, edit)) return false;
    }
    return true;
}

/* The file that a model is read from. */
static clade_status find_model_file(const char *path, char **out)
{
    static const char *const names[] = {"best.safetensors", "last.safetensors"};
    bool folder, found = false;
    clade_status status = clade_folder_exists(path, &folder);
    *out = NULL;
    for (size_t i = 0; i < 2 && !status && folder && !found; i++) {
        free(*out);
        *out = clade_path_join(path, names[i]);
        status = *out ? clade_file_exists(*out, &found) : clade_fail(CLADE_ENOMEM, "out of memory");
    }
    if (status || found) return status;
    free(*out);
    *out = clade_string_join(path, ""); /* opening says what is missing */
    return *out ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

/* As training takes a folder, but that others may hold it so, too. */
static clade_status hold_folder(const char *folder, int *hold)
{
    *hold = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*hold < 0) return clade_fail(CLADE_EIO, "%s: cannot open: %s", folder, strerror(errno));
    if (flock(*hold, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
        return clade_fail(CLADE_EINVAL, "%s: another process is at work in this folder", folder);
    return CLADE_OK; /* a file system without locks is no reason to refuse */
}

clade_status session_hold_model(const char *path, char **file, int *hold)
{
    *hold = -1;
    clade_status status = find_model_file(path, file);
    if (status) return status;
    const char *slash = strrchr(*file, '/');
    char *folder = slash ? strndup(*file, (size_t)(slash - *file) + 1) : strdup(".");
    status = folder ? hold_folder(folder, hold) : clade_fail(CLADE_ENOMEM, "out of memory");
    free(folder);
    return status;
}

clade_status session_check_empty(const char *folder)
{
    struct stat info;
    DIR *list = opendir(folder);
    bool empty = true;
    for (const struct dirent *entry; list && (errno = 0, entry = readdir(list));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) empty = false;
    int error = list ? errno : 0;
    if (list) closedir(list);
    if (error) return clade_fail(CLADE_EIO, "%s: cannot read: %s", folder, strerror(error));
    if (!list && !stat(folder, &info)) return clade_fail(CLADE_EINVAL, "%s: not a folder", folder);
    return empty ? CLADE_OK
                 : clade_fail(CLADE_EINVAL, "%s: the folder is not empty; expected a new one",
                              folder);
}

clade_status session_check_new(const char *path, bool force)
{
    bool there = false, folder = false;
    clade_status status = force ? CLADE_OK : clade_file_exists(path, &there);
    if (!status && there) status = clade_folder_exists(path, &folder); /* writing says so */
    if (status || !there || folder) return status;
    return clade_fail(CLADE_EINVAL, "%s: already exists; expected a new name, or --force", path);
}

const char *session_thousands(uint64_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *p = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
    return text;
}
