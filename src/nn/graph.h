/* Graphs inside nn: layers with their shapes and weights. */
#ifndef CLADE_NN_GRAPH_H
#define CLADE_NN_GRAPH_H

#include <clade/model.h>

/* A weight of a layer, before it has memory. */
typedef struct clade_weight {
    const char *name;       /* "kernel" */
    clade_tensor shape;     /* without memory */
    clade_initializer init; /* never CLADE_INIT_DEFAULT */
    float scale;            /* factor on the initial values */
    int64_t fan_in, fan_out;
    bool trained;
} clade_weight;

enum { CLADE_MAX_WEIGHTS = 4, CLADE_WHITENING_MOST = 128 /* values per patch */ };

/* A layer with the shapes and weights that follow from it and its inputs. */
typedef struct clade_node {
    clade_layer layer;    /* as given, but with its name and inputs filled in */
    int32_t rank, dim[3]; /* of the output, without the batch */
    int32_t weight_count;
    clade_weight weight[CLADE_MAX_WEIGHTS];
} clade_node;

struct clade_graph {
    clade_node *node;
    int32_t count, capacity;
    int32_t offset; /* in a tail: the number that its input has in the graph that it was cut from */
};

clade_status clade_graph_copy(const clade_graph *graph, clade_graph **out);

/* Returns the last layer whose output for an image is the same in every training step: nothing up
 * to it is trained or dropped, and what follows reads that layer alone. 0: there is none, or
 * nothing before it has weights. */
int32_t clade_graph_find_cut(const clade_graph *graph);
/* Cuts a graph after layer `cut`: `head` ends with that layer, whose output is the input of `tail`,
 * which need not be an image. Layers keep their names, and with them their initial weights; dropout
 * draws the same as in the whole graph. */
clade_status clade_graph_split(const clade_graph *graph, int32_t cut, clade_graph **head,
                               clade_graph **tail);

/* Returns the output's shape for a batch of n, without memory. */
clade_tensor clade_node_tensor(const clade_node *node, int32_t n);
/* Returns the output's shape without the batch as text: "[28, 28, 16]". */
const char *clade_node_text(const clade_node *node, char text[64]);

#endif
