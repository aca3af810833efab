/* Dropout on the CPU: the words of many elements first, a loop that vectorises, then their use; of
 * whole rows one word for each. */
#include "cpu/cpu.h"

#include "../../kernels/dropout.clh"

enum {
    block = 256,  /* elements whose words are made at once */
    grain = 16384 /* elements that a thread takes at once: a multiple of block */
};

typedef struct dropout_job {
    const float *x;
    float *y;
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

static void drop(const void *user, size_t first, size_t end)
{
    const dropout_job *l = user;
    const float rate = l->rate, scale = dropout_scale(rate);
    const u64 past = l->before % 4;
    u32 all[block + 4];
    const u32 *words = all + past;
    for (size_t at = first; at < end; at += block) {
        const float *x = l->x + at;
        float *y = l->y + at;
        size_t n = end - at < block ? end - at : block;
        words_of(l, (l->before + at) / 4, all);
        if (l->accumulate)
            for (size_t i = 0; i < n; i++) y[i] += dropout_value(x[i], words[i], rate, scale);
        else
            for (size_t i = 0; i < n; i++) y[i] = dropout_value(x[i], words[i], rate, scale);
    }
}

static void drop_rows(const void *user, size_t first, size_t end)
{
    const dropout_job *l = user;
    const float rate = l->rate, scale = dropout_scale(rate);
    for (size_t at = first; at < end;) {
        const size_t row = at / l->row, next = (row + 1) * l->row, stop = next < end ? next : end;
        const u64 number = l->before + row;
        philox4 words;
        dropout_words(&words, l->seed, number / 4, l->stream, l->step);
        const u32 word = dropout_word(&words, number & 3);
        if (l->accumulate)
            for (; at < stop; at++) l->y[at] += dropout_value(l->x[at], word, rate, scale);
        else
            for (; at < stop; at++) l->y[at] = dropout_value(l->x[at], word, rate, scale);
    }
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
                     .rate = a->rate,
                     .seed = a->seed,
                     .stream = a->stream,
                     .step = a->step,
                     .accumulate = a->accumulate};
    run(context, &l, &a->dy, a->first, a->rows);
    return CLADE_OK;
}

void CPU_NAME(dropout)(clade_op_slot *slot)
{
    slot[CLADE_OP_dropout].run = dropout;
    slot[CLADE_OP_dropout_dx].run = dropout_dx;
}
