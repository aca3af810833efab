/* What a data set holds: counts, sizes, formats, statistics, duplicates, damage. */
#ifndef CLADE_INSPECT_H
#define CLADE_INSPECT_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default. */
typedef struct clade_inspect_options {
    int32_t hash_distance; /* images whose hashes differ in at most so many of 64 bits are
                            * compared; 0: 11; at most 15; negative: only exact duplicates */
    double similarity;     /* and are near duplicates from this similarity on, up to 1; 0: 0.75, or
                            * more where images of a class have as much by chance */
    int threads;           /* 0: one per processor */
    bool (*progress)(void *user, size_t done, size_t total); /* as clade_dataset_load's; or NULL */
    void *user;
} clade_inspect_options;

/* One image. */
typedef struct clade_inspected {
    clade_split split;
    size_t index;     /* in the split */
    int32_t label;    /* with MULTI_LABEL the first class that it shows, 0 where there is none */
    const char *name; /* owned by the data set */
    char *fault;      /* why it cannot be used; then nothing below is known. NULL: it can */
    bool damaged;     /* that is its content, which cannot be decoded; else its file, which
                       * cannot be read */
    uint64_t bytes;   /* of its file or record */
    int32_t height, width; /* upright */
    int32_t format;        /* index into the inspection's formats; −1: of none that can be read */
    int32_t orientation;   /* of EXIF, 1…8 */
    float mean[3], deviation[3]; /* per channel, 0…255 */
    bool single_colour;          /* the deviation is below 1 in every channel; not looked for near
                                  * duplicates */
    uint64_t hash;               /* perceptual */
    char sha256[65];             /* of its file or record */
} clade_inspected;

/* Two images that show the same. `a` and `b` index images, a < b. */
typedef struct clade_duplicate {
    size_t a, b;
    bool exact;        /* the same bytes */
    int32_t distance;  /* bits in which their hashes differ */
    double similarity; /* −1…1, see clade_inspect; 1 of exact ones */
} clade_duplicate;

typedef struct clade_inspect_count {
    char *name;
    size_t count;
} clade_inspect_count;

typedef struct clade_inspect_range {
    double low, median, high;
} clade_inspect_range;

/* Something to look into. */
typedef struct clade_finding {
    bool serious; /* results on this data would mislead */
    char *text;   /* one sentence */
} clade_finding;

enum { CLADE_INSPECT_BINS = 33 };

/* All that was found. Read only; freed by clade_inspection_destroy. */
typedef struct clade_inspection {
    const clade_dataset *dataset;
    clade_inspected *images; /* by split, then as in the split */
    size_t count, single_coloured;
    size_t unreadable, damaged; /* images that cannot be used, the second of them damaged */
    size_t classes;
    size_t *readable; /* images that can be read, CLADE_SPLITS × classes; with MULTI_LABEL those
                       * that show the class */
    uint64_t bytes;
    clade_inspect_count *formats; /* "JPEG baseline", "PNG RGBA", …; the most frequent first */
    size_t format_count;
    clade_inspect_count *sizes; /* "640×480"; likewise */
    size_t size_count;
    size_t orientations[9];
    clade_inspect_range width, height, file_bytes; /* of what can be read; 0 if nothing can */
    /* Images whose longer side (bytes) is at least 2^i and below 2^(i+1). */
    size_t side_bins[CLADE_INSPECT_BINS], byte_bins[CLADE_INSPECT_BINS];
    /* Per channel, 0…1, of the split that training would use: the mean over images of each one's
     * mean, and the deviation around it of all pixels, every image weighing the same. */
    int32_t channels;
    double mean[3], deviation[3];
    clade_split measured;        /* which split that is: the first that has images */
    clade_duplicate *duplicates; /* those across splits first, then exact before near, then by
                                  * similarity. Of n equal files, n − 1 pairs with the first */
    size_t duplicate_count, exact_count;
    size_t exact_groups; /* of equal files; together of exact_count + exact_groups files */
    double *alike;       /* [classes] the similarity that its images do not have by chance, from
                          * which on they are near duplicates; below 0.75 that counts. NULL: the
                          * options said a similarity */
    bool more;           /* an image has more near duplicates than are listed */
    size_t shared[CLADE_SPLITS][CLADE_SPLITS]; /* images of the first that have a duplicate in the
                                                * second; on the diagonal: in their own split. Near
                                                * ones of classes that are alike do not count */
    size_t contradictions;                     /* pairs of duplicates with different classes */
    clade_finding *findings;
    size_t finding_count;
} clade_inspection;

