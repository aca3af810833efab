/* Dropout on the CPU: the words of many elements first, a loop that vectorises, then their use; of
 * whole rows one word for each. */
#include "cpu/cpu.h"

#include "../../kernels/dropout.clh"

enum {
    block = 256,  /* elements whose words are made at once */
    grain = 16384 /* elements that a thread takes at once: a multiple of block */
};

typedef struct dropout_job {
    const void *x;
    void *y;
    clade_dtype x_dtype, y_dtype;
    float rate;
    u64 seed, before, row; /* before: elements of the batch, or rows; row: elements of one */
    u32 stream, step;
    i32 accumulate;
} dropout_job;

/* The words of `block` elements from the quad's first on, and of the quad after them. */
static void words_of(const dropout_job *l, u64 quad, u32 words[block + 4])
{
    for (u32 q = 0; q <= block / 4; q++) {
        philox4 four;
        dropout_words(&four, l->seed, quad + q, l->stream, l->step);
        for (u32 j = 0; j < 4; j++) words[4 * q + j] = four.v[j];
    }
}

/* n elements from `at` on, at most a block; x and y are at the first. */
static void drop_block(const dropout_job *l, size_t at, size_t n, const float *x, float *y)
{
    const float rate = l->rate, scale = dropout_scale(rate);
    u32 all[block + 4];
    const u32 *words = all + l->before % 4;
    words_of(l, (l->before + at) / 4, all);
    if (l->accumulate)
        for (size_t i = 0; i < n; i++) y[i] += dropout_value(x[i], words[i], rate, scale);
    else
        for (size_t i = 0; i < n; i++) y[i] = dropout_value(x[i], words[i], rate, scale);
}

static void drop_rows_block(const dropout_job *l, size_t at, size_t n, const float *x, float *y)
{
    const float rate = l->rate, scale = dropout_scale(rate);
    for (size_t i = 0; i < n;) {
        const size_t row = (at + i) / l->row, next = (row + 1) * l->row - at;
        const size_t stop = next < n ? next : n;
        const u64 number = l->before + row;
        philox4 words;
        dropout_words(&words, l->seed, number / 4, l->stream, l->step);
        const u32 word = dropout_word(&words, number & 3);
        if (l->accumulate)
            for (; i < stop; i++) y[i] += dropout_value(x[i], word, rate, scale);
        else
            for (; i < stop; i++) y[i] = dropout_value(x[i], word, rate, scale);
    }
}

/* A block, through float32 copies of what is stored in 16 bits. */
static void each_block(const dropout_job *l, size_t first, size_t end,
                       void (*body)(const dropout_job *l, size_t at, size_t n, const float *x,
                                    float *y))
{
    float x_copy[block], y_copy[block];
    const bool x_half = clade_dtype_is_half(l->x_dtype), y_half = clade_dtype_is_half(l->y_dtype);
    for (size_t at = first, n; at < end; at += n) {
        n = end - at < block ? end - at : block;
        uint16_t *y = (uint16_t *)l->y + at;
        if (x_half) CPU_NAME(widen)(l->x_dtype, (const uint16_t *)l->x + at, n, x_copy);
        if (y_half && l->accumulate) CPU_NAME(widen)(l->y_dtype, y, n, y_copy);
        body(l, at, n, x_half ? x_copy : (const float *)l->x + at,
             y_half ? y_copy : (float *)l->y + at);
        if (y_half) CPU_NAME(narrow)(y_copy, n, l->y_dtype, y);
    }
}

static void drop(const void *user, size_t first, size_t end)
{
    each_block(user, first, end, drop_block);
}

static void drop_rows(const void *user, size_t first, size_t end)
{
    each_block(user, first, end, drop_rows_block);
}

static void run(void *context, dropout_job *l, const clade_tensor *x, u32 first, i32 rows)
{
    const size_t n = clade_tensor_count(x);
    l->row = x->rank ? n / (size_t)x->dim[0] : 1;
    l->before = rows ? first : first * l->row;
    clade_cpu_range(context, (cpu_range){rows ? drop_rows : drop, l, n, grain});
}

static clade_status dropout(void *context, const clade_args *args, const clade_plan *plan,
                            void *workspace)
{
    (void)plan, (void)workspace;
    const clade_dropout_args *a = &args->dropout;
    dropout_job l = {.x = clade_tensor_host(&a->x),
                     .y = clade_tensor_host(&a->y),
                     .x_dtype = a->x.dtype,
                     .y_dtype = a->y.dtype,
                     .rate = a->rate,
                     .seed = a->seed,
                     .stream = a->stream,
                     .step = a->step};
    run(context, &l, &a->x, a->first, a->rows);
    return CLADE_OK;
}

static clade_status dropout_dx(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const clade_dropout_dx_args *a = &args->dropout_dx;
    dropout_job l = {.x = clade_tensor_host(&a->dy),
                     .y = clade_tensor_host(&a->dx),
                     .x_dtype = a->dy.dtype,
                     .y_dtype = a->dx.dtype,
                     .rate = a->rate,
                     .seed = a->seed,
                     .stream = a->stream,
                     .step = a->step,
                     .accumulate = a->accumulate};
    run(context, &l, &a->dy, a->first, a->rows);
    return CLADE_OK;
}

void CPU_NAME(dropout)(cpu_op *op)
{
    op[CLADE_OP_dropout] = (cpu_op){.run = dropout, .halves = cpu_always};
    op[CLADE_OP_dropout_dx] = (cpu_op){.run = dropout_dx, .halves = cpu_always};
}
