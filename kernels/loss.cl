/* Softmax and losses: rows of c scores (rows.clh). On narrow cores a team of up to 64 work-items
 * does a row, reading and writing what lies together; on wide ones a work-item does several rows
 * (elements.clh, an element being a row). `dense` is not 0 where
 * labels are probabilities, [rows, c], in `soft`; else they are classes, [rows], in `label`; the
 * other of the two is a null buffer. */
#include "elements.clh"
#include "loss.clh"

#define LABELS TENSOR(int, label), TENSOR(float, soft), int dense
#define CLASS (dense ? 0 : OF_ROW(label))
#define SOFT (dense ? ROW(soft) : 0)
/* What the total's gradient is made of, and whether it is wanted. */
#define SLOPE TENSOR(float, share), TENSOR(float, slope), int sloped
/* Weights [2, c], and whether there are any. */
#define WEIGHTS TENSOR(float, weight), int weighted
#define WEIGHT (weighted ? weight + weight0 : 0)

/* A tensor's row i of c elements, and its element i. */
#define ROW(t) (t + t##0 + i * (size_t)c)
#define OF_ROW(t) t[t##0 + i]

/* Runs a body for each row i. A group has rows side by side, each a team's; where it has more than
 * are left, those are on row 0 with no elements and not `on`, so that all meet in sums. */
#ifdef ROW_TEAM
#define FOR_EACH_ROW                                                                               \
    ROW_MEMORY(memory);                                                                            \
    (void)memory;                                                                                  \
    const ulong rows_ = get_local_size(1);                                                         \
    for (ulong first_ = get_group_id(1) * rows_; first_ < n; first_ += get_num_groups(1) * rows_)  \
        for (ulong row_ = first_ + get_local_id(1), on = row_ < n, i = on ? row_ : 0, once = 1;    \
             once; once = 0)
#define C (on ? c : 0)
#define WRITES (get_local_id(0) == 0 && on) /* a row's one result */
#else
#define FOR_EACH_ROW                                                                               \
    ROW_MEMORY(memory);                                                                            \
    (void)memory;                                                                                  \
    FOR_EACH_OWN(i, n)
#define C c
#define WRITES 1
#endif
#define ROW_PUT(t, value)                                                                          \
    do {                                                                                           \
        const float value_ = (value);                                                              \
        if (WRITES) OF_ROW(t) = value_;                                                            \
    } while (0)

kernel void softmax(TENSOR(float, x), TENSOR(float, y), int c, ELEMENTS)
{
    FOR_EACH_ROW softmax_row(ROW(x), ROW(y), C, loss_max(ROW(x), C, memory), memory);
}

kernel void softmax_dx(TENSOR(float, y), TENSOR(float, dy), TENSOR(float, dx), int accumulate,
                       int c, ELEMENTS)
{
    FOR_EACH_ROW softmax_dx_row(ROW(y), ROW(dy), ROW(dx), C, accumulate, memory);
}

kernel void log_softmax(TENSOR(float, x), TENSOR(float, y), int c, ELEMENTS)
{
    FOR_EACH_ROW log_softmax_row(ROW(x), ROW(y), C, memory);
}

kernel void log_softmax_dx(TENSOR(float, y), TENSOR(float, dy), TENSOR(float, dx), int accumulate,
                           int c, ELEMENTS)
{
    FOR_EACH_ROW log_softmax_dx_row(ROW(y), ROW(dy), ROW(dx), C, accumulate, memory);
}

/* A work-item's part of the slope is of the y that it has written itself. */
kernel void softmax_xent(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss), SLOPE,
                         float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW
    {
        ROW_PUT(loss, xent_row(ROW(x), CLASS, SOFT, ROW(y), C, smoothing, memory));
        if (sloped)
            xent_dx_row(ROW(y), CLASS, SOFT, OF_ROW(share), ROW(slope), C, smoothing, 0, memory);
    }
}

kernel void softmax_xent_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                            float smoothing, int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW
    xent_dx_row(ROW(y), CLASS, SOFT, OF_ROW(dloss), ROW(dx), C, smoothing, accumulate, memory);
}

