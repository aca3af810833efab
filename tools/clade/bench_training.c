/* Training from images next to its step alone. */
#define _DEFAULT_SOURCE
#include "bench_training.h"

#include "bench_format.h"
#include "json_print.h"
#include "shown.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What is known of an epoch: milliseconds per step, and of the step alone right after it. */
typedef struct epoch_time {
    double step, alone, images_per_second;
} epoch_time;

typedef struct training {
    const bench_training *request;
    clade_recipe *recipe;
    clade_device *device;
    clade_dataset *dataset;
    clade_bench *bench;
    epoch_time *epoch;
    int32_t count;
    double begun, done; /* the first step, in seconds from the start of the process */
    double warm_excess; /* if there is more than one epoch */
    clade_status status;
} training;

/* Seconds since the kernel made this process, which is before its libraries were loaded; 0 where
 * the system does not tell. It counts in ticks and cuts off: at most one tick too many. */
static double process_age(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[size] = 0;
    const char *at = strrchr(text, ')'); /* the 2nd of the fields; the 22nd is the start */
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    struct timespec t;
    if (!at || clock_gettime(CLOCK_BOOTTIME, &t)) return 0;
    double ticks = strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec - ticks;
}

static void before_first(void *user) { ((training *)user)->begun = process_age(); }

static void after_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    training *t = user;
    (void)e, (void)batch, (void)batches;
    if (t->done == 0) t->done = process_age();
}

/* Only now, so that the first step does not wait for it. */
static clade_status make_bench(training *t)
{
    clade_status status = clade_bench_create(t->device, &t->bench);
    return status ? status : clade_bench_add_model(t->bench, t->recipe, 0);
}

/* Times the step alone after each epoch, so that what slows the machine for a while slows both. */
static void after_epoch(void *user, const clade_epoch *e)
{
    enum { rounds = 20 };
    training *t = user;
    if (!t->status && !t->bench) t->status = make_bench(t);
    if (!t->status) t->status = clade_bench_run(t->bench, rounds);
    if (t->status) return;
    size_t last = clade_bench_results(t->bench) - 1; /* a step from bytes */
    t->epoch[t->count++] = (epoch_time){
        .step = e->step_ms,
        .alone = 1e3 * clade_bench_result_at(t->bench, last)->median,
        .images_per_second = e->images_per_second,
    };
}

static bool failed(void *user) { return ((const training *)user)->status != CLADE_OK; }

static clade_status set_up(training *t)
{
    const bench_training *r = t->request;
    char epochs[64], batch[64];
    const char *edits[] = {epochs, batch};
    snprintf(epochs, sizeof epochs, "train.epochs=%lld", (long long)r->epochs);
    snprintf(batch, sizeof batch, "train.batch=%lld", (long long)r->batch);
    t->epoch = calloc((size_t)r->epochs, sizeof *t->epoch);
    if (!t->epoch)
        return clade_fail(CLADE_ENOMEM, "out of memory for %lld epochs", (long long)r->epochs);
    clade_status status = clade_recipe_read(r->recipe, edits, r->batch ? 2 : 1, &t->recipe);
    if (status) return status;
    clade_data_options data = *clade_recipe_data(t->recipe);
    data.path = r->data;
    data.threads = (int)r->place->threads;
    status = session_open_device(r->place, &t->device);
    return status ? status : clade_dataset_open(&data, &t->dataset);
}

/* By how much an epoch's steps take longer than the step alone. */
static double excess(const epoch_time *e) { return e->step / e->alone - 1; }

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median excess of the epochs after the first, which has images to decode as well. */
static clade_status find_warm_excess(training *t)
{
    size_t n = t->count > 1 ? (size_t)t->count - 1 : 0;
    if (n == 0) return CLADE_OK;
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return clade_fail(CLADE_ENOMEM, "out of memory for %zu epochs", n);
    for (size_t i = 0; i < n; i++) sorted[i] = excess(&t->epoch[i + 1]);
    qsort(sorted, n, sizeof *sorted, ascending);
    t->warm_excess = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    free(sorted);
    return CLADE_OK;
}

static void print_table(const training *t)
{
    size_t images = clade_dataset_count(t->dataset, CLADE_TRAIN);
    printf("%s on %s: %zu images; the first step began %.3f s after the start and ended %.3f s "
           "after it\n",
           shown(clade_recipe_name(t->recipe)), clade_device_describe(t->device)->id, images,
           t->begun, t->done);
    for (int32_t i = 0; i < t->count; i++) {
        const epoch_time *e = &t->epoch[i];
        printf("epoch %d: %9.3f ms/step, %8.0f images/s; step alone %9.3f ms: %+.1f%%\n", i + 1,
               e->step, e->images_per_second, e->alone, 100 * excess(e));
    }
    if (t->count > 1)
        printf("after the first epoch, median: %+.1f%% against the step alone\n",
               100 * t->warm_excess);
}

static clade_status print_json(const training *t)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", clade_recipe_name(t->recipe));
    cJSON_AddStringToObject(root, "device", clade_device_describe(t->device)->id);
    cJSON_AddNumberToObject(root, "images", (double)clade_dataset_count(t->dataset, CLADE_TRAIN));
    cJSON_AddNumberToObject(root, "first_step_begun_s", t->begun);
    cJSON_AddNumberToObject(root, "first_step_s", t->done);
    if (t->count > 1) cJSON_AddNumberToObject(root, "warm_excess", t->warm_excess);
    cJSON *epochs = cJSON_AddArrayToObject(root, "epochs");
    for (int32_t i = 0; i < t->count; i++) {
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddNumberToObject(entry, "step_ms", t->epoch[i].step);
        cJSON_AddNumberToObject(entry, "step_alone_ms", t->epoch[i].alone);
        cJSON_AddNumberToObject(entry, "images_per_second", t->epoch[i].images_per_second);
        clade_json_append(epochs, entry);
    }
    return bench_print_tree(root);
}

clade_status bench_train(const bench_training *request)
{
    training t = {.request = request};
    clade_train_options options = {.threads = (int)request->place->threads,
                                   .observer = {.user = &t,
                                                .begin = before_first,
                                                .batch = after_batch,
                                                .epoch = after_epoch,
                                                .stop = failed}};
    clade_status status = set_up(&t);
    if (!status) status = clade_train(t.recipe, t.dataset, t.device, &options, NULL);
    if (t.status) status = t.status;
    if (!status) status = find_warm_excess(&t);
    if (!status && request->json) status = print_json(&t);
    if (!status && !request->json) print_table(&t);
    clade_bench_destroy(&t.bench);
    clade_dataset_destroy(&t.dataset);
    clade_device_close(&t.device);
    clade_recipe_destroy(&t.recipe);
    free(t.epoch);
    return status;
}
