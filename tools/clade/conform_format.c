/* The results of `clade conform` as a table, JSON, CSV, JUnit XML or Markdown. */
#include "conform_format.h"
#include "shown.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A result with text of its own. */
typedef struct row {
    clade_conform_result r;
    char *op, *case_name, *call, *check, *text, *reproduce;
} row;

/* What is known of one op (or chain, or fault) in one mode. */
typedef struct conform_line {
    clade_conform_mode mode;
    const char *op; /* a row's */
    char support;
    uint64_t passed, failed, skipped, compared, excluded, mistrusted;
    double worst, error, seconds;
    const char *check, *text; /* of a row */
} conform_line;

struct conform_writer {
    conform_format format;
    bool verbose;
    FILE *to;
    row *rows;
    size_t row_count, row_room;
    conform_line *lines;
    size_t line_count, line_room, printed;
    const clade_bench *speeds; /* for the matrix, or NULL */
    size_t column; /* rows of the first device of two whose support is listed; 0: of one */
};

static const char *mode_name(clade_conform_mode mode)
{
    switch (mode) {
    case CLADE_CONFORM_OPS: return "ops";
    case CLADE_CONFORM_GRAD: return "grad";
    case CLADE_CONFORM_LAYERS: return "layers";
    case CLADE_CONFORM_SELF_TEST: return "self-test";
    case CLADE_CONFORM_NETS: return "nets";
    case CLADE_CONFORM_SUPPORT: return "support";
    }
    return "";
}

static const char *verdict_name(clade_conform_verdict v)
{
    return v == CLADE_CONFORM_PASS ? "pass" : v == CLADE_CONFORM_FAIL ? "FAIL" : "skip";
}

static const char *support_name(char support)
{
    return support == 'n'   ? "native"
           : support == 'r' ? "reference"
           : support == 'h' ? "host copies"
                            : "";
}

clade_status conform_writer_create(conform_format format, bool verbose, FILE *to,
                                   conform_writer **out)
{
    conform_writer *w = *out = calloc(1, sizeof *w);
    if (!w) return clade_fail(CLADE_ENOMEM, "out of memory");
    w->format = format;
    w->verbose = verbose;
    w->to = to;
    return CLADE_OK;
}

void conform_writer_destroy(conform_writer **handle)
{
    conform_writer *w = *handle;
    if (!w) return;
    for (size_t i = 0; i < w->row_count; i++) {
        row *r = &w->rows[i];
        free(r->op);
        free(r->case_name);
        free(r->call);
        free(r->check);
        free(r->text);
        free(r->reproduce);
    }
    free(w->rows);
    free(w->lines);
    free(w);
    *handle = NULL;
}

static char *copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = malloc(n);
    if (p) memcpy(p, text, n);
    return p;
}

/* Makes room for one more of `size` bytes. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t more = *room ? 2 * *room : 256;
    void *p = realloc(array, more * size);
    if (p) *room = more;
    return p;
}

static clade_status keep(conform_writer *w, const clade_conform_result *result)
{
    row *rows = grow(w->rows, w->row_count, &w->row_room, sizeof *rows);
    if (!rows) return clade_fail(CLADE_ENOMEM, "out of memory for results");
    w->rows = rows;
    row *r = &rows[w->row_count];
    *r = (row){*result,
               copy(result->op),
               copy(result->case_name),
               copy(result->call),
               copy(result->check),
               copy(result->text),
               copy(result->reproduce)};
    w->row_count++;
    if (!r->op || !r->case_name || !r->call || !r->check || !r->text || !r->reproduce)
        return clade_fail(CLADE_ENOMEM, "out of memory for results");
    return CLADE_OK;
}

static clade_status add_up(conform_writer *w, const row *r)
{
    conform_line *l = w->line_count ? &w->lines[w->line_count - 1] : NULL;
    if (!l || l->mode != r->r.mode || strcmp(l->op, r->op) != 0) {
        conform_line *lines = grow(w->lines, w->line_count, &w->line_room, sizeof *lines);
        if (!lines) return clade_fail(CLADE_ENOMEM, "out of memory for results");
        w->lines = lines;
        l = &lines[w->line_count++];
        *l = (conform_line){.mode = r->r.mode, .op = r->op, .check = "", .text = ""};
    }
    l->support = r->r.support;
    l->passed += r->r.verdict == CLADE_CONFORM_PASS;
    l->failed += r->r.verdict == CLADE_CONFORM_FAIL;
    l->skipped += r->r.verdict == CLADE_CONFORM_SKIP;
    l->compared += r->r.compared;
    l->excluded += r->r.excluded;
    l->mistrusted += r->r.mistrusted;
    if (!(r->r.worst <= l->worst)) l->worst = r->r.worst;
    if (!(r->r.error <= l->error)) l->error = r->r.error;
    l->seconds += r->r.seconds;
    if (r->check[0]) l->check = r->check;
    if (r->text[0]) l->text = r->text;
    return CLADE_OK;
}

/* ---- table ---- */

