/* Prints the results of `clade bench` as a table or as JSON, and next to an earlier run. */
#ifndef CLADE_TOOLS_BENCH_FORMAT_H
#define CLADE_TOOLS_BENCH_FORMAT_H

#include <clade/bench.h>

#include <cjson/cJSON.h>

typedef struct bench_report {
    const clade_bench *bench;
    const clade_device *device;
    int rounds;
    double flops, bytes;  /* the device's peak per second; 0: not measured */
    const cJSON *earlier; /* from bench_earlier_read, or NULL */
} bench_report;

void bench_print_table(const bench_report *report);
/* Prints a tree, deletes it, and ends the line. */
clade_status bench_print_tree(cJSON *root);
clade_status bench_print_json(const bench_report *report);

#endif
