/* Calls as text: every case reads and writes back, mistakes are named, and what the table of ops
 * says agrees with what the families have. */
#include "../test.h"

#include "conform/conform.h"
#include "op/call_text.h"

#include <locale.h>

/* A case's call, and that of each gradient on it, survives a trip through text. */
static void check_trip(const clade_op_info *info, const clade_case *test)
{
    char first[CLADE_CALL_TEXT_SIZE], second[CLADE_CALL_TEXT_SIZE];
    clade_args args, forward;
    clade_call call = {.op = CLADE_OP_none};
    CHECK_OK(clade_case_args(info, test, &args, &forward));
    CHECK_OK(clade_call_parse(clade_call_text(info->op, &args, first), &call));
    CHECK(call.op == info->op);
    CHECK(!strcmp(clade_call_text(call.op, &call.args, second), first));
    CHECK(clade_call_hash(info->op, &args) == clade_call_hash(call.op, &call.args));
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        size_t bytes = p->count * (p->type == CLADE_PARAM_uint64_t ? 8 : 4);
        CHECK(!memcmp((char *)&args + p->offset, (char *)&call.args + p->offset, bytes));
    }
}

static void check_table(const clade_op_info *info)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    CHECK(!(info->flags & CLADE_OP_PRODUCT) == !impl->flops);
    CHECK(!impl->inexact || (info->flags & CLADE_OP_INTEGER));
    CHECK(info->slot_count <= CLADE_MOST_SLOTS);
    CHECK((info->forward == CLADE_OP_none) == (impl->case_count > 0));
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    for (size_t i = 0; i < source->case_count; i++) check_trip(info, &source->cases[i]);
    for (size_t i = 0; i < info->slot_count; i++) {
        int of =
            clade_slot_gradient_of(clade_op_describe(clade_case_op(info)), info->slots[i].name);
        if (info->forward == CLADE_OP_none || of < 0) continue;
        bool weight = clade_slot_is_weight(info->slots[i].kind);
        CHECK(weight == clade_slot_is_weight(clade_op_describe(info->forward)->slots[of].kind));
    }
}

static void check_mistakes(void)
{
    clade_call call;
    CHECK_FAILS(clade_call_parse("", &call), CLADE_EFORMAT, "there is no op ''");
    CHECK_FAILS(clade_call_parse("dence x=3x5", &call), CLADE_EFORMAT, "there is no op 'dence'");
    CHECK_FAILS(clade_call_parse("dense x=3x5 w", &call), CLADE_EFORMAT,
                "'w': expected NAME=VALUE");
    CHECK_FAILS(clade_call_parse("dense x=3x5 v=5x7", &call), CLADE_EFORMAT,
                "'v=5x7': expected one of x, w, b, y, act, alpha");
    CHECK_FAILS(clade_call_parse("dense x=3x5x w=5x7", &call), CLADE_EFORMAT,
                "'x=3x5x': expected up to 4 dimensions");
    CHECK_FAILS(clade_call_parse("dense x=1x2x3x4x5", &call), CLADE_EFORMAT, "'x=1x2x3x4x5'");
    CHECK_FAILS(clade_call_parse("dense x= w=5x7", &call), CLADE_EFORMAT, "'x='");
    CHECK_FAILS(clade_call_parse("dense x=3x5 x=3x5", &call), CLADE_EFORMAT, "x is given twice");
    CHECK_FAILS(clade_call_parse("dense x:u8=3x5", &call), CLADE_EFORMAT, "x is f32");
    CHECK_FAILS(clade_call_parse("softmax_xent x=3x5 label:u8=3", &call), CLADE_EFORMAT,
                "label is i32 or f32");
    CHECK_FAILS(clade_call_parse("dense x=3x5 w=5x7 act=rleu", &call), CLADE_EFORMAT,
                "'act=rleu': expected 1 activation");
    CHECK_FAILS(clade_call_parse("dense x=3x5 w=5x7 act:u8=relu", &call), CLADE_EFORMAT,
                "'act:u8=relu'");
    CHECK_FAILS(clade_call_parse("dense x=3x5 w=5x7 alpha=1,2", &call), CLADE_EFORMAT,
                "'alpha=1,2': expected 1 number");
    CHECK_FAILS(clade_call_parse("pad x=1x2x2x1 pad=1,1,1", &call), CLADE_EFORMAT,
                "'pad=1,1,1': expected 4 whole numbers with commas between");
    CHECK_FAILS(clade_call_parse("topk_count y=3x4 label=3 count=1 k=3000000000", &call),
                CLADE_EFORMAT, "'k=3000000000'");
    CHECK_FAILS(clade_call_parse("dropout x=3 seed=-1", &call), CLADE_EFORMAT, "'seed=-1'");
    CHECK_FAILS(clade_call_parse("dense x=3x5 w=6x7", &call), CLADE_EINVAL, "dense: w is [6, 7]");
    CHECK_FAILS(clade_call_parse("dense w=6x7", &call), CLADE_EINVAL, "dense: x is missing");
}

int main(void)
{
    for (int op = 0; op < CLADE_OPS; op++) check_table(clade_op_describe((clade_op)op));
    check_mistakes();
    if (setlocale(LC_ALL, "de_DE.UTF-8")) check_table(clade_op_describe(CLADE_OP_affine_sample));
    return TEST_END();
}
