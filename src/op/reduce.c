/* reduce: sums and means over dimensions, and their gradient. */
#include "op/stretch.h"

static clade_status shape_reduce(clade_args *args)
{
    clade_reduce_args *a = &args->reduce;
    if (!clade_tensor_present(&a->y)) return CLADE_OK;
    return check_stretched(CLADE_OP_reduce, "y", &a->y, &a->x);
}

static clade_status shape_reduce_dx(clade_args *args)
{
    clade_reduce_dx_args *a = &args->reduce_dx;
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    return check_stretched(CLADE_OP_reduce_dx, "dy", &a->dy, &a->dx);
}

/* What a sum of x to y is multiplied by. */
static REAL weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? reciprocal((int64_t)(clade_tensor_count(x) / clade_tensor_count(y))) : 1;
}

static void run_reduce(const clade_args *args)
{
    const clade_reduce_args *a = &args->reduce;
    sum_stretched(&a->x, NULL, &a->y, weight(&a->x, &a->y, a->mean), 0);
}

static void run_reduce_dx(const clade_args *args)
{
    static const int32_t zero[4] = {0};
    const clade_reduce_dx_args *a = &args->reduce_dx;
    const REAL *dy = real_of(&a->dy), w = weight(&a->dx, &a->dy, a->mean);
    REAL *dx = real_of(&a->dx);
    int32_t x[4], y[4], i[4];
    sizes_of(&a->dx, x);
    sizes_of(&a->dy, y);
    FOR_EACH_INDEX(x, zero, i)
    {
        put(&dx[stretched_at(x, i)], dy[stretched_at(y, i)] * w, a->accumulate);
    }
}

/* The additions; for a mean one for the count as a float, two units for its reciprocal, one for the
 * product. */
static int64_t terms_reduce(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_reduce_args *a = &args->reduce;
    return roundings_of_sum(&a->x, &a->y) + (a->mean ? 4 : 0);
}

static int64_t terms_reduce_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_reduce_dx_args *a = &args->reduce_dx;
    return (a->mean ? 4 : 0) + (a->accumulate != 0);
}

static bool inexact_reduce(const clade_args *args) { return args->reduce.mean != 0; }
static bool inexact_reduce_dx(const clade_args *args) { return args->reduce_dx.mean != 0; }

static const clade_case reduce_cases[] = {
#define CASE(name, full, ...)                                                                      \
    {                                                                                              \
        name, full,                                                                                \
        {                                                                                          \
            .reduce = { __VA_ARGS__ }                                                              \
        }                                                                                          \
    }
    CASE("channels", false, .x = F32_4(2, 3, 5, 16), .y = F32_4(1, 1, 1, 16)),
    CASE("images", false, .x = F32_4(2, 3, 5, 17), .y = F32_4(2, 1, 1, 17), .mean = 1),
    CASE("whole", false, .x = F32_2(5, 9), .y = F32_2(1, 1), .mean = 1),
    CASE("one", true, .x = F32_1(1), .y = F32_1(1), .mean = 1),
    CASE("nothing", true, .x = F32_3(3, 4, 5), .y = F32_3(3, 4, 5)),
    CASE("row", true, .x = F32_1(77), .y = F32_1(1)),
    CASE("chunk", true, .x = F32_1(4096), .y = F32_1(1)),
    CASE("chunk-and-one", true, .x = F32_1(4097), .y = F32_1(1), .mean = 1),
    CASE("long", true, .x = F32_2(3, 12345), .y = F32_2(3, 1)),
    CASE("channels-long", true, .x = F32_4(3, 67, 63, 8), .y = F32_4(1, 1, 1, 8), .mean = 1),
    CASE("channels-one", true, .x = F32_4(2, 70, 71, 1), .y = F32_4(1, 1, 1, 1)),
    CASE("channels-three", true, .x = F32_4(2, 70, 71, 3), .y = F32_4(1, 1, 1, 3)),
    CASE("images-long", true, .x = F32_4(2, 67, 63, 16), .y = F32_4(2, 1, 1, 16), .mean = 1),
    CASE("places", true, .x = F32_4(3, 4, 6, 17), .y = F32_4(3, 4, 6, 1)),
    CASE("rows", true, .x = F32_2(33, 1000), .y = F32_2(1, 1000)),
    CASE("middle", true, .x = F32_3(7, 11, 3), .y = F32_3(7, 1, 3)),
    CASE("outside", true, .x = F32_3(6, 11, 16), .y = F32_3(1, 11, 1)),
    CASE("outside-long", true, .x = F32_3(90, 5, 53), .y = F32_3(1, 5, 1), .mean = 1),
    CASE("every-other", true, .x = F32_4(3, 4, 5, 6), .y = F32_4(3, 1, 5, 1)),
    CASE("every-other-shifted", true, .x = F32_4(3, 4, 5, 6), .y = F32_4(1, 4, 1, 6), .mean = 1),
#undef CASE
};

OP_IMPL(reduce, OP_CASES(reduce_cases), .terms = terms_reduce, .inexact = inexact_reduce);
OP_IMPL(reduce_dx, .terms = terms_reduce_dx, .inexact = inexact_reduce_dx);
