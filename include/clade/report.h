/* Looking at runs: pages of HTML, and where in an image a classifier looks. */
#ifndef CLADE_REPORT_H
#define CLADE_REPORT_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_report_options {
    bool running; /* training goes on: a browser loads the page again every few seconds */
    /* Both or neither: what the classifier makes of the data set's validation split (where there is
     * none: test, then training), with images. The classifier is the run's, of its best weights.
     */
    clade_classifier *classifier;
    const clade_dataset *dataset;
    /* Without them: why, which the page says in their place; NULL: it says nothing. */
    const char *no_images;
} clade_report_options;

/* Writes report.html and curves.svg into a run folder, from its recipe.yaml, history.csv and
 * metrics.json. The page needs nothing else: images are inside. The same run gives the same
 * bytes. Both files are replaced atomically. `options` may be NULL. Errors: EIO, EFORMAT (a run
 * folder's file that is damaged, with its line), EINVAL (a data set of other classes or sizes),
 * ENOMEM, EDEVICE. */
CLADE_API clade_status clade_report_write(const char *run, const clade_report_options *options);

typedef struct clade_compare_options {
    const char *title;        /* NULL: "Runs" */
    const char *const *notes; /* paragraphs below the table */
    size_t note_count;
    const double *seconds; /* that each run took in all; NULL: those of its epochs */
} clade_compare_options;

/* Writes a page that compares runs: their best values, with the interval in which an accuracy is to
 * be expected, time and sizes; accuracy by time; curves over each other; and the settings in which
 * they differ. `options` may be NULL. Errors: those of clade_report_write; EINVAL (fewer than two
 * runs). */
CLADE_API clade_status clade_report_compare(const char *const *runs, size_t count,
                                            const clade_compare_options *options, const char *path);

/* Grad-CAM (Selvaraju et al. 2017): which places of an image speak for a class. Takes the output A
 * of the last layer that still has places (a convolution or what acts on one) and the gradient of
 * the class's score s, before softmax or sigmoid, by it: the map is the positive part of
 * Σ_k a_k A_k, a_k the mean of ∂s/∂A_k over the places. */
typedef struct clade_gradcam clade_gradcam;

/* Copies the classifier's weights. Errors: EUNSUPPORTED (no layer with places, or no loss), ENOMEM,
 * EDEVICE. */
CLADE_API clade_status clade_gradcam_create(const clade_classifier *classifier,
                                            clade_gradcam **out);
CLADE_API void clade_gradcam_destroy(clade_gradcam **gradcam);
/* The layer that is looked at, and the size of the map. */
CLADE_API const char *clade_gradcam_layer(const clade_gradcam *gradcam);
CLADE_API void clade_gradcam_size(const clade_gradcam *gradcam, int32_t *rows, int32_t *columns);
/* The map of one image, uint8 height × width × channels as the recipe's preprocessing has them:
 * rows × columns numbers, not below 0, in units of the score. Errors: EINVAL (no such class),
 * EDEVICE. */
CLADE_API clade_status clade_gradcam_map(clade_gradcam *gradcam, const uint8_t *pixels,
                                         int32_t class_index, float *map);

/* An image and what stands below it. */
typedef struct clade_caption {
    const void *bytes; /* of the image's file; NULL: they are read from `name` */
    size_t size;
    const char *name;          /* for error texts */
    const char *label, *value; /* to the left, cut where it has no room, and to the right */
} clade_caption;

/* Writes the image with its caption as a JPEG, in one step: at its own size, but reduced to 2048
 * pixels a side, or enlarged to 128. What is not ASCII shows as a box. Errors: EIO, EFORMAT,
 * ENOMEM, EINVAL. */
CLADE_API clade_status clade_caption_write(const clade_caption *caption, const char *path);

#ifdef __cplusplus
}
#endif
#endif
