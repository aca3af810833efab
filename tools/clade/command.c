/* The command line read from a table of options, and help made from it. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include "document.h"
#include "elsewhere.h"
#include "shown.h"
#include "status_line.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool command_ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

double command_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const exit_status exit_statuses[] = {
    {"0", "success"},
    {"1", "failure, with a message; if there were several things to do, some may have succeeded"},
    {"2", "usage error: an unknown subcommand, option or value"},
    {"3", "train, tune, compare: a file could not be read or written; train and tune can continue "
          "later"},
    {"4", "train --verify: the device computed a wrong result; the run folder holds the state "
          "before it"},
    {"128 + N", "ended by signal N (130 for Ctrl-C), after saving"},
    {NULL, NULL},
};

int command_fail(const char *name)
{
    status_line_clear();
    fflush(stdout);
    fprintf(stderr, "clade %s: %s\n", name, shown(clade_error()));
    return COMMAND_FAILED;
}

int command_fail_training(const char *name, clade_status status)
{
    int result = command_fail(name);
    if (status == CLADE_EWRONG) return COMMAND_WRONG;
    return status == CLADE_EIO ? COMMAND_IO : result;
}

int command_misuse(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "clade %s: %s (see clade %s --help)\n", name, shown(text), name);
    va_end(args);
    return COMMAND_MISUSE;
}

/* Levenshtein's distance of words of at most 63 letters. */
static size_t distance(const char *a, const char *b)
{
    enum { most = 64 };
    size_t row[most], n = strlen(b);
    if (strlen(a) >= most || n >= most) return most;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *command_nearest(const char *word, const char *const *words, size_t count, size_t stride)
{
    const char *nearest = NULL;
    size_t best = 1 + strlen(word) / 3;
    for (size_t i = 0; i < count; i++) {
        const char *const *entry =
            (const char *const *)(const void *)((const char *)words + i * stride);
        const size_t length = strlen(*entry), part = strlen(word);
        /* the end of a word, as float16 of mixed_float16, is worth one edit */
        const bool end = part > 0 && part < length && (*entry)[length - part - 1] == '_' &&
                         !strcmp(*entry + length - part, word);
        size_t d = end ? 1 : distance(word, *entry);
        if (d > best || (nearest && d == best)) continue;
        best = d;
        nearest = *entry;
    }
    return nearest;
}

int command_heading(const command_option *o, char *text, size_t size)
{
    int n = snprintf(text, size, "--%s", o->name);
    if (o->kind == COMMAND_MAYBE_TEXT)
        n += snprintf(text + n, size - (size_t)n, "[=%s]", o->value);
    else if (o->value)
        n += snprintf(text + n, size - (size_t)n, " %s", o->value);
    for (size_t i = 0; o->kind == COMMAND_CHOICE && o->choices[i]; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", i ? "|" : " ", o->choices[i]);
    return n;
}

static void print_help(const command_usage *usage, const command_option *options, size_t count)
{
    enum { column = 30 };
    printf("clade %s%s%s%s\n\n%s\n", usage->name, usage->arguments ? " " : "",
           usage->arguments ? usage->arguments : "", count ? " [options]" : "", usage->about);
    if (count) printf("\n");
    for (size_t i = 0; i < count; i++) {
        char heading[256];
        int n = command_heading(&options[i], heading, sizeof heading);
        if (n > column - 4)
            printf("  %s\n%*s%s\n", heading, column, "", options[i].help);
        else
            printf("  %-*s%s\n", column - 2, heading, options[i].help);
    }
    if (usage->example) printf("\nFor example:\n  %s\n", usage->example);
}

static const char *misfit(const command_option *o, const char *value, char text[160])
{
    snprintf(text, 160, "--%s %.60s: ", o->name, value);
    return text;
}

/* Stores an option's value; COMMAND_GO, or an exit status after the message. */
static int store(const char *name, const command_option *o, const char *value)
{
    char text[160], *end = NULL;
    errno = 0;
    switch (o->kind) {
    case COMMAND_FLAG: *o->to.flag = true; return COMMAND_GO;
    case COMMAND_TEXT: *o->to.text = value; return COMMAND_GO;
    case COMMAND_MAYBE_TEXT: *o->to.text = value ? value : ""; return COMMAND_GO;
    case COMMAND_LIST:
        if (o->to.list->count == COMMAND_LIST_SIZE)
            return command_misuse(name, "--%s: given more than %d times", o->name,
                                  COMMAND_LIST_SIZE);
        o->to.list->item[o->to.list->count++] = value;
        return COMMAND_GO;
    case COMMAND_CHOICE: {
        size_t n = 0;
        for (; o->choices[n]; n++) {
            if (strcmp(o->choices[n], value)) continue;
            *o->to.choice = (int)n;
            return COMMAND_GO;
        }
        command_heading(o, text, sizeof text);
        const char *near = command_nearest(value, o->choices, n, sizeof *o->choices);
        return near ? command_misuse(name, "--%s: unknown value '%s'; did you mean '%s'?", o->name,
                                     value, near)
                    : command_misuse(name, "--%s: unknown value '%s'; expected %s", o->name, value,
                                     text);
    }
    case COMMAND_INTEGER: {
        int64_t v = strtoimax(value, &end, 10);
        if (end == value || *end)
            return command_misuse(name, "%sexpected a whole number", misfit(o, value, text));
        if (errno || (double)v < o->low || (double)v > o->high)
            return command_misuse(name, "%sexpected %.15g to %.15g", misfit(o, value, text), o->low,
                                  o->high);
        *o->to.integer = v;
        return COMMAND_GO;
    }
    case COMMAND_REAL: {
        double v = strtod(value, &end);
        if (end == value || *end || !isfinite(v))
            return command_misuse(name, "%sexpected a number", misfit(o, value, text));
        if (v < o->low || v > o->high)
            return command_misuse(name, "%sexpected %.15g to %.15g", misfit(o, value, text), o->low,
                                  o->high);
        *o->to.real = v;
        return COMMAND_GO;
    }
    }
    return COMMAND_GO;
}

static const command_option *find_option(const command_option *options, size_t count,
                                         const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == length && !memcmp(options[i].name, word, length))
            return &options[i];
    return NULL;
}

/* Options that have a new name; the old one goes on working for a release. */
static const command_option *find_renamed(const command_usage *usage, const command_option *options,
                                          size_t count, const char *word, size_t length)
{
    static const char *const renamed[][2] = {{"way", "algo"}};
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        const char *old = renamed[i][0], *new = renamed[i][1];
        if (strlen(old) != length || memcmp(old, word, length)) continue;
        const command_option *o = find_option(options, count, new, strlen(new));
        if (o) fprintf(stderr, "clade %s: --%s is now called --%s\n", usage->name, old, new);
        return o;
    }
    return NULL;
}

