/* Images with labels: folders, archives and binary sets, decoded once and served in batches. */
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

/* What there is to tell of an image. */
typedef enum clade_task {
    CLADE_TASK_CLASS,       /* of which class it is */
    CLADE_TASK_MULTI_LABEL, /* which of the classes it shows: any number of them, or none */
    CLADE_TASK_REGRESSION,  /* a number for each target */
    CLADE_TASK_ORDINAL      /* of which class it is, and the classes have an order */
} clade_task;
/* Their words in recipes, ended by NULL. */
CLADE_API const char *const *clade_task_words(void);

/* How to open a data set; zero means the default.
 *
 * Images are resized by CLADE_NEAREST, the input pixel under an output pixel's centre, as PIL's
 * NEAREST, or CLADE_BILINEAR, half-pixel centres without antialiasing, as tf.image.resize. A JPEG
 * that is at least twice as large as needed (for nearest: over four times) is decoded at 1/2, 1/4
 * or 1/8 before the resize.
 *
 * A folder or an archive (zip, tar, tar.gz, tar.bz2, tar.xz, tar.zst; read as it is, nothing is
 * unpacked to disk) holds one folder per class, or train, validation and test (also training,
 * valid, val, dev, eval, testing, Training_Set, testImages, val2017, and where all that hold
 * classes are called so: seg_train, x_test) with one folder per class in each, either below any
 * number of wrapping folders. An image is what has the content of one (clade_image_formats),
 * whatever its name. Hidden files, __MACOSX and Thumbs.db are ignored; everything else that is not
 * used is listed as skipped.
 *
 * An archive that is encrypted, or unpacks to over 256 MB more than 100 times its size, is refused.
 * Of its files of one name the last counts, as if it were unpacked; the others are skipped. A file
 * may have 16 MB and 8 bytes a pixel as PNG, 128 MB as JPEG, 256 MB else.
 *
 * CIFAR-10 and CIFAR-100 (binary version) and MNIST's IDX files (plain or .gz), in a folder or an
 * archive, are known by the names of their files; their test batch is the validation split. CIFAR
 * must be whole, IDX files as long as their headers say; MNIST's test files may be absent. */
typedef struct clade_data_options {
    const char *path;        /* folder, archive, or binary set (CIFAR, IDX) */
    const char *validation;  /* a second folder or archive that is the validation split; or NULL */
    const char *test;        /* likewise for the test split */
    double validation_split; /* fraction 0…1 of each class taken from the training split, when
                              * there is no validation split of its own */
    double test_split;       /* likewise; at least one image of each class, rounded */
    uint64_t seed;           /* chooses which images the splits take, by their names */
    int32_t height, width;   /* every image is resized to this; both 0: the size of the first */
    int32_t channels;        /* 1 (grey) or 3 (RGB); 0: 3, or 1 for IDX */
    clade_interpolation interpolation; /* of the resize; 0: nearest */
    uint64_t cache_bytes; /* memory for decoded images; 0: half of what is free. What has no
                           * room is decoded again each time; an archive's compressed images
                           * stay in memory beside it until they are in the cache */
    int threads;          /* decoders; 0: one per processor */
    bool lenient;         /* classes may be empty, listed files unreadable, any share of images
                           * damaged: to look at a data set, not to train on it */
    bool strict;          /* a damaged image, or a file that is only named like one, is an
                           * error, not skipped */
    double max_damaged;   /* share of such images, 0…1, above which the set is refused; 0: 0.1 */
    const char *label_pattern; /* finds the class in a file's name instead of in its folder's; NULL:
                                * none. A POSIX extended regular expression with one group, or
                                * one (?<class>…): "^([a-z]+)[.]". It is searched in what follows
                                * the last '/', or if it has one itself in the whole name */
    const char *labels;        /* a file that lists files and their classes instead: CSV, TSV, JSON
                                * or two words a line; NULL: none. A column split, set or subset
                                * says the split, one called weight or sample_weight the weight
                                * of the image's loss. An image that is not in it is left out. For
                                * MULTI_LABEL a file's classes stand in one column, between |, ; or
                                * white space, or are columns of 0 and 1, or JSON's arrays, or
                                * rows of their own. For REGRESSION the targets are columns of
                                * numbers */
    const char *label_columns; /* "FILE,LABEL": the names of its columns, for REGRESSION
                                * "FILE,TARGET,…"; NULL: the usual ones */
    const char *const *classes; /* [class_count] the classes in their order, as a classifier has
                                 * them: others are an error, some may be absent; of REGRESSION the
                                 * targets, by their columns' names */
    size_t class_count;         /* 0: the classes are those that are found */
    int32_t folds, fold; /* cross-validation: the training images of each class, in an order by seed
                          * and name, are dealt out to so many folds (0: none, else 2 to 1000), and
                          * those of the one numbered `fold`, from 1, are the validation split, in
                          * place of validation_split */
    clade_task task;     /* MULTI_LABEL, REGRESSION: `labels` says what an image has */
} clade_data_options;

