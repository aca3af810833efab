/* Muon (Jordan et al. 2024): Newton-Schulz iterations on the device, of products that are there as
 * dense layers. The update is as large as Adam's (Liu et al. 2025), so that rates suit both. */
#include "train/muon.h"

#include <math.h>
#include <stdlib.h>

enum { iterations = 5 };

/* of the polynomial a x + b x³ + c x⁵, which brings singular values near 1 */
static const float poly_a = 3.4445f, poly_b = -4.7750f, poly_c = 2.0315f;
/* Norms above `least` become it, and then 1: what norm_clip can do. Powers of two lose nothing. */
static const float least = 0x1p-40f, enlarged = 0x1p40f;

struct clade_muon_memory {
    clade_device *device;
    clade_buffer *x, *y, *gram, *square, *norm;
};

clade_status clade_muon_memory_create(clade_device *device, size_t elements, size_t side,
                                      clade_muon_memory **out)
{
    clade_muon_memory *m = *out = calloc(1, sizeof *m);
    if (!m) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    m->device = device;
    struct {
        clade_buffer **buffer;
        size_t floats;
    } all[] = {{&m->x, elements},
               {&m->y, elements},
               {&m->gram, side * side},
               {&m->square, side * side},
               {&m->norm, 2}};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
        status = clade_buffer_create(device, all[i].floats * sizeof(float), all[i].buffer);
    if (status) clade_muon_memory_destroy(out);
    return clade_context(status, "the optimizer's matrices");
}

void clade_muon_memory_destroy(clade_muon_memory **handle)
{
    clade_muon_memory *m = *handle;
    if (!m) return;
    clade_buffer_destroy(&m->x);
    clade_buffer_destroy(&m->y);
    clade_buffer_destroy(&m->gram);
    clade_buffer_destroy(&m->square);
    clade_buffer_destroy(&m->norm);
    free(m);
    *handle = NULL;
}

static clade_tensor matrix_of(clade_buffer *buffer, int32_t rows, int32_t columns)
{
    return (clade_tensor){.buffer = buffer, .dtype = CLADE_F32, .rank = 2, .dim = {rows, columns}};
}

static clade_call add(clade_tensor a, float alpha, clade_tensor b, float beta, clade_tensor y)
{
    return (clade_call){.op = CLADE_OP_add,
                        .args.add = {.a = a, .b = b, .y = y, .alpha = alpha, .beta = beta}};
}

static clade_call multiply(clade_tensor a, clade_tensor b, clade_tensor y)
{
    return (clade_call){.op = CLADE_OP_mul, .args.mul = {.a = a, .b = b, .y = y}};
}

static clade_call dense(clade_tensor x, clade_tensor w, clade_tensor y)
{
    return (clade_call){.op = CLADE_OP_dense, .args.dense = {.x = x, .w = w, .y = y}};
}

/* An iteration, on the side of x that is shorter: x ← a x + (b G + c G²) x with G = x xᵀ. */
static void make_iteration(const clade_muon_memory *memory, clade_tensor x, clade_muon_step *s)
{
    const bool wide = x.dim[0] <= x.dim[1];
    const int32_t side = wide ? x.dim[0] : x.dim[1];
    const clade_tensor y = matrix_of(memory->y, x.dim[0], x.dim[1]);
    const clade_tensor gram = matrix_of(memory->gram, side, side),
                       square = matrix_of(memory->square, side, side);
    s->call[CLADE_MUON_GRAM] =
        wide
            ? (clade_call){.op = CLADE_OP_dense_dx, .args.dense_dx = {.dy = x, .w = x, .dx = gram}}
            : (clade_call){.op = CLADE_OP_dense_dw, .args.dense_dw = {.x = x, .dy = x, .dw = gram}};
    s->call[CLADE_MUON_SQUARE] = dense(gram, gram, square);
    s->call[CLADE_MUON_POLYNOMIAL] = add(gram, poly_b, square, poly_c, square);
    s->call[CLADE_MUON_PRODUCT] = wide ? dense(square, x, y) : dense(x, square, y);
    s->call[CLADE_MUON_SUM] = add(x, poly_a, y, 1, x);
}

clade_status clade_muon_prepare(clade_muon_memory *memory, const clade_muon_matrix *matrix,
                                clade_muon_step *out)
{
    const clade_muon_matrix *t = matrix;
    const clade_tensor x = matrix_of(memory->x, t->w.dim[0], t->w.dim[1]),
                       norm = matrix_of(memory->norm, 1, 1);
    const bool clipped = clade_tensor_present(&t->scale);
    clade_tensor single = norm, second = norm, factor = t->scale;
    single.rank = second.rank = 1;
    second.offset = 1;
    factor.rank = 2;
    factor.dim[1] = 1;
    const clade_tensor g = clipped ? x : t->g;
    const clade_norm_clip_args size = {.g = x, .scale = single, .norm = second, .limit = least};
    *out = (clade_muon_step){.clipped = clipped};
    clade_call *call = out->call;
    if (clipped) call[CLADE_MUON_CLIP] = multiply(t->g, factor, x);
    call[CLADE_MUON_MEAN] = add(g, 1, t->m, t->momentum, t->m);
    call[CLADE_MUON_NESTEROV] = add(g, 1, t->m, t->momentum, x);
    call[CLADE_MUON_NORM] = (clade_call){.op = CLADE_OP_norm_clip, .args.norm_clip = size};
    call[CLADE_MUON_NORMALISE] = multiply(x, norm, x);
    call[CLADE_MUON_ENLARGE] = add(x, enlarged, x, 0, x);
    make_iteration(memory, x, out);
    call[CLADE_MUON_MOVE] = (clade_call){.op = CLADE_OP_sgd, .args.sgd = {.w = t->w, .g = x}};
    clade_status status = CLADE_OK;
    for (int i = clipped ? 0 : 1; i < CLADE_MUON_CALLS && !status; i++)
        status = clade_call_prepare(memory->device, &call[i]);
    return status;
}

void clade_muon_release(clade_muon_step *step)
{
    for (int i = 0; i < CLADE_MUON_CALLS; i++) clade_call_release(&step->call[i]);
}

clade_status clade_muon_run(clade_muon_step *step, double lr, double decay)
{
    clade_call *move = &step->call[CLADE_MUON_MOVE];
    const int32_t *size = move->args.sgd.w.dim;
    const int32_t longer = size[0] > size[1] ? size[0] : size[1];
    move->args.sgd.lr = (float)(lr * 0.2 * sqrt(longer));
    move->args.sgd.decay = (float)decay;
    clade_status status = CLADE_OK;
    for (int i = step->clipped ? 0 : 1; i < CLADE_MUON_GRAM && !status; i++)
        status = clade_call_run(&step->call[i]);
    for (int k = 0; k < iterations; k++)
        for (int i = CLADE_MUON_GRAM; i <= CLADE_MUON_SUM && !status; i++)
            status = clade_call_run(&step->call[i]);
    return status ? status : clade_call_run(move);
}