/* Looks at every image of a data set that was opened and not loaded (loading gives files back)
 * and must outlive the inspection, each at its full size and one per thread at a time. What cannot
 * be read is listed, not an error. The same for any number of threads.
 *
 * Exact duplicates have the same SHA-256 of the file (or record). Near duplicates are found by a
 * hash of 64 bits: the image in grey, averaged to 32×32, its 8×8 lowest frequencies by the
 * DCT-II, a bit for each above the median of the 63 that are not the mean (C. Zauner,
 * Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, 3.2.1; with the block
 * of N. Krawetz, Looks Like It, 2011). Hashes within the distance are found by multi-index hashing
 * (M. Norouzi, A. Punjani, D. Fleet, Fast Exact Search in Hamming Space with Multi-Index Hashing,
 * 2014) and judged by the correlation of the differences between neighbours in the images
 * averaged to 16×16: edges in the same places. Mirrored images and strong crops are not found.
 * What two images of a class have of it by chance is taken from a thousand pairs drawn at random:
 * six standard deviations above the median, both robust (median absolute deviation), after
 * Fisher's transformation. Handwritten digits are that much alike, photographs are not.
 *
 * Errors: ECANCELLED (by progress), EINVAL, EUNSUPPORTED (REGRESSION), ENOMEM. */
CLADE_API clade_status clade_inspect(const clade_dataset *dataset,
                                     const clade_inspect_options *options, clade_inspection **out);
/* What a list of labels (clade_data_options) seems to be for: MULTI_LABEL where files have several
 * labels, or columns 0 and 1 alone; REGRESSION where other columns hold numbers, or one that are
 * not all whole; else CLASS. Errors: those of reading it. */
CLADE_API clade_status clade_labels_guess(const char *labels, const char *columns, clade_task *out);

CLADE_API void clade_inspection_destroy(clade_inspection **inspection);

/* An image fitted into a square of `side` pixels, averaged, uint8 height × width × 3 in `hwc`,
 * which has room for side × side × 3. Small ones are not enlarged. Errors: those of
 * clade_dataset_pixels. */
CLADE_API clade_status clade_inspection_thumbnail(const clade_inspection *inspection, size_t image,
                                                  int32_t side, uint8_t *hwc, int32_t *height,
                                                  int32_t *width);

/* What a page shows; zero means the default. */
typedef struct clade_inspect_page {
    const char *title;          /* NULL: "Data set" */
    int32_t samples;            /* images of each class; 0: 10 */
    int32_t pairs;              /* of duplicates; 0: 60 */
    uint64_t seed;              /* chooses the samples */
    const clade_recipe *recipe; /* shows also what training by it makes of images; the data set
                                 * was opened as it says. NULL: no recipe */
    clade_device *device;       /* on which that is computed; needed with a recipe */
} clade_inspect_page;

/* Writes the inspection as one page of HTML that needs nothing else, with images of each class,
 * the same after the recipe's augmentation as the first epochs of training will see them, and
 * duplicates side by side. The same inspection, options and kind of device give the same page.
 * Errors: EIO, EINVAL, ENOMEM, EDEVICE; the file at `path` is then as it was. */
CLADE_API clade_status clade_inspection_write(const clade_inspection *inspection,
                                              const clade_inspect_page *options, const char *path);

#ifdef __cplusplus
}
#endif
#endif