/* An opened data set. Safe to read from several threads at once, except during clade_dataset_load.
 */
typedef struct clade_dataset clade_dataset;

/* Lists the images and checks that there are at least two classes, that none is empty and that
 * the splits know the same classes; a test split beside others may lack some. Does not decode,
 * except as the format needs. Classes are numbered in the order of their names (byte order), as
 * Keras does, or in the order of the set's own list (CIFAR); images of a split in the order of
 * classes, then of names. With MULTI_LABEL images are in the order of their names, and splits are
 * taken of all of them at once; the validation split may lack some classes. A data set may lack a
 * training split (to evaluate on test/ alone). With REGRESSION it is likewise, and what is said of
 * classes is said of targets, of which there is one or more. Classes of ORDINAL that all are
 * numbers are in the order of these. For the size of images see clade_image_decode.
 * Errors: EIO, EFORMAT, EINVAL, ENOMEM, EUNSUPPORTED (an archive that is larger than memory,
 * encrypted or a bomb); the text names the file or the folder and the class. */
CLADE_API clade_status clade_dataset_open(const clade_data_options *options, clade_dataset **out);
CLADE_API void clade_dataset_destroy(clade_dataset **dataset);

/* Decodes every image of every split in parallel, into the cache while it has room; damaged ones
 * are dropped from their split and listed as skipped (with strict: the first is the error). A file
 * that cannot be read, or has changed since it was listed, is an error, not damage.
 * Afterwards counts are final. `progress` (may be NULL) is called from one thread at a time and
 * stops the work with ECANCELLED when it returns false; the data set stays usable, and a second
 * call goes on. Errors: EINVAL when a class, of any split, loses its last image, EIO, EFORMAT
 * (strict, or above max_damaged), ENOMEM. */
CLADE_API clade_status clade_dataset_load(clade_dataset *dataset,
                                          bool (*progress)(void *user, size_t done, size_t total),
                                          void *user);

CLADE_API size_t clade_dataset_classes(const clade_dataset *dataset);
CLADE_API const char *clade_dataset_class_name(const clade_dataset *dataset, size_t class_index);
CLADE_API size_t clade_dataset_count(const clade_dataset *dataset, clade_split split);
CLADE_API size_t clade_dataset_class_count(const clade_dataset *dataset, clade_split split,
                                           size_t class_index);
/* Height, width and channels of what clade_dataset_pixels gives. */
CLADE_API void clade_dataset_shape(const clade_dataset *dataset, int32_t hwc[3]);

CLADE_API clade_task clade_dataset_task(const clade_dataset *dataset);
/* What image i of a split shows: [classes], each 0 or 1. */
CLADE_API void clade_dataset_label_row(const clade_dataset *dataset, clade_split split, size_t i,
                                       uint8_t *row);
/* The same as numbers; with REGRESSION the targets of image i. */
CLADE_API void clade_dataset_target_row(const clade_dataset *dataset, clade_split split, size_t i,
                                        float *row);
/* The weight of image i's loss in training; 1 where the list of labels says none. */
CLADE_API float clade_dataset_weight(const clade_dataset *dataset, clade_split split, size_t i);
/* Label of image i of a split (0 with MULTI_LABEL and REGRESSION), and its name inside the folder
 * or archive. */
CLADE_API int32_t clade_dataset_label(const clade_dataset *dataset, clade_split split, size_t i);
CLADE_API const char *clade_dataset_name(const clade_dataset *dataset, clade_split split, size_t i);

