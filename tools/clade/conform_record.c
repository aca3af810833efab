/* Blocks that hold a result and its texts; the words for verdicts; counting them. */
#include "conform_record.h"

#include <stdlib.h>
#include <string.h>

enum { texts = 7 };

static const char **text_of(clade_conform_result *r, int i)
{
    const char **all[texts] = {&r->name,  &r->op,   &r->case_name, &r->call,
                               &r->check, &r->text, &r->reproduce};
    return all[i];
}

conform_record *conform_record_create(const clade_conform_result *result)
{
    conform_record head = {.result = *result, .size = sizeof head};
    for (int i = 0; i < texts; i++) head.size += strlen(*text_of(&head.result, i)) + 1;
    conform_record *record = malloc(head.size);
    if (!record) return NULL;
    *record = head;
    char *to = (char *)(record + 1);
    for (int i = 0; i < texts; i++) {
        size_t n = strlen(*text_of(&head.result, i)) + 1;
        memcpy(to, *text_of(&head.result, i), n);
        to += n;
    }
    conform_record_settle(record);
    return record;
}

void conform_record_settle(conform_record *record)
{
    const char *text = (const char *)(record + 1);
    for (int i = 0; i < texts; i++) {
        *text_of(&record->result, i) = text;
        text += strlen(text) + 1;
    }
}

static const char *const names[] = {"pass", "FAIL",          "CRASH",           "TIMEOUT",
                                    "skip", "expected-fail", "UNEXPECTED-PASS", "flake"};

const char *conform_verdict_name(conform_verdict verdict) { return names[verdict]; }

int conform_verdict_find(const char *name)
{
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(names[i], name)) return i;
    return -1;
}

void conform_totals_count(conform_totals *t, const clade_conform_result *result,
                          conform_verdict verdict)
{
    clade_conform_result counted = *result;
    bool bad = verdict == VERDICT_FAIL || verdict == VERDICT_CRASH || verdict == VERDICT_TIMEOUT ||
               verdict == VERDICT_UNEXPECTED;
    bool good = verdict == VERDICT_PASS || verdict == VERDICT_FLAKE;
    counted.verdict = bad ? CLADE_CONFORM_FAIL : good ? CLADE_CONFORM_PASS : CLADE_CONFORM_SKIP;
    clade_conform_count(&t->summary, &counted);
    t->summary.skipped -= verdict == VERDICT_EXPECTED;
    t->crashed += verdict == VERDICT_CRASH;
    t->timed_out += verdict == VERDICT_TIMEOUT;
    t->expected += verdict == VERDICT_EXPECTED;
    t->unexpected += verdict == VERDICT_UNEXPECTED;
    t->flakes += verdict == VERDICT_FLAKE;
}
