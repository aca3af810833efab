/* Words in recipes that stand for several layers. */
#ifndef CLADE_NN_LAYER_GROUP_H
#define CLADE_NN_LAYER_GROUP_H

#include "nn/layer.h"

enum { CLADE_MOST_GROUP_LAYERS = 4 };

typedef struct clade_layer_group {
    const clade_layer_record *record; /* its settings; it has a key and fields, but no kind */
    int count;                        /* number of its layers; the last one has its name */
    /* Gives the layers that follow layer `from`, to be added to the graph in this order, before
     * anything else. Errors: EINVAL (not an image, a name that is too long). */
    clade_status (*layers)(const clade_graph *graph, int32_t from, const char *name,
                           const clade_layer *settings, clade_layer out[CLADE_MOST_GROUP_LAYERS]);
} clade_layer_group;

/* Ended by one without a record. */
extern const clade_layer_group clade_layer_groups[];

#endif
