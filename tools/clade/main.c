/* The clade command: finds the subcommand and runs it. */
#define _XOPEN_SOURCE 700
#include "command.h"
#include "document.h"
#include "elsewhere.h"
#include "json_print.h"
#include "shown.h"

#include <clade/data.h>
#include <clade/ranks.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const subcommand subcommands[] = {
    {"bench", "time ops and models", command_bench, true},
    {"calibrate", "calibrate a classifier's probabilities", command_calibrate, false},
    {"compare", "train the same head on several backbones", command_compare, false},
    {"conform", "test a device: every op, gradient and chain of layers", command_conform, true},
    {"cross-validate", "train and test a recipe on folds of the images", command_cross_validate,
     false},
    {"data list", "list public data sets of images", command_data_list, false},
    {"data make", "render a data set of shapes", command_data_make, false},
    {"devices", "list the available devices", command_devices, true},
    {"evaluate", "measure a trained classifier on images", command_evaluate, true},
    {"export", "write a model as ONNX, safetensors or C", command_export, false},
    {"import", "show an ONNX file, or convert it to a model", command_import, false},
    {"inspect", "check a data set: sizes, formats, duplicates, damaged files", command_inspect,
     false},
    {"lr-find", "find a learning rate", command_lr_find, false},
    {"new", "write a recipe to edit", command_new, false},
    {"predict", "classify images", command_predict, true},
    {"recipes list", "list the built-in recipes", command_recipes_list, false},
    {"recipes show", "print a built-in recipe", command_recipes_show, false},
    {"report", "write a report on a run, or one that compares runs", command_report, false},
    {"summary", "show a model's layers and parameters", command_summary, false},
    {"train", "train a classifier", command_train, true},
    {"tune", "search for the best settings of a recipe", command_tune, true},
    {"tune-device", "find the fastest algorithms for an OpenCL device", command_tune_device, true},
    {"weights fetch", "download published weights of a backbone", command_weights_fetch, true},
    {"weights list", "list published weights of backbones", command_weights_list, false},
    {NULL, NULL, NULL, false},
};
enum { subcommand_count = sizeof subcommands / sizeof *subcommands - 1 };

static void print_help(FILE *to)
{
    fprintf(to, "clade: trains image classifiers on OpenCL devices and CPUs\n\n"
                "  clade SUBCOMMAND [options]\n\n");
    for (const subcommand *s = subcommands; s->name; s++)
        fprintf(to, "  %-16s%s\n", s->name, s->help);
    fprintf(to, "\nTo start with a folder that contains one folder of images per class:\n\n"
                "  clade train --data photos/ --out runs/first\n"
                "  clade predict runs/first some.jpg\n"
                "\nExit status:\n\n");
    for (const exit_status *e = exit_statuses; e->status; e++)
        fprintf(to, "  %-16s%s\n", e->status, e->meaning);
    fprintf(to, "\n`clade SUBCOMMAND --help` explains a subcommand; `clade --version` prints the "
                "version.\n");
}

/* Subcommands of two words, of which the second is none of them or --help. */
static int run_group(const char *word, bool help)
{
    size_t length = strlen(word);
    const char *separator = help ? "" : " expected";
    if (!help) fprintf(stderr, "clade %s:", word);
    for (const subcommand *s = subcommands; s->name; s++) {
        if (strncmp(s->name, word, length) || s->name[length] != ' ') continue;
        if (help)
            printf("  clade %-15s%s\n", s->name, s->help);
        else
            fprintf(stderr, "%s %s", separator, s->name + length + 1);
        separator = " or";
    }
    if (help)
        printf("\n`clade %s SUBCOMMAND --help` explains a subcommand.\n", word);
    else
        fprintf(stderr, " (see clade %s --help)\n", word);
    return help ? COMMAND_OK : COMMAND_MISUSE;
}

/* Of several ranks that are refused the first one says so. */
static int start(const subcommand *s, int argc, char **argv)
{
    int own, count;
    clade_ranks_on_host(&own, &count);
    if (s->ranks || count == 1) return s->run(argc, argv);
    if (own > 0) return COMMAND_MISUSE;
    return command_misuse(s->name, "an MPI launcher started it %d times, expected once", count);
}

static int run(int argc, char **argv)
{
    static char help[] = "--help";
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        print_help(stderr);
        return COMMAND_MISUSE;
    }
    if (!strcmp(word, "help") && argc > 2) {
        for (int i = 1; i + 1 < argc; i++) argv[i] = argv[i + 1];
        argv[argc - 1] = help;
        return run(argc, argv);
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
        print_help(stdout);
        return COMMAND_OK;
    }
    if (!strncmp(word, "--help=", 7)) return document(word + 7, argv[2]); /* for the build */
    if (!strcmp(word, "--version")) {
        printf("clade %s\nimages: %s\n", CLADE_VERSION, clade_image_formats());
        return COMMAND_OK;
    }
    const subcommand *list = NULL; /* each group has one, which needs no second word */
    for (const subcommand *s = subcommands; s->name; s++) {
        size_t length = strcspn(s->name, " ");
        if (strlen(word) != length || strncmp(s->name, word, length)) continue;
        if (!s->name[length]) return start(s, argc - 1, argv + 1);
        if (argc > 2 && !strcmp(s->name + length + 1, argv[2])) return start(s, argc - 2, argv + 2);
        if (!strcmp(s->name + length, " list")) list = s;
    }
    if (list) {
        bool asks = argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"));
        if (argc == 2 || (argv[2][0] == '-' && !asks)) return start(list, argc - 1, argv + 1);
        return run_group(word, asks);
    }
    const char *type = elsewhere_subcommand(word);
    const char *near =
        type ? NULL
             : command_nearest(word, &subcommands[0].name, subcommand_count, sizeof *subcommands);
    if (type)
        fprintf(stderr, "clade: unknown subcommand '%s'; use clade %s\n", shown(word), type);
    else if (near)
        fprintf(stderr, "clade: unknown subcommand '%s'; did you mean '%s'?\n", shown(word), near);
    else
        fprintf(stderr, "clade: unknown subcommand '%s'; `clade --help` lists them\n", shown(word));
    return COMMAND_MISUSE;
}

/* What was printed must have arrived, else a script would go on with less than it asked for. */
int main(int argc, char **argv)
{
    json_watch_memory();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, and is told */
    int result = run(argc, argv);
    if (!result && json_failed()) result = COMMAND_FAILED;
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout)) return result;
    fprintf(stderr, "clade: cannot write to standard output: %s\n",
            errno ? strerror(errno) : "an earlier write failed");
    return result ? result : COMMAND_FAILED;
}
