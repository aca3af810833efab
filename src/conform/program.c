/* The program that repeats a call without Clade: its launches and numbers as tables in C, and the
 * lines of program.in around them. */
#define _POSIX_C_SOURCE 200809L
#include "conform/program.h"

#include "base/file.h"
#include "conform/guard.h"
#include "dev/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_programs = 64, most_inline = 4096 };

typedef struct program_source {
    char *text, *options;
    size_t file; /* which of the files: the same text is one */
} program_source;

typedef struct program_writer {
    const conform_stage *stage;
    const clade_call *call;
    const conform_outcome *outcome;
    const char *folder;
    FILE *arguments, *launches, *data, *files; /* parts of case.c */
    program_source programs[most_programs];
    size_t program_count, file_count, launch_count;
} program_writer;

static clade_status write_file(const program_writer *w, const char *name, const void *bytes,
                               size_t size)
{
    char *path = clade_path_join(w->folder, name);
    clade_status status =
        path ? clade_file_write(path, bytes, size) : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    return status;
}

/* A text as a literal of C. */
static void put_literal(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void source_name(size_t file, char name[32])
{
    if (file)
        snprintf(name, 32, "kernel-%zu.cl", file + 1);
    else
        snprintf(name, 32, "kernel.cl");
}

/* ---- launches ---- */

/* The program of a launch, which is written when it is the first of its source. */
static clade_status find_program(program_writer *w, const clade_launch *l, size_t *number)
{
    size_t file = w->file_count;
    for (size_t i = 0; i < w->program_count; i++) {
        if (strcmp(w->programs[i].text, l->source) != 0) continue;
        file = w->programs[i].file;
        *number = i;
        if (!strcmp(w->programs[i].options, l->options)) return CLADE_OK;
    }
    if (w->program_count == most_programs)
        return clade_fail(CLADE_EUNSUPPORTED, "it takes more than %d programs", most_programs);
    program_source *p = &w->programs[ *number = w->program_count++];
    *p =
        (program_source){clade_string_join(l->source, ""), clade_string_join(l->options, ""), file};
    if (!p->text || !p->options) return clade_fail(CLADE_ENOMEM, "out of memory");
    if (file < w->file_count) return CLADE_OK;
    char name[32];
    source_name(w->file_count++, name);
    return write_file(w, name, l->source, strlen(l->source));
}

/* A value as whole numbers: of 8 or 4 bytes, or bytes. */
static void put_value(FILE *to, const clade_launch_argument *a)
{
    const size_t each = a->bytes == 8 ? 8 : a->bytes % 4 == 0 ? 4 : 1;
    fprintf(to, "    {VALUE, %zu, (const %s[]){", a->bytes,
            each == 8   ? "cl_ulong"
            : each == 4 ? "cl_uint"
                        : "cl_uchar");
    for (size_t i = 0; i < a->bytes; i += each) {
        uint64_t whole = 0;
        uint32_t word = 0;
        if (each == 8) memcpy(&whole, (const char *)a->value + i, 8);
        if (each == 4) memcpy(&word, (const char *)a->value + i, 4);
        if (each == 1) word = ((const unsigned char *)a->value)[i];
        if (each < 8) whole = word;
        fprintf(to, "%s%" PRIu64 "%s", i ? ", " : "", whole, each == 8 ? "ull" : "u");
    }
    fprintf(to, "}},\n");
}

/* The number of the buffer; the workspace comes after the regions. */
static int buffer_of(const program_writer *w, const clade_launch_argument *a)
{
    const conform_stage *s = w->stage;
    if (a->kind == CLADE_LAUNCH_WORKSPACE)
        return clade_call_workspace(w->call) ? s->region_count : -1;
    for (int i = 0; a->value && i < s->region_count; i++)
        if (s->regions[i].buffer->handle == a->value) return i;
    return -1;
}

static clade_status take_launch(void *user, const clade_launch *l)
{
    program_writer *w = user;
    size_t program = 0;
    clade_status status = find_program(w, l, &program);
    if (status) return status;
    fprintf(w->arguments, "static const struct argument arguments_%zu[] = {\n", w->launch_count);
    for (size_t i = 0; i < l->argument_count; i++) {
        const clade_launch_argument *a = &l->arguments[i];
        const int buffer = a->kind == CLADE_LAUNCH_VALUE ? -1 : buffer_of(w, a);
        if (a->kind == CLADE_LAUNCH_VALUE)
            put_value(w->arguments, a);
        else if (buffer < 0)
            fprintf(w->arguments, "    {NO_BUFFER, 0, NULL},\n");
        else
            fprintf(w->arguments, "    {%d, 0, NULL},\n", buffer);
    }
    fprintf(w->arguments, "};\n");
    fprintf(w->launches, "    {%zu, \"%s\", %" PRIu32 ", {%zu, %zu, %zu}, {%zu, %zu, %zu}, %zu, ",
            program, l->kernel, l->dims, l->global[0], l->global[1], l->global[2], l->local[0],
            l->local[1], l->local[2], l->argument_count);
    fprintf(w->launches, "arguments_%zu},\n", w->launch_count++);
    return CLADE_OK;
}

/* ---- numbers ---- */

static void put_double(FILE *to, double v, int digits)
{
    if (isnan(v))
        fprintf(to, "NAN");
    else if (isinf(v))
        fprintf(to, "%sINFINITY", v < 0 ? "-" : "");
    else
        fprintf(to, "%.*g", digits, v);
}

static void put_element(FILE *to, clade_dtype dtype, bool wide, const void *block, size_t i)
{
    if (wide)
        put_double(to, ((const double *)block)[i], 17);
    else if (dtype == CLADE_F32)
        put_double(to, (double)((const float *)block)[i], 9);
    else
        fprintf(to, "%" PRId32, clade_whole_of(dtype, block, i));
}

/* The array NAME_part of a block; in a file where it is long. */
static clade_status put_array(program_writer *w, size_t slot, const char *part, bool wide,
                              const void *block)
{
    const clade_tensor *t = &w->stage->problem->args.slot[slot];
    const char *name = w->stage->problem->info->slots[slot].name;
    const size_t n = w->stage->problem->count[slot];
    const size_t bytes = n * (wide ? sizeof(double) : clade_dtype_size(t->dtype));
    const char *type = wide                    ? "double"
                       : t->dtype == CLADE_F32 ? "float"
                       : t->dtype == CLADE_U8  ? "unsigned char"
                       : t->dtype == CLADE_I32 ? "cl_int"
                                               : "cl_ushort";
    if (n > most_inline) {
        char file[128];
        snprintf(file, sizeof file, "%.80s_%s.bin", name, part);
        fprintf(w->data, "static %s %s_%s[%zu];\n", type, name, part, n);
        fprintf(w->files, "    {\"%s\", %s_%s, %zu},\n", file, name, part, bytes);
        return write_file(w, file, block, bytes);
    }
    fprintf(w->data, "static const %s %s_%s[] = {", type, name, part);
    for (size_t i = 0; i < n; i++) {
        fprintf(w->data, "%s", i % 8 ? " " : "\n    ");
        put_element(w->data, t->dtype, wide, block, i);
        fputc(',', w->data);
    }
    fprintf(w->data, "\n};\n");
    return CLADE_OK;
}

/* What an element may be, as the comparison of conform/compare.c has it. */
static clade_status put_truth(program_writer *w, size_t slot)
{
    const conform_problem *p = w->stage->problem;
    const size_t n = p->count[slot];
    double *truth = malloc((n + 1) * sizeof *truth), *bound = malloc((n + 1) * sizeof *bound);
    clade_status status = truth && bound ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !status; i++) {
        const bool any = p->padded[slot] && p->padded[slot][i];
        bound[i] = any ? INFINITY : 0;
        if (p->args.slot[slot].dtype != CLADE_F32) {
            truth[i] = clade_whole_of(p->args.slot[slot].dtype, p->expected[slot], i);
            continue;
        }
        truth[i] = p->truth[slot][i];
        if (p->bound[slot][i] > 0 || p->bound[slot][i] == 0)
            bound[i] += p->bound[slot][i] + (truth[i] == 0 ? 0 : CLADE_TINY);
        if (p->exact[slot] && !any) bound[i] = 0;
        if (p->transformed && !(isfinite(truth[i]) && isfinite(p->bound[slot][i])))
            bound[i] = INFINITY;
        if (isfinite(truth[i]) &&
            clade_overflows(truth[i], bound[i], truth[i] > 0 ? INFINITY : -INFINITY))
            bound[i] = INFINITY;
    }
    if (!status) status = put_array(w, slot, "truth", true, truth);
    if (!status) status = put_array(w, slot, "bound", true, bound);
    free(truth);
    free(bound);
    return status;
}

