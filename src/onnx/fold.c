/* Working out what is known before anything runs: constants, and the arithmetic on shapes that
 * exporters leave around Reshape. */
#include "onnx/fold.h"

#include <string.h>

static const struct {
    const char *op;
    clade_onnx_folder *fold;
} folders[] = {{"Constant", clade_onnx_fold_constant},
               {"ConstantOfShape", clade_onnx_fold_fill},
               {"Cast", clade_onnx_fold_cast},
               {"Identity", clade_onnx_fold_same},
               {"Dropout", clade_onnx_fold_same},
               {"Reshape", clade_onnx_fold_reshape},
               {"Squeeze", clade_onnx_fold_squeeze},
               {"Unsqueeze", clade_onnx_fold_squeeze},
               {"Transpose", clade_onnx_fold_transpose},
               {"Gather", clade_onnx_fold_gather},
               {"Slice", clade_onnx_fold_slice},
               {"Concat", clade_onnx_fold_concat},
               {"ReduceProd", clade_onnx_fold_product},
               {"Add", clade_onnx_fold_elements},
               {"Sub", clade_onnx_fold_elements},
               {"Mul", clade_onnx_fold_elements},
               {"Div", clade_onnx_fold_elements},
               {"Pow", clade_onnx_fold_elements},
               {"Min", clade_onnx_fold_elements},
               {"Max", clade_onnx_fold_elements},
               {"Neg", clade_onnx_fold_elements},
               {"Floor", clade_onnx_fold_elements},
               {"Ceil", clade_onnx_fold_elements},
               {"Sqrt", clade_onnx_fold_elements},
               {"Reciprocal", clade_onnx_fold_elements},
               {"Exp", clade_onnx_fold_elements},
               {"Abs", clade_onnx_fold_elements},
               {"DequantizeLinear", clade_onnx_fold_dequantize},
               {"QuantizeLinear", clade_onnx_fold_quantize}};

static bool all_known(const clade_onnx_reader *r, const Onnx__Node *node)
{
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = clade_onnx_string(node->input[i]);
        if (*name && clade_onnx_find(r, name)->kind >= CLADE_ONNX_LAYER) return false;
    }
    return true;
}

/* The inputs, of which one that is left out is NULL; the first is there. */
static clade_status fold_with(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_folder *fold,
                              clade_onnx_constant *y)
{
    const clade_onnx_constant *x[8];
    size_t count = node->n_input;
    clade_status status = clade_onnx_fold_expect(
        count <= 8 && (count || fold == clade_onnx_fold_constant), "this number of inputs");
    for (size_t i = 0; i < count && !status; i++) {
        status = clade_onnx_input_constant(r, node, i, &x[i]);
        if (!status && !x[i] && i == 0) status = clade_fail(CLADE_EFORMAT, "input 0 is missing");
        if (!status && !x[i] && fold != clade_onnx_fold_slice) count = i; /* only Slice has gaps */
    }
    return status ? status : fold(r, node, x, count, y);
}

bool clade_onnx_folds(const char *op)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!strcmp(folders[i].op, op)) return true;
    return !strcmp(op, "Shape") || !strcmp(op, "Size");
}

clade_status clade_onnx_fold(clade_onnx_reader *r, const Onnx__Node *node, bool *done)
{
    clade_onnx_value v = {.kind = CLADE_ONNX_KNOWN};
    clade_status status = CLADE_OK;
    const char *op = clade_onnx_string(node->op_type);
    bool shape = !strcmp(op, "Shape") || !strcmp(op, "Size");
    *done = false;
    if (shape && node->n_input == 1 && *clade_onnx_string(node->input[0])) {
        *done = true;
        status = clade_onnx_fold_shape(r, node, &v.known);
    } else if (all_known(r, node)) {
        for (size_t i = 0; i < sizeof folders / sizeof *folders && !*done; i++) {
            if (strcmp(folders[i].op, op) != 0) continue;
            *done = true;
            status = fold_with(r, node, folders[i].fold, &v.known);
        }
    }
    if (!*done) return CLADE_OK;
    if (!status) status = clade_onnx_output(r, node, &v);
    if (status) clade_onnx_constant_clear(&r->file, &v.known);
    if (!status && strcmp(op, "Constant") != 0) r->folded++;
    return status;
}
