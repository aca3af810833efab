/* googletest's list and its lines about each test. Source: googletest 1.14's documentation
 * (advanced.md) and output. */
#include "conform_gtest.h"

#include "command.h"
#include "shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct gtest {
    const conform_plan *plan;
    size_t next, skipped; /* the next case of the plan; how many were left out */
} gtest;

/* How long the suite's part of a name is. */
static int suite_length(const char *name) { return (int)(strrchr(name, '.') - name); }

void conform_gtest_list(const conform_plan *plan)
{
    const char *last = "";
    for (size_t i = 0; i < plan->count; i++) {
        const char *name = plan->cases[i].about->result.name;
        int n = suite_length(name);
        if (strncmp(last, name, (size_t)n + 1) != 0) printf("%.*s.\n", n, name);
        printf("  %s\n", name + n + 1);
        last = name;
    }
}

static bool choose(void *user, const clade_conform_result *about)
{
    gtest *g = user;
    const conform_plan *plan = g->plan;
    if (g->next == plan->count || strcmp(plan->cases[g->next].about->result.name, about->name) != 0)
        return false;
    const conform_case *c = &plan->cases[g->next++];
    if (!c->skipped) return true;
    printf("[ RUN      ] %s\nlisted in %s\n[  SKIPPED ] %s (0 ms)\n", about->name, c->skipped,
           about->name);
    fflush(stdout);
    g->skipped++;
    return false;
}

static void begins(void *user, const clade_conform_result *about)
{
    (void)user;
    printf("[ RUN      ] %s\n", about->name);
    fflush(stdout); /* it must have arrived where the next thing is a crash */
}

/* Runners look for brackets in what a test prints: it has none. */
static void print_plain(const char *text)
{
    for (text = shown(text); *text; text++)
        putchar(*text == '[' ? '(' : *text == ']' ? ')' : *text);
    putchar('\n');
}

static clade_status give(void *user, const clade_conform_result *r)
{
    (void)user;
    bool failed = r->verdict == CLADE_CONFORM_FAIL, skipped = r->verdict == CLADE_CONFORM_SKIP;
    if (failed) {
        printf("%s: ", r->check);
        print_plain(r->text);
        print_plain(r->call);
        print_plain(r->reproduce);
    } else if (skipped) {
        print_plain(r->text);
    }
    printf("[%s] %s (%.0f ms)\n",
           failed    ? "  FAILED  "
           : skipped ? "  SKIPPED "
                     : "       OK ",
           r->name, 1e3 * r->seconds);
    fflush(stdout);
    return CLADE_OK;
}

int conform_gtest_run(const clade_conform_options *options, const conform_plan *plan)
{
    gtest g = {.plan = plan};
    clade_conform_summary s;
    clade_conform_options o = *options;
    o.choose = choose;
    o.begins = begins;
    printf("[==========] Running %zu tests.\n", plan->count);
    if (clade_conform_run(&o, give, &g, &s)) return command_fail("conform");
    printf("[==========] %zu tests ran. (%.0f ms total)\n", plan->count, 1e3 * s.seconds);
    printf("[  PASSED  ] %" PRIu64 " tests.\n", s.passed);
    if (s.skipped + g.skipped) printf("[  SKIPPED ] %" PRIu64 " tests.\n", s.skipped + g.skipped);
    if (s.failed) printf("[  FAILED  ] %" PRIu64 " tests.\n", s.failed);
    return s.failed ? COMMAND_FAILED : COMMAND_OK;
}
