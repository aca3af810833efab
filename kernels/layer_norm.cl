/* Layer normalisation of [m, d]: rows of d elements.
 *
 * On many narrow cores a row is normalised by TEAMS teams of 16 work-items, one for each chain of a
 * chunk's sum; teams take a row's chunks side by side, and a work-group has ROWS rows. So
 * neighbours read what lies together, and a row comes from memory once. On few wide cores a
 * work-item does a row, or a strip of it, in vectors of VW, which divides d. */
#include "elements.clh"
#include "layer_norm.clh"
#include "tree.clh"

#ifndef TEAMS
#define TEAMS 1
#define ROWS 4
#endif

/* ---- teams ---- */

#define CHAINS LAYER_NORM_CHAINS
#define TEAM_SIZE (TEAMS * CHAINS) /* work-items of a row */

/* The sum of a row in chunks: ADD(i, sum) adds element i to a chain. `lane` and `part` are local:
 * the work-group's chains, and its teams' sums. */
#define TEAM_SUM(total, d, ADD)                                                                    \
    for (int chunk_ = 0; chunk_ < (d); chunk_ += TEAMS * LAYER_NORM_CHUNK) {                       \
        const int begin_ = chunk_ + team * LAYER_NORM_CHUNK;                                       \
        const int end_ = min((d)-begin_, LAYER_NORM_CHUNK) + begin_;                               \
        float sum_ = 0.0f;                                                                         \
        for (int i_ = begin_ + chain; active && i_ < end_; i_ += CHAINS) sum_ = ADD(i_, sum_);     \
        lane[get_local_id(0)] = sum_;                                                              \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        if (chain == 0) {                                                                          \
            float all_[CHAINS];                                                                    \
            for (int l_ = 0; l_ < CHAINS; l_++) all_[l_] = lane[get_local_id(0) + l_];             \
            part[get_local_id(0) / CHAINS] = layer_norm_join(all_);                                \
        }                                                                                          \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        for (int t_ = 0; t_ < TEAMS; t_++)                                                         \
            total += part[get_local_id(0) / TEAM_SIZE * TEAMS + t_];                               \
    }

/* Runs a body for each row of the work-item, whose place in it is `member`; all of a group run it,
 * active or not, as they wait for each other. */
#define FOR_TEAM_ROWS                                                                              \
    local float lane[ROWS * TEAM_SIZE], part[ROWS * TEAMS];                                        \
    const int member = get_local_id(0) % TEAM_SIZE, team = member / CHAINS;                        \
    const int chain = member % CHAINS;                                                             \
    for (ulong base = get_group_id(0) * ROWS; base < m; base += get_num_groups(0) * ROWS)          \
        for (ulong row = base + get_local_id(0) / TEAM_SIZE, active = row < m, once = 1; once;     \
             once = 0)

/* Reads x and writes y: 8 m d bytes. */
kernel void layer_norm_teams(TENSOR(stored, x), TENSOR(float, gamma), TENSOR(float, beta),
                             TENSOR(stored, y), TENSOR(float, mean), TENSOR(float, rstd), ulong m,
                             int d, float eps)
{
    FOR_TEAM_ROWS
    {
        const global stored *from = x + x0 + row * d;
        global stored *to = y + y0 + row * d;
        float sum = 0.0f, squares = 0.0f;
#define ADD(i, sum) ((sum) + S_LOAD(from + (i)))
        TEAM_SUM(sum, d, ADD)
#undef ADD
        const float middle = math_div(sum, (float)d);
#define ADD(i, sum) layer_norm_square(S_LOAD(from + (i)), middle, sum)
        TEAM_SUM(squares, d, ADD)
#undef ADD
        const float r = math_rsqrt(math_div(squares, (float)d) + eps);
        if (active && member == 0) {
            mean[mean0 + row] = middle;
            rstd[rstd0 + row] = r;
        }
        for (int i = member; active && i < d; i += TEAM_SIZE)
            S_STORE(to + i,
                    FMA((S_LOAD(from + i) - middle) * r, gamma[gamma0 + i], beta[beta0 + i]));
    }
}