static clade_status put_slot(program_writer *w, FILE *tensors, size_t slot, bool bits)
{
    const conform_problem *p = w->stage->problem;
    const conform_place *at = &w->stage->places[slot];
    const clade_slot_kind kind = p->info->slots[slot].kind;
    const char *name = p->info->slots[slot].name;
    const clade_dtype dtype = p->args.slot[slot].dtype;
    clade_args args = p->args;
    const int32_t *accumulate = clade_param_of(p->info, &args, "accumulate");
    const bool result = clade_slot_writes(kind);
    const bool before =
        clade_slot_reads(kind) || (clade_slot_accumulates(kind) && accumulate && *accumulate);
    clade_status status = CLADE_OK;
    bits = bits && result && dtype == CLADE_F32;
    if (before) status = put_array(w, slot, "before", false, p->initial[slot]);
    if (!status && result) status = put_truth(w, slot);
    if (!status && bits) status = put_array(w, slot, "bits", false, p->expected[slot]);
    fprintf(tensors, "    {\"%s\", %s, %s, %d, %zu, %zu, ", name,
            dtype == CLADE_F32   ? "FLOAT"
            : dtype == CLADE_U8  ? "BYTE"
            : dtype == CLADE_I32 ? "INT"
                                 : "SHORT",
            result ? "RESULT" : "INPUT", at->region, at->offset, p->count[slot]);
    fprintf(tensors, before ? "%s_before, " : "NULL, ", name);
    fprintf(tensors, result ? "%s_truth, %s_bound, " : "NULL, NULL, ", name, name);
    fprintf(tensors, bits ? "%s_bits},\n" : "NULL},\n", name);
    return status;
}