/* The image as uint8 height×width×channels, from the cache or decoded again. Thread-safe. Errors:
 * EINVAL, EFORMAT (a damaged image), EIO, ENOMEM. */
CLADE_API clade_status clade_dataset_pixels(const clade_dataset *dataset, clade_split split,
                                            size_t i, uint8_t *hwc);

/* What was left out and why: the name inside the folder or archive, and one line. */
CLADE_API size_t clade_dataset_skipped(const clade_dataset *dataset);
CLADE_API const char *clade_dataset_skipped_name(const clade_dataset *dataset, size_t i);
CLADE_API const char *clade_dataset_skipped_reason(const clade_dataset *dataset, size_t i);

/* The formats that this build reads: "JPEG, PNG, BMP, GIF, TIFF, WebP, HEIC, AVIF". */
CLADE_API const char *clade_image_formats(void);

/* Decodes one image from memory (its format by its content, not its name) to uint8
 * height×width×channels, orientation (EXIF) applied, alpha dropped, 16 bits cut to the upper 8,
 * CMYK converted. `name` (may be NULL) is for error texts. Images have at most 64 megapixels; a
 * JPEG may have 256 and is then decoded at half its size, but one of several scans (progressive)
 * must fit 48 MiB of coefficients, 16 megapixels with the usual sampling, and a lossless WebP 48
 * MiB of pixels, 12 megapixels. Of an animation the first frame counts. Beside the file, decoding
 * takes less than 64 MB, but of HEIC and AVIF 7 bytes a pixel. Errors: EFORMAT for what is damaged,
 * truncated, of another format or too large, and then `hwc` may have been written to; EINVAL,
 * ENOMEM. */
CLADE_API clade_status clade_image_decode(const void *bytes, size_t size, const char *name,
                                          int32_t height, int32_t width, int32_t channels,
                                          clade_interpolation interpolation, uint8_t *hwc);
/* Height, width (with the orientation applied) and channels (1 or 3) by the header alone. */
CLADE_API clade_status clade_image_size(const void *bytes, size_t size, const char *name,
                                        int32_t hwc[3]);
/* Is a file's content that of an image that can be read? Its first bytes tell. EFORMAT: no; the
 * text says what it is instead. *named (may be NULL): does its name end like an image's? EIO. */
CLADE_API clade_status clade_image_recognize(const char *path, bool *named);
/* The files of a zip or tar archive, in byte order of their names. The images among them are kept
 * in memory as they are, until it is closed; nothing is written to disk. Errors: EIO; EINVAL where
 * the first bytes are not an archive's; EFORMAT, ENOMEM. */
typedef struct clade_archive clade_archive;
CLADE_API clade_status clade_archive_open(const char *path, clade_archive **out);
CLADE_API void clade_archive_close(clade_archive **archive);
CLADE_API size_t clade_archive_count(const clade_archive *archive);
CLADE_API const char *clade_archive_name(const clade_archive *archive, size_t i);
/* Why a file is no image; NULL: it is one. *named (may be NULL): does its name end like one's? */
CLADE_API const char *clade_archive_reason(const clade_archive *archive, size_t i, bool *named);
/* An image's bytes, for clade_image_decode. */
CLADE_API const void *clade_archive_bytes(const clade_archive *archive, size_t i, size_t *size);

/* The same as clade_image_decode from a file. */
CLADE_API clade_status clade_image_read(const char *path, int32_t height, int32_t width,
                                        int32_t channels, clade_interpolation interpolation,
                                        uint8_t *hwc);

/* What policies do to images, in torchvision's order: the first ones move them, the others change
 * their colours. */
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
/* "identity", …; "?" if there is no such operation. */
CLADE_API const char *clade_policy_op_name(clade_policy_op op);

/* Random augmentation; zero is off. Affine maps in the words of Keras' ImageDataGenerator, the rest
 * in those of torchvision's transforms. */
