/* clade conform: is a device right? */
#include "command.h"
#include "conform_format.h"
#include "last_words.h"

#include <clade/conform.h>

#include <stdio.h>
#include <string.h>

typedef enum mode_choice {
    MODE_ALL,
    MODE_OPS,
    MODE_GRAD,
    MODE_LAYERS,
    MODE_NETS,
    MODE_MATRIX,
    MODE_SUPPORT
} mode_choice;

static const char *const modes[] = {"all",  "ops",    "grad",    "layers",
                                    "nets", "matrix", "support", NULL};
static const char *const maths[] = {"exact", "fast", NULL};
static const char *const formats[] = {"table", "json", "csv", "junit", "markdown", NULL};
static const char *const kernels[] = {"cpu", "gpu", NULL};
static const char *const algorithms[] = {"direct", "implicit", "winograd", "gemm", NULL};
static const char *const passes[] = {"both", "0", "1", NULL};

static unsigned chosen_modes(int mode)
{
    switch (mode) {
    case MODE_OPS: return CLADE_CONFORM_OPS;
    case MODE_GRAD: return CLADE_CONFORM_GRAD;
    case MODE_LAYERS: return CLADE_CONFORM_LAYERS;
    case MODE_NETS: return CLADE_CONFORM_NETS;
    case MODE_MATRIX: return CLADE_CONFORM_OPS;
    case MODE_SUPPORT: return CLADE_CONFORM_SUPPORT;
    default: return 0;
    }
}

/* The support of the built-in backends, the CPU first; OpenCL only where there is a device. */
static clade_status run_both(const clade_conform_options *options, conform_writer *writer,
                             clade_conform_summary *summary)
{
    clade_conform_options o = *options;
    o.device = "cpu";
    clade_status status = clade_conform_run(&o, conform_writer_take, writer, summary);
    if (status) return status;
    conform_writer_column(writer);
    clade_conform_summary opencl = {0};
    o.device = "opencl";
    status = clade_conform_run(&o, conform_writer_take, writer, &opencl);
    if (status == CLADE_ENODEVICE || status == CLADE_EUNSUPPORTED) return CLADE_OK;
    summary->passed += opencl.passed;
    summary->failed += opencl.failed;
    return status;
}

/* Times the ops that were chosen on the device that is judged. */
static clade_status time_ops(const clade_conform_options *o, clade_device **device,
                             clade_bench **bench)
{
    enum { rounds = 5 };
    const clade_device_options options = {.math = o->math,
                                          .threads = o->threads,
                                          .plugin = o->plugin,
                                          .group_size = o->group_size,
                                          .kernels = o->kernels,
                                          .algorithm = o->algorithm};
    clade_status status = clade_device_open(o->device, &options, device);
    if (!status) status = clade_bench_create(*device, bench);
    if (!status) status = clade_bench_add_ops(*bench, o->op ? o->op : "*");
    return status ? status : clade_bench_run(*bench, rounds);
}

static void begins(void *user, const clade_conform_result *about)
{
    (void)user;
    char text[1024];
    snprintf(text, sizeof text,
             "clade conform: the process ended, by its driver or from outside, while this ran:\n"
             "    %s\n",
             about->reproduce);
    last_words_set(text);
}

static int judge(const clade_conform_options *options, conform_format format, bool speeds,
                 bool verbose, const char *path)
{
    bool both = options->modes == CLADE_CONFORM_SUPPORT && !options->device && !options->plugin &&
                format == CONFORM_MARKDOWN;
    conform_writer *writer = NULL;
    clade_device *device = NULL;
    clade_bench *bench = NULL;
    clade_conform_summary summary = {0};
    last_words_begin();
    FILE *to = path ? fopen(path, "w") : stdout;
    clade_status status = to ? CLADE_OK : clade_fail(CLADE_EIO, "%s cannot be written", path);
    if (!status) status = conform_writer_create(format, verbose, to, &writer);
    if (!status)
        status = both ? run_both(options, writer, &summary)
                      : clade_conform_run(options, conform_writer_take, writer, &summary);
    if (!status && speeds) {
        status = time_ops(options, &device, &bench);
        if (!status) conform_writer_speeds(writer, bench);
    }
    if (!status) status = conform_writer_finish(writer, &summary);
    last_words_end();
    conform_writer_destroy(&writer);
    clade_bench_destroy(&bench);
    clade_device_close(&device);
    if (path && to && fclose(to) && !status)
        status = clade_fail(CLADE_EIO, "%s could not be written", path);
    if (status) return command_fail("conform");
    return summary.passed && !summary.failed ? COMMAND_OK : COMMAND_FAILED;
}

