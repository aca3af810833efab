/* What a data set holds: counts, sizes, formats, statistics, duplicates, damage. */
#ifndef CLADE_INSPECT_H
#define CLADE_INSPECT_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default. */
typedef struct clade_inspect_options {
    int32_t hash_distance; /* compares images whose hashes differ in at most this many of 64 bits;
                            * 0: 11; at most 15; negative: only exact duplicates */
    double similarity;     /* least similarity of near duplicates, up to 1; 0: 0.75, or more for a
                            * class whose images reach that by chance */
    int threads;           /* 0: one per processor */
    bool (*progress)(void *user, size_t done, size_t total); /* see clade_dataset_load; or NULL */
    void *user;
} clade_inspect_options;

/* One image. */
typedef struct clade_inspected {
    clade_split split;
    size_t index;     /* in the split */
    int32_t label;    /* MULTI_LABEL: the first class that it shows, 0 if there is none */
    const char *name; /* owned by the data set */
    char *fault;      /* why it cannot be used; then nothing below is known. NULL if it can */
    bool damaged;     /* the fault is its content, which cannot be decoded; else its file, which
                       * cannot be read */
    uint64_t bytes;   /* of its file or record */
    int32_t height, width; /* after orientation */
    int32_t format;      /* index into the inspection's formats; −1: no format that can be read */
    int32_t orientation; /* from EXIF, 1…8 */
    float mean[3], deviation[3]; /* per channel, 0…255 */
    bool single_colour;          /* the deviation is below 1 in every channel; excluded from the
                                  * search for near duplicates */
    uint64_t hash;               /* perceptual */
    char sha256[65];             /* of its file or record */
} clade_inspected;

/* Two images that show the same. `a` and `b` index images, a < b. */
typedef struct clade_duplicate {
    size_t a, b;
    bool exact;        /* the same bytes */
    int32_t distance;  /* number of bits in which their hashes differ */
    double similarity; /* −1…1, see clade_inspect; 1 if exact */
} clade_duplicate;

typedef struct clade_inspect_count {
    char *name;
    size_t count;
} clade_inspect_count;

typedef struct clade_inspect_range {
    double low, median, high;
} clade_inspect_range;

/* Something worth checking. */
typedef struct clade_finding {
    bool serious; /* it would make results on this data misleading */
    char *text;   /* one sentence */
} clade_finding;

enum { CLADE_INSPECT_BINS = 33 };

/* All findings. Read only; freed by clade_inspection_destroy. */
typedef struct clade_inspection {
    const clade_dataset *dataset;
    clade_inspected *images; /* by split, then as in the split */
    size_t count, single_coloured;
    size_t unreadable, damaged; /* images that cannot be used; those of them that are damaged */
    size_t classes;
    size_t *readable; /* images that can be read, CLADE_SPLITS × classes; MULTI_LABEL: those that
                       * show the class */
    uint64_t bytes;
    clade_inspect_count *formats; /* "JPEG baseline", "PNG RGBA", …; the most frequent first */
    size_t format_count;
    clade_inspect_count *sizes; /* "640×480"; likewise */
    size_t size_count;
    size_t orientations[9];
    clade_inspect_range width, height, file_bytes; /* of readable images; 0 if there are none */
    /* Images whose longer side (bytes) is at least 2^i and below 2^(i+1). */
    size_t side_bins[CLADE_INSPECT_BINS], byte_bins[CLADE_INSPECT_BINS];
    /* Per channel, 0…1, over the split that training would use: the mean of the images' means, and
     * the deviation of all pixels around it, each image weighing the same. */
    int32_t channels;
    double mean[3], deviation[3];
    clade_split measured;        /* the split that was measured: the first that has images */
    clade_duplicate *duplicates; /* pairs across splits first, then exact before near, then by
                                  * similarity. Of n equal files, only the n − 1 pairs with the
                                  * first are listed */
    size_t duplicate_count, exact_count;
    size_t exact_groups; /* groups of equal files; exact_count + exact_groups files in all */
    double *alike;       /* [classes] the similarity above which images of the class are near
                          * duplicates, since they do not reach it by chance; 0.75 counts where this
                          * is lower. NULL: the options set a similarity */
    bool more;           /* some image has more near duplicates than are listed */
    size_t shared[CLADE_SPLITS][CLADE_SPLITS]; /* number of images of the first split that have a
                                                * duplicate in the second; on the diagonal, within
                                                * the split. Near duplicates in classes of similar
                                                * images do not count */
    size_t contradictions;                     /* pairs of duplicates with different classes */
    clade_finding *findings;
    size_t finding_count;
} clade_inspection;

