/* Shape rules against extreme numbers: in each op's quick cases of the table, every dimension and
 * every parameter is set to extreme values, one and two at a time. What the rule accepts must have
 * sizes within the limits, and windowed, padded and enlarged axes must have the length that their
 * definition gives in 128 bits. Built with -Db_sanitize=undefined it also says that no sum wraps.
 */
#include "../test.h"

#include "conform/conform.h"

__extension__ typedef __int128 wide;

static const int32_t extremes[] = {0, -1, 1, INT32_MAX, INT32_MIN, 1 << 30, 65536};
enum { extreme_count = sizeof extremes / sizeof *extremes, most_numbers = 64 };

/* The numbers of a call that may be changed. */
typedef struct numbers {
    size_t offset[most_numbers]; /* in its arguments */
    size_t count;
} numbers;

static int32_t *number_at(clade_args *a, size_t offset)
{
    return (int32_t *)(void *)((char *)a + offset);
}

static numbers find_numbers(const clade_op_info *info, const clade_args *a)
{
    numbers n = {0};
    for (size_t i = 0; i < info->slot_count; i++)
        for (int d = 0; d < a->slot[i].rank && n.count < most_numbers; d++)
            n.offset[n.count++] =
                (size_t)((const char *)&a->slot[i].dim[d] - (const char *)(const void *)a);
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        if (p->type == CLADE_PARAM_float || p->type == CLADE_PARAM_uint64_t) continue;
        for (size_t k = 0; k < p->count && n.count < most_numbers; k++)
            n.offset[n.count++] = p->offset + k * sizeof(int32_t);
    }
    CHECK(n.count < most_numbers);
    return n;
}

/* ---- what is accepted ---- */

static const clade_tensor *slot_of(const clade_op_info *info, const clade_args *a, const char *name)
{
    int i = clade_slot_find(info, name);
    return i < 0 ? NULL : &a->slot[i];
}

/* A slot of the forward op, or what stands for it in its gradient. */
static const clade_tensor *either(const clade_op_info *info, const clade_args *a, const char *name,
                                  const char *gradient)
{
    const clade_tensor *t = slot_of(info, a, name);
    return t ? t : slot_of(info, a, gradient);
}

static wide param(const clade_op_info *info, clade_args *a, const char *name, int i, wide absent)
{
    const int32_t *v = clade_param_of(info, a, name);
    return v && v[i] ? v[i] : absent;
}

/* The length of axis i of y by the definition in ops.def; 0: the op has no such definition. */
static wide defined_length(const clade_op_info *info, clade_args *a, int i)
{
    const clade_tensor *x = either(info, a, "x", "dx"), *w = either(info, a, "w", "dw");
    const wide size = x && x->rank == 4 ? x->dim[1 + i] : 0;
    const wide pads = param(info, a, "pad", i, 0) + param(info, a, "pad", i + 2, 0);
    if (!strcmp(info->family, "upsample")) return size * param(info, a, "size", i, 0);
    if (info->op == CLADE_OP_pad || info->op == CLADE_OP_pad_dx) return size + pads;
    const wide window = w ? w->dim[i] : param(info, a, "window", i, 0);
    if (!clade_param_of(info, a, "stride") || !window) return 0;
    const wide stride = param(info, a, "stride", i, w ? 1 : window);
    const wide extent = param(info, a, "dilation", i, 1) * (window - 1) + 1;
    wide length = size + pads < extent ? -1 : (size + pads - extent) / stride + 1;
    return strstr(info->name, "maxpool") && w ? length / 2 : length;
}

static void report(const clade_op_info *info, const clade_args *a, const char *problem)
{
    char text[CLADE_CALL_TEXT_SIZE];
    test_failures++;
    printf("%s:%d: %s: %s\n", __FILE__, __LINE__, clade_call_text(info->op, a, text), problem);
}

static void judge_sizes(const clade_op_info *info, const clade_args *a)
{
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &a->slot[i];
        wide count = 1;
        bool good = true;
        for (int d = 0; clade_tensor_present(t) && d < t->rank; d++) {
            good = good && t->dim[d] >= 1;
            count *= t->dim[d];
        }
        if (!good || count > (wide)1 << 38) report(info, a, "sizes beyond the limits");
    }
}

static void judge(const clade_op_info *info, clade_args *a)
{
    test_checks++;
    if (clade_op_shape(info->op, a)) return;
    judge_sizes(info, a);
    const clade_tensor *y = either(info, a, "y", "dy");
    for (int i = 0; i < 2; i++) {
        wide length = defined_length(info, a, i);
        if (length && y->dim[1 + i] != length) report(info, a, "y has another length");
    }
}

/* ---- what is tried ---- */

/* Outputs are inferred where they can be; a gradient's shape is often the caller's to give. */
static void try(const clade_op_info *info, const clade_args *changed, bool infer)
{
    clade_args a = *changed;
    for (size_t i = 0; infer && i < info->slot_count; i++)
        if (clade_slot_is_result(info->slots[i].kind)) memset(&a.slot[i], 0, sizeof a.slot[i]);
    judge(info, &a);
}

static void try_case(const clade_op_info *info, const clade_case *test)
{
    clade_args args, forward;
    CHECK_OK(clade_case_args(info, test, &args, &forward));
    const numbers n = find_numbers(info, &args);
    for (size_t i = 0; i < n.count * extreme_count; i++)
        for (size_t j = 0; j <= i; j++) { /* i = j: one number alone */
            clade_args a = args;
            *number_at(&a, n.offset[i / extreme_count]) = extremes[i % extreme_count];
            *number_at(&a, n.offset[j / extreme_count]) = extremes[j % extreme_count];
            try(info, &a, true);
            try(info, &a, false);
        }
}

static void try_op(const clade_op_info *info)
{
    const clade_op_impl *impl = clade_op_reference(clade_case_op(info));
    for (size_t i = 0; i < impl->case_count; i++)
        if (impl->cases[i].kind == CASE_QUICK) try_case(info, &impl->cases[i]);
}

/* What once wrapped. */
static void try_known(void)
{
    clade_call call;
    CHECK_FAILS(clade_call_parse("conv2d x=1x4x4x1 w=1x1x1x1 pad=2147483647,0,2147483647,0", &call),
                CLADE_EINVAL, "pad: 4 and 4294967294 rows");
    CHECK_FAILS(clade_call_parse("conv2d x=1x4x4x1 w=1x1x1x1 stride=1,2147483647", &call),
                CLADE_EINVAL, "stride: 2147483647 columns");
    CHECK_FAILS(clade_call_parse("conv2d x=1x4x4x1 w=1x1x1x1 dilation=2147483647,1", &call),
                CLADE_EINVAL, "dilation: 2147483647 rows");
    CHECK_FAILS(clade_call_parse("dense x=1x1073741825 w=1073741825x1", &call), CLADE_EINVAL,
                "dimension 1 of x is 1073741825, expected at most 2^30");
    CHECK_FAILS(clade_call_parse("conv2d x=1x65536x65536x1 w=65536x65536x1x1", &call), CLADE_EINVAL,
                "w has 65536 x 65536 taps");
    CHECK_FAILS(clade_call_parse("pad x=1x4x4x1 pad=-2147483648,0,2147483647,0", &call),
                CLADE_EINVAL, "pad: -2147483648 and 2147483647 around the 4 rows of x");
    CHECK_FAILS(clade_call_parse("activation x=524288x524288x67108864", &call), CLADE_EINVAL,
                "x is too large");
}

int main(void)
{
    for (int op = 0; op < CLADE_OPS; op++) try_op(clade_op_describe((clade_op)op));
    try_known();
    return TEST_END();
}
