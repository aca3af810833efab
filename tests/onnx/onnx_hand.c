/* ONNX files made by hand. */
#include "onnx_hand.h"

char *hand_text(clade_onnx_writer *w, const char *from) { return clade_onnx_format(w, "%s", from); }

void hand_start(clade_onnx_writer *w, int64_t opset, const int64_t in[4], const int64_t out[2])
{
    static Onnx__ValueInfo *infos[2];
    static Onnx__OperatorSet set, *sets[1];
    clade_onnx_writer_start(w);
    onnx__operator_set__init(&set);
    set.has_version = true;
    set.version = opset;
    sets[0] = &set;
    w->model.opset_import = sets;
    w->model.n_opset_import = 1;
    infos[0] = clade_onnx_make_info(w, hand_text(w, "x"), 1, 4, in);
    infos[1] = clade_onnx_make_info(w, hand_text(w, "y"), 1, 2, out);
    w->graph.input = &infos[0];
    w->graph.output = &infos[1];
    w->graph.n_input = w->graph.n_output = 1;
}

Onnx__Node *hand_node(clade_onnx_writer *w, const char *op, const char *name, const char *out,
                      const char *a, const char *b, const char *c)
{
    char *inputs[3] = {hand_text(w, a), b ? hand_text(w, b) : NULL, c ? hand_text(w, c) : NULL};
    return clade_onnx_put_node(w, op, name, hand_text(w, out), c ? 3 : b ? 2 : 1, inputs);
}
