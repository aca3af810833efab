/* Labelled images: folders, archives and binary sets, decoded once and served in batches. */
#ifndef CLADE_DATA_H
#define CLADE_DATA_H

#include <clade/ops.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clade_split { CLADE_TRAIN, CLADE_VALIDATION, CLADE_TEST, CLADE_SPLITS } clade_split;

/* What to predict for an image. */
typedef enum clade_task {
    CLADE_TASK_CLASS,       /* its class */
    CLADE_TASK_MULTI_LABEL, /* the classes it shows: any number of them, or none */
    CLADE_TASK_REGRESSION,  /* a number for each target */
    CLADE_TASK_ORDINAL      /* its class, where the classes have an order */
} clade_task;
/* Returns the tasks' words in recipes, ended by NULL. */
CLADE_API const char *const *clade_task_words(void);

/* How to open a data set; zero means the default.
 *
 * Images are resized by CLADE_NEAREST, which takes the input pixel under an output pixel's centre
 * as PIL's NEAREST does, or by CLADE_BILINEAR, with half-pixel centres and without antialiasing as
 * in tf.image.resize. A JPEG at least twice as large as needed (for nearest: over four times) is
 * decoded at 1/2, 1/4 or 1/8 of its size before the resize.
 *
 * A folder or an archive holds one folder per class, or train, validation and test folders with one
 * folder per class in each, either below any number of wrapping folders. Other names for the splits
 * are training, valid, val, dev, eval, testing, Training_Set, testImages and val2017; where all
 * folders that hold classes are called so, also seg_train and x_test. Archives (zip, tar, tar.gz,
 * tar.bz2, tar.xz, tar.zst) are read in place; nothing is unpacked to disk. A file is an image if
 * its content is (clade_image_formats), whatever its name. Hidden files, __MACOSX and Thumbs.db are
 * ignored; everything else that is not used is listed as skipped.
 *
 * An archive is refused if it is encrypted, or if it unpacks to over 256 MB more than 100 times its
 * size. Of files with the same name the last one counts, as if the archive were unpacked; the
 * others are skipped. A PNG file may have 16 MB and 8 bytes per pixel, a JPEG file 128 MB, any
 * other file 256 MB.
 *
 * CIFAR-10 and CIFAR-100 (binary version) and MNIST's IDX files (plain or .gz), in a folder or an
 * archive, are recognised by the names of their files; their test batch is the validation split.
 * CIFAR must be complete, and IDX files as long as their headers say; MNIST's test files may be
 * absent. */
typedef struct clade_data_options {
    const char *path;       /* folder, archive, or binary set (CIFAR, IDX) */
    const char *validation; /* a second folder or archive, used as the validation split; or NULL */
    const char *test;       /* likewise for the test split */
    double validation_split; /* fraction 0…1 of each class to take from the training split, if there
                              * is no separate validation split */
    double test_split;       /* likewise; at least one image of each class, rounded */
    uint64_t seed;           /* together with their names, chooses the images for the splits */
    int32_t height, width;   /* every image is resized to this; both 0: the size of the first */
    int32_t channels;        /* 1 (grey) or 3 (RGB); 0: 3, or 1 for IDX */
    clade_interpolation interpolation; /* for the resize; 0: nearest */
    uint64_t cache_bytes; /* memory for decoded images; 0: half of the free memory. Images that do
                           * not fit are decoded again each time. An archive's compressed images
                           * also stay in memory until their decoded images are cached */
    int threads;          /* threads that decode; 0: one per processor */
    bool lenient;         /* allows empty classes, unreadable listed files, and any share of damaged
                           * images: for inspecting a data set, not for training */
    bool strict;          /* a damaged image, or a file with an image's name but not its content, is
                           * an error instead of skipped */
    double max_damaged;   /* share of such images, 0…1, above which the set is refused; 0: 0.1 */
    const char *label_pattern; /* finds the class in a file's name instead of in its folder's; NULL:
                                * none. A POSIX extended regular expression with one group, or one
                                * (?<class>…): "^([a-z]+)[.]". It is matched against what follows
                                * the last '/', or against the whole name if the pattern contains a
                                * '/' */
    const char *labels;        /* a file that lists files and their classes: CSV, TSV, JSON or two
                                * words a line; NULL: none. A column named split, set or subset
                                * gives the split; one named weight or sample_weight the weight of
                                * the image's loss. Images that are not listed are left out. For
                                * MULTI_LABEL, a file's classes are in one column, separated by |, ;
                                * or white space, or in columns of 0 and 1, JSON arrays, or separate
                                * rows. For REGRESSION, the targets are columns of numbers */
    const char *label_columns; /* "FILE,LABEL", the names of its columns; for REGRESSION
                                * "FILE,TARGET,…". NULL: the usual ones */
    const char *const *classes; /* [class_count] the classes in order, as a classifier has them: any
                                 * other class is an error, some may be absent. REGRESSION: the
                                 * targets, by their columns' names */
    size_t class_count;         /* 0: the classes are those found in the data */
    int32_t folds, fold; /* cross-validation: the training images of each class, ordered by seed and
                          * name, are dealt into this many folds (0: none, else 2 to 1000); number
                          * `fold`, from 1, becomes the validation split instead of
                          * validation_split */
    clade_task task;     /* MULTI_LABEL, REGRESSION: `labels` gives each image's labels */
} clade_data_options;

