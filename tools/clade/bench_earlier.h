/* Results of an earlier run, to which `clade bench --compare` shows ratios. */
#ifndef CLADE_TOOLS_BENCH_EARLIER_H
#define CLADE_TOOLS_BENCH_EARLIER_H

#include <clade/status.h>

#include <cjson/cJSON.h>

/* Reads the output of `clade bench --json`; delete it with cJSON_Delete. Errors: EIO, EFORMAT,
 * ENOMEM. */
clade_status bench_earlier_read(const char *path, cJSON **out);

/* Returns the milliseconds of the result with this name and part and, if it says so, this many
 * images; 0: there is none. */
double bench_earlier_ms(const cJSON *earlier, const char *name, const char *part, int images);

#endif
