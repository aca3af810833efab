/* Writing a net as C: what its files share. */
#ifndef CLADE_WEIGHTS_C_WRITER_H
#define CLADE_WEIGHTS_C_WRITER_H

#include "base/file.h"
#include "weights/network.h"

typedef struct clade_c_writer {
    clade_file_writer file;
    clade_status status; /* the first failure; later additions do nothing */
    const clade_network *network;
    const char *name;      /* what all that is public begins with */
    const char *const *at; /* [layers]: where a layer's output lies, as C says it */
} clade_c_writer;

/* Adds formatted text. */
void clade_c_put(clade_c_writer *w, const char *format, ...) CLADE_PRINTF(2, 3);

/* EUNSUPPORTED naming the layer where it cannot be written. */
clade_status clade_c_check_layer(const clade_network *network, int32_t number);
/* Is the layer's output its input's elements, where they are? */
bool clade_c_is_view(const clade_layer *layer);
/* Does the layer compute each element from the same of its input alone? */
bool clade_c_is_elementwise(const clade_layer *layer);
/* Is there a function for such layers? */
bool clade_c_has_function(clade_layer_kind kind);
/* Does an activation's function take a parameter? Of a sigmoid it is the temperature. */
bool clade_c_has_alpha(clade_activation activation);
/* The functions that the net's layers call. */
void clade_c_put_functions(clade_c_writer *w);
/* The layer's call. */
void clade_c_put_layer(clade_c_writer *w, int32_t number);

#endif
