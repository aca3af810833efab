/* The results of a cross-validation's folds, and their output. */
#ifndef CLADE_TOOLS_CROSS_VALIDATE_H
#define CLADE_TOOLS_CROSS_VALIDATE_H

#include "evaluated.h"

/* The result of training without one of the folds, measured on it. */
typedef struct fold_result {
    char *folder; /* of its run */
    size_t images;
    double accuracy, loss, f1, seconds; /* REGRESSION: accuracy is mae, f1 is r2 */
} fold_result;

typedef struct cross_validation {
    const char *recipe, *folder;
    fold_result *fold;
    size_t count;
    evaluated pooled; /* all images, each predicted by the run that was trained without it */
    int32_t *fold_of; /* [pooled.count]: from 1 */
} cross_validation;

void cross_validation_print_fold(const cross_validation *c, size_t i);
/* Prints means, deviations, and the numbers of all images together. Errors: ENOMEM. */
clade_status cross_validation_print(const cross_validation *c);
clade_status cross_validation_print_json(const cross_validation *c);
/* Writes predictions.csv, cross-validation.json and compare.html into the folder, each replaced
 * atomically. Errors: EIO, ENOMEM. */
clade_status cross_validation_write(const cross_validation *c);

#endif
