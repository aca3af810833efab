/* What `clade evaluate` and `clade cross-validate` have found, on its way out. */
#ifndef CLADE_TOOLS_EVALUATED_H
#define CLADE_TOOLS_EVALUATED_H

#include "json_print.h"

#include <clade/scores.h>

/* Images, in any order, with the probabilities that were predicted for them. */
typedef struct evaluated {
    const char *split;                  /* the word for where they are from */
    const clade_classifier *classifier; /* whose classes they have */
    size_t count;
    const char **name;
    int32_t *label;
    uint8_t *target; /* [count, classes]: labels where an image may have several; else NULL */
    float *number;   /* likewise where it has numbers */
    float *p;        /* [count, classes] */
    uint64_t *confusion;
    clade_metrics metrics;
    int32_t top_k; /* 0: none */
    size_t listed; /* of mistakes, so many are told; 0: none */
} evaluated;

/* Room for so many images. Errors: ENOMEM. */
clade_status evaluated_create(const clade_classifier *classifier, size_t count, evaluated *out);
void evaluated_clear(evaluated *e);

/* Metrics by the probabilities. Errors: ENOMEM. */
clade_status evaluated_measure(evaluated *e);

/* Prints the numbers, and then the surest mistakes. Errors: ENOMEM. */
clade_status evaluated_print(const evaluated *e);
/* The same as JSON, to which more may be added. */
clade_status evaluated_json(const evaluated *e, cJSON **out);
/* Both where images may have several labels. */
clade_status evaluated_print_labels(const evaluated *e);
clade_status evaluated_json_labels(const evaluated *e, cJSON **out);
/* Both where images have numbers. */
void evaluated_print_numbers(const evaluated *e);
void evaluated_json_numbers(const evaluated *e, cJSON **out);
/* Writes every image with its class, what it was taken for, and the numbers of all classes to a
 * file that is not there yet; `fold` [count] (or NULL) is a column of its own. Errors: EIO. */
clade_status evaluated_write(const evaluated *e, const int32_t *fold, const char *path);

#endif
