/* Choosing by measurement: candidates that crash, hang, are wrong or slow are not chosen; choices
 * persist, also of two processes at once; exact mode chooses algorithms of one arithmetic only; a
 * damaged file is none. The candidates are this very program, run again: choice_test MODE list|try
 * … */
#define _XOPEN_SOURCE 700
#include "device.h"
#include "test.h"

#include "base/file.h"
#include "conform/conform.h"
#include "dev/device.h"
#include "op/call_text.h"

#include <clade/bench.h>

#include <dirent.h>
#include <signal.h>

static char cache[] = "/tmp/clade-choice-XXXXXX";

static const char *call_of(const char *mode)
{
    return !strcmp(mode, "other") ? "dense x=5x8 w=8x3 y=5x3" : "dense x=4x8 w=8x3 y=4x3";
}

/* What a candidate does: "direct" takes a millisecond, "gemm" depends on the mode. */
static int be_child(const char *mode, int argc, char **argv)
{
    if (argc > 0 && !strcmp(argv[0], "list")) {
        printf("direct,gemm %s\n", call_of(mode));
        printf("direct dense x=2x2 w=2x2 y=2x2\n"); /* no choice: it is not tried */
        return 0;
    }
    if (argc != 4 || strcmp(argv[0], "try") || strcmp(argv[3], call_of(mode))) return 3;
    if (strcmp(argv[2], "gemm") != 0) {
        printf("0.001\n");
        return 0;
    }
    if (!strcmp(mode, "crash")) raise(SIGABRT); /* which sanitizers leave alone */
    if (!strcmp(mode, "hang")) sleep(100);
    if (!strcmp(mode, "silent")) return 0;
    if (!strcmp(mode, "wrong")) {
        printf("wrong: y[3] is 1, expected 2 ± 1e-06\n");
        return 1;
    }
    if (!strcmp(mode, "half")) { /* a time, but then an end that is not good */
        printf("0.0001\n");
        return 1;
    }
    printf(!strcmp(mode, "slow") ? "0.002\n" : "0.0001\n");
    return 0;
}

typedef struct heard {
    char failure[256];
    int timings;
} heard;

static void hear(void *user, const char *call, const char *algorithm, double seconds,
                 const char *failure)
{
    heard *h = user;
    (void)call;
    (void)algorithm;
    (void)seconds;
    h->timings++;
    if (failure) snprintf(h->failure, sizeof h->failure, "%s", failure);
}

static clade_status tune(const char *mode, heard *h, clade_tune_device_summary *summary)
{
    const char *const command[] = {"/proc/self/exe", mode, NULL}, *const recipes[] = {"shapes",
                                                                                      NULL};
    *h = (heard){0};
    const clade_tune_device_options options = {.device = "opencl",
                                               .recipes = recipes,
                                               .command = command,
                                               .candidate_seconds = 1,
                                               .total_seconds = 60,
                                               .user = h,
                                               .timing = hear};
    return clade_tune_device(&options, summary);
}

/* The algorithm by which a device does the call that a mode is about; NULL: it has no choice. */
static const char *algorithm_of(clade_math math, const char *kernels, const char *mode)
{
    clade_device *device;
    clade_call call;
    clade_buffer *memory[3] = {0};
    clade_algorithm_choice choice;
    CHECK_OK(clade_call_parse(call_of(mode), &call));
    const clade_device_options options = {.math = math, .kernels = kernels};
    CHECK_OK(clade_device_open("opencl", &options, &device));
    bool several = clade_device_choice(device, &call, &choice);
    int at = 0;
    for (int i = 0; i < 4; i++) {
        clade_tensor *t = &call.args.slot[i];
        if (!clade_tensor_present(t)) continue;
        CHECK_OK(clade_buffer_create(device, clade_tensor_count(t) * 4, &memory[at]));
        t->buffer = memory[at++];
    }
    CHECK_OK(clade_call_prepare(device, &call));
    const char *algorithm = clade_call_algorithm(&call); /* a constant of the backend */
    CHECK_OK(clade_call_run(&call));
    CHECK_OK(clade_device_finish(device));
    clade_call_release(&call);
    for (int i = 0; i < 3; i++) clade_buffer_destroy(&memory[i]);
    clade_device_close(&device);
    return several ? algorithm : NULL;
}

