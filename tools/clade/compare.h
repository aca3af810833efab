/* The table of a comparison of backbones. */
#ifndef CLADE_TOOLS_COMPARE_H
#define CLADE_TOOLS_COMPARE_H

#include <clade/clade.h>

/* What came of one backbone. */
typedef struct compare_row {
    char name[128], backbone[256]; /* the label; the backbone or its file */
    char *folder;                  /* of its run */
    bool has_validation;           /* else accuracy and loss are those of training */
    double accuracy, loss;         /* of its best epoch */
    int32_t best_epoch, epochs;
    double seconds;
    uint64_t parameters, trained, bytes; /* of the model file */
    char error[512];                     /* why there is no result; empty: there is one */
} compare_row;

typedef struct compare {
    const char *recipe;
    compare_row *row;
    size_t count;
    const compare_row *best; /* NULL: none yet */
    size_t tested;           /* images of the test split; 0: there is none */
    double test_accuracy, test_loss;
} compare;

/* A line as soon as a backbone is done. */
void compare_print_row(const compare_row *row);
/* The table and the best of it. */
void compare_print_best(const compare *c);
void compare_print_json(const compare *c);
/* compare.csv, compare.json and, of two or more that were trained, compare.html in the folder, each
 * replaced in one step. */
clade_status compare_write(const compare *c, const char *folder);

#endif
