/* The results of `clade conform` as a table, JSON or Markdown. */
#include "conform_format.h"
#include "json_print.h"
#include "shown.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one op (or chain, or fault) in one mode. */
typedef struct conform_line {
    clade_conform_mode mode;
    const char *op; /* a row's */
    char support;
    conform_totals totals;
    double error, seconds;
    const char *text; /* of a row */
} conform_line;

struct conform_writer {
    conform_format format;
    bool verbose;
    FILE *to;
    conform_row *rows;
    size_t row_count, row_room;
    conform_line *lines;
    size_t line_count, line_room, printed;
    const clade_bench *speeds; /* for the matrix, or NULL */
    size_t column; /* rows of the first device of two whose support is listed; 0: of one */
};

const char *conform_support_name(char support)
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
    for (size_t i = 0; i < w->row_count; i++) free(w->rows[i].record);
    free(w->rows);
    free(w->lines);
    free(w);
    *handle = NULL;
}

void *conform_grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t more = *room ? 2 * *room : 256;
    void *p = realloc(array, more * size);
    if (p) *room = more;
    return p;
}

static clade_status keep(conform_writer *w, conform_record *record, conform_verdict verdict)
{
    conform_row *rows = conform_grow(w->rows, w->row_count, &w->row_room, sizeof *rows);
    if (!rows) {
        free(record);
        return clade_fail(CLADE_ENOMEM, "out of memory for results");
    }
    w->rows = rows;
    rows[w->row_count++] = (conform_row){.record = record, .verdict = verdict};
    return CLADE_OK;
}

static clade_status add_up(conform_writer *w, const conform_row *row)
{
    const clade_conform_result *r = &row->record->result;
    conform_line *l = w->line_count ? &w->lines[w->line_count - 1] : NULL;
    if (!l || l->mode != r->mode || strcmp(l->op, r->op) != 0) {
        conform_line *lines = conform_grow(w->lines, w->line_count, &w->line_room, sizeof *lines);
        if (!lines) return clade_fail(CLADE_ENOMEM, "out of memory for results");
        w->lines = lines;
        l = &lines[w->line_count++];
        *l = (conform_line){.mode = r->mode, .op = r->op, .text = ""};
    }
    conform_totals_count(&l->totals, r, row->verdict);
    if (r->support) l->support = r->support;
    if (!(r->error <= l->error)) l->error = r->error;
    l->seconds += r->seconds;
    if (r->text[0]) l->text = r->text;
    return CLADE_OK;
}

/* ---- table ---- */

static uint64_t judged(const conform_totals *t)
{
    return t->summary.passed + t->summary.failed + t->expected;
}

static void print_line(FILE *to, const conform_line *l)
{
    const clade_conform_summary *s = &l->totals.summary;
    const char *state = s->failed            ? "FAIL"
                        : s->passed          ? "pass"
                        : l->totals.expected ? "expected-fail"
                                             : "skip";
    fprintf(to, "%-20s %s", l->op, state);
    if (l->mode == CLADE_CONFORM_SUPPORT) {
        fprintf(to, "  %s", conform_support_name(l->support));
    } else if (judged(&l->totals)) {
        fprintf(to, "  %-11s %3" PRIu64 " of %3" PRIu64 " cases, %9" PRIu64 " elements, ",
                conform_support_name(l->support), s->passed, judged(&l->totals), s->compared);
        fprintf(to, "worst %.3g of bound, %5.2f s", s->worst, l->seconds);
        if (s->excluded) fprintf(to, ", %" PRIu64 " kinks left out", s->excluded);
        if (s->mistrusted) fprintf(to, ", %" PRIu64 " mostly zero", s->mistrusted);
    } else {
        fprintf(to, "  %s", l->text);
    }
    fputc('\n', to);
}

static void print_row(FILE *to, const conform_row *row)
{
    const clade_conform_result *r = &row->record->result;
    if (r->mode == CLADE_CONFORM_SELF_TEST && row->verdict == VERDICT_PASS) {
        fprintf(to, "%-18s %-28s %-10s %s\n", r->op, shown(r->case_name),
                r->check[0] ? r->check : "passes", shown(r->text));
        return;
    }
    fprintf(to, "%s %s: ", conform_verdict_name(row->verdict), r->name);
    if (r->check[0]) fprintf(to, "%s: ", r->check);
    if (r->text[0])
        fprintf(to, "%s\n", shown(r->text));
    else
        fprintf(to, "%" PRIu64 " elements, worst %.3g of bound, error %.3g, %.3f s%s\n",
                r->compared, r->worst, r->error, r->seconds, r->mistrusted ? ", mostly zero" : "");
    if (r->reproduce[0] && r->call[0]) fprintf(to, "    %s\n", shown(r->call));
    if (r->reproduce[0]) fprintf(to, "    %s\n", shown(r->reproduce));
    fflush(to);
}

static void print_finished_lines(conform_writer *w, size_t until)
{
    for (; w->printed < until; w->printed++) {
        const conform_line *l = &w->lines[w->printed];
        if (!w->printed || l[-1].mode != l->mode)
            fprintf(w->to, "-- %s\n", clade_conform_mode_name(l->mode));
        print_line(w->to, l);
    }
    fflush(w->to);
}

