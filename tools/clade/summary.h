/* A graph's layers as text. */
#ifndef CLADE_TOOLS_SUMMARY_H
#define CLADE_TOOLS_SUMMARY_H

#include <clade/model.h>

#include <cjson/cJSON.h>

/* Prints the table in Keras' format. */
void summary_print(const clade_graph *graph, const char *name);
/* Returns the same as an object with "name", "layers", "trainable" and "non_trainable", which the
 * caller deletes. */
cJSON *summary_json(const clade_graph *graph, const char *name);

#endif