static void print_line(FILE *to, const conform_line *l)
{
    const char *state = l->failed ? "FAIL" : l->passed ? "pass" : "skip";
    fprintf(to, "%-20s %s", l->op, state);
    if (l->mode == CLADE_CONFORM_SUPPORT) {
        fprintf(to, "  %s", support_name(l->support));
    } else if (l->passed + l->failed) {
        fprintf(to, "  %-11s %3" PRIu64 " of %3" PRIu64 " cases, %9" PRIu64 " elements, ",
                support_name(l->support), l->passed, l->passed + l->failed, l->compared);
        fprintf(to, "worst %.3g of bound, %5.2f s", l->worst, l->seconds);
        if (l->excluded) fprintf(to, ", %" PRIu64 " kinks left out", l->excluded);
        if (l->mistrusted) fprintf(to, ", %" PRIu64 " mostly zero", l->mistrusted);
    } else {
        fprintf(to, "  %s", l->text);
    }
    fputc('\n', to);
}

static void print_row(FILE *to, const row *r)
{
    if (r->r.mode == CLADE_CONFORM_SELF_TEST && r->r.verdict == CLADE_CONFORM_PASS) {
        fprintf(to, "%-18s %-28s %-10s %s\n", r->op, shown(r->case_name),
                r->check[0] ? r->check : "passes", shown(r->text));
        return;
    }
    fprintf(to, "%s %s/%s/%s", verdict_name(r->r.verdict), mode_name(r->r.mode), r->op,
            shown(r->case_name));
    if (r->r.mode == CLADE_CONFORM_OPS) fprintf(to, "/accumulate %d", r->r.accumulate);
    if (r->r.verdict == CLADE_CONFORM_FAIL)
        fprintf(to, ": %s: %s\n%s%s%s    %s\n", r->check, shown(r->text), r->call[0] ? "    " : "",
                shown(r->call), r->call[0] ? "\n" : "", shown(r->reproduce));
    else if (r->text[0])
        fprintf(to, ": %s\n", shown(r->text));
    else
        fprintf(to, ": %" PRIu64 " elements, worst %.3g of bound, error %.3g, %.3f s%s\n",
                r->r.compared, r->r.worst, r->r.error, r->r.seconds,
                r->r.mistrusted ? ", mostly zero" : "");
    fflush(to);
}

static void print_finished_lines(conform_writer *w, size_t until)
{
    for (; w->printed < until; w->printed++) {
        const conform_line *l = &w->lines[w->printed];
        if (!w->printed || l[-1].mode != l->mode) fprintf(w->to, "-- %s\n", mode_name(l->mode));
        print_line(w->to, l);
    }
    fflush(w->to);
}

