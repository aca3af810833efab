/* Casts between formats of numbers on the CPU: blocks of elements. */
#include "cpu/cpu.h"

#include "../../kernels/cast.clh"

enum { grain = 16384 };

static u32 load_f32(const float *x) { return BITS_OF(*x); }
static u32 load_bf16(const uint16_t *x) { return *x; }
static u32 load_f16(const uint16_t *x) { return *x; }
static void store_f32(float *y, u32 bits) { *y = FLOAT_OF(bits); }
static void store_bf16(uint16_t *y, u32 bits) { *y = (uint16_t)bits; }
static void store_f16(uint16_t *y, u32 bits) { *y = (uint16_t)bits; }

#define CAST(of, of_type, to, to_type)                                                             \
    static void of##_##to(const void *user, size_t first, size_t end)                              \
    {                                                                                              \
        const clade_cast_args *a = user;                                                           \
        const of_type *x = clade_tensor_host(&a->x);                                               \
        to_type *y = clade_tensor_host(&a->y);                                                     \
        for (size_t i = first; i < end; i++)                                                       \
            store_##to(y + i, cast_to_##to(cast_of_##of(load_##of(x + i))));                       \
    }
#define CAST_OF(of, type)                                                                          \
    CAST(of, type, f32, float)                                                                     \
    CAST(of, type, bf16, uint16_t)                                                                 \
    CAST(of, type, f16, uint16_t)
CAST_OF(f32, float)
CAST_OF(bf16, uint16_t)
CAST_OF(f16, uint16_t)

static clade_status cast(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)plan, (void)workspace;
    typedef void (*body)(const void *user, size_t first, size_t end);
    static const body bodies[][CLADE_F16 + 1] = {
        [CLADE_F32] = {[CLADE_F32] = f32_f32, [CLADE_BF16] = f32_bf16, [CLADE_F16] = f32_f16},
        [CLADE_BF16] = {[CLADE_F32] = bf16_f32, [CLADE_BF16] = bf16_bf16, [CLADE_F16] = bf16_f16},
        [CLADE_F16] = {[CLADE_F32] = f16_f32, [CLADE_BF16] = f16_bf16, [CLADE_F16] = f16_f16},
    };
    const clade_cast_args *a = &args->cast;
    clade_cpu_range(
        context, (cpu_range){bodies[a->x.dtype][a->y.dtype], a, clade_tensor_count(&a->x), grain});
    return CLADE_OK;
}

void CPU_NAME(widen)(clade_dtype dtype, const void *from, size_t n, float *to)
{
    const uint16_t *x = from;
    if (dtype == CLADE_BF16)
        for (size_t i = 0; i < n; i++) store_f32(to + i, cast_of_bf16(x[i]));
    else
        for (size_t i = 0; i < n; i++) store_f32(to + i, cast_of_f16(x[i]));
}

void CPU_NAME(narrow)(const float *from, size_t n, clade_dtype dtype, void *to)
{
    uint16_t *y = to;
    if (dtype == CLADE_BF16)
        for (size_t i = 0; i < n; i++) store_bf16(y + i, cast_to_bf16(load_f32(from + i)));
    else
        for (size_t i = 0; i < n; i++) store_f16(y + i, cast_to_f16(load_f32(from + i)));
}

void CPU_NAME(cast)(cpu_op *op) { op[CLADE_OP_cast] = (cpu_op){.run = cast, .halves = cpu_always}; }
