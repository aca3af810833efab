/* Tables as text: rows and their fields. */
#include "data/table.h"

#include <ctype.h>

static bool is_end(char c) { return c == '\n' || c == '\r'; }

char clade_table_separator(const char *text, const char *end)
{
    char found = ' ';
    for (bool quoted = false; text < end && (quoted || !is_end(*text)); text++) {
        if (*text == '"') quoted = !quoted;
        if (quoted) continue;
        if (*text == '\t' || *text == ',') return *text;
        if (*text == ';') found = ';';
    }
    return found;
}

/* Reads a quoted field, removing the quotes; *r->at is after it. */
static char *quoted_field(clade_table *r)
{
    char *begin = ++r->at, *to = begin;
    for (; r->at < r->end; r->at++) {
        if (*r->at == '"' && (r->at + 1 == r->end || r->at[1] != '"')) {
            r->at++;
            *to = 0;
            return begin;
        }
        r->at += *r->at == '"';
        r->line += *r->at == '\n';
        *to++ = *r->at;
    }
    return NULL;
}

clade_status clade_table_next(clade_table *r, char *fields[CLADE_TABLE_COLUMNS], size_t *count,
                              size_t *line)
{
    *count = 0;
    while (r->at < r->end && (is_end(*r->at) || (r->separator == ' ' && *r->at == ' '))) {
        r->line += *r->at == '\n';
        r->at++;
    }
    *line = r->line;
    while (r->at < r->end) {
        char *field = r->at;
        if (*count == CLADE_TABLE_COLUMNS)
            return clade_fail(CLADE_EFORMAT, "%s%zu: more than %d columns", r->place, r->line,
                              CLADE_TABLE_COLUMNS);
        if (*r->at == '"') {
            field = quoted_field(r);
            if (!field)
                return clade_fail(CLADE_EFORMAT, "%s%zu: a quote that does not end", r->place,
                                  *line);
        } else {
            while (r->at < r->end && !is_end(*r->at) &&
                   (r->separator == ' ' ? !isblank((unsigned char)*r->at) : *r->at != r->separator))
                r->at++;
        }
        fields[(*count)++] = field;
        char after = r->at < r->end ? *r->at : '\n';
        if (r->at < r->end) *r->at++ = 0;
        if (r->separator == ' ')
            while (isblank((unsigned char)after) && r->at < r->end &&
                   isblank((unsigned char)*r->at))
                r->at++;
        if (after == r->separator || (r->separator == ' ' && isblank((unsigned char)after))) {
            if (r->at < r->end && !is_end(*r->at)) continue;
            if (r->separator != ' ' && *count < CLADE_TABLE_COLUMNS) /* an empty last field */
                fields[(*count)++] = r->at < r->end ? r->at : r->at - 1;
            if (r->at < r->end) {
                r->line += *r->at == '\n';
                *r->at++ = 0;
            }
            return CLADE_OK;
        }
        if (!is_end(after))
            return clade_fail(CLADE_EFORMAT, "%s%zu: text after a quoted field", r->place, *line);
        r->line += after == '\n';
        return CLADE_OK;
    }
    return CLADE_OK;
}
