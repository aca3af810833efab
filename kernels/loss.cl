/* Softmax and losses: elements.clh, an element being a row of c scores. `dense` is not 0 where
 * labels are probabilities, [rows, c], in `soft`; else they are classes, [rows], in `label`; the
 * other of the two is a null buffer. */
#include "elements.clh"
#include "loss.clh"

#define LABELS TENSOR(int, label), TENSOR(float, soft), int dense
#define CLASS (dense ? 0 : OF_ROW(label))
#define SOFT (dense ? ROW(soft) : 0)

/* A tensor's row i of c elements, and its element i. */
#define ROW(t) (t + t##0 + i * (size_t)c)
#define OF_ROW(t) t[t##0 + i]
#define FOR_EACH_ROW FOR_EACH_OWN(i, n)

kernel void softmax(TENSOR(float, x), TENSOR(float, y), int c, ELEMENTS)
{
    FOR_EACH_ROW softmax_row(ROW(x), ROW(y), c, loss_max(ROW(x), c));
}

kernel void softmax_dx(TENSOR(float, y), TENSOR(float, dy), TENSOR(float, dx), int accumulate,
                       int c, ELEMENTS)
{
    FOR_EACH_ROW softmax_dx_row(ROW(y), ROW(dy), ROW(dx), c, accumulate);
}

kernel void log_softmax(TENSOR(float, x), TENSOR(float, y), int c, ELEMENTS)
{
    FOR_EACH_ROW log_softmax_row(ROW(x), ROW(y), c);
}

kernel void log_softmax_dx(TENSOR(float, y), TENSOR(float, dy), TENSOR(float, dx), int accumulate,
                           int c, ELEMENTS)
{
    FOR_EACH_ROW log_softmax_dx_row(ROW(y), ROW(dy), ROW(dx), c, accumulate);
}

kernel void softmax_xent(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss),
                         float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW OF_ROW(loss) = xent_row(ROW(x), CLASS, SOFT, ROW(y), c, smoothing);
}

kernel void softmax_xent_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                            float smoothing, int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW
    xent_dx_row(ROW(y), CLASS, SOFT, OF_ROW(dloss), ROW(dx), c, smoothing, accumulate);
}

kernel void sigmoid_bce(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss),
                        float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW OF_ROW(loss) = bce_row(ROW(x), CLASS, SOFT, ROW(y), c, smoothing);
}

kernel void sigmoid_bce_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                           float smoothing, int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW
    bce_dx_row(ROW(y), CLASS, SOFT, OF_ROW(dloss), ROW(dx), c, smoothing, accumulate);
}

kernel void mse(TENSOR(float, x), TENSOR(float, target), TENSOR(float, loss), int c, ELEMENTS)
{
    FOR_EACH_ROW OF_ROW(loss) = mse_row(ROW(x), ROW(target), c);
}

kernel void mse_dx(TENSOR(float, x), TENSOR(float, target), TENSOR(float, dloss), TENSOR(float, dx),
                   int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW mse_dx_row(ROW(x), ROW(target), OF_ROW(dloss), ROW(dx), c, accumulate);
}

/* An integer's sum has no order, so an atomic addition is as good as any. */
kernel void topk_count(TENSOR(float, y), TENSOR(int, label), TENSOR(int, count), int k, int c,
                       ELEMENTS)
{
    FOR_EACH_ROW if (topk_row(ROW(y), OF_ROW(label), c, k)) atomic_inc(count + count0);
}