static void print_summary(FILE *to, const clade_conform_summary *s)
{
    if (s->device.id[0])
        fprintf(to, "%s: %s, %s\n", s->device.id, s->device.name, s->device.driver);
    fprintf(to, "%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped; ", s->passed,
            s->failed, s->skipped);
    if (s->faults)
        fprintf(to, "%" PRIu64 " of %" PRIu64 " planted faults caught; ", s->caught, s->faults);
    fprintf(to, "%" PRIu64 " elements, worst %.3g of bound", s->compared, s->worst);
    if (s->excluded) fprintf(to, ", %" PRIu64 " kinks left out", s->excluded);
    if (s->mistrusted) fprintf(to, ", %" PRIu64 " cases mostly zero (mistrusted)", s->mistrusted);
    fprintf(to, "; %.1f s\n", s->seconds);
    if (!s->passed && !s->failed) fprintf(to, "nothing was judged\n");
}

/* ---- JSON ---- */

static clade_status print_json(const conform_writer *w, const clade_conform_summary *s)
{
    cJSON *root = cJSON_CreateObject(), *device = cJSON_AddObjectToObject(root, "device");
    cJSON_AddStringToObject(device, "id", s->device.id);
    cJSON_AddStringToObject(device, "name", s->device.name);
    cJSON_AddStringToObject(device, "driver", s->device.driver);
    cJSON *sum = cJSON_AddObjectToObject(root, "summary");
    cJSON_AddNumberToObject(sum, "passed", (double)s->passed);
    cJSON_AddNumberToObject(sum, "failed", (double)s->failed);
    cJSON_AddNumberToObject(sum, "skipped", (double)s->skipped);
    cJSON_AddNumberToObject(sum, "elements", (double)s->compared);
    cJSON_AddNumberToObject(sum, "excluded", (double)s->excluded);
    cJSON_AddNumberToObject(sum, "mistrusted", (double)s->mistrusted);
    cJSON_AddNumberToObject(sum, "faults", (double)s->faults);
    cJSON_AddNumberToObject(sum, "caught", (double)s->caught);
    cJSON_AddNumberToObject(sum, "worst", s->worst);
    cJSON_AddNumberToObject(sum, "seconds", s->seconds);
    cJSON *results = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < w->row_count; i++) {
        const row *r = &w->rows[i];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "mode", mode_name(r->r.mode));
        cJSON_AddStringToObject(entry, "op", r->op);
        cJSON_AddStringToObject(entry, "case", r->case_name);
        cJSON_AddStringToObject(entry, "call", r->call);
        cJSON_AddNumberToObject(entry, "accumulate", r->r.accumulate);
        cJSON_AddStringToObject(entry, "verdict", verdict_name(r->r.verdict));
        cJSON_AddStringToObject(entry, "support", support_name(r->r.support));
        cJSON_AddNumberToObject(entry, "elements", (double)r->r.compared);
        cJSON_AddNumberToObject(entry, "excluded", (double)r->r.excluded);
        cJSON_AddNumberToObject(entry, "worst", r->r.worst);
        cJSON_AddNumberToObject(entry, "error", r->r.error);
        cJSON_AddBoolToObject(entry, "mistrusted", r->r.mistrusted);
        cJSON_AddNumberToObject(entry, "seconds", r->r.seconds);
        cJSON_AddStringToObject(entry, "check", r->check);
        cJSON_AddStringToObject(entry, "text", r->text);
        cJSON_AddStringToObject(entry, "reproduce", r->reproduce);
        cJSON_AddItemToArray(results, entry);
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for JSON");
    fprintf(w->to, "%s\n", text);
    cJSON_free(text);
    return CLADE_OK;
}

/* ---- CSV (RFC 4180) ---- */

static void csv_text(FILE *to, const char *text, char end)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fprintf(to, "\"%c", end);
}

