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
    const char *name;          /* prefix of all public names */
    const char **at;           /* [layers]: where a layer's output is, as a C expression */
    const uint64_t *workspace; /* [layers]: offset of clade_c_workspace, in bytes */
} clade_c_writer;

/* Adds formatted text. */
void clade_c_put(clade_c_writer *w, const char *format, ...) CLADE_PRINTF(2, 3);

/* Adds the elements and the end of an array. */
void clade_c_put_floats(clade_c_writer *w, const float *value, size_t count);
/* Adds an array for each kernel and bias. */
void clade_c_put_weights(clade_c_writer *w);

/* Fails with EUNSUPPORTED, naming the layer, if it cannot be written. */
clade_status clade_c_check_layer(const clade_network *network, int32_t number);
/* Returns whether the layer's output is its input's elements, in the same place. */
bool clade_c_is_view(const clade_layer *layer);
/* Returns whether the layer computes each element from the same element of its input alone. */
bool clade_c_is_elementwise(const clade_layer *layer);
/* Returns whether there is a function for such layers. */
bool clade_c_has_function(clade_layer_kind kind);
/* Returns whether an activation's function takes a parameter. A sigmoid's is the temperature. */
bool clade_c_has_alpha(clade_activation activation);
/* Adds the functions that the net's layers call. */
void clade_c_put_functions(clade_c_writer *w);
/* Adds the layer's call. */
void clade_c_put_layer(clade_c_writer *w, int32_t number);
void clade_c_put_shape(clade_c_writer *w, const clade_node *node);
void clade_c_put_window(clade_c_writer *w, const clade_window *v);
/* Adds the activation of layer `number` for `count` numbers at x. */
void clade_c_put_activation(clade_c_writer *w, int32_t number, const char *x, int32_t count,
                            const char *y);
int32_t clade_c_elements(const clade_node *node);

/* ---- in 8 bits ---- */

/* Returns the layer that gives the 8-bit scale of layer `number`'s output: itself, or a relu that
 * is its only reader and clips it; -1: the output is in real numbers. */
int32_t clade_c_rounds(const clade_network *network, int32_t number);
/* Returns whether it is such a relu, which has nothing left to do. */
bool clade_c_is_cut(const clade_network *network, int32_t number);
/* Returns whether the layer calls the function for real numbers. */
bool clade_c_calls_real(const clade_network *network, int32_t number);
/* Returns whether the layer has an integer kernel, but no integer output. */
bool clade_c_lacks_integers(const clade_network *network, int32_t number);
/* Returns the bytes that the layer needs for real numbers while it works. */
uint64_t clade_c_workspace(const clade_network *network, int32_t number);
void clade_c_put_int8_functions(clade_c_writer *w);
void clade_c_put_int8_layer(clade_c_writer *w, int32_t number);
/* Adds the conversion of the image to integers or, with `last`, of integers to scores. */
void clade_c_put_ends(clade_c_writer *w, bool last);

#endif
