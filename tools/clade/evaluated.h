/* Output of the results of `clade evaluate` and `clade cross-validate`. */
#ifndef CLADE_TOOLS_EVALUATED_H
#define CLADE_TOOLS_EVALUATED_H

#include "json_print.h"

#include <clade/scores.h>

/* Images, in any order, with their predicted probabilities. */
typedef struct evaluated {
    const char *split;                  /* name of the split they are from */
    const clade_classifier *classifier; /* which has their classes */
    size_t count;
    const char **name;
    int32_t *label;
    uint8_t *target; /* [count, classes]: labels, if an image may have several; else NULL */
    float *number;   /* likewise for numbers */
    float *p;        /* [count, classes] */
    uint64_t *confusion;
    clade_metrics metrics;
    int32_t top_k; /* 0: none */
    size_t listed; /* number of mistakes to list; 0: none */
} evaluated;

/* Allocates for this many images. Errors: ENOMEM. */
clade_status evaluated_create(const clade_classifier *classifier, size_t count, evaluated *out);
void evaluated_clear(evaluated *e);

/* Computes metrics from the probabilities. Errors: ENOMEM. */
clade_status evaluated_measure(evaluated *e);

/* Prints the metrics, then the most confident mistakes. Errors: ENOMEM. */
clade_status evaluated_print(const evaluated *e);
/* Gives the same as JSON, to which more may be added. */
clade_status evaluated_json(const evaluated *e, cJSON **out);
/* Both, for images that may have several labels. */
clade_status evaluated_print_labels(const evaluated *e);
clade_status evaluated_json_labels(const evaluated *e, cJSON **out);
/* Both, for images with numbers. */
void evaluated_print_numbers(const evaluated *e);
void evaluated_json_numbers(const evaluated *e, cJSON **out);
/* Writes every image with its class, the predicted class, and the numbers of all classes to a new
 * file; `fold` [count] (or NULL) becomes a column. Errors: EIO. */
clade_status evaluated_write(const evaluated *e, const int32_t *fold, const char *path);

#endif
