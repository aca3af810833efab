/* The search for near hashes against trying all pairs. */
#include "../test.h"

#include "base/random.h"
#include "data/perceptual_hash.h"

#include <math.h>
#include <stdlib.h>

enum { looks = 1500 };

/* Random hashes, many of them another one with a few bits turned. */
static void make(clade_look *list)
{
    clade_random r = clade_random_start(3, CLADE_STREAM_CONFORM, 0);
    for (size_t i = 0; i < looks; i++) {
        list[i].hash = (uint64_t)clade_random_u32(&r) << 32 | clade_random_u32(&r);
        if (i > 0 && i % 3) {
            list[i].hash = list[clade_random_below(&r, (uint32_t)i)].hash;
            for (uint32_t k = clade_random_below(&r, 18); k > 0; k--)
                list[i].hash ^= (uint64_t)1 << clade_random_below(&r, 64);
        }
        list[i].least = -1;
        for (size_t k = 0; k < sizeof list[i].grey; k++)
            list[i].grey[k] = (uint8_t)clade_random_u32(&r);
    }
}

/* Bits one by one. */
static int32_t count_bits(uint64_t x)
{
    int32_t n = 0;
    for (; x; x >>= 1) n += (int32_t)(x & 1);
    return n;
}

static void test_search(clade_pool *pool, const clade_look *list)
{
    for (int32_t distance = 0; distance <= clade_near_most_distance; distance++) {
        clade_near *pairs;
        size_t count, expected = 0, wrong = 0;
        bool more;
        CHECK_OK(clade_near_find(pool, list, looks, distance, &pairs, &count, &more));
        for (size_t b = 0; b < looks; b++)
            for (size_t a = 0; a < b; a++)
                expected += count_bits(list[a].hash ^ list[b].hash) <= distance;
        for (size_t i = 0; i < count; i++) {
            const clade_near *p = &pairs[i];
            wrong += p->a >= p->b || p->distance != count_bits(list[p->a].hash ^ list[p->b].hash) ||
                     p->distance > distance;
            for (size_t k = i; k-- > 0 && pairs[k].b == p->b;) wrong += pairs[k].a == p->a;
            wrong += i > 0 && pairs[i - 1].b > p->b;
        }
        CHECK(count == expected && wrong == 0 && !more);
        CHECK(expected > (distance < 3 ? 20u : 200u));
        free(pairs);
    }
}

/* Many equal hashes: the list stays short, and says so. */
static void test_many(clade_pool *pool)
{
    clade_look *list = calloc(300, sizeof *list);
    clade_near *pairs;
    size_t count;
    bool more;
    for (size_t i = 0; i < 300; i++) {
        list[i].hash = 5;
        list[i].least = -1;
    }
    CHECK_OK(clade_near_find(pool, list, 300, 4, &pairs, &count, &more));
    CHECK(more && count == 64 * 63 / 2 + (300 - 64) * 64);
    free(pairs);
    CHECK_OK(clade_near_find(pool, list, 0, 4, &pairs, &count, &more));
    CHECK(!more && count == 0);
    free(pairs);
    free(list);
}

static double similarity(clade_look *a, clade_look *b)
{
    clade_edges edges;
    clade_look_sum(a);
    clade_look_sum(b);
    clade_edges_take(b, &edges);
    return clade_look_similarity(a, &edges);
}

/* The definition, in doubles: correlation of the differences between neighbours. */
static double correlation(const clade_look *a, const clade_look *b)
{
    enum { n = clade_look_side, count = 2 * n * (n - 1) };
    double x[count], y[count], mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    int k = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int down = 0; down < 2; down++) {
                if ((down ? i : j) == n - 1) continue;
                int at = i * n + j, next = at + (down ? n : 1);
                x[k] = a->grey[next] - a->grey[at];
                y[k++] = b->grey[next] - b->grey[at];
            }
    for (k = 0; k < count; k++) {
        mx += x[k] / count;
        my += y[k] / count;
    }
    for (k = 0; k < count; k++) {
        xx += (x[k] - mx) * (x[k] - mx);
        yy += (y[k] - my) * (y[k] - my);
        xy += (x[k] - mx) * (y[k] - my);
    }
    return xy / sqrt(xx * yy);
}

static void test_similarity(clade_look *list)
{
    clade_look a = {0}, b = {0};
    CHECK(similarity(&a, &b) == 0); /* nothing to compare */
    for (int i = 0; i < clade_look_side * clade_look_side; i++) {
        a.grey[i] = (uint8_t)(i * i % 101);
        b.grey[i] = (uint8_t)(20 + 2 * a.grey[i]); /* other brightness and contrast */
    }
    CHECK(similarity(&a, &b) > 0.999999);
    for (int i = 0; i < clade_look_side * clade_look_side; i++)
        b.grey[i] = (uint8_t)(255 - b.grey[i]);
    CHECK(similarity(&a, &b) < -0.999999);
    for (int i = 0; i < 50; i++) {
        double expected = correlation(&list[i], &list[i + 50]);
        CHECK(fabs(similarity(&list[i], &list[i + 50]) - expected) < 1e-9);
        CHECK(similarity(&list[i + 50], &list[i]) == similarity(&list[i], &list[i + 50]));
    }
    /* the last column and the last row count, and steps to the right are no steps down */
    clade_look column = {0}, row = {0};
    for (int i = 0; i < clade_look_side; i++) {
        column.grey[i * clade_look_side + clade_look_side - 1] = 50;
        row.grey[(clade_look_side - 1) * clade_look_side + i] = 50;
    }
    CHECK(similarity(&column, &column) == 1 && similarity(&row, &row) == 1);
    CHECK(similarity(&column, &row) < 0.1);
}

/* Colours look like their brightness; the smaller image is the mean of 2 x 2 cells. */
static void test_look(void)
{
    enum { cells = clade_look_cells * clade_look_cells };
    static float colour[3 * cells], grey[cells];
    clade_random r = clade_random_start(4, CLADE_STREAM_CONFORM, 0);
    for (int i = 0; i < cells; i++) {
        for (int c = 0; c < 3; c++) colour[3 * i + c] = clade_random_uniform(&r, 0, 255);
        grey[i] = 0.299f * colour[3 * i] + 0.587f * colour[3 * i + 1] + 0.114f * colour[3 * i + 2];
    }
    clade_look a, b;
    clade_look_take(colour, 3, &a);
    clade_look_take(grey, 1, &b);
    CHECK(a.hash == b.hash && !memcmp(a.grey, b.grey, sizeof a.grey));
    CHECK(a.hash == 0xe2277b2491b3f036u); /* the same in every release */
    int wrong = 0;
    for (int y = 0; y < clade_look_side; y++)
        for (int x = 0; x < clade_look_side; x++) {
            const float *p = grey + 2 * y * clade_look_cells + 2 * x, *q = p + clade_look_cells;
            wrong += a.grey[y * clade_look_side + x] !=
                     (uint8_t)((p[0] + p[1] + q[0] + q[1]) / 4 + 0.5f);
        }
    CHECK(wrong == 0);
}

int main(void)
{
    clade_pool *pool;
    CHECK_OK(clade_pool_create(3, &pool));
    clade_look *list = malloc(looks * sizeof *list);
    make(list);
    test_search(pool, list);
    test_many(pool);
    test_similarity(list);
    test_look();
    free(list);
    clade_pool_destroy(&pool);
    return TEST_END();
}