static bool chosen(const char *mode, const char *algorithm)
{
    const char *got = algorithm_of(CLADE_FAST, NULL, mode);
    if (got && !strcmp(got, algorithm)) return true;
    printf("%s: %s, expected %s\n", mode, got ? got : "nothing", algorithm);
    return false;
}

static void failing(void)
{
    static const char *const modes[][2] = {{"crash", "crashed (signal 6)"},
                                           {"hang", "took more than 1 s"},
                                           {"silent", "failed without a word"},
                                           {"wrong", "wrong: y[3] is 1"},
                                           {"half", "0.0001"},
                                           {"slow", ""}};
    heard h;
    clade_tune_device_summary summary;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        CHECK_OK(tune("good", &h, &summary));
        CHECK(chosen("good", "gemm"));
        CHECK_OK(tune(modes[i][0], &h, &summary));
        CHECK(!strncmp(h.failure, modes[i][1], strlen(modes[i][1])));
        CHECK(h.timings == 2 && summary.tried == 2 && summary.found == 1 && summary.calls == 1);
        CHECK(summary.failed == (modes[i][1][0] ? 1 : 0));
        CHECK(chosen(modes[i][0], "direct"));
    }
}

static void persisting(void)
{
    heard h;
    clade_tune_device_summary summary;
    CHECK_OK(tune("good", &h, &summary));
    CHECK(chosen("good", "gemm"));
    /* wide cores have one algorithm of exact mode's arithmetic, narrow ones two */
    CHECK(algorithm_of(CLADE_EXACT, "cpu", "good") == NULL);
    /* what is asked for goes before what was measured */
    clade_device *device;
    CHECK_FAILS(clade_device_open("opencl",
                                  &(clade_device_options){.math = CLADE_FAST, .algorithm = "magic"},
                                  &device),
                CLADE_EINVAL, "no algorithm 'magic'");
}

/* Two at once, some times: both choices are there afterwards. */
static void at_once(void)
{
    for (int round = 0; round < 5; round++) {
        pid_t child = start_again("tune");
        heard h;
        clade_tune_device_summary summary;
        CHECK_OK(tune("good", &h, &summary));
        CHECK(wait_for(child) == 0);
        CHECK(chosen("good", "gemm"));
        CHECK(chosen("other", "gemm"));
    }
}

static char *choice_file(void)
{
    char *folder = clade_string_join(cache, "/clade/opencl"), *path = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        if (n < 5 || strcmp(e->d_name + n - 5, ".json")) continue;
        path = clade_path_join(folder, e->d_name);
    }
    if (dir) closedir(dir);
    free(folder);
    return path;
}

static void damaged(void)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"calls\": 1}",
        "{\"calls\": {\"dense x=4x8 w=8x3 y=4x3\": {\"algorithm\": \"magic\"}}}",
        "{\"calls\": {\"dense x=4x8 w=9x3\": {\"algorithm\": \"gemm\"}}}",
        "{\"calls\": {\"no-op\": {\"algorithm\": \"gemm\"}}}",
        "{\"calls\": {\"dense x=4x8 w=8x3 y=4x3\": 7}}",
        "{\"gemm\": \"gemm:77\", \"calls\": {}}"};
    char *path = choice_file();
    heard h;
    clade_tune_device_summary summary;
    clade_device *device;
    CHECK(path);
    for (size_t i = 0; path && i < sizeof texts / sizeof *texts; i++) {
        CHECK_OK(clade_file_write(path, texts[i], strlen(texts[i])));
        CHECK_OK(clade_device_open("opencl", &(clade_device_options){.math = CLADE_FAST}, &device));
        CHECK(strstr(clade_device_warning(device), "is damaged"));
        clade_device_close(&device);
        CHECK_OK(tune("good", &h, &summary));
        CHECK(chosen("good", "gemm"));
    }
    CHECK_OK(clade_file_write(path, "{\"calls\": {}}", 13));
    CHECK_OK(clade_device_open("opencl", &(clade_device_options){.math = CLADE_FAST}, &device));
    CHECK(!clade_device_warning(device)[0]);
    clade_device_close(&device);
    free(path);
}