int command_conform(int argc, char **argv)
{
    clade_conform_options o = {.begins = begins};
    int mode = MODE_ALL, math = 0, format = 0, pass = 0, kernel = -1, algorithm = -1;
    int64_t seed = 0, threads = 0, group_size = 0;
    bool self_test = false, verbose = false;
    const char *path = NULL;
    const command_option options[] = {
        OPTION_TEXT("device", "NAME", &o.device, "what to judge; see `clade devices`"),
        OPTION_TEXT("plugin", "FILE.so", &o.plugin, "judge the backend in this shared object"),
        OPTION_TEXT("op", "PATTERN", &o.op, "only these ops, or this family; * and ? match any"),
        OPTION_TEXT("model", "FILE", &o.model,
                    "judge this net's outputs and gradients: ONNX, or a model of Clade's"),
        OPTION_TEXT("case", "PATTERN|CALL", &o.case_name, "only these cases, or one of your own"),
        OPTION_CHOICE("accumulate", &pass, passes, "only overwriting (0) or adding (1) gradients"),
        OPTION_CHOICE(
            "mode", &mode, modes,
            "what to judge; all is ops, grad and layers; matrix lists ops with errors and speed in "
            "Markdown; support only lists how each op is done, without --device by "
            "the CPU and OpenCL"),
        OPTION_CHOICE("math", &math, maths, "exact: every bit; fast: within error bounds"),
        OPTION_INTEGER("seed", "N", &seed, 0, 9007199254740992.0, "of the test data"),
        OPTION_FLAG("quick", &o.quick, "only the small cases"),
        OPTION_FLAG("strict", &o.strict, "fail where an op has no version of its own"),
        OPTION_FLAG("self-test", &self_test, "judge the harness: are planted faults caught?"),
        OPTION_INTEGER("threads", "N", &threads, 0, 1024, "of a CPU; 0: one per processor"),
        OPTION_INTEGER("group-size", "N", &group_size, 0, 1024,
                       "OpenCL work-group size; 0: the default"),
        OPTION_CHOICE("kernels", &kernel, kernels,
                      "OpenCL: those for few wide cores or many narrow ones; else what suits it"),
        OPTION_CHOICE("algo", &algorithm, algorithms,
                      "OpenCL: how convolutions and dense layers are done; else all are judged"),
        OPTION_CHOICE("format", &format, formats, "of the results"),
        OPTION_TEXT("output", "FILE", &path, "where the results go; else standard output"),
        OPTION_FLAG("verbose", &verbose, "table: list every case"),
    };
    static const command_usage usage = {
        .name = "conform",
        .about = "Judges a device: every op and gradient on every case against a reference in\n"
                 "float32 (every bit, in exact mode) and an oracle in double (error bounds); the\n"
                 "gradients by finite differences; chains of layers. The exit status is 0 only if\n"
                 "all that was judged passed and something was judged.",
        .example = "clade conform --device opencl --quick --strict",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    o.modes = self_test ? CLADE_CONFORM_SELF_TEST : chosen_modes(mode);
    if (o.model && (self_test || (mode != MODE_ALL && mode != MODE_NETS) || o.op))
        return command_misuse("conform",
                              "--model is judged alone, without --op, --mode or --self-test");
    if (o.model) o.modes = CLADE_CONFORM_NETS;
    o.math = math ? CLADE_FAST : CLADE_EXACT;
    o.pass = (clade_conform_pass)pass;
    o.seed = (uint64_t)seed;
    o.threads = (int)threads;
    o.group_size = (uint32_t)group_size;
    if (kernel >= 0) o.kernels = kernels[kernel];
    if (algorithm >= 0) o.algorithm = algorithms[algorithm];
    if (o.algorithm && !math && strcmp(o.algorithm, "direct") != 0 &&
        strcmp(o.algorithm, "implicit") != 0)
        return command_misuse("conform", "--algo %s is for --math fast", o.algorithm);
    if (mode == MODE_SUPPORT && format == CONFORM_TABLE) format = CONFORM_MARKDOWN;
    if (mode == MODE_MATRIX) format = CONFORM_MARKDOWN;
    return judge(&o, (conform_format)format, mode == MODE_MATRIX, verbose, path);
}
