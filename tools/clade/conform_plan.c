/* Reading lists of names and patterns, and choosing cases by them. */
#define _POSIX_C_SOURCE 200809L
#include "conform_plan.h"
#include "conform_format.h"

#include "shown.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conform_pattern {
    char *text, *where; /* "file:line" */
    bool met;
} conform_pattern;

static void free_list(conform_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->patterns[i].text);
        free(list->patterns[i].where);
    }
    free(list->patterns);
}

void conform_plan_destroy(conform_plan **handle)
{
    conform_plan *plan = *handle;
    if (!plan) return;
    for (size_t i = 0; i < plan->count; i++) free(plan->cases[i].about);
    free(plan->cases);
    free_list(&plan->chosen);
    free_list(&plan->skip);
    free_list(&plan->expect);
    free_list(&plan->flakes);
    free_list(&plan->filter);
    free_list(&plan->left_out);
    free(plan);
    *handle = NULL;
}

/* ---- lists ---- */

static clade_status add_pattern(conform_list *list, const char *text, size_t line)
{
    char where[4200];
    conform_pattern *all = conform_grow(list->patterns, list->count, &list->room, sizeof *all);
    if (!all) return clade_fail(CLADE_ENOMEM, "out of memory for %s", list->path);
    list->patterns = all;
    snprintf(where, sizeof where, "%s:%zu", list->path, line);
    conform_pattern *p = &all[list->count++];
    *p = (conform_pattern){.text = strdup(text), .where = strdup(where)};
    return p->text && p->where ? CLADE_OK
                               : clade_fail(CLADE_ENOMEM, "out of memory for %s", list->path);
}

/* A line without its comment and the spaces around. */
static clade_status read_line(conform_list *list, char *text, size_t line)
{
    text[strcspn(text, "#\r\n")] = 0;
    text += strspn(text, " \t");
    size_t n = strcspn(text, " \t");
    if (text[n + strspn(text + n, " \t")])
        return clade_fail(CLADE_EFORMAT,
                          "%s:%zu: '%s': expected one name or pattern, and # before a comment",
                          list->path, line, shown_start(text, 60));
    text[n] = 0;
    return n ? add_pattern(list, text, line) : CLADE_OK;
}

static clade_status read_list(conform_list *list, const char *path)
{
    if (!path) return CLADE_OK;
    bool standard = !strcmp(path, "-");
    list->path = standard ? "standard input" : path;
    FILE *from = standard ? stdin : fopen(path, "r");
    if (!from) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    char *text = NULL;
    size_t room = 0;
    clade_status status = CLADE_OK;
    errno = 0;
    for (size_t line = 1; !status && getline(&text, &room, from) >= 0; line++)
        status = read_line(list, text, line);
    if (!status && ferror(from))
        status = clade_fail(CLADE_EIO, "%s: %s", list->path, strerror(errno));
    free(text);
    if (!standard) fclose(from);
    return status;
}

/* Where the list names the case; NULL if it does not. */
static const char *find(conform_list *list, const char *name)
{
    const char *where = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (fnmatch(list->patterns[i].text, name, 0)) continue;
        list->patterns[i].met = true;
        if (!where) where = list->patterns[i].where;
    }
    return where;
}

/* ---- googletest's filter ---- */

static clade_status add_patterns(conform_list *list, const char *text, size_t length)
{
    clade_status status = CLADE_OK;
    for (const char *at = text, *end = text + length; !status && at < end;) {
        size_t n = 0;
        while (at + n < end && at[n] != ':') n++;
        char *one = strndup(at, n);
        if (!one) return clade_fail(CLADE_ENOMEM, "out of memory for the filter");
        if (n) status = add_pattern(list, one, 1);
        free(one);
        at += n < (size_t)(end - at) ? n + 1 : n;
    }
    return status;
}

static clade_status try_filter(void *user, const clade_conform_result *about)
{
    find(&((conform_plan *)user)->filter, about->name);
    return CLADE_OK;
}

/* Patterns with ':' between; those after a '-' leave cases out. Names have dashes, too: it is the
 * first in a pattern that no case fits as it stands. */
