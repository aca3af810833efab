/* Predictions on their way out: as text, JSON, lines of JSON or CSV. */
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
extern const char *const prediction_formats[]; /* text, json, jsonl, csv; NULL at the end */

typedef struct prediction_printer {
    prediction_format format;
    int32_t top; /* classes named of each image */
    const clade_classifier *classifier;
    cJSON *list;
    int32_t *told; /* [classes]: room for an image's labels where it may have several; else NULL */
} prediction_printer;

/* To be called before the first prediction, which fixes what the columns of CSV are. Errors:
 * ENOMEM. */
clade_status predictions_begin(prediction_printer *out);
/* p: one number for each class. */
void predictions_print(prediction_printer *out, const char *path, const float *p);
/* Prints what is still held; with `whole` false, throws it away. */
void predictions_end(prediction_printer *out, bool whole);

/* The class with the k-th largest number, of equals the first. */
int32_t prediction_class(const float *p, int32_t classes, int32_t k);
/* The classes above their thresholds, the most probable first: at most all; gives how many. */
int32_t prediction_labels(const clade_classifier *classifier, const float *p, int32_t *list);
/* "probability", or "score" of a net that ends without softmax or sigmoid. */
const char *prediction_word(const clade_classifier *classifier);

#endif
