/* Fuzz target: lists of cases, googletest's filters, and files of results, which the command reads.
 * The first byte says which of them the rest is. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "command.h"
#include "conform_compare.h"
#include "conform_plan.h"

#include "temporary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool told;

/* The command's own says it on standard error. */
int command_fail(const char *name)
{
    if (!*name || !*clade_error()) abort();
    told = true;
    return COMMAND_FAILED;
}

/* A plan has cases, each once and as the lists have it: those that are to be skipped and those that
 * fail are of the same list here. */
static void check(const conform_plan *plan, const conform_choice *choice)
{
    if (!plan->count) abort();
    for (size_t i = 0; i < plan->count; i++) {
        const conform_case *c = &plan->cases[i];
        if (i && !strcmp(c->about->result.name, plan->cases[i - 1].about->result.name)) abort();
        if (!c->skipped != !c->expected || (c->skipped && strcmp(c->skipped, c->expected) != 0))
            abort();
        if (choice->cases && !c->skipped) abort();
    }
}

static void make_plan(const conform_choice *choice)
{
    const clade_conform_options options = {
        .op = "maxpool2d*", .modes = CLADE_CONFORM_OPS, .quick = true};
    conform_plan *plan;
    if (conform_plan_create(&options, choice, &plan)) return;
    check(plan, choice);
    conform_plan_destroy(&plan);
}

/* Patterns with many stars take long in fnmatch(3). */
static bool has_many_stars(const uint8_t *data, size_t size)
{
    size_t stars = 0;
    for (size_t i = 0; i < size; i++) stars += data[i] == '*';
    return stars > 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { list, filter, results, kinds };
    static char path[64];
    if (size < 1) return 0;
    const int kind = data[0] % kinds;
    if (kind != results && has_many_stars(data, size)) return 0;
    if (!*path && !freopen("/dev/null", "w", stdout)) abort(); /* comparisons are printed */
    fuzz_temporary("conform", path);
    if (clade_file_write(path, data + 1, size - 1)) abort();
    if (kind == list) {
        make_plan(&(conform_choice){.skip = path, .expect = path, .flakes = path});
        make_plan(&(conform_choice){.cases = path, .skip = path, .expect = path});
    } else if (kind == filter) {
        char *text = malloc(size);
        if (!text) abort();
        memcpy(text, data + 1, size - 1);
        text[size - 1] = 0;
        make_plan(&(conform_choice){.gtest_filter = text});
        make_plan(&(conform_choice){.gtest_filter = text, .shard = 2, .shards = 2});
        free(text);
    } else {
        told = false; /* but for errors, nothing has changed */
        if (conform_compare(path, path) != (told ? COMMAND_FAILED : COMMAND_OK)) abort();
    }
    if (remove(path)) abort();
    return 0;
}
