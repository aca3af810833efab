/* The clade command: finds the subcommand and runs it. */
#include "command.h"

#include <stdio.h>
#include <string.h>

typedef struct subcommand {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} subcommand;

static const subcommand subcommands[] = {
    {"bench", "time ops and models", command_bench},
    {"compare", "train the same head on several backbones", command_compare},
    {"conform", "judge a device: every op, gradient and chain of layers", command_conform},
    {"data", "make rendered images, or list public image sets", command_data},
    {"devices", "list the devices that there are", command_devices},
    {"evaluate", "measure a trained classifier on images", command_evaluate},
    {"export", "write a model as ONNX or safetensors", command_export},
    {"import", "show an ONNX file, or make a model of it", command_import},
    {"inspect", "look at a data set: sizes, formats, duplicates, damage", command_inspect},
    {"predict", "say what images show", command_predict},
    {"report", "write a page on a run, or one that compares runs", command_report},
    {"summary", "show a model's layers and parameters", command_summary},
    {"train", "train a classifier", command_train},
    {"tune", "search for the best settings of a recipe", command_tune},
    {"tune-device", "measure how an OpenCL device computes best", command_tune_device},
};
enum { subcommand_count = sizeof subcommands / sizeof *subcommands };

static void print_help(FILE *to)
{
    fprintf(to, "clade: trains image classifiers on OpenCL devices and CPUs\n\n"
                "  clade SUBCOMMAND [options]\n\n");
    for (size_t i = 0; i < subcommand_count; i++)
        fprintf(to, "  %-12s%s\n", subcommands[i].name, subcommands[i].help);
    fprintf(to, "\n`clade SUBCOMMAND --help` tells more; `clade --version` gives the version.\n");
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        print_help(stderr);
        return COMMAND_MISUSE;
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
        print_help(stdout);
        return COMMAND_OK;
    }
    if (!strcmp(word, "--version")) {
        printf("clade %s\n", CLADE_VERSION);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < subcommand_count; i++)
        if (!strcmp(subcommands[i].name, word)) return subcommands[i].run(argc - 1, argv + 1);
    const char *near =
        command_nearest(word, &subcommands[0].name, subcommand_count, sizeof *subcommands);
    if (near)
        fprintf(stderr, "clade: there is no '%s'; did you mean '%s'?\n", word, near);
    else
        fprintf(stderr, "clade: there is no '%s'; `clade --help` lists what there is\n", word);
    return COMMAND_MISUSE;
}
