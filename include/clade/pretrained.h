/* Published weights of the named backbones: where they come from, whether they are on this machine,
 * and whether a file is the published one. Nothing here uses the network. */
#ifndef CLADE_PRETRAINED_H
#define CLADE_PRETRAINED_H

#include <clade/status.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CLADE_PRETRAINED_NAME = 128 }; /* bytes of a file name, including the terminating zero */

/* One file of weights. The library owns the texts; NULL where nothing is published. */
typedef struct clade_pretrained {
    const char *backbone; /* see clade_backbone_names */
    const char *variant;  /* which set of weights: "IMAGENET1K_V1" */
    const char *source;   /* who publishes it: "torchvision" */
    const char *url, *page, *licence;
    const char *preprocessing; /* of its images, by its name in recipes: "imagenet" */
    const char *md5;
    double mib;                       /* size in MiB; 0: not published */
    double accuracy;                  /* top-1 on ImageNet in per cent; 0: not published */
    double gflops;                    /* for an image of 224 by 224; 0: not published */
    char file[CLADE_PRETRAINED_NAME]; /* its name in Clade's cache */
    char sha256[65];                  /* the first digits of its checksum; empty: unknown */
} clade_pretrained;

/* The list of files; the first of a backbone is its default. */
CLADE_API size_t clade_pretrained_count(void);
CLADE_API clade_pretrained clade_pretrained_at(size_t i);

/* Changes the file's origin: address, name and checksum become those of `url`, which must stay
 * valid. Errors: EINVAL: not the address of a file over http or https. */
CLADE_API clade_status clade_pretrained_move(clade_pretrained *p, const char *url);

/* Finds the file in the caches of torch hub ($TORCH_HOME), Hugging Face ($HF_HOME), Keras
 * ($KERAS_HOME) and Clade, where the environment gives their locations. *path, which the caller
 * frees, is NULL if it is in none. Does not read the file. Errors: ENOMEM. */
CLADE_API clade_status clade_pretrained_find(const clade_pretrained *p, char **path);
/* Does the same for the first file of a backbone that is found. */
CLADE_API clade_status clade_pretrained_find_any(const char *backbone, char **path);

/* Gives the folder of Clade's cache for weights, which may not exist; the caller frees it. Errors:
 * EINVAL (the environment does not say where), ENOMEM. */
CLADE_API clade_status clade_pretrained_cache(char **folder);

/* Checks by checksum that the file at `path` is the published one, and that it contains weights.
 * Errors: EMISMATCH (another checksum), EFORMAT, EUNSUPPORTED, EIO, ENOMEM. */
CLADE_API clade_status clade_pretrained_check(const clade_pretrained *p, const char *path);

#ifdef __cplusplus
}
#endif
#endif