static void print_csv(const conform_writer *w)
{
    fprintf(w->to, "mode,op,case,accumulate,verdict,support,elements,excluded,worst,error,"
                   "mistrusted,seconds,check,text,reproduce,call\n");
    for (size_t i = 0; i < w->row_count; i++) {
        const row *r = &w->rows[i];
        fprintf(w->to, "%s,", mode_name(r->r.mode));
        csv_text(w->to, r->op, ',');
        csv_text(w->to, r->case_name, ',');
        fprintf(w->to, "%d,%s,%s,%" PRIu64 ",%" PRIu64 ",%.9g,%.9g,%d,%.9g,", r->r.accumulate,
                verdict_name(r->r.verdict), support_name(r->r.support), r->r.compared,
                r->r.excluded, r->r.worst, r->r.error, r->r.mistrusted, r->r.seconds);
        csv_text(w->to, r->check, ',');
        csv_text(w->to, r->text, ',');
        csv_text(w->to, r->reproduce, ',');
        csv_text(w->to, r->call, '\n');
    }
}

/* ---- JUnit XML ---- */

static void xml_text(FILE *to, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc((unsigned char)*text < 32 ? ' ' : *text, to);
        }
}

static void print_junit(const conform_writer *w, const clade_conform_summary *s)
{
    FILE *to = w->to;
    fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"clade conform\" ");
    fprintf(to, "tests=\"%zu\" failures=\"%" PRIu64 "\" skipped=\"%" PRIu64 "\" time=\"%.3f\">\n",
            w->row_count, s->failed, s->skipped, s->seconds);
    for (size_t i = 0; i < w->row_count; i++) {
        const row *r = &w->rows[i];
        fprintf(to, "  <testcase classname=\"%s.", mode_name(r->r.mode));
        xml_text(to, r->op);
        fprintf(to, "\" name=\"");
        xml_text(to, r->case_name);
        fprintf(to, " accumulate %d\" time=\"%.6f\"", r->r.accumulate, r->r.seconds);
        if (r->r.verdict == CLADE_CONFORM_PASS) {
            fprintf(to, "/>\n");
            continue;
        }
        bool failed = r->r.verdict == CLADE_CONFORM_FAIL;
        fprintf(to, ">\n    <%s message=\"", failed ? "failure" : "skipped");
        if (failed) {
            xml_text(to, r->check);
            fputs(": ", to);
        }
        xml_text(to, r->text);
        fputc('"', to);
        if (failed) {
            fprintf(to, ">");
            xml_text(to, r->call);
            fprintf(to, "\n");
            xml_text(to, r->reproduce);
            fprintf(to, "</failure>\n  </testcase>\n");
        } else {
            fprintf(to, "/>\n  </testcase>\n");
        }
    }
    fprintf(to, "</testsuite>\n");
}

/* ---- Markdown: a support matrix ---- */

static const clade_bench_result *find_speed(const conform_writer *w, const char *op)
{
    for (size_t i = 0; w->speeds && i < clade_bench_results(w->speeds); i++) {
        const clade_bench_result *r = clade_bench_result_at(w->speeds, i);
        if (!strcmp(r->name, op)) return r;
    }
    return NULL;
}

static void print_matrix(const conform_writer *w, const clade_conform_summary *s)
{
    FILE *to = w->to;
    if (s->device.id[0])
        fprintf(to, "**%s**: %s, %s\n\n", s->device.id, s->device.name, s->device.driver);
    fprintf(to, "| op | runs | cases passed | worst error / bound | kinks left out | GB/s | "
                "GFLOP/s |\n|---|---|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < w->line_count; i++) {
        const conform_line *l = &w->lines[i];
        bool of_op = l->mode == CLADE_CONFORM_OPS;
        const clade_bench_result *speed = of_op ? find_speed(w, l->op) : NULL;
        fprintf(to, "| %s%s%s | %s | ", of_op ? "" : mode_name(l->mode), of_op ? "" : ": ", l->op,
                l->passed + l->failed ? support_name(l->support) : l->text);
        fprintf(to, "%" PRIu64 " of %" PRIu64 " | %.3g | %" PRIu64 " | ", l->passed,
                l->passed + l->failed, l->worst, l->excluded);
        if (speed) fprintf(to, "%.2f", 1e-9 * speed->bytes / speed->median);
        fprintf(to, " | ");
        if (speed && speed->flops > 0) fprintf(to, "%.2f", 1e-9 * speed->flops / speed->median);
        fprintf(to, " |\n");
    }
    fputc('\n', to);
    for (size_t i = 0; i < w->row_count; i++)
        if (w->rows[i].r.verdict == CLADE_CONFORM_FAIL)
            fprintf(to, "- FAIL %s %s: %s: %s: `%s`\n", w->rows[i].op, w->rows[i].case_name,
                    w->rows[i].check, w->rows[i].text, w->rows[i].reproduce);
    print_summary(to, s);
}