kernel void sigmoid_bce(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss), SLOPE,
                        float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW
    {
        ROW_PUT(loss, bce_row(ROW(x), CLASS, SOFT, ROW(y), C, smoothing, memory));
        if (sloped) bce_dx_row(ROW(y), CLASS, SOFT, OF_ROW(share), ROW(slope), C, smoothing, 0);
    }
}

kernel void sigmoid_bce_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                           float smoothing, int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW
    bce_dx_row(ROW(y), CLASS, SOFT, OF_ROW(dloss), ROW(dx), C, smoothing, accumulate);
}

kernel void softmax_focal(TENSOR(float, x), LABELS, TENSOR(float, y), TENSOR(float, loss),
                          float gamma, float alpha, float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW
    ROW_PUT(loss, focal_row(ROW(x), CLASS, SOFT, ROW(y), C, gamma, alpha, smoothing, memory));
}

kernel void softmax_focal_dx(TENSOR(float, y), LABELS, TENSOR(float, dloss), TENSOR(float, dx),
                             float gamma, float alpha, float smoothing, int accumulate, int c,
                             ELEMENTS)
{
    FOR_EACH_ROW
    focal_dx_row(ROW(y), CLASS, SOFT, OF_ROW(dloss), ROW(dx), C, gamma, alpha, smoothing,
                 accumulate, memory);
}

kernel void sigmoid_focal(TENSOR(float, x), LABELS, WEIGHTS, TENSOR(float, y), TENSOR(float, loss),
                          float gamma, float alpha, float smoothing, int c, ELEMENTS)
{
    FOR_EACH_ROW
    ROW_PUT(loss, focal_bce_row(ROW(x), CLASS, SOFT, WEIGHT, ROW(y), C, c, gamma, alpha, smoothing,
                                memory));
}

kernel void sigmoid_focal_dx(TENSOR(float, y), LABELS, WEIGHTS, TENSOR(float, dloss),
                             TENSOR(float, dx), float gamma, float alpha, float smoothing,
                             int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW
    focal_bce_dx_row(ROW(y), CLASS, SOFT, WEIGHT, OF_ROW(dloss), ROW(dx), C, c, gamma, alpha,
                     smoothing, accumulate);
}

kernel void mse(TENSOR(float, x), TENSOR(float, target), TENSOR(float, loss), int c, ELEMENTS)
{
    FOR_EACH_ROW ROW_PUT(loss, mse_row(ROW(x), ROW(target), C, memory));
}

kernel void mse_dx(TENSOR(float, x), TENSOR(float, target), TENSOR(float, dloss), TENSOR(float, dx),
                   int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW mse_dx_row(ROW(x), ROW(target), OF_ROW(dloss), ROW(dx), C, accumulate);
}

kernel void mae(TENSOR(float, x), TENSOR(float, target), TENSOR(float, loss), int c, ELEMENTS)
{
    FOR_EACH_ROW ROW_PUT(loss, mae_row(ROW(x), ROW(target), C, memory));
}

kernel void mae_dx(TENSOR(float, x), TENSOR(float, target), TENSOR(float, dloss), TENSOR(float, dx),
                   int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW mae_dx_row(ROW(x), ROW(target), OF_ROW(dloss), ROW(dx), C, accumulate);
}

kernel void huber(TENSOR(float, x), TENSOR(float, target), TENSOR(float, loss), float delta, int c,
                  ELEMENTS)
{
    FOR_EACH_ROW ROW_PUT(loss, huber_row(ROW(x), ROW(target), C, delta, memory));
}

kernel void huber_dx(TENSOR(float, x), TENSOR(float, target), TENSOR(float, dloss),
                     TENSOR(float, dx), float delta, int accumulate, int c, ELEMENTS)
{
    FOR_EACH_ROW huber_dx_row(ROW(x), ROW(target), OF_ROW(dloss), ROW(dx), C, delta, accumulate);
}

/* An integer's sum has no order, so an atomic addition is as good as any. */
kernel void topk_count(TENSOR(float, y), TENSOR(int, label), TENSOR(int, count), int k, int c,
                       ELEMENTS)
{
    FOR_EACH_ROW
    {
        const int hit = topk_row(ROW(y), OF_ROW(label), C, k, memory);
        if (hit && WRITES) atomic_inc(count + count0);
    }
}