/* What to type instead of another program's option, behind which `next` stands on the command line;
 * NULL: nothing is known. */
static const char *instead(const command_option *options, size_t count, const char *word,
                           const char *next, char text[elsewhere_room])
{
    const char *type = elsewhere_option(word, options, count), *value = strchr(word, '=');
    return type ? elsewhere_fill(type, value ? value + 1 : next, text) : NULL;
}

static int unknown_option(const command_usage *usage, const command_option *options, size_t count,
                          const char *word, const char *next)
{
    char name[64], text[elsewhere_room];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *type = instead(options, count, word, next, text);
    const char *near =
        count && !type ? command_nearest(name, &options[0].name, count, sizeof *options) : NULL;
    if (type) return command_misuse(usage->name, "unknown option --%s; use %s", name, type);
    return near ? command_misuse(usage->name, "unknown option --%s; did you mean --%s?", name, near)
                : command_misuse(usage->name, "unknown option --%s", name);
}

/* An option with one dash, or as KEY=VALUE without any. */
static int undashed_option(const command_usage *usage, const command_option *options, size_t count,
                           const char *word, const char *next)
{
    char text[elsewhere_room];
    const char *name = word + (*word == '-');
    const size_t n = strcspn(name, "=");
    const bool own = find_option(options, count, name, n) != NULL;
    const char *type = own ? NULL : instead(options, count, name, next, text);
    if (own)
        return command_misuse(usage->name, "'%s': options begin with two dashes: --%.*s", word,
                              (int)n, name);
    return type ? command_misuse(usage->name, "'%s': options begin with two dashes; use %s", word,
                                 type)
                : command_misuse(usage->name, "'%s': options begin with two dashes", word);
}

/* Is it an option as KEY=VALUE, and no file? */
static bool is_assignment(const command_option *options, size_t count, const char *word)
{
    const size_t n = strcspn(word, "=");
    return word[n] && access(word, F_OK) != 0 &&
           (find_option(options, count, word, n) || elsewhere_option(word, options, count));
}

int command_parse(const command_usage *usage, const command_option *options, size_t option_count,
                  int argc, char **argv, int *count)
{
    int taken = 0;
    bool only_positional = false;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (only_positional || word[0] != '-' || !word[1]) {
            if (!only_positional && is_assignment(options, option_count, word))
                return undashed_option(usage, options, option_count, word, NULL);
            argv[++taken] = word;
            continue;
        }
        if (!strcmp(word, "--")) {
            only_positional = true;
            continue;
        }
        if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
            print_help(usage, options, option_count);
            return COMMAND_OK;
        }
        if (!strncmp(word, "--help=", 7))
            return document_subcommand(word + 7, usage, options, option_count);
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (word[1] != '-') return undashed_option(usage, options, option_count, word, next);
        word += 2;
        size_t length = strcspn(word, "=");
        const command_option *o = find_option(options, option_count, word, length);
        if (!o) o = find_renamed(usage, options, option_count, word, length);
        if (!o) return unknown_option(usage, options, option_count, word, next);
        const char *value = word[length] ? word + length + 1 : NULL;
        if (o->kind == COMMAND_FLAG && value)
            return command_misuse(usage->name, "--%s takes no value", o->name);
        bool alone = o->kind == COMMAND_FLAG || o->kind == COMMAND_MAYBE_TEXT;
        if (!alone && !value && ++i == argc)
            return command_misuse(usage->name, "--%s needs a value", o->name);
        if (!alone && !value) value = argv[i];
        if (value && !*value)
            return command_misuse(usage->name, "--%s: the value is empty", o->name);
        int done = store(usage->name, o, value);
        if (done != COMMAND_GO) return done;
    }
    *count = taken;
    if (taken < usage->least) return command_misuse(usage->name, "expected %s", usage->arguments);
    if (usage->most != COMMAND_ANY && taken > usage->most)
        return command_misuse(usage->name, "unexpected argument '%s'", argv[usage->most + 1]);
    return COMMAND_GO;
}