/* An opened data set. Several threads may read it at once, except during clade_dataset_load. */
typedef struct clade_dataset clade_dataset;

/* Lists the images and checks that there are at least two classes, that none is empty and that the
 * splits have the same classes; a test split beside others may lack some. Decodes nothing, except
 * where the format needs it. A data set may lack a training split (to evaluate on test/ alone).
 *
 * Classes are numbered in the order of their names (byte order), as in Keras, or in the order of
 * the set's own list (CIFAR). ORDINAL classes whose names are all numbers are in numerical order.
 * Images of a split are in the order of classes, then of names.
 *
 * MULTI_LABEL: images are in the order of their names, splits are taken from all of them at once,
 * and the validation split may lack some classes. REGRESSION: the same, with one or more targets in
 * place of classes.
 *
 * For limits on the size of images see clade_image_decode. Errors: EIO, EFORMAT, EINVAL, ENOMEM,
 * EUNSUPPORTED (an archive larger than memory, encrypted or a bomb); the text names the file or the
 * folder and the class. */
CLADE_API clade_status clade_dataset_open(const clade_data_options *options, clade_dataset **out);
CLADE_API void clade_dataset_destroy(clade_dataset **dataset);

/* Decodes every image of every split in parallel, into the cache while it has room. Damaged images
 * are dropped from their split and listed as skipped (with strict, the first is the error). A file
 * that cannot be read, or that changed since it was listed, is an error, not damage. Afterwards
 * counts are final. `progress` (may be NULL) is called from one thread at a time; when it returns
 * false, the work stops with ECANCELLED. The data set stays usable then, and a second call
 * continues. Errors: EINVAL when a class, of any split, loses its last image, EIO, EFORMAT (strict,
 * or above max_damaged), ENOMEM. */
CLADE_API clade_status clade_dataset_load(clade_dataset *dataset,
                                          bool (*progress)(void *user, size_t done, size_t total),
                                          void *user);

CLADE_API size_t clade_dataset_classes(const clade_dataset *dataset);
CLADE_API const char *clade_dataset_class_name(const clade_dataset *dataset, size_t class_index);
CLADE_API size_t clade_dataset_count(const clade_dataset *dataset, clade_split split);
CLADE_API size_t clade_dataset_class_count(const clade_dataset *dataset, clade_split split,
                                           size_t class_index);
/* Gives height, width and channels of the images from clade_dataset_pixels. */
CLADE_API void clade_dataset_shape(const clade_dataset *dataset, int32_t hwc[3]);

CLADE_API clade_task clade_dataset_task(const clade_dataset *dataset);
/* Gives the labels of image i of a split: [classes], each 0 or 1. */
CLADE_API void clade_dataset_label_row(const clade_dataset *dataset, clade_split split, size_t i,
                                       uint8_t *row);
/* Gives the same as floats; for REGRESSION, the targets of image i. */
CLADE_API void clade_dataset_target_row(const clade_dataset *dataset, clade_split split, size_t i,
                                        float *row);
/* Returns the weight of image i's loss in training; 1 if the list of labels has none. */
CLADE_API float clade_dataset_weight(const clade_dataset *dataset, clade_split split, size_t i);
/* The label of image i of a split (0 with MULTI_LABEL and REGRESSION), and its name inside the
 * folder or archive. */
CLADE_API int32_t clade_dataset_label(const clade_dataset *dataset, clade_split split, size_t i);
CLADE_API const char *clade_dataset_name(const clade_dataset *dataset, clade_split split, size_t i);

/* Gives the image as uint8 height×width×channels, from the cache or decoded again. Thread-safe.
 * Errors: EINVAL, EFORMAT (a damaged image), EIO, ENOMEM. */
