/* Softmax and losses: one work-item per row of c scores. `dense` is not 0 where labels are
 * probabilities, [rows, c], in `soft`; else they are classes, [rows], in `label`; the other of the
 * two is a null buffer. */
#include "opencl.clh"
#include "loss.clh"

#define LABELS TENSOR(int, label), TENSOR(float, soft), int dense
#define CLASS (dense ? 0 : label[label0 + i])
#define SOFT (dense ? soft + soft0 + i * c : 0)

/* i: the row; at: its first element. */
#define ROW                                                                                        \
    const size_t i = get_global_id(0), at = i * c;                                                 \
    if (i >= rows) return

kernel void softmax(TENSOR(float, x), TENSOR(float, y), ulong rows, int c)
{
    ROW;
    global const float *row = x + x0 + at;
    softmax_row(row, y + y0 + at, c, loss_max(row, c));
}

kernel void softmax_dx(TENSOR(float, y), TENSOR(float, dy), TENSOR(float, dx), ulong rows, int c,
                       int accumulate)
{
    ROW;
    softmax_dx_row(y + y0 + at, dy + dy0 + at, dx + dx0 + at, c, accumulate);
}

kernel void softmax_xent(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss),
                         ulong rows, int c, float smoothing)
{
    ROW;
    loss[loss0 + i] = xent_row(x + x0 + at, CLASS, SOFT, y + y0 + at, c, smoothing);
}

kernel void softmax_xent_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                            ulong rows, int c, float smoothing, int accumulate)
{
    ROW;
    xent_dx_row(y + y0 + at, CLASS, SOFT, dloss[dloss0 + i], dx + dx0 + at, c, smoothing,
                accumulate);
}

kernel void sigmoid_bce(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss), ulong rows,
                        int c, float smoothing)
{
    ROW;
    loss[loss0 + i] = bce_row(x + x0 + at, CLASS, SOFT, y + y0 + at, c, smoothing);
}

kernel void sigmoid_bce_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                           ulong rows, int c, float smoothing, int accumulate)
{
    ROW;
    bce_dx_row(y + y0 + at, CLASS, SOFT, dloss[dloss0 + i], dx + dx0 + at, c, smoothing,
               accumulate);
}

kernel void mse(TENSOR(float, x), TENSOR(float, target), TENSOR(float, loss), ulong rows, int c)
{
    ROW;
    loss[loss0 + i] = mse_row(x + x0 + at, target + target0 + at, c);
}

kernel void mse_dx(TENSOR(float, x), TENSOR(float, target), TENSOR(float, dloss), TENSOR(float, dx),
                   ulong rows, int c, int accumulate)
{
    ROW;
    mse_dx_row(x + x0 + at, target + target0 + at, dloss[dloss0 + i], dx + dx0 + at, c, accumulate);
}

/* An integer's sum has no order, so an atomic addition is as good as any. */
kernel void topk_count(TENSOR(float, y), TENSOR(int, label), TENSOR(int, count), ulong rows, int c,
                       int k)
{
    ROW;
    if (topk_row(y + y0 + at, label[label0 + i], c, k)) atomic_inc(count + count0);
}
