/* A classifier's predictions on a split, and their part of a run's page. */
#ifndef CLADE_REPORT_PREDICTIONS_H
#define CLADE_REPORT_PREDICTIONS_H

#include "report/page.h"

#include <clade/report.h>

typedef struct report_predictions {
    clade_classifier *classifier;
    const clade_dataset *dataset;
    clade_split split;
    size_t count, classes;
    float *p;           /* [count, classes] */
    uint8_t *target;    /* [count, classes]: 1 if the image shows the class */
    float *number;      /* [count, classes]: targets; NULL if images have classes */
    int32_t *label;     /* [count]; 0 if images may have several labels */
    int32_t *predicted; /* [count]: the most probable class */
    uint8_t *pixels;    /* allocated for some images */
} report_predictions;

/* Predicts the validation split or, if there is none, test or training. Zeroed predictions may be
 * cleared. */
clade_status clade_report_predict(clade_classifier *classifier, const clade_dataset *dataset,
                                  report_predictions *out);
void clade_report_predictions_clear(report_predictions *predictions);

/* Adds precision and recall per class, ROC curves and, for one label per image, calibration. */
void clade_report_add_scores(clade_page *page, const report_predictions *predictions);
/* Adds the most confident mistakes (for one label per image) and some random images (from the
 * recipe's seed), each with its Grad-CAM if the model has one. */
clade_status clade_report_add_images(clade_page *page, report_predictions *predictions);

#endif
