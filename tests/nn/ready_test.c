/* When gradients are ready: once they are final, and their parameters are not read any more. */
#include "../test.h"
#include "nn/ready.h"

#include <clade/backend.h>

#include <stdlib.h>

enum { kernel = 6, first = 0, second = 10 }; /* floats of a kernel; where each layer's is */

static clade_buffer trained, gradients, other;

static clade_tensor at(clade_buffer *buffer, uint64_t offset)
{
    return (clade_tensor){
        .buffer = buffer, .offset = offset, .dtype = CLADE_F32, .rank = 2, .dim = {2, kernel / 2}};
}

static clade_layer_call forward(uint64_t offset)
{
    return (clade_layer_call){
        .call = {
            .op = CLADE_OP_dense,
            .args.dense = {.x = at(&other, 0), .w = at(&trained, offset), .y = at(&other, 20)}}};
}

static clade_layer_call weights(uint64_t offset)
{
    return (clade_layer_call){.call = {.op = CLADE_OP_dense_dw,
                                       .args.dense_dw = {.x = at(&other, 0),
                                                         .dy = at(&other, 20),
                                                         .dw = at(&gradients, offset)}}};
}

static clade_layer_call input(uint64_t offset)
{
    return (clade_layer_call){.call = {.op = CLADE_OP_dense_dx,
                                       .args.dense_dx = {.dy = at(&other, 20),
                                                         .w = at(&trained, offset),
                                                         .dx = at(&other, 0)}}};
}

static void check(const clade_layer_call *calls, size_t count, const clade_ready *expected,
                  size_t points)
{
    clade_ready *ready = NULL;
    size_t found = 0;
    CHECK_OK(clade_ready_list(calls, count, &trained, &gradients, &ready, &found));
    CHECK(found == points);
    for (size_t i = 0; i < found && i < points; i++)
        CHECK(ready[i].call == expected[i].call && ready[i].first == expected[i].first);
    free(ready);
}

int main(void)
{
    const clade_layer_call plain[] = {forward(first), forward(second), weights(second),
                                      input(second), weights(first)};
    check(plain, 5, (clade_ready[]){{3, second}, {4, first}}, 2);
    /* the gradient of the input may come first */
    const clade_layer_call turned[] = {forward(first), forward(second), input(second),
                                       weights(second), weights(first)};
    check(turned, 5, (clade_ready[]){{3, second}, {4, first}}, 2);
    /* what the end of the parameters waits for, all before it waits for */
    const clade_layer_call late[] = {forward(first), weights(first), weights(second), input(first),
                                     input(second)};
    check(late, 5, (clade_ready[]){{4, first}}, 1);
    /* two layers with one kernel */
    const clade_layer_call shared[] = {forward(second), weights(second), input(second),
                                       weights(first), weights(second)};
    check(shared, 5, (clade_ready[]){{4, first}}, 1);
    return TEST_END();
}