typedef struct clade_augment {
    float rotation;                  /* degrees: angle drawn from ±rotation */
    float width_shift, height_shift; /* fraction of the size: drawn from ±shift */
    float shear;                     /* degrees: drawn from ±shear */
    float zoom[2]; /* zx, zy drawn from [zoom[0], zoom[1]], each its own; 0,0: off */
    bool horizontal_flip, vertical_flip;
    bool alternating_flip; /* horizontal: by chance in the first epoch, then in every other one */
    float brightness[2];   /* factor drawn from the range; 0,0: off */
    clade_fill_mode fill;
    float fill_value; /* 0…255, for CLADE_FILL_CONSTANT */
    int32_t pad_crop; /* moves by −pad_crop … pad_crop whole pixels: RandomCrop with this padding */
    float crop_area[2];  /* RandomResizedCrop: share of the area; 0,0: off */
    float crop_ratio[2]; /* and width ÷ height; their logarithms are drawn from evenly */
    struct {
        float p;                 /* chance; 0: off */
        float area[2], ratio[2]; /* RandomErasing's scale, and height ÷ width */
        float value;             /* as the model sees it: after scaling */
    } erasing;
    int32_t cutout; /* side of a square around a drawn pixel, cut off at the edge; 0: off */
    struct {
        float p;                                                 /* chance of all four; 0: off */
        float brightness[2], contrast[2], saturation[2], hue[2]; /* ranges of factors; 0,0: off */
    } jitter;
    float grey; /* chance */
    struct {
        int32_t steps, magnitude; /* RandAugment: so many, of 0 to 30; 0: off */
    } rand;
    bool trivial; /* TrivialAugment */
    struct {
        int32_t severity;     /* AugMix: 1 to 10; 0: off */
        int32_t width, depth; /* chains, and operations of each; depth 0: 1 to 3, drawn */
        float alpha;          /* of the chains' shares and of theirs together */
        bool partial;         /* without brightness, saturation, contrast and sharpness */
    } augmix;
    uint32_t policy_ops; /* a bit for each clade_policy_op that rand and trivial draw; 0: all */
    float mixup, cutmix; /* alpha of a batch's share; both: one of them, each as often. 0: off */
} clade_augment;

/* What image_adjust takes for an image, and a batch's numbers for image_mix. */
enum {
    CLADE_ADJUST_STEPS = 8,
    CLADE_ERASE_RECTANGLES = 2,
    CLADE_CHAIN_STEPS = 3,
    CLADE_MOST_CHAINS = 10
};
/* One of the images that AugMix makes of one, of which it takes the weighted sum. */
typedef struct clade_chain {
    float matrix[8]; /* as of clade_augment_matrix */
    float steps[2 * CLADE_CHAIN_STEPS];
    float weight;
} clade_chain;
typedef struct clade_mix {
    float share;     /* of each image's own label */
    float blend;     /* image_mix's share */
    int32_t rect[4]; /* top, left, bottom, right */
} clade_mix;

/* The eight numbers that the op affine_sample takes for one image: input row, column =
 * (m[0] j + m[1] i + m[2] → x,  m[3] j + m[4] i + m[5] → y) for output row i, column j,
 * then brightness factor m[6] and offset m[7] (0). Drawn by Philox from (seed, epoch, position),
 * both below 2^32; the loader's position is the image's index in its split as that was opened. The
 * same on every machine and for any number of threads. `augment` NULL or zero: the identity.
 * Source: Keras apply_affine_transform, in (row, column): T = R·Shift·Shear·Zoom about the
 * image's centre ((h−1)/2, (w−1)/2), R = [cos −sin; sin cos], Shear = [1 −sin; 0 cos], zoom zx of
 * rows and zy of columns; flips after it, crops before it. */
CLADE_API void clade_augment_matrix(const clade_augment *augment, int32_t height, int32_t width,
                                    uint64_t seed, uint64_t epoch, uint64_t position, float m[8]);
/* The steps and rectangles that image_adjust takes for one image, drawn likewise. */
CLADE_API void clade_augment_adjust(const clade_augment *augment, uint64_t seed, uint64_t epoch,
                                    uint64_t position, float steps[2 * CLADE_ADJUST_STEPS]);
CLADE_API void clade_augment_erase(const clade_augment *augment, int32_t height, int32_t width,
                                   uint64_t seed, uint64_t epoch, uint64_t position,
                                   int32_t rectangles[4 * CLADE_ERASE_RECTANGLES]);
