/* A copy of a result of `clade conform`, in one block that can be sent; and its verdict by the
 * lists of expected failures and of flaky cases. */
#ifndef CLADE_TOOLS_CONFORM_RECORD_H
#define CLADE_TOOLS_CONFORM_RECORD_H

#include <clade/conform.h>

/* Verdicts with names in capitals fail the run. */
typedef enum conform_verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_CRASH,   /* its process ended */
    VERDICT_TIMEOUT, /* it met the time limit */
    VERDICT_SKIP,
    VERDICT_EXPECTED,   /* it failed in any way, as a list says */
    VERDICT_UNEXPECTED, /* it passed although a list says that it fails */
    VERDICT_FLAKE       /* it failed, and passed when it was run again */
} conform_verdict;

/* Returns "pass", "FAIL", "CRASH", "TIMEOUT", "skip", "expected-fail", "UNEXPECTED-PASS",
 * "flake". */
const char *conform_verdict_name(conform_verdict verdict);
/* Finds a verdict by name; -1: there is none. */
int conform_verdict_find(const char *name);

typedef struct conform_record {
    clade_conform_result result; /* its texts follow it in the block */
    size_t size;                 /* size of the block in bytes */
} conform_record;

/* Creates a copy; NULL: out of memory. Release it with free. */
conform_record *conform_record_create(const clade_conform_result *result);
/* Makes a copied block's pointers point to its own texts. */
void conform_record_settle(conform_record *record);

/* All counts of a run. `passed` includes flakes; `failed` includes crashes, timeouts and unexpected
 * passes; `skipped` does not include expected failures. */
typedef struct conform_totals {
    clade_conform_summary summary;
    uint64_t crashed, timed_out, expected, unexpected, flakes;
} conform_totals;

void conform_totals_count(conform_totals *totals, const clade_conform_result *result,
                          conform_verdict verdict);

#endif
