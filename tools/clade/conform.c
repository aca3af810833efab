/* clade conform: is a device right? */
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include "conform_compare.h"
#include "conform_file.h"
#include "conform_gtest.h"
#include "conform_pool.h"
#include "conform_reduce.h"
#include "shown.h"

#include <clade/conform.h>
#include <clade/verify.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
static const char *const formats[] = {"table", "json", "markdown", NULL};
static const char *const kernels[] = {"cpu",    "gpu",        "sse2", "avx2",
                                      "avx512", "avx512bf16", "neon", NULL};
static const char *const algorithms[] = {"direct", "implicit", "matrix", "winograd", "gemm", NULL};
static const char *const limit_sets[] = {"tiny", NULL};
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

/* Where the results go. */
typedef struct outputs {
    const char *text, *csv, *junit; /* paths; NULL: none, `text` then standard output */
    FILE *to_text, *to_csv, *to_junit;
    conform_format format;
    bool speeds, verbose;
} outputs;

/* The support of the built-in backends, the CPU first; OpenCL only where there is a device. */
static clade_status run_both(const clade_conform_options *options, const conform_plan *plan,
                             const conform_limits *limits, conform_writer *writer,
                             conform_totals *totals)
{
    clade_conform_options o = *options;
    o.device = "cpu";
    o.kernels = NULL;
    clade_status status = conform_pool_run(&o, plan, limits, writer, totals);
    if (status) return status;
    conform_writer_column(writer);
    conform_totals opencl = {0};
    o.device = "opencl";
    o.kernels = options->kernels;
    status = conform_pool_run(&o, plan, limits, writer, &opencl);
    if (status == CLADE_ENODEVICE || status == CLADE_EUNSUPPORTED) return CLADE_OK;
    totals->summary.passed += opencl.summary.passed;
    totals->summary.failed += opencl.summary.failed;
    return status;
}

/* The device as it is asked for. */
static clade_device_options device_options(const clade_conform_options *o)
{
    return (clade_device_options){.math = o->math,
                                  .threads = o->threads,
                                  .strict = o->strict,
                                  .plugin = o->plugin,
                                  .group_size = o->group_size,
                                  .kernels = o->kernels,
                                  .algorithm = o->algorithm,
                                  .limits = o->limits};
}

/* Times the ops that were chosen on the device that is judged. */
static clade_status time_ops(const clade_conform_options *o, clade_device **device,
                             clade_bench **bench)
{
    enum { rounds = 5 };
    clade_device_options options = device_options(o);
    options.strict = false; /* what has no version of its own is timed, too */
    clade_status status = clade_device_open(o->device, &options, device);
    if (!status) status = clade_bench_create(*device, bench);
    if (!status) status = clade_bench_add_ops(*bench, o->op ? o->op : "*");
    return status ? status : clade_bench_run(*bench, rounds);
}

static clade_status open_output(const char *path, const char *how, FILE **to)
{
    if (!path) return CLADE_OK;
    *to = fopen(path, how);
    return *to ? CLADE_OK
               : clade_fail(CLADE_EIO, "%s cannot be written: %s", path, strerror(errno));
}

static clade_status close_output(const char *path, FILE *to)
{
    if (!to) return CLADE_OK;
    bool failed = ferror(to);
    errno = 0;
    if (!fclose(to) && !failed) return CLADE_OK;
    return clade_fail(CLADE_EIO, "%s could not be written: %s", path,
                      errno ? strerror(errno) : "an earlier write failed");
}

/* A pipe cannot be cut, and need not be. */
static clade_status empty(const char *path, FILE *to)
{
    if (!to || !ftruncate(fileno(to), 0) || errno == EINVAL) return CLADE_OK;
    return clade_fail(CLADE_EIO, "%s cannot be written: %s", path, strerror(errno));
}

/* Also where judging ended early: with what it has found. */
static clade_status write_results(const outputs *out, conform_writer *writer,
                                  const conform_totals *totals)
{
    size_t count;
    const conform_row *rows = conform_writer_rows(writer, &count);
    if (!count) return CLADE_OK;
    clade_status status = empty(out->csv, out->to_csv);
    if (!status) status = empty(out->junit, out->to_junit);
    if (status) return status;
    if (out->to_csv) conform_write_csv(out->to_csv, rows, count);
    if (out->to_junit) conform_write_junit(out->to_junit, rows, count, totals);
    return conform_writer_finish(writer, totals);
}