/* Inspects every image of a data set that is opened but not loaded (loading frees the files). The
 * data set must outlive the inspection. Images are read at full size, one per thread at a time.
 * Unreadable images are listed, not errors. The result is the same for any number of threads.
 *
 * Exact duplicates have the same SHA-256 of the file (or record). Near duplicates are found by a
 * perceptual hash of 64 bits: the image in grey, averaged to 32×32; the 8×8 lowest frequencies of
 * its DCT-II; one bit for each, set if it is above the median of the 63 that are not the mean (C.
 * Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, 3.2.1; with the
 * block of N. Krawetz, Looks Like It, 2011). Hashes within the distance are found by multi-index
 * hashing (M. Norouzi, A. Punjani, D. Fleet, Fast Exact Search in Hamming Space with Multi-Index
 * Hashing, 2014). Such pairs are judged by the correlation of the differences between neighbours in
 * the images averaged to 16×16: edges in the same places. Mirrored images and strong crops are not
 * found.
 *
 * The similarity that two images of a class have by chance is estimated from a thousand random
 * pairs: six standard deviations above the median, both robust (median absolute deviation), after
 * Fisher's transformation. Handwritten digits are that similar, photographs are not.
 *
 * Errors: ECANCELLED (by progress), EINVAL, EUNSUPPORTED (REGRESSION), ENOMEM. */
CLADE_API clade_status clade_inspect(const clade_dataset *dataset,
                                     const clade_inspect_options *options, clade_inspection **out);
/* Guesses the task that a list of labels (clade_data_options) is for: MULTI_LABEL if files have
 * several labels, or columns contain only 0 and 1; REGRESSION if there are other columns of
 * numbers, or one with fractions; else CLASS. Errors: those of reading the list. */
CLADE_API clade_status clade_labels_guess(const char *labels, const char *columns, clade_task *out);

CLADE_API void clade_inspection_destroy(clade_inspection **inspection);

/* Scales an image down, by averaging, to fit a square of `side` pixels: uint8 height × width × 3 in
 * `hwc`; the target has room for side × side × 3. Smaller images are not enlarged. Errors: those of
 * clade_dataset_pixels. */
CLADE_API clade_status clade_inspection_thumbnail(const clade_inspection *inspection, size_t image,
                                                  int32_t side, uint8_t *hwc, int32_t *height,
                                                  int32_t *width);

/* What a page shows; zero means the default. */
typedef struct clade_inspect_page {
    const char *title;          /* NULL: "Data set" */
    int32_t samples;            /* images per class; 0: 10 */
    int32_t pairs;              /* pairs of duplicates; 0: 60 */
    uint64_t seed;              /* chooses the samples */
    const clade_recipe *recipe; /* also shows what training with it makes of images; the data set
                                 * was opened with its settings. NULL: no recipe */
    clade_device *device;       /* computes that; required with a recipe */
} clade_inspect_page;

/* Writes the inspection as one self-contained HTML page: images of each class, the same after the
 * recipe's augmentation as the first epochs of training will see them, and duplicates side by side.
 * The same inspection, options and kind of device give the same page. Errors: EIO, EINVAL, ENOMEM,
 * EDEVICE; the file at `path` is then unchanged. */
CLADE_API clade_status clade_inspection_write(const clade_inspection *inspection,
                                              const clade_inspect_page *options, const char *path);

#ifdef __cplusplus
}
#endif
#endif
