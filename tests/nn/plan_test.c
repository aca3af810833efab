/* The memory planner: no two blocks alive at once overlap, and in whole schedules every call reads
 * what was last written to the value that it names. */
#include "../test.h"
#include "base/random.h"
#include "nets.h"
#include "nn/build.h"
#include "nn/plan.h"

#include <stdlib.h>

/* Checks a placement the slow way, pair by pair. */
static bool is_valid(const clade_plan_block *b, size_t count, uint64_t total)
{
    for (size_t i = 0; i < count; i++) {
        if (b[i].offset % CLADE_PLAN_ALIGN || b[i].offset + b[i].bytes > total) return false;
        for (size_t j = 0; j < i; j++) {
            bool together = b[i].first <= b[j].last && b[j].first <= b[i].last;
            bool overlap =
                b[i].offset < b[j].offset + b[j].bytes && b[j].offset < b[i].offset + b[i].bytes;
            if (together && overlap) return false;
        }
    }
    return true;
}

/* The most that lives at any moment, in rounded bytes: no plan can be smaller. */
static uint64_t least_total(const clade_plan_block *b, size_t count, int64_t moments)
{
    uint64_t most = 0;
    for (int64_t t = 0; t < moments; t++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++)
            if (b[i].first <= t && t <= b[i].last)
                sum += (b[i].bytes + CLADE_PLAN_ALIGN - 1) / CLADE_PLAN_ALIGN * CLADE_PLAN_ALIGN;
        if (sum > most) most = sum;
    }
    return most;
}

static void test_random_blocks(void)
{
    double worst = 1;
    for (uint64_t seed = 0; seed < 400; seed++) {
        clade_random r = clade_random_start(seed, CLADE_STREAM_CONFORM, 1);
        clade_plan_block block[60];
        size_t count = 1 + clade_random_below(&r, 60);
        for (size_t i = 0; i < count; i++) {
            block[i].bytes = 1 + clade_random_below(&r, clade_random_below(&r, 2) ? 5000 : 200);
            block[i].first = clade_random_below(&r, 50);
            block[i].last = block[i].first + clade_random_below(&r, seed % 2 ? 50 : 6);
        }
        uint64_t total;
        CHECK_OK(clade_plan_place(block, count, &total));
        CHECK(is_valid(block, count, total));
        double ratio = (double)total / (double)least_total(block, count, 100);
        if (ratio > worst) worst = ratio;
    }
    printf("random blocks: at worst %.2f of the lower bound\n", worst);
    CHECK(worst < 1.6);
    uint64_t total = 1;
    CHECK_OK(clade_plan_place(NULL, 0, &total));
    CHECK(total == 0);
}

/* ---- whole schedules ---- */

enum { MOST_LAYERS = 200, NOBODY = -1, CELL = 64 };

/* What a model would hand to the builder, without a device. */
typedef struct stage {
    clade_blueprint blueprint;
    clade_parameter parameter[MOST_LAYERS * CLADE_MAX_WEIGHTS];
    int32_t first_parameter[MOST_LAYERS];
    bool trained[MOST_LAYERS];
} stage;

static clade_tensor in_fixed_memory(clade_tensor t)
{
    static char memory;
    t.buffer = (clade_buffer *)&memory;
    return t;
}

/* What the model reads and gives, which slices have parts of. */
static clade_tensor in_other_memory(clade_tensor t)
{
    static char memory;
    t.buffer = (clade_buffer *)&memory;
    return t;
}

