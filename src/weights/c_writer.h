/* Writing a net as C: what its files share. */
#ifndef CLADE_WEIGHTS_C_WRITER_H
#define CLADE_WEIGHTS_C_WRITER_H

#include "base/file.h"
#include "nn/layer.h"
#include "weights/network.h"

typedef struct clade_c_writer {
    clade_file_writer file;
    clade_status status; /* the first failure; later additions do nothing */
    const clade_network *network;
    const char *name;          /* what all that is public begins with */
    const char **at;           /* [layers]: where a layer's output lies, as C says it */
    const uint64_t *workspace; /* [layers]: where clade_c_workspace is, in bytes */
} clade_c_writer;

/* Adds formatted text. */
void clade_c_put(clade_c_writer *w, const char *format, ...) CLADE_PRINTF(2, 3);

/* The elements and the end of an array. */
void clade_c_put_floats(clade_c_writer *w, const float *value, size_t count);
/* An array for each kernel and bias. */
void clade_c_put_weights(clade_c_writer *w);

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
void clade_c_put_shape(clade_c_writer *w, const clade_node *node);
void clade_c_put_window(clade_c_writer *w, const clade_window *v);
/* The activation of layer `number`, of `count` numbers at x. */
void clade_c_put_activation(clade_c_writer *w, int32_t number, const char *x, int32_t count,
                            const char *y);
int32_t clade_c_elements(const clade_node *node);

/* ---- in 8 bits ---- */

/* The layer that says how what layer `number` gives lies in bytes: itself, or a relu that alone
 * reads it and cuts it; -1: it lies there as real numbers. */
int32_t clade_c_rounds(const clade_network *network, int32_t number);
/* Is it such a relu, which is nothing more to do? */
bool clade_c_is_cut(const clade_network *network, int32_t number);
/* Does the layer call the function for real numbers? */
bool clade_c_calls_real(const clade_network *network, int32_t number);
/* Has it an integer kernel, and no integers to give? */
bool clade_c_lacks_integers(const clade_network *network, int32_t number);
/* Bytes that the layer needs for real numbers while it works. */
uint64_t clade_c_workspace(const clade_network *network, int32_t number);
void clade_c_put_int8_functions(clade_c_writer *w);
void clade_c_put_int8_layer(clade_c_writer *w, int32_t number);
/* The image to integers or, last, integers to scores. */
void clade_c_put_ends(clade_c_writer *w, bool last);

#endif
