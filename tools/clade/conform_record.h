/* A result of `clade conform` that outlives its sink, in one block that can be sent; and what
 * the lists of expected failures and of flaky cases make of it. */
#ifndef CLADE_TOOLS_CONFORM_RECORD_H
#define CLADE_TOOLS_CONFORM_RECORD_H

#include <clade/conform.h>

/* Those in capitals fail the run. */
typedef enum conform_verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_CRASH,   /* its process ended */
    VERDICT_TIMEOUT, /* it met the time limit */
    VERDICT_SKIP,
    VERDICT_EXPECTED,   /* it failed in any way, as a list says */
    VERDICT_UNEXPECTED, /* it passed although a list says that it fails */
    VERDICT_FLAKE       /* it passed when it was run again */
} conform_verdict;

/* "pass", "FAIL", "CRASH", "TIMEOUT", "skip", "expected-fail", "UNEXPECTED-PASS", "flake" */
const char *conform_verdict_name(conform_verdict verdict);
/* -1 where it is the name of none. */
int conform_verdict_find(const char *name);

typedef struct conform_record {
    clade_conform_result result; /* its texts lie behind it */
    size_t size;                 /* of the block, in bytes */
} conform_record;

/* NULL where memory is short; released by free. */
conform_record *conform_record_create(const clade_conform_result *result);
/* Makes the texts of a block that was copied its own. */
void conform_record_settle(conform_record *record);

/* All counts of a run. `passed` has flakes among it, `failed` crashes, time limits met and
 * unexpected passes, `skipped` no expected failures. */
typedef struct conform_totals {
    clade_conform_summary summary;
    uint64_t crashed, timed_out, expected, unexpected, flakes;
} conform_totals;

void conform_totals_count(conform_totals *totals, const clade_conform_result *result,
                          conform_verdict verdict);

#endif
