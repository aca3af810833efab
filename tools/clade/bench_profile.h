/* Shows where a training step's time goes, as a table, as JSON or as a trace. */
#ifndef CLADE_TOOLS_BENCH_PROFILE_H
#define CLADE_TOOLS_BENCH_PROFILE_H

#include <clade/bench.h>

#include <cjson/cJSON.h>

/* Prints the calls of a step by op and layer, the slowest first. */
clade_status profile_print_table(const clade_profile *profile, const char *name);
/* Adds the same as an entry of the array `profiles`. */
clade_status profile_add_json(const clade_profile *profile, const char *name, cJSON *profiles);
/* Writes a trace in Chrome's format, for about:tracing or ui.perfetto.dev. Errors: those of
 * clade_file_write. */
clade_status profile_write_trace(const clade_profile *profile, const char *name, const char *path);

#endif