static int judge(const clade_conform_options *options, const conform_plan *plan,
                 const conform_limits *limits, outputs *out)
{
    bool both = options->modes == CLADE_CONFORM_SUPPORT && !options->device && !options->plugin &&
                out->format == CONFORM_MARKDOWN;
    conform_writer *writer = NULL;
    clade_device *device = NULL;
    clade_bench *bench = NULL;
    conform_totals totals = {0};
    clade_status status = open_output(out->text, "w", &out->to_text);
    /* what is in these stays until there is something to take its place */
    if (!status) status = open_output(out->csv, "a", &out->to_csv);
    if (!status) status = open_output(out->junit, "a", &out->to_junit);
    if (!status)
        status = conform_writer_create(out->format, out->verbose, out->text ? out->to_text : stdout,
                                       &writer);
    clade_status judged = CLADE_OK;
    char error[1024] = "";
    if (!status) {
        judged = both ? run_both(options, plan, limits, writer, &totals)
                      : conform_pool_run(options, plan, limits, writer, &totals);
        if (!judged && out->speeds) {
            judged = time_ops(options, &device, &bench);
            if (!judged) conform_writer_speeds(writer, bench);
        }
        if (judged) snprintf(error, sizeof error, "%s", clade_error());
        status = write_results(out, writer, &totals);
    }
    conform_writer_destroy(&writer);
    clade_bench_destroy(&bench);
    clade_device_close(&device);
    const char *const paths[] = {out->text, out->csv, out->junit};
    FILE *const files[] = {out->to_text, out->to_csv, out->to_junit};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        clade_status closed = close_output(paths[i], files[i]);
        if (!status) status = closed;
    }
    if (judged) status = clade_fail(judged, "%s", error);
    if (status) return command_fail("conform");
    return totals.summary.passed + totals.expected && !totals.summary.failed ? COMMAND_OK
                                                                             : COMMAND_FAILED;
}

/* The call that a verification has kept, alone. */
static int repeat_call(const clade_conform_options *o, const char *folder)
{
    const clade_device_options options = device_options(o);
    clade_device *device = NULL;
    clade_status status = clade_device_open(o->device, &options, &device);
    if (!status) status = clade_verify_repeat(device, folder);
    if (!status) printf("pass  %s on %s\n", shown(folder), clade_device_describe(device)->id);
    clade_device_close(&device);
    return status ? command_fail("conform") : COMMAND_OK;
}

static int read_shard(const char *text, conform_choice *choice)
{
    char rest;
    if (!text) return COMMAND_GO;
    if (sscanf(text, "%d/%d%c", &choice->shard, &choice->shards, &rest) == 2 &&
        choice->shard >= 1 && choice->shard <= choice->shards)
        return COMMAND_GO;
    return command_misuse("conform", "--shard %.40s: expected I/N, with I from 1 to N", text);
}