static void print_count(FILE *to, uint64_t count, const char *what)
{
    if (count) fprintf(to, ", %" PRIu64 " %s", count, what);
}

static void print_summary(FILE *to, const conform_totals *t)
{
    const clade_conform_summary *s = &t->summary;
    if (s->device.id[0])
        fprintf(to, "%s: %s, %s\n", s->device.id, s->device.name, s->device.driver);
    fprintf(to, "%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped", s->passed, s->failed,
            s->skipped);
    print_count(to, t->crashed, "crashed");
    print_count(to, t->timed_out, "timed out");
    print_count(to, t->expected, "failed as expected");
    print_count(to, t->unexpected, "passed unexpectedly");
    print_count(to, t->flakes, t->flakes == 1 ? "flake" : "flakes");
    fputs("; ", to);
    if (s->faults)
        fprintf(to, "%" PRIu64 " of %" PRIu64 " planted faults caught; ", s->caught, s->faults);
    fprintf(to, "%" PRIu64 " elements, worst %.3g of bound", s->compared, s->worst);
    if (s->excluded) fprintf(to, ", %" PRIu64 " kinks left out", s->excluded);
    if (s->mistrusted) fprintf(to, ", %" PRIu64 " cases mostly zero (mistrusted)", s->mistrusted);
    fprintf(to, "; %.1f s\n", s->seconds);
    if (!judged(t)) fprintf(to, "nothing was tested\n");
}

/* ---- JSON ---- */

static clade_status print_json(const conform_writer *w, const conform_totals *t)
{
    const clade_conform_summary *s = &t->summary;
    cJSON *root = cJSON_CreateObject(), *device = cJSON_AddObjectToObject(root, "device");
    cJSON_AddStringToObject(device, "id", s->device.id);
    cJSON_AddStringToObject(device, "name", s->device.name);
    cJSON_AddStringToObject(device, "driver", s->device.driver);
    cJSON_AddNumberToObject(root, "names", CLADE_CONFORM_NAMES);
    cJSON *sum = cJSON_AddObjectToObject(root, "summary");
    cJSON_AddNumberToObject(sum, "passed", (double)s->passed);
    cJSON_AddNumberToObject(sum, "failed", (double)s->failed);
    cJSON_AddNumberToObject(sum, "skipped", (double)s->skipped);
    cJSON_AddNumberToObject(sum, "crashed", (double)t->crashed);
    cJSON_AddNumberToObject(sum, "timed_out", (double)t->timed_out);
    cJSON_AddNumberToObject(sum, "expected", (double)t->expected);
    cJSON_AddNumberToObject(sum, "unexpected", (double)t->unexpected);
    cJSON_AddNumberToObject(sum, "flakes", (double)t->flakes);
    cJSON_AddNumberToObject(sum, "elements", (double)s->compared);
    cJSON_AddNumberToObject(sum, "excluded", (double)s->excluded);
    cJSON_AddNumberToObject(sum, "mistrusted", (double)s->mistrusted);
    cJSON_AddNumberToObject(sum, "faults", (double)s->faults);
    cJSON_AddNumberToObject(sum, "caught", (double)s->caught);
    cJSON_AddNumberToObject(sum, "worst", s->worst);
    cJSON_AddNumberToObject(sum, "seconds", s->seconds);
    cJSON *results = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < w->row_count; i++) {
        const clade_conform_result *r = &w->rows[i].record->result;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", r->name);
        cJSON_AddStringToObject(entry, "mode", clade_conform_mode_name(r->mode));
        cJSON_AddStringToObject(entry, "op", r->op);
        cJSON_AddStringToObject(entry, "case", r->case_name);
        cJSON_AddStringToObject(entry, "call", r->call);
        cJSON_AddNumberToObject(entry, "accumulate", r->accumulate);
        cJSON_AddStringToObject(entry, "verdict", conform_verdict_name(w->rows[i].verdict));
        cJSON_AddStringToObject(entry, "support", conform_support_name(r->support));
        cJSON_AddNumberToObject(entry, "elements", (double)r->compared);
        cJSON_AddNumberToObject(entry, "excluded", (double)r->excluded);
        cJSON_AddNumberToObject(entry, "worst", r->worst);
        cJSON_AddNumberToObject(entry, "error", r->error);
        cJSON_AddBoolToObject(entry, "mistrusted", r->mistrusted);
        cJSON_AddNumberToObject(entry, "seconds", r->seconds);
        cJSON_AddStringToObject(entry, "check", r->check);
        cJSON_AddStringToObject(entry, "text", r->text);
        cJSON_AddStringToObject(entry, "reproduce", r->reproduce);
        cJSON_AddItemToArray(results, entry);
    }
    char *text = json_text(root, false);
    cJSON_Delete(root);
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for JSON");
    fprintf(w->to, "%s\n", text);
    cJSON_free(text);
    return CLADE_OK;
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

