/* clade export: a model as a file for other programs. */
#define _XOPEN_SOURCE 700
#include "export_int8.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT_ONNX, FORMAT_SAFETENSORS, FORMAT_C };

typedef struct export_request {
    const char *out;
    int format;
    bool preprocessing, force;
    int8_request int8;
} export_request;

static const char *const formats[] = {"onnx", "safetensors", "c", NULL};
static const char *const endings[] = {".onnx", ".safetensors", ".c"};

static clade_status write(const export_request *r, const clade_network *network)
{
    const clade_onnx_options onnx = {.preprocessing = r->preprocessing};
    switch (r->format) {
    case FORMAT_ONNX: return clade_network_write_onnx(network, &onnx, r->out);
    case FORMAT_C: return clade_network_write_c(network, r->out);
    default: return clade_network_write(network, r->out);
    }
}

/* What is written must not be there, nor the header beside a C file. */
static clade_status check_new(const export_request *r)
{
    clade_status status = session_check_new(r->out, r->force);
    if (status || r->format != FORMAT_C) return status;
    char *header = strdup(r->out);
    if (!header) return clade_fail(CLADE_ENOMEM, "out of memory");
    header[strlen(header) - 1] = 'h';
    status = session_check_new(header, r->force);
    free(header);
    return status;
}

/* A name that ends as another format's, or for C not as one must. */
static bool misnamed(const export_request *r)
{
    if (r->format == FORMAT_C) return !command_ends(r->out, endings[FORMAT_C]);
    for (int k = 0; k < FORMAT_C + 1; k++)
        if (k != r->format && command_ends(r->out, endings[k])) return true;
    return false;
}

static int run(const export_request *r, const char *path)
{
    clade_network *network, *rounded = NULL;
    clade_status status = clade_network_read(path, NULL, &network);
    if (!status) status = check_new(r);
    if (!status && r->int8.wanted) status = export_int8(network, path, &r->int8, &rounded);
    if (!status) status = write(r, rounded ? rounded : network);
    clade_network_destroy(&rounded);
    clade_network_destroy(&network);
    return status ? command_fail("export") : COMMAND_OK;
}

int command_export(int argc, char **argv)
{
    export_request r = {.int8 = {.place = {.math = session_math_default}}};
    const command_option options[] = {
        OPTION_CHOICE("format", &r.format, formats, "what to write; default: onnx"),
        OPTION_TEXT("out", "FILE", &r.out, "the file to write"),
        SESSION_FORCE_OPTION(&r.force),
        OPTION_FLAG("preprocessing", &r.preprocessing,
                    "onnx: the graph takes uint8 pixels [n, h, w, c] and scales them itself"),
        OPTION_FLAG(
            "int8", &r.int8.wanted,
            "onnx, c: store weights and values in 8 bits, with scales chosen from training images"),
        OPTION_INTEGER("samples", "N", &r.int8.samples, 1, 1e6,
                       "int8: number of training images for the scales; default: 256"),
        SESSION_SOURCE_OPTIONS(&r.int8.source),
        SESSION_PLACE_OPTIONS(&r.int8.place),
    };
    static const command_usage usage = {
        .name = "export",
        .arguments = "MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Writes a model (a run folder, a .safetensors file, or an ONNX file) as ONNX, which\n"
            "takes float32 [n, c, h, w] and returns the model's outputs; as one .safetensors\n"
            "file; or as C99 without heap: FILE.c with its header, FILE.h. All of them contain\n"
            "class names and preprocessing. With --int8, prints the accuracy on the validation\n"
            "images before and after; without --data, the images are those that the model was\n"
            "trained on.",
        .example = "clade export runs/pets --format onnx --preprocessing --out pets.onnx\n"
                   "  clade export runs/pets --format onnx --int8 --out pets.onnx",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (!r.out) return command_misuse("export", "--out is missing; expected the file to write");
    if (misnamed(&r))
        return command_misuse("export", "--out %s: expected a name that fits --format %s", r.out,
                              formats[r.format]);
    if (r.preprocessing && r.format != FORMAT_ONNX)
        return command_misuse("export", "--preprocessing requires --format onnx");
    if (r.int8.wanted && r.format == FORMAT_SAFETENSORS)
        return command_misuse("export", "--int8 requires --format onnx or c");
    if ((r.int8.source.data || r.int8.samples) && !r.int8.wanted)
        return command_misuse("export", "%s requires --int8",
                              r.int8.samples ? "--samples" : "--data");
    return run(&r, argv[1]);
}
