/* Numbers of ranks as products, and ranks by their digits in these. */
#include "train/stages.h"

enum {
    straight = 8, /* so many ranks send straight to everyone; */
    fast = 4 /* of more, a stage of 4 costs least: 3 messages, and a wave as long as 2 of them */
};

static void add_stage(clade_stages *s, int32_t ranks, int32_t size, int32_t *left)
{
    s->stage[s->count++] = (clade_stage){size, ranks / *left};
    *left /= size;
}

/* Even factors first: their ranks' shards are aligned runs. */
void clade_stages_find(int32_t ranks, clade_stages *out)
{
    int32_t left = ranks;
    out->count = 0;
    if (left <= straight) add_stage(out, ranks, left, &left);
    while (left % fast == 0) add_stage(out, ranks, fast, &left);
    for (int32_t factor = 2; left > 1; factor++)
        while (left % factor == 0) add_stage(out, ranks, factor, &left);
}

static int32_t digit_of(const clade_stage *s, int32_t rank) { return rank / s->stride % s->size; }

int32_t clade_stage_peer(const clade_stage *s, int32_t rank, int32_t digit)
{
    return rank + (digit - digit_of(s, rank)) * s->stride;
}

clade_chunk clade_stages_chunk(const clade_stages *s, size_t length, int32_t rank, size_t count)
{
    clade_chunk c = {0, length};
    for (size_t i = 0; i < count; i++) {
        const size_t n = (size_t)s->stage[i].size, digit = (size_t)digit_of(&s->stage[i], rank);
        const size_t begin = c.count / n * digit + c.count % n * digit / n;
        const size_t end = c.count / n * (digit + 1) + c.count % n * (digit + 1) / n;
        c.first += begin;
        c.count = end - begin;
    }
    return c;
}