static void set_stage(stage *s, const clade_graph *graph, clade_loss loss, int32_t batch)
{
    int32_t p = 0;
    memset(s, 0, sizeof *s);
    for (int32_t i = 0; i < graph->count; i++) {
        const clade_node *node = &graph->node[i];
        s->first_parameter[i] = p;
        for (int32_t w = 0; w < node->weight_count; w++, p++) {
            s->parameter[p].value = in_fixed_memory(node->weight[w].shape);
            if (node->weight[w].trained) s->parameter[p].gradient = s->parameter[p].value;
            s->trained[i] |= node->weight[w].trained;
        }
        for (int32_t k = 0; k < node->layer.input_count; k++)
            s->trained[i] |= s->trained[node->layer.input[k]];
    }
    clade_tensor rows = in_fixed_memory(clade_shape(1, batch));
    clade_tensor output = in_other_memory(clade_node_tensor(&graph->node[graph->count - 1], batch));
    s->blueprint =
        (clade_blueprint){.graph = graph,
                          .parameter = s->parameter,
                          .first_parameter = s->first_parameter,
                          .trained = s->trained,
                          .loss = loss,
                          .input = in_other_memory(clade_node_tensor(graph->node, batch)),
                          .label = rows,
                          .weight = rows,
                          .output = output,
                          .losses = rows,
                          .zeros = output,
                          .minus_ones = rows};
    s->blueprint.label.dtype = CLADE_I32;
}

/* Does every cell of the value's memory still belong to it? */
static bool owns(const int64_t *owner, uint64_t offset, uint64_t bytes, int64_t value)
{
    for (uint64_t c = offset / CELL; c <= (offset + bytes - 1) / CELL; c++)
        if (owner[c] != value) return false;
    return true;
}

/* May output s of a call lie where its other slots lie? Only an op that works in place may share a
 * whole value. */
static bool keeps_apart(const clade_build *build, const clade_call *call, size_t s,
                        const uint64_t *offset)
{
    const clade_op_info *info = clade_op_describe(call->op);
    const clade_tensor *y = &call->args.slot[s];
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &call->args.slot[i];
        if (i == s || !clade_tensor_present(t) || t->buffer) continue;
        uint64_t a = offset[y->offset], b = offset[t->offset];
        bool overlap =
            a < b + build->value[t->offset].bytes && b < a + build->value[y->offset].bytes;
        if (overlap && (a != b || !(info->flags & CLADE_OP_INPLACE))) return false;
    }
    return true;
}

/* Walks through the calls, noting which value each cell of the arena was last written for. */
static bool replay(const clade_build *build, const uint64_t *offset, uint64_t total)
{
    uint64_t cells = total / CELL + 1;
    int64_t *owner = malloc(cells * sizeof *owner);
    bool *started = calloc(build->value_count + 1, sizeof *started), good = owner && started;
    for (uint64_t c = 0; good && c < cells; c++) owner[c] = NOBODY;
    for (size_t c = 0; good && c < build->call_count; c++) {
        const clade_call *call = &build->call[c].call;
        const clade_op_info *info = clade_op_describe(call->op);
        for (int write = 0; write < 2; write++) {
            for (size_t s = 0; s < info->slot_count; s++) {
                const clade_tensor *t = &call->args.slot[s];
                clade_slot_kind kind = info->slots[s].kind;
                bool in = !clade_slot_writes(kind);
                if (!clade_tensor_present(t) || t->buffer) continue;
                uint64_t v = t->offset, at = offset[v];
                good = good && v < build->value_count && at + build->value[v].bytes <= total;
                if (!good) break;
                /* what was begun is also read: sums go on, joined tensors fill up */
                if (!write && (in || started[v]))
                    good = good && owns(owner, at, build->value[v].bytes, (int64_t)v);
                if (!write || in) continue;
                good = good && keeps_apart(build, call, s, offset);
                started[v] = true;
                for (uint64_t k = at / CELL; k <= (at + build->value[v].bytes - 1) / CELL; k++)
                    owner[k] = (int64_t)v;
            }
        }
        if (!good) printf("call %zu (%s) reads what is not there\n", c, info->name);
    }
    free(owner);
    free(started);
    return good;
}

/* The sizes are those of training. `pools`: for a device that pools what it convolves at once;
 * `cache`: for one that had better take slices. Gives how many calls there are. */