CLADE_API clade_status clade_dataset_pixels(const clade_dataset *dataset, clade_split split,
                                            size_t i, uint8_t *hwc);

/* What was skipped and why: the name inside the folder or archive, and one line. */
CLADE_API size_t clade_dataset_skipped(const clade_dataset *dataset);
CLADE_API const char *clade_dataset_skipped_name(const clade_dataset *dataset, size_t i);
CLADE_API const char *clade_dataset_skipped_reason(const clade_dataset *dataset, size_t i);

/* Returns the formats that this build reads: "JPEG, PNG, BMP, GIF, TIFF, WebP, HEIC, AVIF". */
CLADE_API const char *clade_image_formats(void);

/* Decodes one image from memory to uint8 height×width×channels. The format follows from the
 * content, not the name. EXIF orientation is applied, alpha dropped, 16 bits cut to the upper 8,
 * CMYK converted; of an animation the first frame counts. `name` (may be NULL) is for error texts.
 *
 * Images may have 64 megapixels. A JPEG may have 256, and is then decoded at half its size; but a
 * JPEG of several scans (progressive) must fit 48 MiB of coefficients, 16 megapixels with the usual
 * sampling, and a lossless WebP 48 MiB of pixels, 12 megapixels. Besides the file, decoding takes
 * less than 64 MB; HEIC and AVIF take 7 bytes per pixel.
 *
 * Errors: EFORMAT if the image is damaged, truncated, of another format or too large; `hwc` may
 * have been written to then. EINVAL, ENOMEM. */
CLADE_API clade_status clade_image_decode(const void *bytes, size_t size, const char *name,
                                          int32_t height, int32_t width, int32_t channels,
                                          clade_interpolation interpolation, uint8_t *hwc);
/* Reads height, width (after orientation) and channels (1 or 3) from the header alone. */
CLADE_API clade_status clade_image_size(const void *bytes, size_t size, const char *name,
                                        int32_t hwc[3]);
/* Checks by a file's first bytes whether it is an image that can be read. *named (may be NULL):
 * whether its name ends like an image's. Errors: EFORMAT if it is not, where the text says what it
 * is instead; EIO. */
CLADE_API clade_status clade_image_recognize(const char *path, bool *named);
/* The files of a zip or tar archive, in byte order of their names. Its images are kept in memory,
 * undecoded, until it is closed; nothing is written to disk. Errors: EIO; EINVAL if the first bytes
 * are not an archive's; EFORMAT, ENOMEM. */
typedef struct clade_archive clade_archive;
CLADE_API clade_status clade_archive_open(const char *path, clade_archive **out);
CLADE_API void clade_archive_close(clade_archive **archive);
CLADE_API size_t clade_archive_count(const clade_archive *archive);
CLADE_API const char *clade_archive_name(const clade_archive *archive, size_t i);
/* Returns why a file is not an image; NULL if it is. *named (may be NULL): whether its name ends
 * like an image's. */
CLADE_API const char *clade_archive_reason(const clade_archive *archive, size_t i, bool *named);
/* Returns an image's bytes, for clade_image_decode. */
CLADE_API const void *clade_archive_bytes(const clade_archive *archive, size_t i, size_t *size);

/* Does the same as clade_image_decode, from a file. */
CLADE_API clade_status clade_image_read(const char *path, int32_t height, int32_t width,
                                        int32_t channels, clade_interpolation interpolation,
                                        uint8_t *hwc);

/* The operations of augmentation policies, in torchvision's order: first those that move the image,
 * then those that change its colours. */
typedef enum clade_policy_op {
    CLADE_POLICY_IDENTITY,
    CLADE_POLICY_SHEAR_X,
    CLADE_POLICY_SHEAR_Y,
    CLADE_POLICY_TRANSLATE_X,
    CLADE_POLICY_TRANSLATE_Y,
    CLADE_POLICY_ROTATE,
    CLADE_POLICY_BRIGHTNESS,
    CLADE_POLICY_SATURATION,
    CLADE_POLICY_CONTRAST,
    CLADE_POLICY_SHARPNESS,
    CLADE_POLICY_POSTERIZE,
    CLADE_POLICY_SOLARIZE,
    CLADE_POLICY_AUTOCONTRAST,
    CLADE_POLICY_EQUALIZE,
    CLADE_POLICY_OPS
} clade_policy_op;
/* Returns "identity", …; "?" for no such operation. */
CLADE_API const char *clade_policy_op_name(clade_policy_op op);

/* Random augmentation; zero is off. Affine transforms have the names of Keras' ImageDataGenerator,
 * the rest those of torchvision's transforms. */