static clade_status put_tensors(program_writer *w, FILE *tensors)
{
    const conform_stage *s = w->stage;
    const bool bits = !strcmp(w->outcome->check, "bits");
    const size_t workspace = clade_call_workspace(w->call);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->problem->info->slot_count && !status; i++)
        if (s->present[i]) status = put_slot(w, tensors, i, bits);
    if (workspace)
        fprintf(tensors,
                "    {\"workspace\", BYTE, WORKSPACE, %d, 0, %zu, NULL, NULL, NULL, NULL},\n",
                s->region_count, workspace);
    return status;
}

/* ---- the file ---- */

/* A text in a comment, on one line. */
static void put_remark(FILE *to, const char *text)
{
    for (; *text; text++) {
        fputc(*text == '\n' ? ' ' : *text, to);
        if (text[0] == '*' && text[1] == '/') fputc(' ', to);
    }
}

static void put_comment(const program_writer *w, FILE *to)
{
    const conform_problem *p = w->stage->problem;
    const clade_device_info *device = &w->outcome->where.info;
    char text[CLADE_CALL_TEXT_SIZE];
    fprintf(to, "/* %s\n * %s: ", clade_call_text(p->info->op, &p->args, text), w->outcome->check);
    put_remark(to, w->outcome->text);
    fprintf(to, "\n * on %s (", device->id);
    put_remark(to, device->name);
    fprintf(to, ", ");
    put_remark(to, device->driver);
    fprintf(to, ").\n *\n");
    fprintf(to,
            " *     cc case.c -lOpenCL -lm -o case && ./case [PLATFORM DEVICE]\n *\n"
            " * makes the launches that Clade makes for this call and compares what comes back\n"
            " * with its value in double: prints \"right\" and exits 0, or the first wrong\n"
            " * element and exits 1; 2 where it could not. */\n");
}

