/* Local response normalisation on the CPU: threads share places; pieces of a place's channels at
 * once, so that loops run along channels. */
#include "cpu/cpu.h"

#include "../../kernels/lrn.clh"

enum {
    piece = 256, /* channels at once */
    halo = 127,  /* most channels to each side that a sum takes in */
    room = piece + 2 * halo,
    grain = 16 /* places that a thread takes at once */
};

typedef struct job {
    const float *x, *dy;
    float *out;
    i32 c, size;
    float bias, scale, beta;
    i32 accumulate;
} job;

/* The bases of channels [first, end) of a place. */
static void bases(const job *l, const float *x, i32 first, i32 end, float *base)
{
    const i32 before = lrn_before(l->size), after = lrn_after(l->size);
    float sum[room];
    for (i32 k = 0; k < end - first; k++) sum[k] = 0.0f;
    for (i32 d = -before; d <= after; d++) {
        i32 k0 = first + d < 0 ? -d : first, k1 = end + d > l->c ? l->c - d : end;
        for (i32 k = k0; k < k1; k++) sum[k - first] = FMA(x[k + d], x[k + d], sum[k - first]);
    }
    for (i32 k = 0; k < end - first; k++) base[k] = FMA(l->scale, sum[k], l->bias);
}

static void forward(const void *user, size_t first, size_t end)
{
    const job *l = user;
    float base[room];
    for (size_t place = first; place < end; place++)
        for (i32 k0 = 0; k0 < l->c; k0 += piece) {
            const i32 count = l->c - k0 < piece ? l->c - k0 : piece;
            const float *x = l->x + place * (size_t)l->c;
            float *y = l->out + place * (size_t)l->c + k0;
            bases(l, x, k0, k0 + count, base);
            for (i32 k = 0; k < count; k++) y[k] = x[k0 + k] * lrn_power(base[k], l->beta);
        }
}

/* Channels [k0, k1) of a place. */
static void backward_piece(const job *l, const float *x, const float *dy, float *dx, i32 k0, i32 k1)
{
    const i32 before = lrn_before(l->size), after = lrn_after(l->size);
    const i32 j0 = k0 > after ? k0 - after : 0, j1 = k1 < l->c - before ? k1 + before : l->c;
    const float factor = lrn_factor(l->beta, l->scale);
    float base[room], power[room], term[room], sum[piece];
    bases(l, x, j0, j1, base);
    for (i32 k = 0; k < k1 - k0; k++) sum[k] = 0.0f;
    for (i32 j = 0; j < j1 - j0; j++) {
        power[j] = lrn_power(base[j], l->beta);
        term[j] = lrn_term(x[j0 + j], dy[j0 + j], base[j], power[j]);
    }
    for (i32 d = -after; d <= before; d++) {
        i32 first = k0 + d < 0 ? -d : k0, end = k1 + d > l->c ? l->c - d : k1;
        for (i32 k = first; k < end; k++) sum[k - k0] += term[k + d - j0];
    }
    for (i32 k = k0; k < k1; k++) {
        float value = lrn_gradient(x[k], dy[k], power[k - j0], factor, sum[k - k0]);
        dx[k] = l->accumulate ? dx[k] + value : value;
    }
}

static void backward(const void *user, size_t first, size_t end)
{
    const job *l = user;
    for (size_t place = first; place < end; place++) {
        size_t at = place * (size_t)l->c;
        for (i32 k = 0; k < l->c; k += piece)
            backward_piece(l, l->x + at, l->dy + at, l->out + at, k,
                           l->c - k < piece ? l->c : k + piece);
    }
}

static void run(cpu_context *cpu, const job *l, const clade_tensor *x,
                void (*body)(const void *user, size_t first, size_t end))
{
    clade_cpu_range(cpu, (cpu_range){body, l, clade_tensor_count(x) / (size_t)l->c, grain});
}

static clade_status lrn(void *context, const clade_lrn_args *a, void *scratch)
{
    (void)scratch;
    job l = {.x = clade_tensor_host(&a->x),
             .out = clade_tensor_host(&a->y),
             .c = a->x.dim[a->x.rank - 1],
             .size = a->size,
             .bias = a->k,
             .scale = math_div(a->alpha, (float)a->size),
             .beta = a->beta};
    run(context, &l, &a->x, forward);
    return CLADE_OK;
}

static clade_status lrn_dx(void *context, const clade_lrn_dx_args *a, void *scratch)
{
    (void)scratch;
    job l = {.x = clade_tensor_host(&a->x),
             .dy = clade_tensor_host(&a->dy),
             .out = clade_tensor_host(&a->dx),
             .c = a->x.dim[a->x.rank - 1],
             .size = a->size,
             .bias = a->k,
             .scale = math_div(a->alpha, (float)a->size),
             .beta = a->beta,
             .accumulate = a->accumulate};
    run(context, &l, &a->x, backward);
    return CLADE_OK;
}

void CPU_NAME(lrn)(clade_backend *table);
void CPU_NAME(lrn)(clade_backend *table)
{
    table->lrn = lrn;
    table->lrn_dx = lrn_dx;
}