typedef struct clade_augment {
    float rotation;                  /* degrees: angle drawn from ±rotation */
    float width_shift, height_shift; /* fraction of the size: drawn from ±shift */
    float shear;                     /* degrees: drawn from ±shear */
    float zoom[2]; /* zx, zy drawn independently from [zoom[0], zoom[1]]; 0,0: off */
    bool horizontal_flip, vertical_flip;
    bool alternating_flip; /* horizontal: at random in the first epoch, then in every other epoch */
    float brightness[2];   /* factor drawn from the range; 0,0: off */
    clade_fill_mode fill;
    float fill_value;    /* 0…255, for CLADE_FILL_CONSTANT */
    int32_t pad_crop;    /* shifts by −pad_crop … pad_crop whole pixels: RandomCrop with this
                          * padding */
    float crop_area[2];  /* RandomResizedCrop: share of the area; 0,0: off */
    float crop_ratio[2]; /* and width ÷ height; drawn uniformly in the logarithm */
    struct {
        float p;                 /* probability; 0: off */
        float area[2], ratio[2]; /* RandomErasing's scale, and height ÷ width */
        float value;             /* as the model sees it: after scaling */
    } erasing;
    int32_t cutout; /* side of a square around a drawn pixel, cut off at the edge; 0: off */
    struct {
        float p;                                                 /* probability of all four; 0:
                                                                  * off */
        float brightness[2], contrast[2], saturation[2], hue[2]; /* ranges of factors; 0,0: off */
    } jitter;
    float grey; /* probability */
    struct {
        int32_t steps, magnitude; /* RandAugment: number of operations, and magnitude of 0 to 30; 0:
                                   * off */
    } rand;
    bool trivial; /* TrivialAugment */
    struct {
        int32_t severity;     /* AugMix: 1 to 10; 0: off */
        int32_t width, depth; /* chains, and operations per chain; depth 0: drawn from 1 to 3 */
        float alpha;          /* for the chains' weights, and for their total weight */
        bool partial;         /* without brightness, saturation, contrast and sharpness */
    } augmix;
    uint32_t policy_ops; /* a bit for each clade_policy_op that rand and trivial may draw; 0: all */
    float mixup, cutmix; /* alpha of a batch's share; if both are set, each is used as often. 0:
                          * off */
} clade_augment;

/* Sizes of what image_adjust takes per image and image_mix per batch. */
enum {
    CLADE_ADJUST_STEPS = 8,
    CLADE_ERASE_RECTANGLES = 2,
    CLADE_CHAIN_STEPS = 3,
    CLADE_MOST_CHAINS = 10
};
/* One of the images that AugMix makes of an image before it takes their weighted sum. */
typedef struct clade_chain {
    float matrix[8]; /* see clade_augment_matrix */
    float steps[2 * CLADE_CHAIN_STEPS];
    float weight;
} clade_chain;
typedef struct clade_mix {
    float share;     /* weight of each image's own label */
    float blend;     /* image_mix's share */
    int32_t rect[4]; /* top, left, bottom, right */
} clade_mix;

/* Gives the eight numbers of the op affine_sample for one image: output row i, column j reads input
 * column x = m[0] j + m[1] i + m[2] and row y = m[3] j + m[4] i + m[5]; m[6] is the brightness
 * factor and m[7] the offset (0). They are drawn by Philox from (seed, epoch, position), epoch and
 * position below 2^32; the loader's position is the image's index in its split when that was
 * opened. The numbers are the same on every machine and for any number of threads. `augment` NULL
 * or zero: the identity. Source: Keras apply_affine_transform, in (row, column): T =
 * R·Shift·Shear·Zoom about the image's centre ((h−1)/2, (w−1)/2), R = [cos −sin; sin cos], Shear =
 * [1 −sin; 0 cos], zoom zx of rows and zy of columns; crops come before it, flips after. */
CLADE_API void clade_augment_matrix(const clade_augment *augment, int32_t height, int32_t width,
                                    uint64_t seed, uint64_t epoch, uint64_t position, float m[8]);
/* Give the steps and rectangles of image_adjust for one image, drawn likewise. */
CLADE_API void clade_augment_adjust(const clade_augment *augment, uint64_t seed, uint64_t epoch,
                                    uint64_t position, float steps[2 * CLADE_ADJUST_STEPS]);
CLADE_API void clade_augment_erase(const clade_augment *augment, int32_t height, int32_t width,
                                   uint64_t seed, uint64_t epoch, uint64_t position,
                                   int32_t rectangles[4 * CLADE_ERASE_RECTANGLES]);
