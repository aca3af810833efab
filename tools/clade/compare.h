/* The table of a comparison of backbones. */
#ifndef CLADE_TOOLS_COMPARE_H
#define CLADE_TOOLS_COMPARE_H

#include <clade/clade.h>

/* The result of one backbone. */
typedef struct compare_row {
    char name[128], backbone[256]; /* the label; the backbone or its file */
    char *folder;                  /* of its run */
    bool has_validation;           /* else accuracy and loss are those of training */
    double accuracy, loss;         /* of its best epoch */
    int32_t best_epoch, epochs;
    double seconds;
    uint64_t parameters, trained, bytes; /* of the model file */
    char error[512];                     /* why there is no result; empty if there is one */
} compare_row;

typedef struct compare {
    const char *recipe;
    compare_row *row;
    size_t count;
    const compare_row *best; /* NULL: none yet */
    size_t tested;           /* number of images in the test split; 0: no split */
    double test_accuracy, test_loss;
} compare;

/* Prints a line as soon as a backbone is done. */
void compare_print_row(const compare_row *row);
/* Prints the table and the best row. */
void compare_print_best(const compare *c);
void compare_print_json(const compare *c);
/* Writes compare.csv, compare.json and, if two or more were trained, compare.html into the folder,
 * each replaced atomically. */
clade_status compare_write(const compare *c, const char *folder);

#endif
