/* cast: conversion to another format, which is just how FLOAT slots are stored. */
#include "op/op.h"

static clade_status shape_cast(clade_args *args)
{
    const clade_cast_args *a = &args->cast;
    if (!clade_tensor_present(&a->y)) return CLADE_OK;
    return clade_expect_shape(CLADE_OP_cast, "y", &a->y, a->y.dtype, a->x.rank, a->x.dim);
}

static void run_cast(const clade_args *args)
{
    const clade_tensor *x = &args->cast.x;
    for (size_t i = 0; i < clade_tensor_count(x); i++) real_of(&args->cast.y)[i] = real_of(x)[i];
}

/* Only storing the result rounds. */
static void bound_cast(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    for (size_t i = 0; i < clade_tensor_count(&args->cast.x); i++) bound[i] = 0;
}

#ifndef CLADE_ORACLE
static const clade_case cast_cases[] = {
    {CASE_QUICK, "to-bf16", "x=3x5x7 y:bf16=3x5x7"},
    {CASE_QUICK, "to-f16", "x=3x5x7 y:f16=3x5x7"},
    {CASE_QUICK, "of-bf16", "x:bf16=3x5x7 y=3x5x7"},
    {CASE_QUICK, "of-f16", "x:f16=3x5x7 y=3x5x7"},
    {CASE_FULL, "bf16-f16", "x:bf16=5x67 y:f16=5x67"},
    {CASE_FULL, "f16-bf16", "x:f16=5x67 y:bf16=5x67"},
    {CASE_FULL, "f32-f32", "x=5x67 y=5x67"},
    {CASE_FULL, "bf16-bf16", "x:bf16=5x67 y:bf16=5x67"},
    {CASE_FULL, "f16-f16", "x:f16=5x67 y:f16=5x67"},
    {CASE_FULL, "one", "x=1 y:f16=1"},
    {CASE_FULL, "long-to-bf16", "x=37x1021 y:bf16=37x1021"},
    {CASE_FULL, "long-to-f16", "x=37x1021 y:f16=37x1021"},
    {CASE_FULL, "long-of-bf16", "x:bf16=65536 y=65536"},
    {CASE_FULL, "long-of-f16", "x:f16=65536 y=65536"},
    {CASE_TIMED, "training", "x=2097152 y:bf16=2097152"},
    {CASE_TIMED, "training-back", "x:f16=2097152 y=2097152"},
};
#endif

OP_IMPL(cast, OP_CASES(cast_cases), .bound = bound_cast, .domain = {CLADE_DOMAIN_CAST});