static size_t check_graph(const clade_graph *graph, clade_loss loss, int32_t batch, bool pools,
                          uint64_t cache, uint64_t *arena, uint64_t *side_by_side)
{
    size_t calls = 0;
    stage s;
    set_stage(&s, graph, loss, batch);
    s.blueprint.pools = pools;
    s.blueprint.cache = cache;
    for (int pass = 0; pass < CLADE_PASSES; pass++) {
        clade_build build, smaller;
        CHECK_OK(clade_build_pass(&build, &s.blueprint, (clade_pass)pass, batch));
        uint64_t *offset = malloc((build.value_count + 1) * sizeof *offset);
        CHECK(offset != NULL);
        if (!offset) return 0;
        CHECK_OK(clade_build_plan(&build, offset, arena, side_by_side));
        CHECK(*arena <= *side_by_side + CLADE_PLAN_ALIGN * build.value_count);
        CHECK(replay(&build, offset, *arena));
        /* the plan of the full batch serves fewer images too */
        CHECK_OK(clade_build_pass(&smaller, &s.blueprint, (clade_pass)pass, 1));
        CHECK(smaller.value_count == build.value_count);
        CHECK(cache ? smaller.call_count <= build.call_count
                    : smaller.call_count == build.call_count);
        CHECK(replay(&smaller, offset, *arena));
        calls += build.call_count;
        clade_build_destroy(&build);
        clade_build_destroy(&smaller);
        free(offset);
    }
    return calls;
}

static void test_random_graphs(void)
{
    uint64_t arena, unshared, arenas = 0, sums = 0;
    size_t calls = 0, sliced = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool binary = seed % 3 == 0;
        clade_graph *g = net_random(seed, 3 + (int32_t)(seed % 20), binary ? 1 : 3);
        CHECK(g != NULL && g->count < MOST_LAYERS);
        if (!g) return;
        clade_loss loss = binary          ? CLADE_LOSS_BINARY_CROSSENTROPY
                          : seed % 3 == 1 ? CLADE_LOSS_CATEGORICAL_CROSSENTROPY
                                          : CLADE_LOSS_MSE;
        bool pools = seed / 3 % 2;
        sliced += check_graph(g, loss, 29, pools, 10000, &arena, &unshared);
        calls += check_graph(g, loss, 5, pools, 0, &arena, &unshared);
        arenas += arena;
        sums += unshared;
        clade_graph_destroy(&g);
    }
    printf("random graphs: training takes %.2f of the memory without sharing\n",
           (double)arenas / (double)sums);
    CHECK(arenas < sums);
    printf("in slices there are %.2f times as many calls\n", (double)sliced / (double)calls);
    CHECK(sliced > calls + calls / 10);
}

static void test_recipes(void)
{
    static const char *const names[] = {"horses-or-humans", "cats-dogs-64", "cifar10",
                                        "cats-dogs-dropout"};
    for (int i = 0; i < 4; i++) {
        clade_graph *g = net_recipe(names[i]);
        uint64_t arena = 0, unshared = 0;
        CHECK(g != NULL);
        if (!g) continue;
        clade_loss loss =
            i < 2 ? CLADE_LOSS_BINARY_CROSSENTROPY : CLADE_LOSS_CATEGORICAL_CROSSENTROPY;
        check_graph(g, loss, 32, false, 0, &arena, &unshared);
        CHECK(arena < unshared);
        uint64_t plain = arena;
        check_graph(g, loss, 32, true, 0, &arena, &unshared);
        printf("%s at batch 32: arena %.1f MiB, pooled at once %.1f MiB, then without sharing %.1f "
               "MiB\n",
               names[i], (double)plain / 1048576, (double)arena / 1048576,
               (double)unshared / 1048576);
        CHECK(arena < unshared && arena < plain);
        clade_graph_destroy(&g);
    }
}

int main(void)
{
    test_random_blocks();
    test_random_graphs();
    test_recipes();
    return TEST_END();
}
