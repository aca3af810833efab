/* Writing a net as C: a source file and its header, and where values lie. */
#include "weights/c_writer.h"
#include "base/locale.h"
#include "nn/layer.h"
#include "nn/plan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, AT_SIZE = 40 };

void clade_c_put(clade_c_writer *w, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!w->status) w->status = clade_file_writer_add(&w->file, text, (size_t)size);
}

/* --- texts --- */

/* A literal; what is not plain ASCII in octal. */
static void put_text(clade_c_writer *w, const char *text)
{
    clade_c_put(w, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\' || *c == '?')
            clade_c_put(w, "\\%03o", *c);
        else
            clade_c_put(w, "%c", *c);
    clade_c_put(w, "\"");
}

/* --- where values lie --- */

typedef struct value_places {
    int32_t *block;         /* [layers]: whose memory a layer's output lies in; 0: the image */
    clade_plan_block *plan; /* [2 layers]: that memory, then the workspace of each */
    uint64_t *workspace;    /* [layers]: where that is, in bytes */
    char (*text)[AT_SIZE];  /* [layers] */
    const char **at;        /* [layers] */
    uint64_t bytes;         /* of all */
} value_places;

/* The last layer that reads layer i, and how many do. */
static int32_t last_reader(const clade_graph *graph, int32_t i, int32_t *reads)
{
    int32_t last = i;
    *reads = 0;
    for (int32_t k = i + 1; k < graph->count; k++)
        for (int32_t n = 0; n < graph->node[k].layer.input_count; n++)
            if (graph->node[k].layer.input[n] == i) {
                last = k;
                ++*reads;
            }
    return last;
}

static bool in_bytes(const clade_network *n, int32_t i) { return clade_c_rounds(n, i) >= 0; }

/* Views share their input's memory, and so does what works element by element on what only it
 * reads. */
static void share(const clade_network *n, value_places *p)
{
    for (int32_t i = 1; i < n->graph->count; i++) {
        const clade_layer *layer = &n->graph->node[i].layer;
        const int32_t input = layer->input[0];
        int32_t reads;
        last_reader(n->graph, input, &reads);
        const bool alone = reads == 1 && (input || in_bytes(n, 0)) && p->block[input] == input;
        const bool alike = in_bytes(n, i) == in_bytes(n, input);
        const bool shares =
            clade_c_is_view(layer) || (clade_c_is_elementwise(layer) && alone && alike);
        p->block[i] = shares ? p->block[input] : i;
    }
}

/* Is it in memory of ours, not the image nor the scores? */
static bool is_inside(const clade_network *n, const value_places *p, int32_t i)
{
    const int32_t last = n->graph->count - 1;
    return in_bytes(n, i) || (p->block[i] != 0 && p->block[i] != p->block[last]);
}

/* How long each block lives, and the workspace of each layer after those. */
static void list_blocks(const clade_network *n, value_places *p)
{
    for (int32_t i = 0; i < n->graph->count; i++) {
        int32_t reads;
        const int32_t b = p->block[i], end = last_reader(n->graph, i, &reads);
        const uint64_t size = in_bytes(n, i) ? 1 : 4;
        if (b == i)
            p->plan[b] =
                (clade_plan_block){.bytes = size * (uint64_t)clade_c_elements(&n->graph->node[i]),
                                   .first = i,
                                   .last = i};
        if (end > p->plan[b].last) p->plan[b].last = end;
        p->plan[n->graph->count + i] =
            (clade_plan_block){.bytes = clade_c_workspace(n, i), .first = i, .last = i};
    }
}

static clade_status find_places(const clade_network *n, value_places *p)
{
    const int32_t layers = n->graph->count;
    size_t count = 0;
    share(n, p);
    list_blocks(n, p);
    clade_plan_block *used = calloc(2 * (size_t)layers, sizeof *used);
    int32_t *from = calloc(2 * (size_t)layers, sizeof *from);
    clade_status status =
        used && from ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a net");
    for (int32_t i = 0; i < 2 * layers && !status; i++) {
        const bool wanted =
            i < layers ? p->block[i] == i && is_inside(n, p, i) : p->plan[i].bytes > 0;
        if (!wanted) continue;
        from[count] = i;
        used[count++] = p->plan[i];
    }
    if (!status) status = clade_plan_place(used, count, &p->bytes);
    for (size_t k = 0; k < count && !status; k++) p->plan[from[k]] = used[k];
    free(used);
    free(from);
    for (int32_t i = 0; i < layers && !status; i++) {
        const uint64_t at = p->plan[p->block[i]].offset;
        if (!is_inside(n, p, i))
            snprintf(p->text[i], AT_SIZE, "%s", p->block[i] == 0 ? "image" : "scores");
        else if (in_bytes(n, i))
            snprintf(p->text[i], AT_SIZE, "values.bytes + %llu", (unsigned long long)at);
        else
            snprintf(p->text[i], AT_SIZE, "values%s + %llu", n->quantization ? ".real" : "",
                     (unsigned long long)(at / 4));
        p->at[i] = p->text[i];
        p->workspace[i] = p->plan[layers + i].offset;
    }
    return status;
}

static clade_status make_places(const clade_network *n, value_places *p)
{
    const size_t layers = (size_t)n->graph->count;
    *p = (value_places){.block = calloc(layers, sizeof *p->block),
                        .plan = calloc(2 * layers, sizeof *p->plan),
                        .workspace = calloc(layers, sizeof *p->workspace),
                        .text = calloc(layers, sizeof *p->text),
                        .at = calloc(layers, sizeof *p->at)};
    return p->block && p->plan && p->text && p->at && p->workspace
               ? find_places(n, p)
               : clade_fail(CLADE_ENOMEM, "out of memory for a net");
}

static void clear_places(value_places *p)
{
    free(p->block);
    free(p->plan);
    free(p->workspace);
    free(p->text);
    free(p->at);
}

/* --- the two files --- */

static void put_header(clade_c_writer *w)
{
    const clade_network *n = w->network;
    const clade_graph *graph = n->graph;
    const int32_t *in = graph->node[0].dim;
    clade_c_put(w,
                "/* A net written by Clade. No heap; the values between layers are in one static "
                "array, so that one\n * thread at a time may call it. */\n"
                "#ifndef %s_NET_H\n#define %s_NET_H\n\n"
                "enum {\n    %s_height = %d,\n    %s_width = %d,\n    %s_channels = %d,\n"
                "    %s_outputs = %d\n};\n\n",
                w->name, w->name, w->name, in[0], w->name, in[1], w->name, in[2], w->name,
                clade_c_elements(&graph->node[graph->count - 1]));
    if (n->has_preprocessing)
        clade_c_put(
            w,
            "/* For each channel: the image holds scale times the pixel, 0 to 255, plus shift. */\n"
            "extern const float %s_scale[%d], %s_shift[%d];\n",
            w->name, in[2], w->name, in[2]);
    if (n->class_count)
        clade_c_put(w, "extern const char *const %s_classes[%d];\n", w->name, n->class_count);
    const char *meaning = "";
    if (n->class_count && n->task == CLADE_TASK_ORDINAL)
        meaning = "; scores[k]:\n * the probability that the class is above classes[k]";
    else if (n->class_count && n->task == CLADE_TASK_REGRESSION)
        meaning = "; scores[k]:\n * the number classes[k]";
    clade_c_put(w,
                "/* image[height * width * channels], row by row, to scores[outputs]%s */\n"
                "void %s_predict(const float *image, float *scores);\n\n#endif\n",
                meaning, w->name);
}

static void put_known(clade_c_writer *w)
{
    const clade_network *n = w->network;
    const int32_t channels = n->graph->node[0].dim[2];
    if (n->has_preprocessing) {
        clade_c_put(w, "const float %s_scale[] = {", w->name);
        clade_c_put_floats(w, n->preprocessing.scale, (size_t)channels);
        clade_c_put(w, "const float %s_shift[] = {", w->name);
        clade_c_put_floats(w, n->preprocessing.shift, (size_t)channels);
    }
    if (n->class_count) clade_c_put(w, "const char *const %s_classes[] = {\n", w->name);
    for (int32_t i = 0; i < n->class_count; i++) {
        clade_c_put(w, "    ");
        put_text(w, n->classes[i]);
        clade_c_put(w, ",\n");
    }
    if (n->class_count) clade_c_put(w, "};\n");
    if (n->means) {
        clade_c_put(w, "static const float target_means[] = {");
        clade_c_put_floats(w, n->means, (size_t)n->class_count);
        clade_c_put(w, "static const float target_deviations[] = {");
        clade_c_put_floats(w, n->deviations, (size_t)n->class_count);
    }
    clade_c_put(w, "\n");
}

/* The layers' functions, weights and calls. */
static void put_source(clade_c_writer *w, uint64_t bytes)
{
    const clade_graph *graph = w->network->graph;
    const bool integers = w->network->quantization != NULL;
    const unsigned long long floats = (bytes + 3) / 4;
    clade_c_put(
        w, "/* A net written by Clade; see %s.h. */\n#include \"%s.h\"\n\n#include <math.h>\n%s\n",
        w->name, w->name, integers ? "#include <stdint.h>\n" : "");
    put_known(w);
    clade_c_put_functions(w);
    clade_c_put_weights(w);
    if (integers)
        clade_c_put(
            w, "static union {\n    float real[%llu];\n    uint8_t bytes[%llu];\n} values;\n\n",
            floats, 4 * floats);
    else if (bytes)
        clade_c_put(w, "static float values[%llu];\n\n", floats);
    clade_c_put(w, "void %s_predict(const float *image, float *scores)\n{\n", w->name);
    clade_c_put_ends(w, false);
    for (int32_t i = 1; i < graph->count; i++) {
        if (clade_c_is_view(&graph->node[i].layer)) continue;
        if (integers)
            clade_c_put_int8_layer(w, i);
        else
            clade_c_put_layer(w, i);
    }
    clade_c_put_ends(w, true);
    if (w->network->means)
        clade_c_put(w,
                    "    for (int k = 0; k < %d; k++)\n"
                    "        scores[k] = scores[k] * target_deviations[k] + target_means[k];\n",
                    w->network->class_count);
    clade_c_put(w, "}\n");
}

/* "folder/net.c": "net" */
static clade_status name_of(const char *path, char name[NAME_SIZE])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const size_t size = strlen(base);
    bool good = size > 2 && size < NAME_SIZE && !strcmp(base + size - 2, ".c") &&
                !isdigit((unsigned char)*base);
    for (size_t k = 0; good && k < size - 2; k++)
        good = base[k] == '_' || (base[k] > 0 && isalnum((unsigned char)base[k]));
    if (!good)
        return clade_fail(CLADE_EINVAL,
                          "%s: expected a name of letters, digits and '_', then .c: functions "
                          "are named after it",
                          path);
    snprintf(name, NAME_SIZE, "%.*s", (int)size - 2, base);
    return CLADE_OK;
}

