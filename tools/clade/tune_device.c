/* clade tune-device: how an OpenCL device does the calls of some models best. */
#define _POSIX_C_SOURCE 200809L
#include "session.h"
#include "shown.h"

#include <clade/bench.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The process that tries one candidate. */
static int be_child(int argc, char **argv)
{
    char *out;
    if (clade_tune_device_child(argc, (const char *const *)argv, &out)) {
        printf("%s\n", shown(clade_error()));
        return COMMAND_FAILED;
    }
    fputs(out, stdout);
    free(out);
    return COMMAND_OK;
}

static void print_timing(void *user, const char *call, const char *algorithm, double seconds,
                         const char *failure)
{
    (void)user;
    if (failure)
        printf("%-8s %s: %s\n", algorithm, call, failure);
    else
        printf("%-8s %s: %.3f ms\n", algorithm, call, 1e3 * seconds);
    fflush(stdout);
}

static int run(clade_tune_device_options *options)
{
    options->command = session_child_command();
    if (!options->command) {
        clade_fail(CLADE_EIO, "cannot find this program's file");
        return command_fail("tune-device");
    }
    options->timing = print_timing;
    clade_tune_device_summary s;
    if (clade_tune_device(options, &s)) return command_fail("tune-device");
    printf("%s (%s): chose algorithms for %zu of %zu calls; %zu candidates tried, %zu failed\n",
           s.device.id, s.device.name, s.calls, s.found, s.tried, s.failed);
    if (s.calls < s.found) printf("Stopped at the time limit; --total raises it.\n");
    return COMMAND_OK;
}

/* Writes what was measured before. */
static int export(const char *device, const char *path)
{
    clade_device_info info;
    if (clade_tune_device_export(device, path, &info)) return command_fail("tune-device");
    printf("%s: measurements on %s; add the file as kernels/tuning/%s.json to ship them for the "
           "whole family\n",
           shown(path), shown(info.name), info.family);
    return COMMAND_OK;
}

int command_tune_device(int argc, char **argv)
{
    clade_tune_device_options o = {.device = "opencl"};
    int64_t batch = 0;
    bool no_products = false;
    const char *exported = NULL;
    const command_option options[] = {
        OPTION_TEXT("device", "NAME", &o.device, "an OpenCL device; default: opencl"),
        OPTION_INTEGER("batch", "N", &batch, 1, 1 << 20,
                       "batch size of the models; default: the recipe's, or as much of it as fits"),
        OPTION_REAL("limit", "SECONDS", &o.candidate_seconds, 0.1, 1e6,
                    "time limit for one candidate; default: 10"),
        OPTION_REAL("total", "SECONDS", &o.total_seconds, 1, 1e9,
                    "time limit for all candidates; default: 600"),
        OPTION_FLAG("no-products", &no_products, "do not tune CLBlast's parameters"),
        OPTION_TEXT("export", "FILE", &exported, "only write the stored measurements to a file"),
    };
    static const command_usage usage = {
        .name = "tune-device",
        .arguments = "[RECIPE...]",
        .least = 0,
        .most = COMMAND_ANY,
        .about =
            "Times every algorithm that an OpenCL device supports for the convolutions and\n"
            "dense layers of the recipes (by default the built-in ones). Stores the fastest for\n"
            "fast mode, and the fastest with the same bits for exact mode. Each candidate runs\n"
            "in a process of its own; candidates that crash, hang or give wrong results are\n"
            "left out.",
        .example = "clade tune-device --device opencl:0.0 horses-or-humans my-recipe.yaml",
    };
    if (argc > 1 && !strcmp(argv[1], "--child")) return be_child(argc - 2, argv + 2);
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (exported &&
        (count || batch || o.candidate_seconds > 0 || o.total_seconds > 0 || no_products))
        return command_misuse("tune-device", "--export measures nothing: expected no recipe, "
                                             "--batch, --limit, --total or --no-products");
    if (exported) return export(o.device, exported);
    const char **recipes = calloc((size_t)count + 1, sizeof *recipes);
    if (!recipes) return command_misuse("tune-device", "out of memory");
    for (int i = 0; i < count; i++) recipes[i] = argv[1 + i];
    o.recipes = count ? recipes : clade_recipe_names();
    o.batch = (int32_t)batch;
    if (o.candidate_seconds <= 0) o.candidate_seconds = 10;
    if (o.total_seconds <= 0) o.total_seconds = 600;
    o.products = !no_products;
    int result = run(&o);
    free(recipes);
    return result;
}
