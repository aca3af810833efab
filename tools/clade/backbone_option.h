/* The backbone named by --backbone or --model. */
#ifndef CLADE_TOOLS_BACKBONE_OPTION_H
#define CLADE_TOOLS_BACKBONE_OPTION_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

enum { backbone_option_most = 3 };

typedef struct backbone_option {
    char label[96];
    const char *path; /* of weights, or of a whole net; NULL: none */
    bool net;         /* path is a whole net */
} backbone_option;

/* Parses NAME, NAME=WEIGHTS, NET.onnx or LABEL=NET.onnx, where a label is not a backbone's name;
 * the path points into the text. A name or label has no slash. Errors: EINVAL, with a text that
 * begins with `option`. */
clade_status backbone_option_read(const char *option, const char *text, backbone_option *out);

/* Appends the edits that make it a recipe's backbone, at most backbone_option_most, which the
 * caller frees, also after an error. Errors: ENOMEM. */
clade_status backbone_option_edits(const backbone_option *backbone, char **edits, size_t *count);

#endif