static const char *backend_name(const char *device)
{
    return !strcmp(device, "cpu") ? "CPU" : !strncmp(device, "opencl:", 7) ? "OpenCL" : device;
}

/* The ops as the table has them, and how one or two devices do each. Nothing here is measured: it
 * is the same wherever the same backends are. */
static void print_support(const conform_writer *w, const clade_conform_summary *s)
{
    FILE *to = w->to;
    bool two = w->column && w->column < w->row_count;
    size_t ops = two ? w->column : w->row_count;
    fprintf(to, "| op | family | gradient of | %s |", backend_name(s->device.id));
    if (two) fputs(" OpenCL |", to);
    fprintf(to, "\n|---|---|---|---|%s\n", two ? "---|" : "");
    for (size_t i = 0; i < ops; i++) {
        const row *r = &w->rows[i];
        const clade_op_info *info = clade_op_describe(clade_op_find(r->op));
        const char *forward =
            info->forward == CLADE_OP_none ? "" : clade_op_describe(info->forward)->name;
        fprintf(to, "| %s | %s | %s | %s |", r->op, info->family, forward,
                support_name(r->r.support));
        if (two) fprintf(to, " %s |", support_name(w->rows[ops + i].r.support));
        fputc('\n', to);
    }
}

/* ---- what callers see ---- */

void conform_writer_column(conform_writer *w) { w->column = w->row_count; }

void conform_writer_speeds(conform_writer *w, const clade_bench *bench) { w->speeds = bench; }

clade_status conform_writer_take(void *user, const clade_conform_result *result)
{
    conform_writer *w = user;
    clade_status status = keep(w, result);
    if (status) return status;
    const row *r = &w->rows[w->row_count - 1];
    status = add_up(w, r);
    if (status || w->format != CONFORM_TABLE) return status;
    bool self_test = r->r.mode == CLADE_CONFORM_SELF_TEST;
    if (w->verbose || self_test || r->r.verdict == CLADE_CONFORM_FAIL) print_row(w->to, r);
    if (!self_test) print_finished_lines(w, w->line_count - 1);
    return CLADE_OK;
}

clade_status conform_writer_finish(conform_writer *w, const clade_conform_summary *summary)
{
    clade_status status = CLADE_OK;
    switch (w->format) {
    case CONFORM_TABLE:
        if (w->line_count && w->lines[0].mode != CLADE_CONFORM_SELF_TEST)
            print_finished_lines(w, w->line_count);
        print_summary(w->to, summary);
        break;
    case CONFORM_JSON: status = print_json(w, summary); break;
    case CONFORM_CSV: print_csv(w); break;
    case CONFORM_JUNIT: print_junit(w, summary); break;
    case CONFORM_MARKDOWN:
        if (w->row_count && w->rows[0].r.mode == CLADE_CONFORM_SUPPORT)
            print_support(w, summary);
        else
            print_matrix(w, summary);
        break;
    }
    if (!status && (fflush(w->to) || ferror(w->to)))
        status = clade_fail(CLADE_EIO, "the results could not be written");
    return status;
}
