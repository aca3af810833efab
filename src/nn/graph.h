/* Graphs as the rest of nn sees them: layers with their shapes and weights. */
#ifndef CLADE_NN_GRAPH_H
#define CLADE_NN_GRAPH_H

#include <clade/model.h>

/* A weight of a layer, before it has memory. */
typedef struct clade_weight {
    const char *name;       /* "kernel" */
    clade_tensor shape;     /* without memory */
    clade_initializer init; /* never CLADE_INIT_DEFAULT */
    float scale;            /* of the initial values */
    int64_t fan_in, fan_out;
    bool trained;
} clade_weight;

enum { CLADE_MAX_WEIGHTS = 4, CLADE_WHITENING_MOST = 128 /* values of a patch */ };

/* A layer with what follows from it and its inputs. */
typedef struct clade_node {
    clade_layer layer;    /* as given, but with its name and inputs filled in */
    int32_t rank, dim[3]; /* of the output, without the batch */
    int32_t weight_count;
    clade_weight weight[CLADE_MAX_WEIGHTS];
} clade_node;

struct clade_graph {
    clade_node *node;
    int32_t count, capacity;
    int32_t offset; /* of a tail: the number that its input has in the graph that it was cut from */
};

clade_status clade_graph_copy(const clade_graph *graph, clade_graph **out);

/* The last layer up to which a graph gives the same for an image in every step of training:
 * nothing is trained and nothing is dropped, and what follows reads that layer alone. 0: there is
 * none, or nothing before it has weights. */
int32_t clade_graph_find_cut(const clade_graph *graph);
/* Cuts a graph in two behind layer `cut`: `head` ends with it; its output is the input of `tail`,
 * which need be no image. Layers keep their names, and with them their initial weights; dropout
 * draws what it would draw in the whole. */
clade_status clade_graph_split(const clade_graph *graph, int32_t cut, clade_graph **head,
                               clade_graph **tail);

/* The output's shape for a batch of n, without memory. */
clade_tensor clade_node_tensor(const clade_node *node, int32_t n);
/* "[28, 28, 16]": the output's shape without the batch. */
const char *clade_node_text(const clade_node *node, char text[64]);

#endif
