/* A graph's layers as text, for the subcommands that show them. */
#ifndef CLADE_TOOLS_SUMMARY_H
#define CLADE_TOOLS_SUMMARY_H

#include <clade/model.h>

#include <cjson/cJSON.h>

/* The table that Keras prints. */
void summary_print(const clade_graph *graph, const char *name);
/* The same as an object with "name", "layers", "trainable" and "non_trainable"; to be deleted. */
cJSON *summary_json(const clade_graph *graph, const char *name);

#endif
