/* Reading two CSV files (RFC 4180) of results and going through their cases by name. */
#define _POSIX_C_SOURCE 200809L
#include "conform_compare.h"

#include "command.h"
#include "conform_file.h"
#include "shown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct outcome_line {
    char *name;
    conform_verdict verdict;
    size_t line;
} outcome_line;

typedef struct results {
    const char *path;
    char *text; /* the file; names point into it */
    outcome_line *cases;
    size_t count, room;
} results;

static clade_status read_text(results *r)
{
    FILE *from = fopen(r->path, "rb");
    if (!from) return clade_fail(CLADE_EIO, "%s: %s", r->path, strerror(errno));
    size_t room = 0, have = 0;
    clade_status status = CLADE_OK;
    do {
        char *text = realloc(r->text, room = 2 * room + 65536);
        if (!text) {
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
            break;
        }
        r->text = text;
        have += fread(r->text + have, 1, room - 1 - have, from);
        r->text[have] = 0;
    } while (have == room - 1);
    if (!status && ferror(from)) status = clade_fail(CLADE_EIO, "%s: %s", r->path, strerror(errno));
    if (!status && strlen(r->text) != have)
        status = clade_fail(CLADE_EFORMAT, "%s: not CSV: it contains zero bytes", r->path);
    fclose(from);
    return status;
}

/* Cuts the next field out in place and goes behind it; *end gets ',' or '\n', or 0 at the end. */
static char *cut_field(char **at, char *end)
{
    char *field = *at, *to = field, *p = field;
    if (*p == '"') {
        for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
            if (*p == '"') p++;
            *to++ = *p;
        }
        if (*p) p++;
    }
    while (*p && *p != ',' && *p != '\n') *to++ = *p++;
    *end = *p;
    *at = *p ? p + 1 : p;
    if (to > field && to[-1] == '\r') to--;
    *to = 0;
    return field;
}

static clade_status add_case(results *r, char *name, const char *verdict, size_t line)
{
    int v = conform_verdict_find(verdict);
    if (v < 0)
        return clade_fail(CLADE_EFORMAT, "%s:%zu: verdict '%s': expected pass, FAIL, CRASH...",
                          r->path, line, shown_start(verdict, 40));
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 1024;
        outcome_line *cases = realloc(r->cases, r->room * sizeof *cases);
        if (!cases) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
        r->cases = cases;
    }
    r->cases[r->count++] =
        (outcome_line){.name = name, .verdict = (conform_verdict)v, .line = line};
    return CLADE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const outcome_line *)a)->name, ((const outcome_line *)b)->name);
}

/* The first two columns are the name and the verdict. */
static clade_status read_results(results *r)
{
    clade_status status = read_text(r);
    size_t line = 1;
    char heading[32];
    snprintf(heading, sizeof heading, CONFORM_CSV_NAME "%d", CLADE_CONFORM_NAMES);
    for (char *at = r->text; !status && *at; line++) {
        char end, *name = cut_field(&at, &end), *verdict = "";
        if (end == ',') verdict = cut_field(&at, &end);
        while (end == ',') cut_field(&at, &end);
        if (line > 1)
            status = add_case(r, name, verdict, line);
        else if (strcmp(name, heading) != 0 || strcmp(verdict, "verdict") != 0)
            return clade_fail(CLADE_EFORMAT,
                              "%s:1: '%s,%s': expected the columns %s,verdict of "
                              "`clade conform --csv`",
                              r->path, shown_start(name, 40), shown_start(verdict, 40), heading);
    }
    if (!status && !r->count) return clade_fail(CLADE_EFORMAT, "%s: no cases", r->path);
    if (status) return status;
    qsort(r->cases, r->count, sizeof *r->cases, by_name);
    for (size_t i = 1; i < r->count; i++)
        if (!strcmp(r->cases[i - 1].name, r->cases[i].name))
            return clade_fail(CLADE_EFORMAT, "%s:%zu: '%s' appears twice", r->path,
                              r->cases[i].line, shown_start(r->cases[i].name, 200));
    return CLADE_OK;
}

static bool is_good(conform_verdict v)
{
    return v == VERDICT_PASS || v == VERDICT_FLAKE || v == VERDICT_UNEXPECTED;
}

typedef struct change_counts {
    size_t fixed, broken, added, missing, same;
} change_counts;

/* A case of either run or, under one name, of both; a skipped one is of neither. */
static void compare_case(const outcome_line *old, const outcome_line *new, change_counts *counts)
{
    if (old && old->verdict == VERDICT_SKIP) old = NULL;
    if (new &&new->verdict == VERDICT_SKIP) new = NULL;
    if (!old && !new) return;
    bool was = old && is_good(old->verdict), is = new &&is_good(new->verdict);
    if (old && new &&was == is) {
        counts->same++;
        return;
    }
    const char *what = !old ? "new" : !new ? "missing" : is ? "fixed" : "broken";
    size_t *count = !old   ? &counts->added
                    : !new ? &counts->missing
                    : is   ? &counts->fixed
                           : &counts->broken;
    ++*count;
    printf("%-8s %s: ", what, shown(old ? old->name : new->name));
    if (old) printf("%s%s", new ? "" : "was ", conform_verdict_name(old->verdict));
    if (new) printf("%s%s", old ? ", now " : "", conform_verdict_name(new->verdict));
    putchar('\n');
}

int conform_compare(const char *before, const char *after)
{
    results old = {.path = before}, new = {.path = after};
    change_counts n = {0};
    clade_status status = read_results(&old);
    if (!status) status = read_results(&new);
    for (size_t i = 0, k = 0; !status && (i < old.count || k < new.count);) {
        int order = i == old.count   ? 1
                    : k == new.count ? -1
                                     : strcmp(old.cases[i].name, new.cases[k].name);
        compare_case(order <= 0 ? &old.cases[i] : NULL, order >= 0 ? &new.cases[k] : NULL, &n);
        i += order <= 0;
        k += order >= 0;
    }
    if (!status)
        printf("%zu fixed, %zu broken, %zu new, %zu missing, %zu unchanged\n", n.fixed, n.broken,
               n.added, n.missing, n.same);
    free(old.text);
    free(old.cases);
    free(new.text);
    free(new.cases);
    if (status) return command_fail("conform");
    return n.broken ? COMMAND_FAILED : COMMAND_OK;
}
