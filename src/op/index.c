/* index: bytes less than 5, packed three to a byte. */
#include "op/op.h"

/* ---- shapes ---- */

static int32_t packed_count(const clade_tensor *t)
{
    return (int32_t)((clade_tensor_count(t) + 2) / 3);
}

static clade_status shape_index_pack(clade_args *args)
{
    clade_index_pack_args *a = &args->index_pack;
    const int32_t m = packed_count(&a->x);
    return clade_infer_shape(CLADE_OP_index_pack, "y", &a->y, CLADE_U8, 1, &m);
}

static clade_status shape_index_unpack(clade_args *args)
{
    clade_index_unpack_args *a = &args->index_unpack;
    if (!clade_tensor_present(&a->y))
        return clade_fail(CLADE_EINVAL, "index_unpack: the shape of y must be given");
    const int32_t m = packed_count(&a->y);
    return clade_expect_shape(CLADE_OP_index_unpack, "x", &a->x, CLADE_U8, 1, &m);
}

/* ---- references ---- */

static void run_index_pack(const clade_args *args)
{
    const clade_index_pack_args *a = &args->index_pack;
    const size_t n = clade_tensor_count(&a->x), m = clade_tensor_count(&a->y);
    const uint8_t *x = u8_of(&a->x);
    uint8_t *y = u8_of(&a->y);
    for (size_t i = 0; i < m; i++) {
        unsigned sum = x[i];
        if (i + m < n) sum += 5U * x[i + m];
        if (i + 2 * m < n) sum += 25U * x[i + 2 * m];
        y[i] = (uint8_t)sum;
    }
}

static void run_index_unpack(const clade_args *args)
{
    const clade_index_unpack_args *a = &args->index_unpack;
    const size_t n = clade_tensor_count(&a->y), m = clade_tensor_count(&a->x);
    const uint8_t *x = u8_of(&a->x);
    uint8_t *y = u8_of(&a->y);
    for (size_t i = 0; i < n; i++) {
        const unsigned packed = x[i % m], part = (unsigned)(i / m);
        y[i] = (uint8_t)((part == 0 ? packed : part == 1 ? packed / 5 : packed / 25) % 5);
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case index_pack_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x5"},
    {CASE_QUICK, "one-beyond", "x=2x5x7x2"},
    {CASE_QUICK, "two-beyond", "x=1x3x7x5"},
    {CASE_FULL, "one", "x=1"},
    {CASE_FULL, "two", "x=2"},
    {CASE_FULL, "long", "x=7x33x31x17"},
    {CASE_TIMED, "training", "x=32x149x149x16"},
};
static const clade_case index_unpack_cases[] = {
    {CASE_QUICK, "small", "x=40 y=2x3x4x5"},
    {CASE_QUICK, "one-beyond", "x=47 y=2x5x7x2"},
    {CASE_QUICK, "two-beyond", "x=35 y=1x3x7x5"},
    {CASE_FULL, "one", "x=1 y=1"},
    {CASE_FULL, "two", "x=1 y=2"},
    {CASE_FULL, "long", "x=40579 y=7x33x31x17"},
    {CASE_TIMED, "training", "x=3788971 y=32x149x149x16"},
};
#endif

OP_IMPL(index_pack, OP_CASES(index_pack_cases));
OP_IMPL(index_unpack, OP_CASES(index_unpack_cases));