/* Reads x and dy and writes dx: 12 m d bytes. */
kernel void layer_norm_dx_teams(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, gamma),
                                TENSOR(float, mean), TENSOR(float, rstd), TENSOR(stored, dx),
                                ulong m, int d, int accumulate)
{
    FOR_TEAM_ROWS
    {
        const global stored *from = x + x0 + row * d, *grad = dy + dy0 + row * d;
        const global float *factor = gamma + gamma0;
        const float middle = active ? mean[mean0 + row] : 0.0f;
        const float r = active ? rstd[rstd0 + row] : 0.0f;
        float p = 0.0f, q = 0.0f;
#define ADD(i, sum) FMA(S_LOAD(grad + (i)), factor[i], sum)
        TEAM_SUM(p, d, ADD)
#undef ADD
#define ADD(i, sum) layer_norm_slope(S_LOAD(from + (i)), S_LOAD(grad + (i)), factor[i], middle, sum)
        TEAM_SUM(q, d, ADD)
#undef ADD
        const layer_norm_slopes s = layer_norm_slopes_of(p, q, r, d);
        for (int i = member; active && i < d; i += TEAM_SIZE)
            S_PUT(dx + dx0 + row * d + i, r * FMA(-(S_LOAD(from + i) - middle), s.slope,
                                                  S_LOAD(grad + i) * factor[i] - s.shift));
    }
}

/* ---- rows and strips ---- */

/* Rows as elements.clh's elements. */
kernel void layer_norm_rows(TENSOR(stored, x), TENSOR(float, gamma), TENSOR(float, beta),
                            TENSOR(stored, y), TENSOR(float, mean), TENSOR(float, rstd), int d,
                            float eps, ELEMENTS)
{
    FOR_EACH_OWN(row, n)
    {
        const layer_norm_statistics s = layer_norm_row_statistics(x + x0 + row * d, d, eps);
        mean[mean0 + row] = s.mean;
        rstd[rstd0 + row] = s.rstd;
        layer_norm_strip(x + x0 + row * d, gamma + gamma0, beta + beta0, y + y0 + row * d, d, s);
    }
}

kernel void layer_norm_dx_rows(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, gamma),
                               TENSOR(float, mean), TENSOR(float, rstd), TENSOR(stored, dx), int d,
                               int accumulate, ELEMENTS)
{
    FOR_EACH_OWN(row, n)
    {
        const global stored *from = x + x0 + row * d, *grad = dy + dy0 + row * d;
        layer_norm_statistics s;
        s.mean = mean[mean0 + row], s.rstd = rstd[rstd0 + row];
        layer_norm_slopes t = layer_norm_row_slopes(from, grad, gamma + gamma0, s.mean, s.rstd, d);
        layer_norm_dx_strip(from, grad, gamma + gamma0, dx + dx0 + row * d, d, s, t, accumulate);
    }
}

/* dgamma and dbeta are trees (clade/ops.h) over the rows of [m, d], `lanes` of which lie side by
 * side. What each block's chains sum: `part` is [blocks, lanes, d] of the one, then of the other.
 * Vectors along dimension 0, blocks along dimension 1; reads 8 m d bytes. */
kernel void layer_norm_columns(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, mean),
                               TENSOR(float, rstd), TENSOR(float, part), ulong m, int d, int blocks,
                               int lanes)
{
    const ulong width = (ulong)d * lanes;
    for (ulong block = get_global_id(1); block < (ulong)blocks; block += get_global_size(1))
        for (ulong i = get_global_id(0) * VW; i < width; i += get_global_size(0) * VW) {
            const ulong first = block * TREE_ROWS * lanes + i / d;
            const ulong end = min(first + TREE_ROWS * (ulong)lanes, m);
            V product = V_SPLAT(0.0f), sum = V_SPLAT(0.0f);
            IN_ORDER for (ulong row = first; row < end; row += lanes)
            {
                const ulong at = row * d + i % d;
                const V g = SV_LOAD(dy + dy0 + at);
                const V normal = (SV_LOAD(x + x0 + at) - V_SPLAT(mean[mean0 + row])) *
                                 V_SPLAT(rstd[rstd0 + row]);
                product = V_FMA(g, normal, product);
                sum = sum + g;
            }
            V_STORE(part + part0 + block * width + i, product);
            V_STORE(part + part0 + (blocks + block) * width + i, sum);
        }
}

/* dgamma and dbeta, of which either may be absent, from what is left of columns: `left` rows of
 * each. */
kernel void layer_norm_weights(TENSOR(float, part), TENSOR(float, dgamma), TENSOR(float, dbeta),
                               int has_dgamma, int has_dbeta, int d, int left, ulong width,
                               int accumulate)
{
    TREE_LOCAL(local_);
    const size_t i = get_global_id(0);
    const global float *from = part + part0;
    const float product = tree_total(from, d, width, left, local_);
    const float sum = tree_total(from + left * width, d, width, left, local_);
    if (!TREE_WRITES(d)) return;
    if (has_dgamma) PUT(dgamma[dgamma0 + i], product);
    if (has_dbeta) PUT(dbeta[dbeta0 + i], sum);
}
