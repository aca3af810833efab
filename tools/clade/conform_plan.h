/* The cases that a run of `clade conform` judges, and what the lists say of each. */
#ifndef CLADE_TOOLS_CONFORM_PLAN_H
#define CLADE_TOOLS_CONFORM_PLAN_H

#include "conform_record.h"

/* Selects among the cases that the library's options give. NULL and 0: no restriction. The first
 * four are files of names and patterns; "-" is standard input. */
typedef struct conform_choice {
    const char *cases, *skip, *expect, *flakes;
    const char *gtest_filter;
    int shard, shards; /* shard 1 to `shards` */
} conform_choice;

typedef struct conform_case {
    conform_record *about;
    /* "file:line" of the list that names it; NULL: not listed */
    const char *skipped, *expected, *flaky;
} conform_case;

typedef struct conform_list {
    const char *path;
    struct conform_pattern *patterns;
    size_t count, room;
} conform_list;

typedef struct conform_plan {
    conform_case *cases; /* in the order in which a run judges them */
    size_t count, room;
    conform_list chosen, skip, expect, flakes, filter, left_out;
    const conform_choice *choice;
    size_t offered; /* during creation: number of cases dealt to the shards */
} conform_plan;

/* Creates a plan. Errors: EIO and EFORMAT of lists; EINVAL if nothing is selected; ENOMEM. */
clade_status conform_plan_create(const clade_conform_options *options, const conform_choice *choice,
                                 conform_plan **out);
void conform_plan_destroy(conform_plan **plan);

/* Prints the names of all but the skipped cases, one per line. */
void conform_plan_print(const conform_plan *plan);

#endif
