/* Writing ONNX: messages under construction. */
#ifndef CLADE_ONNX_WRITE_H
#define CLADE_ONNX_WRITE_H

#include <clade/interchange.h>

#include "onnx.pb-c.h"

/* Keeps the first error; later additions do nothing. All memory is released at the end. */
typedef struct clade_onnx_writer {
    clade_status status;
    void *memory; /* a chain of blocks */
    Onnx__Model model;
    Onnx__Graph graph;
    size_t node_room, tensor_room, property_room;
} clade_onnx_writer;

void clade_onnx_writer_start(clade_onnx_writer *writer);
void clade_onnx_writer_clear(clade_onnx_writer *writer);
/* Writes the model, replacing the file atomically. */
clade_status clade_onnx_writer_save(clade_onnx_writer *writer, const char *path);

/* Allocates zeroed memory that lives as long as the writer; NULL after an error. */
void *clade_onnx_keep(clade_onnx_writer *writer, size_t count, size_t size);
/* Formats a text; "" after an error. */
char *clade_onnx_format(clade_onnx_writer *writer, const char *format, ...) CLADE_PRINTF(2, 3);

/* Adds a node with one output; NULL after an error. `name` may be NULL. Texts are not copied. */
Onnx__Node *clade_onnx_put_node(clade_onnx_writer *writer, const char *op, const char *name,
                                char *output, size_t inputs, char *const *input);
void clade_onnx_put_int(clade_onnx_writer *writer, Onnx__Node *node, const char *name, int64_t i);
void clade_onnx_put_ints(clade_onnx_writer *writer, Onnx__Node *node, const char *name,
                         const int32_t *values, size_t count);
void clade_onnx_put_text(clade_onnx_writer *writer, Onnx__Node *node, const char *name,
                         const char *text);
void clade_onnx_put_float(clade_onnx_writer *writer, Onnx__Node *node, const char *name, float f);

/* Add stored tensors; `data` must live as long as the writer. Return the name. */
char *clade_onnx_put_floats(clade_onnx_writer *writer, char *name, int32_t rank, const int64_t *dim,
                            const float *data);
char *clade_onnx_put_numbers(clade_onnx_writer *writer, char *name, size_t count,
                             const int64_t *values);
/* Adds elements of one of the format's types; `data` must live as long as the writer. */
char *clade_onnx_put_tensor(clade_onnx_writer *writer, char *name, int32_t type, int32_t rank,
                            const int64_t *dim, const void *data, size_t element_size);
void clade_onnx_put_property(clade_onnx_writer *writer, const char *key, char *value);
/* dim −1: variable, named "N". */
Onnx__ValueInfo *clade_onnx_make_info(clade_onnx_writer *writer, char *name, int32_t type,
                                      int32_t rank, const int64_t *dim);

#endif
