/* clade export: a model as a file for other programs. */
#include "session.h"

int command_export(int argc, char **argv)
{
    static const char *const formats[] = {"onnx", "safetensors", NULL};
    enum { FORMAT_ONNX };
    const char *out = NULL;
    int format = FORMAT_ONNX;
    bool preprocessing = false, force = false;
    const command_option options[] = {
        OPTION_CHOICE("format", &format, formats, "what to write; default: onnx"),
        OPTION_TEXT("out", "FILE", &out, "the file to write"),
        SESSION_FORCE_OPTION(&force),
        OPTION_FLAG("preprocessing", &preprocessing,
                    "onnx: the graph takes uint8 pixels [n, h, w, c] and scales them itself"),
    };
    static const command_usage usage = {
        .name = "export",
        .arguments = "MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Writes a model (a run folder, a .safetensors file, or an ONNX file) as ONNX, which\n"
            "takes float32 [n, c, h, w] and gives the model's outputs, or as one .safetensors\n"
            "file. Class names and preprocessing are in the metadata of both.",
        .example = "clade export runs/pets --format onnx --preprocessing --out pets.onnx",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (!out) return command_misuse("export", "--out is missing: the file to write");
    if (command_ends(out, format == FORMAT_ONNX ? ".safetensors" : ".onnx"))
        return command_misuse("export", "--out %s: expected a name that fits --format %s", out,
                              formats[format]);
    if (preprocessing && format != FORMAT_ONNX)
        return command_misuse("export", "--preprocessing is for --format onnx");
    const clade_onnx_options onnx = {.preprocessing = preprocessing};
    clade_network *network;
    clade_status status = clade_network_read(argv[1], NULL, &network);
    if (!status) status = session_check_new(out, force);
    if (!status)
        status = format == FORMAT_ONNX ? clade_network_write_onnx(network, &onnx, out)
                                       : clade_network_write(network, out);
    clade_network_destroy(&network);
    return status ? command_fail("export") : COMMAND_OK;
}
