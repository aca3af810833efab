/* CSV and JUnit XML. */
#include "csv.h"
#include "conform_file.h"

#include <inttypes.h>
#include <string.h>

/* ---- CSV ---- */

static void csv_text(FILE *to, const char *text, char end)
{
    csv_quoted(to, text);
    fputc(end, to);
}

void conform_write_csv(FILE *to, const conform_row *rows, size_t count)
{
    fprintf(to,
            CONFORM_CSV_NAME "%d,verdict,mode,op,case,accumulate,support,elements,excluded,"
                             "worst,error,mistrusted,seconds,check,text,reproduce,call\n",
            CLADE_CONFORM_NAMES);
    for (size_t i = 0; i < count; i++) {
        const clade_conform_result *r = &rows[i].record->result;
        fprintf(to, "%s,%s,%s,", r->name, conform_verdict_name(rows[i].verdict),
                clade_conform_mode_name(r->mode));
        csv_text(to, r->op, ',');
        csv_text(to, r->case_name, ',');
        fprintf(to, "%d,%s,%" PRIu64 ",%" PRIu64 ",%.9g,%.9g,%d,%.9g,", r->accumulate,
                conform_support_name(r->support), r->compared, r->excluded, r->worst, r->error,
                r->mistrusted, r->seconds);
        csv_text(to, r->check, ',');
        csv_text(to, r->text, ',');
        csv_text(to, r->reproduce, ',');
        csv_text(to, r->call, '\n');
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

/* The element that says what became of a case; NULL: none, it passed. */
static const char *element_of(conform_verdict verdict)
{
    switch (verdict) {
    case VERDICT_FAIL:
    case VERDICT_UNEXPECTED: return "failure";
    case VERDICT_CRASH:
    case VERDICT_TIMEOUT: return "error";
    case VERDICT_SKIP:
    case VERDICT_EXPECTED: return "skipped";
    case VERDICT_FLAKE: return "flakyFailure";
    case VERDICT_PASS: break;
    }
    return NULL;
}

static void junit_case(FILE *to, const conform_row *row)
{
    const clade_conform_result *r = &row->record->result;
    const char *dot = strrchr(r->name, '.'), *element = element_of(row->verdict);
    fprintf(to, "  <testcase classname=\"%.*s\" name=\"%s\" time=\"%.6f\"", (int)(dot - r->name),
            r->name, dot + 1, r->seconds);
    if (!element) {
        fprintf(to, "/>\n");
        return;
    }
    fprintf(to, ">\n    <%s message=\"", element);
    if (row->verdict == VERDICT_EXPECTED) fputs("expected failure: ", to);
    xml_text(to, r->text);
    fputs("\" type=\"", to);
    xml_text(to, r->check[0] ? r->check : conform_verdict_name(row->verdict));
    if (r->reproduce[0]) {
        fputs("\">", to);
        xml_text(to, r->call);
        fputc('\n', to);
        xml_text(to, r->reproduce);
        fprintf(to, "</%s>\n  </testcase>\n", element);
    } else {
        fprintf(to, "\"/>\n  </testcase>\n");
    }
}

void conform_write_junit(FILE *to, const conform_row *rows, size_t count,
                         const conform_totals *totals)
{
    const clade_conform_summary *s = &totals->summary;
    uint64_t errors = totals->crashed + totals->timed_out;
    fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"clade conform\" ");
    fprintf(to, "tests=\"%zu\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64 "\" ", count,
            s->failed - errors, errors);
    fprintf(to, "skipped=\"%" PRIu64 "\" time=\"%.3f\">\n  <properties>\n",
            s->skipped + totals->expected, s->seconds);
    fprintf(to, "    <property name=\"names\" value=\"%d\"/>\n", CLADE_CONFORM_NAMES);
    const char *const about[][2] = {
        {"device", s->device.id}, {"name", s->device.name}, {"driver", s->device.driver}};
    for (size_t i = 0; i < sizeof about / sizeof *about; i++) {
        fprintf(to, "    <property name=\"%s\" value=\"", about[i][0]);
        xml_text(to, about[i][1]);
        fputs("\"/>\n", to);
    }
    fputs("  </properties>\n", to);
    for (size_t i = 0; i < count; i++) junit_case(to, &rows[i]);
    fprintf(to, "</testsuite>\n");
}
