/* The inside of a network, for those who read one from a file. */
#ifndef CLADE_WEIGHTS_NETWORK_H
#define CLADE_WEIGHTS_NETWORK_H

#include <clade/interchange.h>

struct clade_network {
    char *name;
    clade_graph *graph;
    clade_network_weight *weights; /* names and data are owned; data may be NULL while it is made */
    size_t weight_count;
    size_t *first; /* [layers]: the first weight of each layer */
    bool has_preprocessing;
    clade_preprocessing preprocessing;
    char **classes;
    int32_t class_count;
    double temperature; /* that logits are divided by; 1: as they are */
    char *recipe;       /* its text; NULL: not a model of ours */
    char **notes;
    size_t note_count;
};

/* A net whose weights are named and shaped, but without data. Takes the graph over when it succeeds
 * (then it is NULL). */
clade_status clade_network_start(const char *name, clade_graph **graph, clade_network **out);
clade_status clade_network_set_classes(clade_network *network, const char *const *names,
                                       int32_t count);
clade_status clade_network_set_preprocessing(clade_network *network,
                                             const clade_preprocessing *preprocessing);
clade_status clade_network_add_note(clade_network *network, const char *format, ...)
    CLADE_PRINTF(2, 3);

/* Reads ONNX from memory. External data are looked for in the folder of `path`; `name` is the
 * net's. `options` may be NULL. */
clade_status clade_onnx_read(const char *path, const void *bytes, size_t size,
                             const clade_network_options *options, clade_network **out);

#endif