static clade_status read_filter(conform_plan *plan, const clade_conform_options *options)
{
    const char *filter = plan->choice->gtest_filter, *dash = NULL;
    if (!filter) return CLADE_OK;
    plan->filter.path = plan->left_out.path = "the filter";
    clade_status status = add_patterns(&plan->filter, filter, strlen(filter));
    if (!status) status = clade_conform_list(options, try_filter, plan);
    for (size_t i = 0, at = 0; !status && !dash && i < plan->filter.count; i++) {
        const conform_pattern *p = &plan->filter.patterns[i];
        at += strspn(filter + at, ":");
        if (!p->met) dash = memchr(filter + at, '-', strlen(p->text));
        at += strlen(p->text);
    }
    if (status || !dash) return status;
    free_list(&plan->filter);
    plan->filter = (conform_list){.path = plan->left_out.path};
    status = add_patterns(&plan->filter, filter, (size_t)(dash - filter));
    if (!status && !plan->filter.count) status = add_pattern(&plan->filter, "*", 1);
    return status ? status : add_patterns(&plan->left_out, dash + 1, strlen(dash + 1));
}

/* ---- cases ---- */

static clade_status offer(void *user, const clade_conform_result *about)
{
    conform_plan *plan = user;
    const conform_choice *c = plan->choice;
    if (c->cases && !find(&plan->chosen, about->name)) return CLADE_OK;
    if (c->gtest_filter &&
        (!find(&plan->filter, about->name) || find(&plan->left_out, about->name)))
        return CLADE_OK;
    if (c->shards && (int)(plan->offered++ % (size_t)c->shards) != c->shard - 1) return CLADE_OK;
    conform_case *cases = conform_grow(plan->cases, plan->count, &plan->room, sizeof *cases);
    if (!cases) return clade_fail(CLADE_ENOMEM, "out of memory for cases");
    plan->cases = cases;
    conform_case *one = &cases[plan->count];
    *one = (conform_case){.about = conform_record_create(about),
                          .skipped = find(&plan->skip, about->name),
                          .expected = find(&plan->expect, about->name),
                          .flaky = find(&plan->flakes, about->name)};
    if (!one->about) return clade_fail(CLADE_ENOMEM, "out of memory for cases");
    plan->count++;
    return CLADE_OK;
}

static clade_status check(const conform_plan *plan)
{
    const conform_list *list = &plan->chosen;
    for (size_t i = 0; i < list->count; i++)
        if (!list->patterns[i].met)
            return clade_fail(CLADE_EINVAL, "%s: the other options select no case '%s'",
                              list->patterns[i].where, shown_start(list->patterns[i].text, 200));
    if (plan->count) return CLADE_OK;
    if (plan->choice->cases && !list->count)
        return clade_fail(CLADE_EINVAL, "%s: names no case", list->path);
    if (plan->choice->shards)
        return clade_fail(CLADE_EINVAL, "shard %d of %d has no cases", plan->choice->shard,
                          plan->choice->shards);
    return clade_fail(CLADE_EINVAL, "no case matches the filter '%s'",
                      shown_start(plan->choice->gtest_filter, 200));
}

clade_status conform_plan_create(const clade_conform_options *options, const conform_choice *choice,
                                 conform_plan **out)
{
    conform_plan *plan = *out = calloc(1, sizeof *plan);
    if (!plan) return clade_fail(CLADE_ENOMEM, "out of memory");
    plan->choice = choice;
    clade_status status = read_list(&plan->chosen, choice->cases);
    if (!status) status = read_list(&plan->skip, choice->skip);
    if (!status) status = read_list(&plan->expect, choice->expect);
    if (!status) status = read_list(&plan->flakes, choice->flakes);
    if (!status) status = read_filter(plan, options);
    if (!status) status = clade_conform_list(options, offer, plan);
    if (!status) status = check(plan);
    if (status) conform_plan_destroy(out);
    return status;
}

void conform_plan_print(const conform_plan *plan)
{
    printf("# names of version %d\n", CLADE_CONFORM_NAMES);
    for (size_t i = 0; i < plan->count; i++)
        if (!plan->cases[i].skipped) printf("%s\n", plan->cases[i].about->result.name);
}
