/* HTML reports on runs, and maps of where in an image a classifier looks. */
#ifndef CLADE_REPORT_H
#define CLADE_REPORT_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_report_options {
    bool running; /* training is running: browsers reload the page every few seconds */
    /* Both or neither: adds a classifier's predictions on the data set's validation split (else
     * test, else training), with images. The classifier has the run's best weights. */
    clade_classifier *classifier;
    const clade_dataset *dataset;
    /* Without them: the reason, which the page shows in their place; NULL: no text. */
    const char *no_images;
} clade_report_options;

/* Writes report.html and curves.svg into a run folder, from its recipe.yaml, history.csv and
 * metrics.json. The page is self-contained: it embeds its images. The same run gives the same
 * bytes. Both files are replaced atomically. `options` may be NULL. Errors: EIO, EFORMAT (a damaged
 * file in the run folder, with its line), EINVAL (a data set of other classes or sizes), ENOMEM,
 * EDEVICE. */
CLADE_API clade_status clade_report_write(const char *run, const clade_report_options *options);

typedef struct clade_compare_options {
    const char *title;        /* NULL: "Runs" */
    const char *const *notes; /* paragraphs below the table */
    size_t note_count;
    const double *seconds; /* total time of each run; NULL: the time of its epochs */
} clade_compare_options;

/* Writes a page that compares runs: their best values, with confidence intervals of accuracies,
 * time and sizes; accuracy over time; overlaid curves; and the settings in which they differ.
 * `options` may be NULL. Errors: those of clade_report_write; EINVAL (fewer than two runs). */
CLADE_API clade_status clade_report_compare(const char *const *runs, size_t count,
                                            const clade_compare_options *options, const char *path);

/* Grad-CAM (Selvaraju et al. 2017): the positions in an image that speak for a class. Takes the
 * output A of the last layer with spatial positions (a convolution or what acts on one) and the
 * gradient with respect to it of the class's score s, before softmax or sigmoid. The map is the
 * positive part of Σ_k a_k A_k, a_k the mean of ∂s/∂A_k over the positions. */
typedef struct clade_gradcam clade_gradcam;

/* Creates one, copying the classifier's weights. Errors: EUNSUPPORTED (no layer with spatial
 * positions, or no loss), ENOMEM, EDEVICE. */
CLADE_API clade_status clade_gradcam_create(const clade_classifier *classifier,
                                            clade_gradcam **out);
CLADE_API void clade_gradcam_destroy(clade_gradcam **gradcam);
/* The layer that the map shows, and the map's size. */
CLADE_API const char *clade_gradcam_layer(const clade_gradcam *gradcam);
CLADE_API void clade_gradcam_size(const clade_gradcam *gradcam, int32_t *rows, int32_t *columns);
/* Computes the map of one image, uint8 height × width × channels in the size of the recipe's
 * preprocessing: rows × columns numbers of at least 0, in units of the score. Errors: EINVAL (no
 * such class), EDEVICE. */
CLADE_API clade_status clade_gradcam_map(clade_gradcam *gradcam, const uint8_t *pixels,
                                         int32_t class_index, float *map);

/* An image and the text below it. */
typedef struct clade_caption {
    const void *bytes; /* of the image's file; NULL: the file `name` is read */
    size_t size;
    const char *name;          /* for error texts */
    const char *label, *value; /* label on the left, truncated to fit; value on the right */
} clade_caption;

/* Writes the image with its caption as a JPEG, replaced atomically. The image keeps its size, but
 * is reduced to at most 2048 pixels a side, or enlarged to at least 128. Characters other than
 * ASCII are drawn as boxes. Errors: EIO, EFORMAT, ENOMEM, EINVAL. */
CLADE_API clade_status clade_caption_write(const clade_caption *caption, const char *path);

#ifdef __cplusplus
}
#endif
#endif
