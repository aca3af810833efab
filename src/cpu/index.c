/* Bytes of less than 5 on the CPU, three in a byte: blocks of bytes. */
#include "cpu/cpu.h"

enum { grain = 65536 };

/* The end of those before `end` that have a byte `at` bytes on, of n. */
static size_t reach(size_t end, size_t at, size_t n)
{
    const size_t left = n > at ? n - at : 0;
    return left < end ? left : end;
}

/* Bytes first … end − 1 of m that are packed, of n. */
static void pack_range(const void *user, size_t first, size_t end)
{
    const clade_index_pack_args *a = user;
    const size_t n = clade_tensor_count(&a->x), m = clade_tensor_count(&a->y);
    const uint8_t *x = clade_tensor_host(&a->x);
    uint8_t *y = clade_tensor_host(&a->y);
    const size_t second = reach(end, m, n), third = reach(end, 2 * m, n);
    size_t i = first;
    for (; i < third; i++) y[i] = (uint8_t)(x[i] + 5 * x[i + m] + 25 * x[i + 2 * m]);
    for (; i < second; i++) y[i] = (uint8_t)(x[i] + 5 * x[i + m]);
    for (; i < end; i++) y[i] = x[i];
}

static clade_status index_pack(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const size_t m = clade_tensor_count(&args->index_pack.y);
    clade_cpu_range(context, (cpu_range){pack_range, &args->index_pack, m, grain});
    return CLADE_OK;
}

static void unpack_range(const void *user, size_t first, size_t end)
{
    const clade_index_unpack_args *a = user;
    const size_t n = clade_tensor_count(&a->y), m = clade_tensor_count(&a->x);
    const uint8_t *x = clade_tensor_host(&a->x);
    uint8_t *y = clade_tensor_host(&a->y);
    const size_t second = reach(end, m, n), third = reach(end, 2 * m, n);
    for (size_t i = first; i < end; i++) y[i] = x[i] % 5;
    for (size_t i = first; i < second; i++) y[i + m] = x[i] / 5 % 5;
    for (size_t i = first; i < third; i++) y[i + 2 * m] = x[i] / 25 % 5;
}

static clade_status index_unpack(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)plan, (void)workspace;
    const size_t m = clade_tensor_count(&args->index_unpack.x);
    clade_cpu_range(context, (cpu_range){unpack_range, &args->index_unpack, m, grain});
    return CLADE_OK;
}

void CPU_NAME(index)(cpu_op *op)
{
    op[CLADE_OP_index_pack] = (cpu_op){.run = index_pack};
    op[CLADE_OP_index_unpack] = (cpu_op){.run = index_unpack};
}
