/* An earlier run's results, which `clade bench --compare` shows ratios to. */
#ifndef CLADE_TOOLS_BENCH_EARLIER_H
#define CLADE_TOOLS_BENCH_EARLIER_H

#include <clade/status.h>

#include <cjson/cJSON.h>

/* Reads what `clade bench --json` wrote; to be deleted with cJSON_Delete. Errors: EIO, EFORMAT,
 * ENOMEM. */
clade_status bench_earlier_read(const char *path, cJSON **out);

/* Milliseconds of the result of this name and part, of so many images where it says how many; 0:
 * there is none. */
double bench_earlier_ms(const cJSON *earlier, const char *name, const char *part, int images);

#endif