/* Return how many images AugMix makes of one, and draw them likewise: the image itself, then the
 * chains. */
CLADE_API int32_t clade_augment_chains(const clade_augment *augment);
CLADE_API void clade_augment_chain(const clade_augment *augment, int32_t height, int32_t width,
                                   uint64_t seed, uint64_t epoch, uint64_t position,
                                   clade_chain *chains);
/* Draws how the images of a batch are mixed, each with the one before it (the first with the
 * last). */
CLADE_API void clade_augment_mix(const clade_augment *augment, int32_t height, int32_t width,
                                 uint64_t seed, uint64_t epoch, uint64_t batch, clade_mix *mix);
/* Return whether it changes anything, whether image_adjust has work, whether batches are mixed.
 * NULL: no. */
CLADE_API bool clade_augment_changes(const clade_augment *augment);
CLADE_API bool clade_augment_adjusts(const clade_augment *augment);
CLADE_API bool clade_augment_mixes(const clade_augment *augment);

/* Serves batches of one split, whose images threads decode while the caller computes. */
typedef struct clade_loader clade_loader;

typedef struct clade_loader_options {
    const clade_dataset *dataset;
    clade_split split;
    int32_t batch;
    bool shuffle; /* a new permutation each epoch, from (seed, epoch) alone */
    uint64_t seed;
    clade_augment augment; /* zero: none */
    int threads; /* for decoding, while there is something to decode; 0: one per processor */
    bool pixels; /* batches have pixels; false: the caller keeps the images on the device and uses
                  * `index` */
} clade_loader_options;

typedef struct clade_batch {
    int32_t count;                /* images in it: `batch`; fewer in the last batch of an epoch, and
                                   * where damaged images are left out */
    size_t number;                /* the batch's number in the epoch, from 0 */
    const uint8_t *const *pixels; /* count images of height × width × channels each, in the data
                                   * set's cache or the loader's memory; or NULL */
    const int32_t *index;         /* count positions in the split */
    const int32_t *label;         /* count; in mixed batches, the label with the larger share.
                                   * MULTI_LABEL, REGRESSION: the position in the split of an image
                                   * that has the labels */
    const float *weight;          /* count: clade_dataset_weight of the images that have the
                                   * labels */
    const float *matrix;          /* count × 8; see affine_sample */
    /* see image_adjust: count × CLADE_ADJUST_STEPS × 2, count × CLADE_ERASE_RECTANGLES × 4; NULL:
     * no adjustment */
    const float *steps;
    const int32_t *erase;
    const clade_chain *chains; /* count × clade_augment_chains; NULL: none */
    const int32_t *other; /* count labels with the smaller share; NULL: batches are not mixed */
    clade_mix mix;
} clade_batch;

/* Creates a loader, with all its buffers and threads; nothing is allocated later. The data set must
 * outlive it. If the data set is not loaded, or has no room for all images, the missing ones are
 * decoded a few batches ahead. An epoch visits the images that were listed when the data set was
 * opened. Damaged images are left out of their batch, so that the other batches are the same
 * whenever the damage is found. Errors: EINVAL (an empty split), ENOMEM. */
CLADE_API clade_status clade_loader_create(const clade_loader_options *options, clade_loader **out);
CLADE_API void clade_loader_destroy(clade_loader **loader);
CLADE_API size_t clade_loader_batches(const clade_loader *loader); /* per epoch */
/* Starts epoch `epoch` at batch `first` (for a resume) and drops any work in progress, unless that
 * batch is the next one anyway. */
CLADE_API clade_status clade_loader_start(clade_loader *loader, uint64_t epoch, size_t first);
/* Gives the next batch that has images; count 0 at the epoch's end. Valid until the next call on
 * this loader. Errors: EIO: an image's file can no longer be read, or is not what was listed or
 * read before; EFORMAT: too many images are damaged, or one is in a strict data set. */
CLADE_API clade_status clade_loader_next(clade_loader *loader, clade_batch *out);

/* Writes a data set of rendered images (JPEG files in folder/train/CLASS and
 * folder/validation/CLASS): shapes with colours and textures, determined by the seed alone. Leaves
 * a complete folder unchanged. */
typedef struct clade_shapes_options {
    int32_t classes;           /* 2…8; 0: 4 */
    int32_t train, validation; /* images per class; 0: 250 and 50 */
    int32_t size;              /* side in pixels; 0: 64 */
    uint64_t seed;
} clade_shapes_options;
CLADE_API clade_status clade_shapes_write(const char *folder, const clade_shapes_options *options);

#ifdef __cplusplus
}
#endif
#endif
