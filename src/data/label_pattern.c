/* Classes found in file names by a regular expression. */
#define _GNU_SOURCE
#include "data/label_pattern.h"

#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { most_groups = 16, most_parts = 4096 };

struct clade_label_pattern {
    regex_t regex;
    size_t group; /* the group of the class */
    bool whole;   /* match the whole name, not just the part after its last '/' */
};

enum { digit_bytes = sizeof "[0-9]" - 1 };

/* The length of a pattern with its repeats {…} written out, as the C library does; for some nested
 * repeats that takes minutes and gigabytes. */
typedef struct written_out {
    size_t parts[most_groups + 1]; /* of each open group, the innermost last */
    bool repeats[most_groups + 1]; /* whether it contains a {…} */
    size_t depth, last;            /* `last`: length of what a repeat would repeat */
    bool last_repeats;             /* whether that contains a repeat */
    bool nested;                   /* whether any did */
} written_out;

/* Counts a letter or its equivalent, or the beginning or end of a group. */
static void count_part(written_out *w, char c)
{
    if (strchr("*+?", c)) return; /* a repeat after it still repeats `last` */
    if (c == '(' && w->depth < most_groups) {
        w->parts[++w->depth] = 0;
        w->repeats[w->depth] = false;
        return;
    }
    const bool closed = c == ')' && w->depth;
    w->last_repeats = closed && w->repeats[w->depth];
    w->last = closed ? w->parts[w->depth--] : 1;
    w->parts[w->depth] += w->last;
    if (w->last_repeats) w->repeats[w->depth] = true;
}

/* Returns the length of {N}, {M,} or {M,N}; 0: it is none. */
static size_t count_repeats(written_out *w, const char *brace)
{
    const size_t n = 1 + strspn(brace + 1, "0123456789,");
    char *end;
    if (brace[n] != '}') return 0;
    unsigned long least = strtoul(brace + 1, &end, 10), most = least;
    if (*end == ',') most = strtoul(end + 1, &end, 10);
    if (most < least) most = least;
    if (most > most_parts) most = most_parts + 1;
    if (most <= 1) return n + 1;
    w->nested = w->nested || w->last_repeats;
    w->repeats[w->depth] = w->last_repeats = true;
    if (w->parts[w->depth] <= most_parts) {
        w->parts[w->depth] += w->last * (most - 1);
        w->last *= most;
    }
    return n + 1;
}

/* Copies a pattern without what POSIX does not support: the name of its named group, (?<class>…) or
 * (?P<class>…), and \d. *group is the named group's number, or 1. */
static clade_status take_group(const char *text, char *out, size_t *group, size_t *groups)
{
    size_t n = 0;
    bool named = false, bracket = false;
    written_out w = {0};
    *group = 1;
    *groups = 0;
    for (const char *p = text; *p;) {
        if (*p == '\\' && p[1] == 'd' && !bracket) {
            memcpy(out + n, "[0-9]", digit_bytes);
            n += digit_bytes;
            p += 2;
            count_part(&w, 'd');
            continue;
        }
        if (*p == '\\' && p[1] && !bracket) {
            out[n++] = *p++;
            out[n++] = *p++;
            count_part(&w, 'd');
            continue;
        }
        if (*p == '[' && !bracket) {
            bracket = true;
            out[n++] = *p++;
            if (*p == '^') out[n++] = *p++;
            if (*p == ']') out[n++] = *p++;
            continue;
        }
        if (*p == ']') bracket = false;
        const size_t repeats = *p == '{' && !bracket ? count_repeats(&w, p) : 0;
        if (repeats) {
            memcpy(out + n, p, repeats);
            n += repeats;
            p += repeats;
            continue;
        }
        if (!bracket) count_part(&w, *p);
        out[n++] = *p;
        if (*p++ != '(' || bracket) continue;
        ++*groups;
        if (*p != '?') continue;
        size_t head = p[1] == 'P' ? 3 : 2, name = 0;
        if (p[head - 1] == '<') name = strspn(p + head, "abcdefghijklmnopqrstuvwxyz_");
        if (name == 0 || p[head + name] != '>' || named)
            return clade_fail(CLADE_EINVAL,
                              "label pattern '%s': expected one group, (…) or (?<class>…)", text);
        named = true;
        *group = *groups;
        p += head + name + 1;
    }
    out[n] = 0;
    for (size_t i = 0; i <= w.depth; i++) /* more than one: a group is not closed */
        if (w.parts[i] > most_parts)
            return clade_fail(CLADE_EINVAL,
                              "label pattern '%s': more than %d parts with its repeats {…} written "
                              "out",
                              text, most_parts);
    if (w.nested)
        return clade_fail(
            CLADE_EINVAL,
            "label pattern '%s': nested repeats {…}: write one of them out, or as * or +", text);
    if (*groups == 0 || *groups >= most_groups || (*groups > 1 && !named))
        return clade_fail(CLADE_EINVAL,
                          "label pattern '%s': %zu groups: which is the class? Write it as "
                          "(?<class>…)",
                          text, *groups);
    return CLADE_OK;
}

clade_status clade_label_pattern_create(const char *text, clade_label_pattern **out)
{
    *out = NULL;
    char *plain = malloc(strlen(text) * digit_bytes + 1);
    clade_label_pattern *pattern = calloc(1, sizeof *pattern);
    size_t groups;
    clade_status status = plain && pattern
                              ? take_group(text, plain, &pattern->group, &groups)
                              : clade_fail(CLADE_ENOMEM, "out of memory for a label pattern");
    if (!status) {
        pattern->whole = strchr(text, '/') != NULL;
        int code = regcomp(&pattern->regex, plain, REG_EXTENDED);
        if (code) {
            char why[128];
            regerror(code, &pattern->regex, why, sizeof why);
            status = clade_fail(CLADE_EINVAL, "label pattern '%s': %s", text, why);
        }
    }
    free(plain);
    if (status)
        free(pattern);
    else
        *out = pattern;
    return status;
}

void clade_label_pattern_destroy(clade_label_pattern **pattern)
{
    if (!*pattern) return;
    regfree(&(*pattern)->regex);
    free(*pattern);
    *pattern = NULL;
}

const char *clade_label_find(const clade_label_pattern *pattern, const char *name, size_t *length)
{
    const char *slash = strrchr(name, '/'), *text = slash && !pattern->whole ? slash + 1 : name;
    regmatch_t match[most_groups];
    if (regexec(&pattern->regex, text, most_groups, match, 0)) return NULL;
    const regmatch_t *m = &match[pattern->group];
    if (m->rm_so < 0 || m->rm_eo == m->rm_so) return NULL;
    *length = (size_t)(m->rm_eo - m->rm_so);
    return text + m->rm_so;
}