static void print_matrix(const conform_writer *w, const conform_totals *t)
{
    FILE *to = w->to;
    const clade_device_info *device = &t->summary.device;
    if (device->id[0]) fprintf(to, "**%s**: %s, %s\n\n", device->id, device->name, device->driver);
    fprintf(to, "| op | runs | cases passed | worst error / bound | kinks left out | GB/s | "
                "GFLOP/s |\n|---|---|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < w->line_count; i++) {
        const conform_line *l = &w->lines[i];
        const clade_conform_summary *s = &l->totals.summary;
        bool of_op = l->mode == CLADE_CONFORM_OPS;
        const clade_bench_result *speed = of_op ? find_speed(w, l->op) : NULL;
        fprintf(to, "| %s%s%s | %s | ", of_op ? "" : clade_conform_mode_name(l->mode),
                of_op ? "" : ": ", l->op,
                judged(&l->totals) ? conform_support_name(l->support) : l->text);
        fprintf(to, "%" PRIu64 " of %" PRIu64 " | %.3g | %" PRIu64 " | ", s->passed,
                judged(&l->totals), s->worst, s->excluded);
        if (speed) fprintf(to, "%.2f", 1e-9 * speed->bytes / speed->median);
        fprintf(to, " | ");
        if (speed && speed->flops > 0) fprintf(to, "%.2f", 1e-9 * speed->flops / speed->median);
        fprintf(to, " |\n");
    }
    fputc('\n', to);
    for (size_t i = 0; i < w->row_count; i++) {
        const clade_conform_result *r = &w->rows[i].record->result;
        if (r->reproduce[0])
            fprintf(to, "- %s %s: %s: %s: `%s`\n", conform_verdict_name(w->rows[i].verdict),
                    r->name, r->check, r->text, r->reproduce);
    }
    print_summary(to, t);
}

static const char *backend_name(const char *device)
{
    return !strcmp(device, "cpu") ? "CPU" : !strncmp(device, "opencl:", 7) ? "OpenCL" : device;
}

/* The ops as the table has them, and how one or two devices do each. Nothing here is measured: it
 * is the same wherever the same backends are. */
static void print_support(const conform_writer *w, const conform_totals *t)
{
    FILE *to = w->to;
    bool two = w->column && w->column < w->row_count;
    size_t ops = two ? w->column : w->row_count;
    fprintf(to, "| op | family | gradient of | %s |", backend_name(t->summary.device.id));
    if (two) fputs(" OpenCL |", to);
    fprintf(to, "\n|---|---|---|---|%s\n", two ? "---|" : "");
    for (size_t i = 0; i < ops; i++) {
        const clade_conform_result *r = &w->rows[i].record->result;
        const clade_op_info *info = clade_op_describe(clade_op_find(r->op));
        const char *forward =
            info->forward == CLADE_OP_none ? "" : clade_op_describe(info->forward)->name;
        fprintf(to, "| %s | %s | %s | %s |", r->op, info->family, forward,
                conform_support_name(r->support));
        if (two)
            fprintf(to, " %s |", conform_support_name(w->rows[ops + i].record->result.support));
        fputc('\n', to);
    }
}

/* ---- what callers see ---- */

void conform_writer_column(conform_writer *w) { w->column = w->row_count; }

void conform_writer_speeds(conform_writer *w, const clade_bench *bench) { w->speeds = bench; }

const conform_row *conform_writer_rows(const conform_writer *w, size_t *count)
{
    *count = w->row_count;
    return w->rows;
}

clade_status conform_writer_take(conform_writer *w, conform_record *record, conform_verdict verdict)
{
    clade_status status = keep(w, record, verdict);
    if (status) return status;
    const conform_row *row = &w->rows[w->row_count - 1];
    status = add_up(w, row);
    if (status || w->format != CONFORM_TABLE) return status;
    bool self_test = record->result.mode == CLADE_CONFORM_SELF_TEST;
    bool told = verdict != VERDICT_PASS && verdict != VERDICT_SKIP && verdict != VERDICT_EXPECTED;
    if (w->verbose || self_test || told) print_row(w->to, row);
    if (!self_test) print_finished_lines(w, w->line_count - 1);
    return CLADE_OK;
}

clade_status conform_writer_finish(conform_writer *w, const conform_totals *totals)
{
    clade_status status = CLADE_OK;
    switch (w->format) {
    case CONFORM_TABLE:
        if (w->line_count && w->lines[0].mode != CLADE_CONFORM_SELF_TEST)
            print_finished_lines(w, w->line_count);
        print_summary(w->to, totals);
        break;
    case CONFORM_JSON: status = print_json(w, totals); break;
    case CONFORM_MARKDOWN:
        if (w->row_count && w->rows[0].record->result.mode == CLADE_CONFORM_SUPPORT)
            print_support(w, totals);
        else
            print_matrix(w, totals);
        break;
    }
    errno = 0;
    if (!status && (fflush(w->to) || ferror(w->to)))
        status = clade_fail(CLADE_EIO, "cannot write the results: %s",
                            errno ? strerror(errno) : "an earlier write failed");
    return status;
}
