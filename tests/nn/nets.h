/* Graphs for the tests of nn: short ways to add layers, and the nets of the built-in recipes. */
#ifndef CLADE_TEST_NETS_H
#define CLADE_TEST_NETS_H

#include <clade/model.h>

/* Each adds a layer that reads `from` and returns its number, or -1 after a failure. */
int32_t net_conv(clade_graph *graph, int32_t from, int32_t filters, int32_t kernel,
                 clade_padding padding, clade_activation activation);
int32_t net_depthwise(clade_graph *graph, int32_t from, int32_t kernel,
                      clade_activation activation);
int32_t net_dense(clade_graph *graph, int32_t from, int32_t units, clade_activation activation);
int32_t net_softmax_dense(clade_graph *graph, int32_t from, int32_t units);
int32_t net_maxpool(clade_graph *graph, int32_t from, int32_t window);
int32_t net_avgpool(clade_graph *graph, int32_t from, int32_t window);
int32_t net_dropout(clade_graph *graph, int32_t from, float rate);
int32_t net_activation(clade_graph *graph, int32_t from, clade_activation activation);
int32_t net_batchnorm(clade_graph *graph, int32_t from, bool frozen);
/* flatten, softmax, global pooling, lrn: what needs no words. */
int32_t net_plain(clade_graph *graph, int32_t from, clade_layer_kind kind);
int32_t net_join(clade_graph *graph, clade_layer_kind kind, int32_t count, const int32_t *from);
int32_t net_layer(clade_graph *graph, int32_t from, clade_layer layer);

/* The nets of the recipes, by name; NULL after a failure. */
clade_graph *net_recipe(const char *name);

/* A graph of about `layers` layers of all kinds with branches, chosen by seed, with one sigmoid
 * output (classes 1) or a softmax over the classes. The last layers join all that nobody reads. */
clade_graph *net_random(uint64_t seed, int32_t layers, int32_t classes);

#endif