/* AugMix's images of one, drawn likewise: clade_augment_chains of them, itself before the chains.
 */
CLADE_API int32_t clade_augment_chains(const clade_augment *augment);
CLADE_API void clade_augment_chain(const clade_augment *augment, int32_t height, int32_t width,
                                   uint64_t seed, uint64_t epoch, uint64_t position,
                                   clade_chain *chains);
/* How the images of a batch are mixed, each with the one before it (the first with the last). */
CLADE_API void clade_augment_mix(const clade_augment *augment, int32_t height, int32_t width,
                                 uint64_t seed, uint64_t epoch, uint64_t batch, clade_mix *mix);
/* Does it change anything; does image_adjust have work; are batches mixed? NULL: no. */
CLADE_API bool clade_augment_changes(const clade_augment *augment);
CLADE_API bool clade_augment_adjusts(const clade_augment *augment);
CLADE_API bool clade_augment_mixes(const clade_augment *augment);

/* Batches of one split, whose images are decoded by threads while the caller computes. */
typedef struct clade_loader clade_loader;

typedef struct clade_loader_options {
    const clade_dataset *dataset;
    clade_split split;
    int32_t batch;
    bool shuffle; /* a new permutation each epoch, from (seed, epoch) alone */
    uint64_t seed;
    clade_augment augment; /* zero: none */
    int threads; /* that decode, while there is something to decode; 0: one per processor */
    bool pixels; /* batches have pixels; false: the caller holds them on the device and
                  * uses `index` */
} clade_loader_options;

typedef struct clade_batch {
    int32_t count;                /* images in it: `batch`, fewer in the last of an epoch, and where
                                   * damaged ones are left out */
    size_t number;                /* which batch of the epoch it is, from 0 */
    const uint8_t *const *pixels; /* count images of height × width × channels each, in the data
                                   * set's cache or the loader's memory; or NULL */
    const int32_t *index;         /* count positions in the split */
    const int32_t *label;         /* count; where batches are mixed the one with the larger share.
                                   * With MULTI_LABEL and REGRESSION the place in the split of an
                                   * image that has the labels */
    const float *weight;          /* count: clade_dataset_weight of those that have the labels */
    const float *matrix;          /* count × 8; as affine_sample takes it */
    /* as image_adjust takes them: count × CLADE_ADJUST_STEPS × 2, count × CLADE_ERASE_RECTANGLES
     * × 4; NULL: it has nothing to do */
    const float *steps;
    const int32_t *erase;
    const clade_chain *chains; /* count × clade_augment_chains; NULL: none */
    const int32_t *other; /* count labels with the smaller share; NULL: batches are not mixed */
    clade_mix mix;
} clade_batch;

/* The data set must outlive the loader. If it is not loaded, or has no room for all images, those
 * that are missing are decoded some batches ahead. An epoch goes through the images that were
 * listed when the data set was opened; damaged ones are left out of their batch, so that the
 * others' batches are the same whenever the damage is found. Makes all buffers and threads;
 * nothing is allocated later. Errors: EINVAL (an empty split), ENOMEM. */
CLADE_API clade_status clade_loader_create(const clade_loader_options *options, clade_loader **out);
CLADE_API void clade_loader_destroy(clade_loader **loader);
CLADE_API size_t clade_loader_batches(const clade_loader *loader); /* per epoch */
/* Starts epoch `epoch` at batch `first` (for a resume), dropping what was under way; where that is
 * the batch that comes next, the loader goes on. */
CLADE_API clade_status clade_loader_start(clade_loader *loader, uint64_t epoch, size_t first);
/* The next batch that has images; count 0 at the epoch's end. Valid until the next call on this
 * loader. EIO: an image's file cannot be read any more, or is not what was listed or read before;
 * EFORMAT: too many images are damaged, or one is in a strict data set. */
CLADE_API clade_status clade_loader_next(clade_loader *loader, clade_batch *out);

/* Writes a data set of rendered images (JPEG files in folder/train/CLASS and
 * folder/validation/CLASS): shapes with colours and textures, determined by the seed alone.
 * Leaves a folder that is already complete as it is. */
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
