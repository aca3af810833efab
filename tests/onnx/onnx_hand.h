/* ONNX files made by hand. */
#ifndef CLADE_TESTS_FORMAT_ONNX_HAND_H
#define CLADE_TESTS_FORMAT_ONNX_HAND_H

#include "onnx/write.h"

/* Copies a text that messages take as char *. */
char *hand_text(clade_onnx_writer *w, const char *from);

/* The frame: opset, the input "x" of 4 dimensions and the output "y" of 2. One file at a time. */
void hand_start(clade_onnx_writer *w, int64_t opset, const int64_t in[4], const int64_t out[2]);

/* A node with one to three inputs; b and c may be NULL. */
Onnx__Node *hand_node(clade_onnx_writer *w, const char *op, const char *name, const char *out,
                      const char *a, const char *b, const char *c);

#endif
