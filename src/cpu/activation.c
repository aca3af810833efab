/* activation on the CPU: the shared body, vectorised by the compiler, one loop per function. */
#include "cpu/cpu.h"

#include "../../kernels/activation.clh"
enum { grain = 16384 };

/* In each loop below the activation is a constant, so that it vectorises. */

static void forward(const void *user, size_t first, size_t end)
{
    const clade_activation_args *a = user;
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    const float alpha = a->alpha;
    /* clang-format off */
    switch (a->act) {
#define CLADE_ACTIVATION(ID, name, size, derivative, alpha_, slope, onnx, doc)                      \
    case ACT_##ID:                                                                                  \
        for (size_t i = first; i < end; i++) y[i] = act_forward(ACT_##ID, alpha, x[i]);             \
        break;
#include <clade/activations.def>
    }
    /* clang-format on */
}

static void backward(const void *user, size_t first, size_t end)
{
    const clade_activation_dx_args *a = user;
    const float *s = clade_tensor_host(clade_activation_reads_x(a->act) ? &a->x : &a->y);
    const float *dy = clade_tensor_host(&a->dy);
    float *dx = clade_tensor_host(&a->dx);
    const float alpha = a->alpha;
    /* clang-format off */
    switch (a->act) {
#define CLADE_ACTIVATION(ID, name, size, derivative, alpha_, slope, onnx, doc)                      \
    case ACT_##ID:                                                                                  \
        if (a->accumulate)                                                                          \
            for (size_t i = first; i < end; i++)                                                    \
                dx[i] += act_backward(ACT_##ID, alpha, s[i], dy[i]);                                \
        else                                                                                        \
            for (size_t i = first; i < end; i++)                                                    \
                dx[i] = act_backward(ACT_##ID, alpha, s[i], dy[i]);                                 \
        break;
#include <clade/activations.def>
    }
    /* clang-format on */
}

static clade_status activation(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const clade_activation_args *a = &args->activation;
    clade_cpu_range(context, (cpu_range){forward, a, clade_tensor_count(&a->x), grain});
    return CLADE_OK;
}

static clade_status activation_dx(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    (void)plan, (void)workspace;
    const clade_activation_dx_args *a = &args->activation_dx;
    clade_cpu_range(context, (cpu_range){backward, a, clade_tensor_count(&a->dy), grain});
    return CLADE_OK;
}

void CPU_NAME(activation)(cpu_op *op)
{
    op[CLADE_OP_activation].run = activation;
    op[CLADE_OP_activation_dx].run = activation_dx;
}