/* In exact mode a GPU has two algorithms of one arithmetic: the faster of them is taken, whatever
 * else was faster still. */
static void one_arithmetic(void)
{
    static const char *const tried[][2] = {
        {"\"gemm\": 0.5, \"direct\": 2, \"implicit\": 1", "implicit"},
        {"\"gemm\": 0.5, \"direct\": 1, \"implicit\": 2", "direct"},
        {"\"gemm\": 0.5, \"direct\": 1, \"implicit\": \"crashed\"", "direct"},
        {"\"gemm\": 0.5, \"direct\": \"crashed\", \"implicit\": 1", "implicit"},
        {"\"gemm\": 0.5", "direct"}};
    char *path = choice_file(), text[256];
    for (size_t i = 0; path && i < sizeof tried / sizeof *tried; i++) {
        int n = snprintf(text, sizeof text,
                         "{\"calls\": {\"%s\": {\"algorithm\": \"gemm\", \"tried\": {%s}}}}",
                         call_of("good"), tried[i][0]);
        CHECK_OK(clade_file_write(path, text, (size_t)n));
        const char *algorithm = algorithm_of(CLADE_EXACT, "gpu", "good");
        CHECK(algorithm && !strcmp(algorithm, tried[i][1]));
        CHECK(chosen("good", "gemm"));
    }
    /* untried */
    CHECK_OK(clade_file_write(path, "{\"calls\": {}}", 13));
    const char *algorithm = algorithm_of(CLADE_EXACT, "gpu", "good");
    CHECK(algorithm && !strcmp(algorithm, "implicit"));
    free(path);
}

/* An algorithm that was asked for is one of some ops: each of the others has its own. */
static void asked_of_all(const char *name, const char *kernels)
{
    clade_device *device;
    const clade_device_options options = {
        .math = CLADE_FAST, .algorithm = name, .kernels = kernels};
    CHECK_OK(clade_device_open("opencl", &options, &device));
    for (int op = 0; op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        const clade_case *test = clade_op_reference(clade_case_op(info))->cases;
        clade_call call = {.op = (clade_op)op};
        clade_args forward;
        CHECK_OK(clade_case_args(info, test, &call.args, &forward));
        for (size_t i = 0; i < info->slot_count; i++) {
            clade_tensor *t = &call.args.slot[i];
            if (clade_tensor_present(t))
                CHECK_OK(clade_buffer_create(device, clade_tensor_count(t) * 4, &t->buffer));
        }
        CHECK_OK(clade_call_prepare(device, &call));
        clade_call_release(&call);
        for (size_t i = 0; i < info->slot_count; i++)
            clade_buffer_destroy(&call.args.slot[i].buffer);
    }
    clade_device_close(&device);
}

int main(int argc, char **argv)
{
    if (argc == 2) { /* another process that measures */
        heard h;
        clade_tune_device_summary summary;
        return tune("other", &h, &summary) ? 1 : 0;
    }
    if (argc > 2) return be_child(argv[1], argc - 2, argv + 2);
    if (!has_opencl()) return skipped;
    clade_device *device;
    if (!mkdtemp(cache) || setenv("XDG_CACHE_HOME", cache, 1)) return 1;
    clade_status status = clade_device_open(
        "opencl", &(clade_device_options){.math = CLADE_FAST, .algorithm = "gemm"}, &device);
    if (status == CLADE_EUNSUPPORTED) { /* a build without CLBlast has nothing to choose */
        printf("%s\n", clade_error());
        return skipped;
    }
    CHECK_OK(status);
    clade_device_close(&device);
    failing();
    persisting();
    at_once();
    damaged();
    one_arithmetic();
    static const char *const names[] = {"direct", "gemm", "implicit", "winograd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        asked_of_all(names[i], "cpu");
        asked_of_all(names[i], "gpu");
    }
    CHECK_OK(clade_folder_remove(cache));
    return TEST_END();
}
