/* Published weights of the backbones that have names: where they come from, whether they are at
 * hand, and whether a file is what was published. Nothing here uses the network. */
#ifndef CLADE_PRETRAINED_H
#define CLADE_PRETRAINED_H

#include <clade/status.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CLADE_PRETRAINED_NAME = 128 }; /* bytes of a file's name, with its zero */

/* One file of weights. Texts are the library's, and NULL where nothing is published. */
typedef struct clade_pretrained {
    const char *backbone; /* as clade_backbone_names has it */
    const char *variant;  /* which weights of it: "IMAGENET1K_V1" */
    const char *source;   /* who publishes it: "torchvision" */
    const char *url, *page, *licence;
    const char *preprocessing; /* of its images, in the words of recipes: "imagenet" */
    const char *md5;
    double mib;                       /* size in MiB; 0: not published */
    double accuracy;                  /* top-1 on ImageNet in per cent; 0: not published */
    double gflops;                    /* that an image of 224 by 224 takes; 0: not published */
    char file[CLADE_PRETRAINED_NAME]; /* its name in Clade's cache */
    char sha256[65];                  /* the first digits of its checksum; empty: not known */
} clade_pretrained;

/* All of them; the first of a backbone is the one to take unless another is asked for. */
CLADE_API size_t clade_pretrained_count(void);
CLADE_API clade_pretrained clade_pretrained_at(size_t i);

/* Has the file come from elsewhere: address, name and checksum are then those of `url`, which must
 * stay. EINVAL: no address of a file over http or https. */
CLADE_API clade_status clade_pretrained_move(clade_pretrained *p, const char *url);

/* Where the file is, of which *path, to be freed, is NULL if it is nowhere: in the caches of torch
 * hub ($TORCH_HOME), Hugging Face ($HF_HOME), Keras ($KERAS_HOME) and Clade, as far as the
 * environment says where these are. What is found is not read. Errors: ENOMEM. */
CLADE_API clade_status clade_pretrained_find(const clade_pretrained *p, char **path);
/* The same for the first file of a backbone that is at hand. */
CLADE_API clade_status clade_pretrained_find_any(const char *backbone, char **path);

/* The folder of Clade's cache for weights, to be freed; it need not be there. Errors: EINVAL (the
 * environment does not say where), ENOMEM. */
CLADE_API clade_status clade_pretrained_cache(char **folder);

/* Is the file at `path` what was published, by its checksum, and a file of weights? Errors:
 * EMISMATCH (another checksum), EFORMAT, EUNSUPPORTED, EIO, ENOMEM. */
CLADE_API clade_status clade_pretrained_check(const clade_pretrained *p, const char *path);

#ifdef __cplusplus
}
#endif
#endif
