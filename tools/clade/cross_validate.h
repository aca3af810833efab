/* The folds of a cross-validation, on their way out. */
#ifndef CLADE_TOOLS_CROSS_VALIDATE_H
#define CLADE_TOOLS_CROSS_VALIDATE_H

#include "evaluated.h"

/* What came of training without one of the folds, measured on it. */
typedef struct fold_result {
    char *folder; /* of its run */
    size_t images;
    double accuracy, loss, f1, seconds; /* of numbers accuracy is their mae, f1 their r2 */
} fold_result;

typedef struct cross_validation {
    const char *recipe, *folder;
    fold_result *fold;
    size_t count;
    evaluated pooled; /* all images, each as the run predicts it that was trained without it */
    int32_t *fold_of; /* [pooled.count]: from 1 */
} cross_validation;

void cross_validation_print_fold(const cross_validation *c, size_t i);
/* Means, deviations, and the numbers of all images together. Errors: ENOMEM. */
clade_status cross_validation_print(const cross_validation *c);
clade_status cross_validation_print_json(const cross_validation *c);
/* predictions.csv, cross-validation.json and compare.html in the folder, each replaced in one step.
 * Errors: EIO, ENOMEM. */
clade_status cross_validation_write(const cross_validation *c);

#endif
