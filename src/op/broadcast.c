/* Merging the dimensions of broadcast operands. */
#include "op/broadcast.h"

typedef struct dimension {
    uint64_t size, a, b;
    bool summed;
} dimension;

static uint64_t step_of(const clade_tensor *t, int dim)
{
    uint64_t step = 1;
    if (!t || t->dim[dim] == 1) return 0;
    for (int i = dim + 1; i < t->rank; i++) step *= (uint64_t)t->dim[i];
    return step;
}

/* Merges the dimensions of y; returns their number. */
static int merge(const clade_tensor *y, const clade_tensor *a, const clade_tensor *b,
                 const clade_tensor *target, dimension *d)
{
    int n = 0;
    for (int i = 0; i < y->rank; i++) {
        if (y->dim[i] == 1) continue;
        dimension next = {(uint64_t)y->dim[i], step_of(a, i), step_of(b, i), target->dim[i] == 1};
        dimension *last = n ? &d[n - 1] : NULL;
        if (last && last->summed == next.summed && last->a == next.a * next.size &&
            last->b == next.b * next.size) {
            next.size *= last->size;
            *last = next;
        } else {
            d[n++] = next;
        }
    }
    return n;
}

void clade_broadcast_space(const clade_tensor *y, const clade_tensor *a, const clade_tensor *b,
                           broadcast_space *space)
{
    dimension d[CLADE_MAX_RANK];
    int n = merge(y, a, b, y, d), front = 4 - n;
    *space = (broadcast_space){.size = {1, 1, 1, 1}};
    for (int i = 0; i < n; i++) {
        space->size[front + i] = d[i].size;
        space->a[front + i] = d[i].a;
        space->b[front + i] = d[i].b;
    }
}

void clade_broadcast_sum(const clade_tensor *x, const clade_tensor *b, const clade_tensor *target,
                         broadcast_sum *sum)
{
    dimension d[CLADE_MAX_RANK];
    int n = merge(x, x, b, target, d);
    *sum = (broadcast_sum){
        .kept = {1, 1, 1, 1}, .summed = {1, 1}, .outputs = 1, .terms = 1, .columns = 1};
    /* a last dimension that is summed leaves no contiguous one to keep */
    int kept = n && d[n - 1].summed ? 3 : 4, summed = 2;
    while (n--) {
        if (d[n].summed) {
            sum->summed[--summed] = d[n].size;
            sum->x_summed[summed] = d[n].a;
            sum->b_summed[summed] = d[n].b;
            sum->terms *= d[n].size;
        } else {
            sum->kept[--kept] = d[n].size;
            sum->x_kept[kept] = d[n].a;
            sum->b_kept[kept] = d[n].b;
            sum->outputs *= d[n].size;
        }
    }
    for (int i = x->rank - 1; i >= 0 && x->dim[i] == target->dim[i]; i--)
        sum->columns *= (uint64_t)x->dim[i];
    sum->dense = sum->summed[0] == 1 && (sum->terms == 1 || sum->x_summed[1] == sum->columns) &&
                 (!b || clade_tensor_count(b) == clade_tensor_count(x));
}