static void put_tables(const program_writer *w, FILE *to, const char *tensors)
{
    const conform_stage *s = w->stage;
    const size_t workspace = clade_call_workspace(w->call);
    unsigned platform = 0, device = 0;
    char name[32];
    sscanf(w->outcome->where.info.id, "opencl:%u.%u", &platform, &device);
    fprintf(to, "enum { PLATFORM = %u, DEVICE = %u, RUNS = %d };\n\n", platform, device,
            strcmp(w->outcome->check, "repeat") ? 1 : 100);
    fprintf(to, "static const struct program programs[] = {\n");
    for (size_t i = 0; i < w->program_count; i++) {
        source_name(w->programs[i].file, name);
        fprintf(to, "    {\"%s\", ", name);
        put_literal(to, w->programs[i].options);
        fprintf(to, "},\n");
    }
    fprintf(to, "};\n\nstatic const struct tensor tensors[] = {\n%s};\n\n", tensors);
    fprintf(to, "/* bytes */\nstatic const size_t buffers[] = {");
    for (int i = 0; i < s->region_count; i++)
        fprintf(to, "%s%zu", i ? ", " : "", s->regions[i].bytes);
    if (workspace) fprintf(to, ", %zu", workspace + 2 * conform_guard);
    fprintf(to, "};\n\n");
}

static clade_status put_program(program_writer *w, const char *tensors, const char *const part[4])
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to) return clade_fail(CLADE_ENOMEM, "out of memory");
    put_comment(w, to);
    for (const char *const *line = conform_program_lines; *line; line++) {
        if (strcmp(*line, "@DATA@") != 0) {
            fprintf(to, "%s\n", *line);
            continue;
        }
        fprintf(to, "%s\nstatic const struct file files[] = {\n%s    {NULL, NULL, 0},\n};\n\n",
                part[2], part[3]);
        put_tables(w, to, tensors);
        fprintf(to, "%s\nstatic const struct launch launches[] = {\n%s};\n", part[0], part[1]);
    }
    clade_status status = fclose(to) ? clade_fail(CLADE_ENOMEM, "out of memory")
                                     : write_file(w, "case.c", text, size);
    free(text);
    return status;
}

clade_status clade_program_write(const conform_stage *stage, const clade_call *call,
                                 const conform_outcome *outcome, const char *folder)
{
    enum { parts = 5 };
    program_writer w = {.stage = stage, .call = call, .outcome = outcome, .folder = folder};
    char *text[parts] = {NULL};
    size_t size[parts];
    FILE *stream[parts] = {NULL};
    clade_status status = CLADE_OK;
    for (int i = 0; i < parts && !status; i++) {
        stream[i] = open_memstream(&text[i], &size[i]);
        if (!stream[i]) status = clade_fail(CLADE_ENOMEM, "out of memory");
    }
    w.arguments = stream[0];
    w.launches = stream[1];
    w.data = stream[2];
    w.files = stream[3];
    if (!status) status = clade_call_tell_launches(call, take_launch, &w);
    if (!status) status = put_tensors(&w, stream[4]);
    for (int i = 0; i < parts; i++)
        if (stream[i] && fclose(stream[i]) && !status)
            status = clade_fail(CLADE_ENOMEM, "out of memory");
    const char *const part[4] = {text[0], text[1], text[2], text[3]};
    if (!status) status = put_program(&w, text[4], part);
    for (size_t i = 0; i < w.program_count; i++) {
        free(w.programs[i].text);
        free(w.programs[i].options);
    }
    for (int i = 0; i < parts; i++) free(text[i]);
    return status;
}
