/* clade import: shows a net of another program, and makes a model of it. */
#include "class_names.h"
#include "json_print.h"
#include "session.h"
#include "shown.h"
#include "summary.h"

#include <stdlib.h>
#include <string.h>

static const char *interpolation(const clade_preprocessing *p)
{
    return p->interpolation == CLADE_NEAREST ? "nearest" : "bilinear";
}

static bool antialias(const clade_preprocessing *p)
{
    return p->interpolation == CLADE_BILINEAR_ANTIALIAS;
}

static void print_preprocessing(const clade_network *network)
{
    const clade_preprocessing *p = clade_network_preprocessing(network);
    if (!p) {
        printf("Preprocessing: the file does not say\n");
        return;
    }
    printf("Preprocessing: %d×%d×%d, %s%s; value = scale · pixel + shift\n", p->height, p->width,
           p->channels, interpolation(p), antialias(p) ? " with antialiasing" : "");
    for (int32_t c = 0; c < p->channels; c++)
        printf("  channel %d: scale %.9g, shift %.9g\n", c, (double)p->scale[c],
               (double)p->shift[c] + 0);
}

static void print_classes(const clade_network *network)
{
    int32_t count = clade_network_classes(network);
    enum { listed = 10 };
    if (!count) return;
    printf("Classes: %d:", count);
    for (int32_t i = 0; i < count && i < listed; i++)
        printf("%s %s", i ? "," : "", shown(clade_network_class_name(network, i)));
    printf("%s\n", count > listed ? ", …" : "");
}

static void print_table(const clade_network *network)
{
    summary_print(clade_network_graph(network), clade_network_name(network));
    print_preprocessing(network);
    print_classes(network);
    for (size_t i = 0; i < clade_network_notes(network); i++)
        printf("Note: %s\n", shown(clade_network_note(network, i)));
}

static void print_json(const clade_network *network)
{
    cJSON *root = summary_json(clade_network_graph(network), clade_network_name(network));
    const clade_preprocessing *p = clade_network_preprocessing(network);
    if (p) {
        cJSON *object = cJSON_AddObjectToObject(root, "preprocessing");
        cJSON_AddNumberToObject(object, "height", p->height);
        cJSON_AddNumberToObject(object, "width", p->width);
        cJSON_AddNumberToObject(object, "channels", p->channels);
        cJSON_AddStringToObject(object, "interpolation", interpolation(p));
        cJSON_AddBoolToObject(object, "antialias", antialias(p));
        clade_json_put(object, "scale", cJSON_CreateFloatArray(p->scale, p->channels));
        clade_json_put(object, "shift", cJSON_CreateFloatArray(p->shift, p->channels));
    } else {
        cJSON_AddNullToObject(root, "preprocessing");
    }
    cJSON *classes = cJSON_AddArrayToObject(root, "classes");
    for (int32_t i = 0; i < clade_network_classes(network); i++)
        clade_json_append(classes, cJSON_CreateString(clade_network_class_name(network, i)));
    cJSON *notes = cJSON_AddArrayToObject(root, "notes");
    for (size_t i = 0; i < clade_network_notes(network); i++)
        clade_json_append(notes, cJSON_CreateString(clade_network_note(network, i)));
    json_print(root, false);
}

/* "224" or "224x192": height and width. */
static bool parse_size(const char *text, clade_network_options *out)
{
    char *end;
    long height = strtol(text, &end, 10), width = height;
    if (end != text && *end == 'x') {
        text = end + 1;
        width = strtol(text, &end, 10);
    }
    if (end == text || *end || height < 1 || height > 65536 || width < 1 || width > 65536)
        return false;
    out->height = (int32_t)height;
    out->width = (int32_t)width;
    return true;
}

int command_import(int argc, char **argv)
{
    const char *size = NULL, *out = NULL, *classes = NULL;
    clade_network_options read = {0};
    class_names names = {0};
    bool json = false, force = false;
    const command_option options[] = {
        OPTION_TEXT(
            "size", "HxW", &size,
            "size of the images; default: the file's; required if the file does not fix it"),
        OPTION_TEXT("classes", "FILE", &classes, "the outputs' names, one per line"),
        OPTION_TEXT("preprocessing", "NAME", &read.preprocessing,
                    "how pixels become the input, if the file does not say: imagenet, tf (-1 to "
                    "1), caffe, unit (0 to 1) or none (0 to 255)"),
        OPTION_TEXT("interpolation", "NAME", &read.interpolation, "nearest or bilinear"),
        OPTION_TEXT("out", "FILE.safetensors", &out, "also write the net as a Clade model"),
        SESSION_FORCE_OPTION(&force),
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "import",
        .arguments = "FILE",
        .least = 1,
        .most = 1,
        .about = "Reads a net from an ONNX file (opsets 7 to 17) or a Clade model, and shows its\n"
                 "layers, shapes, parameters, preprocessing, and how its graph was changed.",
        .example =
            "clade import squeezenet.onnx --classes imagenet.txt --preprocessing imagenet \\\n"
            "    --interpolation bilinear --out squeezenet.safetensors",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (size && !parse_size(size, &read))
        return command_misuse("import", "--size: expected HEIGHT or HEIGHTxWIDTH, found '%s'",
                              size);
    if (out && !command_ends(out, ".safetensors"))
        return command_misuse("import", "--out %s: expected FILE.safetensors", out);
    clade_network *network = NULL;
    clade_status status = classes ? class_names_read(classes, &names) : CLADE_OK;
    read.classes = (const char *const *)names.name;
    read.class_count = names.count;
    if (!status) status = clade_network_read(argv[1], &read, &network);
    if (!status && out && !clade_network_preprocessing(network))
        status = clade_fail(CLADE_EINVAL,
                            "%s: the file does not say how pixels become the net's input; expected "
                            "--preprocessing imagenet, tf, caffe, unit or none",
                            argv[1]);
    if (!status && out) status = session_check_new(out, force);
    if (!status && out) status = clade_network_write(network, out);
    if (!status) (json ? print_json : print_table)(network);
    clade_network_destroy(&network);
    class_names_clear(&names);
    return status ? command_fail("import") : COMMAND_OK;
}
