/* Printing predictions: as text, JSON, lines of JSON or CSV. */
#ifndef CLADE_TOOLS_PREDICTIONS_H
#define CLADE_TOOLS_PREDICTIONS_H

#include "json_print.h"

#include <clade/train.h>

#include <stdio.h>

typedef enum prediction_format {
    PREDICTION_TEXT,
    PREDICTION_JSON,  /* one list */
    PREDICTION_LINES, /* an object a line, each printed at once */
    PREDICTION_CSV
} prediction_format;
extern const char *const prediction_formats[]; /* text, json, jsonl, csv; ended by NULL */

typedef struct prediction_printer {
    prediction_format format;
    int32_t top; /* number of classes to print per image */
    const clade_classifier *classifier;
    cJSON *list;
    int32_t *told; /* [classes]: memory for an image's labels, if it may have several; else NULL */
} prediction_printer;

/* Call this before the first prediction; it determines the columns of CSV. Errors: ENOMEM. */
clade_status predictions_begin(prediction_printer *out);
/* p has one number for each class. */
void predictions_print(prediction_printer *out, const char *path, const float *p);
/* Prints what is still buffered; with `whole` false, discards it. */
void predictions_end(prediction_printer *out, bool whole);

/* Returns the class with the k-th largest number; the first one in a tie. */
int32_t prediction_class(const float *p, int32_t classes, int32_t k);
/* Lists the classes above their thresholds, the most probable first, and returns their number. */
int32_t prediction_labels(const clade_classifier *classifier, const float *p, int32_t *list);
/* Returns "probability", or "score" for a net that ends without softmax or sigmoid. */
const char *prediction_word(const clade_classifier *classifier);

#endif