static clade_status check_all(const clade_network *n)
{
    const clade_graph *graph = n->graph;
    clade_status status = CLADE_OK;
    bool computes = false;
    for (int32_t i = 1; i < graph->count && !status; i++) {
        status = clade_c_check_layer(n, i);
        computes = computes || !clade_c_is_view(&graph->node[i].layer);
    }
    return status || computes ? status
                              : clade_fail(CLADE_EUNSUPPORTED, "a net that computes nothing");
}

static clade_status write_both(const clade_network *n, const char *name, const char *path,
                               const char *header_path)
{
    CLADE_PLAIN_NUMBERS;
    value_places p;
    clade_status status = make_places(n, &p);
    clade_c_writer source = {.network = n, .name = name, .at = p.at, .workspace = p.workspace},
                   header = source;
    if (!status) status = clade_file_writer_open(&header.file, header_path);
    if (!status) status = clade_file_writer_open(&source.file, path);
    if (!status) {
        put_header(&header);
        put_source(&source, p.bytes);
        status = header.status ? header.status : source.status;
    }
    if (!status) status = clade_file_writer_commit(&header.file);
    if (!status) {
        status = clade_file_writer_commit(&source.file);
        if (status) remove(header_path); /* of a net that is not beside it */
    }
    clade_file_writer_abort(&header.file);
    clade_file_writer_abort(&source.file);
    clear_places(&p);
    return status;
}

clade_status clade_network_write_c(const clade_network *network, const char *path)
{
    if (!network || !path) return clade_fail(CLADE_EINVAL, "no net or no path to write to");
    char name[NAME_SIZE];
    clade_network *folded = NULL;
    clade_status status = name_of(path, name);
    char *header = status ? NULL : clade_string_join(path, "");
    if (!status && !header) status = clade_fail(CLADE_ENOMEM, "out of memory for a net");
    if (header) header[strlen(header) - 1] = 'h';
    if (!status) status = clade_network_fold(network, &folded);
    if (!status) status = check_all(folded);
    if (!status) status = write_both(folded, name, path, header);
    clade_network_destroy(&folded);
    free(header);
    return status;
}