int command_conform(int argc, char **argv)
{
    clade_conform_options o = {0};
    conform_choice choice = {0};
    conform_limits limits = {0};
    outputs out = {0};
    int precision = 0, mode = MODE_ALL, math = 0, format = 0, pass = 0, kernel = -1, algorithm = -1,
        sizes = -1;
    int64_t seed = 0, threads = 0, group_size = 0, jobs = 1, retries = 3, random = 0;
    bool self_test = false, list = false, gtest_list = false, json = false;
    const char *shard = NULL, *compare = NULL, *freeze = NULL, *frozen = NULL, *repeat = NULL;
    const char *reduce = NULL, *reduced = NULL;
    const command_option options[] = {
        OPTION_TEXT("device", "NAME", &o.device, "the device to test; see `clade devices`"),
        OPTION_TEXT("plugin", "FILE.so", &o.plugin, "test the backend in this shared object"),
        OPTION_TEXT("op", "PATTERN", &o.op,
                    "only these ops, or this family; * and ? are wildcards"),
        OPTION_TEXT("model", "FILE", &o.model,
                    "test this net's outputs and gradients: an ONNX file or a Clade model"),
        OPTION_TEXT("case", "PATTERN|CALL", &o.case_name,
                    "only these cases, or a case of your own"),
        OPTION_CHOICE("accumulate", &pass, passes,
                      "only gradients that overwrite (0) or accumulate (1)"),
        OPTION_CHOICE("mode", &mode, modes,
                      "what to test; all: ops, grad and layers; matrix: print ops with errors and "
                      "speed in Markdown; support: only list how the device implements each op "
                      "(without --device: the CPU and OpenCL)"),
        OPTION_CHOICE("math", &math, maths, "exact: every bit; fast: within error bounds"),
        OPTION_CHOICE("precision", &precision, clade_precision_words(), "precision in mode nets"),
        OPTION_INTEGER("seed", "N", &seed, 0, 9007199254740992.0, "seed of the test data"),
        OPTION_INTEGER(
            "random", "N", &random, 0, 100000,
            "test N random cases of each op, drawn by the seed, instead of the listed ones"),
        OPTION_FLAG("quick", &o.quick, "test only the small cases"),
        OPTION_FLAG("strict", &o.strict, "fail if the device has no version of an op"),
        OPTION_FLAG("self-test", &self_test, "test the tests: do they detect planted faults?"),
        OPTION_INTEGER("threads", "N", &threads, 0, 1024, "threads of a CPU; 0: one per processor"),
        OPTION_INTEGER("group-size", "N", &group_size, 0, 1024,
                       "OpenCL work-group size; 0: the default"),
        OPTION_CHOICE("kernels", &kernel, kernels,
                      "OpenCL: kernels for few wide cores (cpu) or many narrow ones (gpu); CPU: "
                      "kernels for an instruction set; default: what suits the device"),
        OPTION_CHOICE("algo", &algorithm, algorithms,
                      "OpenCL: the algorithm for convolutions and dense layers; default: test all"),
        OPTION_CHOICE("limits", &sizes, limit_sets,
                      "test only with tiny values of the sizes at which code takes another path; "
                      "default: test these too"),
        OPTION_FLAG("list", &list, "list the names of the cases without testing"),
        OPTION_TEXT("cases", "FILE", &choice.cases,
                    "only the cases named in this file, one per line; * and ? are wildcards; -: "
                    "standard input"),
        OPTION_TEXT("shard", "I/N", &shard, "only the I-th of N parts of the cases"),
        OPTION_INTEGER("jobs", "N", &jobs, 1, CONFORM_MOST_JOBS,
                       "number of test processes at a time"),
        OPTION_REAL("timeout", "SECONDS", &limits.timeout, 0, 1e6,
                    "fail a case that takes longer; 0: no limit"),
        OPTION_TEXT("skip", "FILE", &choice.skip, "skip these cases"),
        OPTION_TEXT("expect", "FILE", &choice.expect,
                    "expect these cases to fail; a pass counts as a failure"),
        OPTION_TEXT("flakes", "FILE", &choice.flakes, "retry these cases if they fail"),
        OPTION_INTEGER("retries", "N", &retries, 1, 1000,
                       "how often to retry the cases in --flakes"),
        OPTION_TEXT("vectors", "DIR", &freeze,
                    "write each op's inputs, and its outputs by the oracle, to files"),
        OPTION_TEXT("vectors-check", "DIR", &frozen,
                    "test the reference and the oracle against such files"),
        OPTION_TEXT("repeat", "DIR", &repeat,
                    "repeat and test the call that `clade train --verify` found wrong"),
        OPTION_TEXT(
            "reduce", "CASE|DIR", &reduce,
            "reduce a failing case, or such a call, to the smallest that fails in the same way"),
        OPTION_TEXT("out", "DIR", &reduced,
                    "with --reduce: write its numbers here, and a program in C and OpenCL that "
                    "reproduces it without Clade"),
        OPTION_CHOICE("format", &format, formats, "format of the results"),
        OPTION_FLAG("json", &json, "the same as --format json"),
        OPTION_TEXT("out", "FILE", &out.text, "write the results here; default: standard output"),
        OPTION_TEXT("output", "FILE", &out.text, "the same as --out"),
        OPTION_TEXT("csv", "FILE", &out.csv, "also write the results here, one line per case"),
        OPTION_TEXT("junit", "FILE", &out.junit, "also write the results here as JUnit XML"),
        OPTION_FLAG("verbose", &out.verbose, "in the table, list every case"),
        OPTION_TEXT("compare", "OLD.csv", &compare,
                    "show the changes from these results to those in NEW.csv; exit status 1 if a "
                    "case broke"),
        OPTION_FLAG("gtest_list_tests", &gtest_list, "list the cases as googletest does"),
        OPTION_TEXT("gtest_filter", "PATTERNS", &choice.gtest_filter,
                    "test these cases in this process, with googletest's output"),
    };
    static const command_usage usage = {
        .name = "conform",
        .arguments = "[NEW.csv]",
        .about =
            "Tests a device: every op and gradient, in every case, against a float32 reference\n"
            "(every bit, in exact mode) and a double-precision oracle (error bounds); gradients\n"
            "against finite differences; chains of layers. The exit status is 0 only if at\n"
            "least one case ran, and every case passed or failed as expected. Cases run in\n"
            "separate processes, so that a crash or a hang fails only its own case.",
        .example = "clade conform --device opencl --quick --strict\n"
                   "  clade conform --jobs 4 --timeout 60 --expect fails.txt --junit results.xml\n"
                   "  clade conform --compare old.csv new.csv",
        .most = 1,
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (compare && count == 1) return conform_compare(compare, argv[1]);
    if (compare || count)
        return command_misuse("conform", "to compare results, use --compare OLD.csv NEW.csv");
    o.modes = self_test ? CLADE_CONFORM_SELF_TEST : chosen_modes(mode);
    if (o.model && (self_test || (mode != MODE_ALL && mode != MODE_NETS) || o.op))
        return command_misuse("conform",
                              "--model cannot be combined with --op, --mode or --self-test");
    if (precision && (mode != MODE_NETS || o.model))
        return command_misuse("conform", "--precision requires --mode nets, without --model");
    if (o.model) o.modes = CLADE_CONFORM_NETS;
    if ((freeze || frozen) && (o.model || self_test || mode != MODE_ALL || (freeze && frozen)))
        return command_misuse("conform", "--vectors and --vectors-check cannot be combined with "
                                         "--mode, --model, --self-test or each other");
    if (freeze || frozen) o.modes = freeze ? CLADE_CONFORM_FREEZE : CLADE_CONFORM_FROZEN;
    o.vectors = freeze ? freeze : frozen;
    o.math = math ? CLADE_FAST : CLADE_EXACT;
    o.pass = (clade_conform_pass)pass;
    o.precision = (clade_precision)precision;
    o.seed = (uint64_t)seed;
    o.random = (uint32_t)random;
    if (random && !o.modes) o.modes = CLADE_CONFORM_OPS;
    o.threads = (int)threads;
    o.group_size = (uint32_t)group_size;
    if (kernel >= 0) o.kernels = kernels[kernel];
    if (sizes >= 0) o.limits = limit_sets[sizes];
    if (algorithm >= 0) o.algorithm = algorithms[algorithm];
    if (o.algorithm && !math && strcmp(o.algorithm, "direct") != 0 &&
        strcmp(o.algorithm, "implicit") != 0)
        return command_misuse("conform", "--algo %s requires --math fast", o.algorithm);
    if (repeat && (o.modes || o.op || o.case_name))
        return command_misuse("conform", "--repeat cannot be combined with --mode, --op, --case, "
                                         "--model, --vectors or --self-test");
    if (repeat) return repeat_call(&o, repeat);
    if ((reduce && ((mode != MODE_ALL && mode != MODE_OPS) || o.model || self_test || o.vectors ||
                    o.case_name || random)) ||
        (reduced && !reduce))
        return command_misuse(
            "conform", "--reduce requires mode ops and cannot be combined with --case, --model, "
                       "--random, --vectors or --self-test; --out DIR requires --reduce");
    if (reduce) return conform_reduce(&o, reduce, reduced, limits.timeout);
    if (mode == MODE_SUPPORT && format == CONFORM_TABLE) format = CONFORM_MARKDOWN;
    if (mode == MODE_MATRIX) format = CONFORM_MARKDOWN;
    bool gtest = gtest_list || choice.gtest_filter;
    if (gtest && (list || jobs > 1 || limits.timeout > 0 || choice.expect || choice.flakes ||
                  out.text || out.csv || out.junit))
        return command_misuse(
            "conform", "--gtest_list_tests and --gtest_filter cannot be combined with --list, "
                       "--jobs, --timeout, --expect, --flakes, --out, --csv or --junit");
    done = read_shard(shard, &choice);
    if (done != COMMAND_GO) return done;
    limits.jobs = (int)jobs;
    limits.retries = (int)retries;
    out.format = json ? CONFORM_JSON : (conform_format)format;
    out.speeds = mode == MODE_MATRIX;
    conform_plan *plan = NULL;
    if (conform_plan_create(&o, &choice, &plan)) return command_fail("conform");
    if (list)
        conform_plan_print(plan);
    else if (gtest_list)
        conform_gtest_list(plan);
    else
        done = gtest ? conform_gtest_run(&o, plan) : judge(&o, plan, &limits, &out);
    conform_plan_destroy(&plan);
    return done == COMMAND_GO ? COMMAND_OK : done;
}
