/* conv2d_maxpool and its gradients on OpenCL devices. Winograd's tiles are pooled, or unpooled,
 * where they are transformed, and a direct convolution pools its results before it stores them.
 * Else the ops that they are made of run one after the other through workspace. The convolution's
 * result, or its gradient, is there for a few images at a time, so that it stays in a CPU's cache
 * and is small on any device; conv2d_dw, whose chunks go over all images, has it whole. */
#include "opencl/implicit.h"
#include "opencl/rows.h"
#include "op/conv_pool.h"

enum { cpu_floats = 1 << 18, gpu_floats = 1 << 24, alignment = 64 }; /* of images taken at once */

/* The launchers of the ops. */
static opencl_table parts_of(const opencl_context *cl)
{
    opencl_table table = {0};
    clade_opencl_conv(cl, &table);
    clade_opencl_pool(cl, &table);
    return table;
}

/* How many images are taken at once. */
static int32_t images_at_once(const opencl_context *cl, const clade_tensor *full)
{
    size_t each = clade_tensor_count(full) / (size_t)full->dim[0];
    size_t fit = (size_t)(cl->cpu_like ? cpu_floats : gpu_floats) / each;
    return fit < 1 ? 1 : fit < (size_t)full->dim[0] ? (int32_t)fit : full->dim[0];
}

/* Where the full tensor begins in workspace, behind what the convolution needs itself. */
static uint64_t full_offset(opencl_context *cl, clade_op op, const clade_args *args)
{
    size_t floats = clade_opencl_conv_workspace(cl, op, args) / sizeof(float);
    return (floats + alignment - 1) / alignment * alignment;
}

/* Takes the images before the next `n` off the front of a tensor that has `n` then. */
static void advance(clade_tensor *t, int32_t done, int32_t n)
{
    if (!clade_tensor_present(t)) return;
    t->dim[0] = done;
    t->offset += clade_tensor_count(t);
    t->dim[0] = n;
}

/* The algorithm of the convolutions inside. Gradients' full tensor has the memory of the
 * pooled one. */
static opencl_algorithm algorithm_of(opencl_context *cl, const clade_conv2d_maxpool_args *a,
                                     clade_args *conv)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->w, &g);
    conv->conv2d = conv_pool_conv(a, full);
    return clade_opencl_algorithm(cl, CLADE_OP_conv2d, conv);
}
static opencl_algorithm algorithm_of_dx(opencl_context *cl, const clade_conv2d_maxpool_dx_args *a,
                                        clade_args *conv)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->dx, &a->w, &g);
    full.buffer = a->dy.buffer;
    full.offset = a->dy.offset;
    conv->conv2d_dx = conv_pool_conv_dx(a, full);
    return clade_opencl_algorithm(cl, CLADE_OP_conv2d_dx, conv);
}
static opencl_algorithm algorithm_of_dw(opencl_context *cl, const clade_conv2d_maxpool_dw_args *a,
                                        clade_args *conv)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->dw, &g);
    full.buffer = a->dy.buffer;
    full.offset = a->dy.offset;
    conv->conv2d_dw = conv_pool_conv_dw(a, full);
    return clade_opencl_algorithm(cl, CLADE_OP_conv2d_dw, conv);
}

/* The convolution inside, of as many images as are taken at once; its output is not placed. */
static clade_args conv_of(const opencl_context *cl, const clade_conv2d_maxpool_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->w, &g);
    full.dim[0] = images_at_once(cl, &full);
    clade_args args = {.conv2d = conv_pool_conv(a, full)};
    args.conv2d.x.dim[0] = full.dim[0];
    return args;
}

static clade_args conv_dx_of(const opencl_context *cl, const clade_conv2d_maxpool_dx_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->dx, &a->w, &g);
    full.dim[0] = images_at_once(cl, &full);
    clade_args args = {.conv2d_dx = conv_pool_conv_dx(a, full)};
    args.conv2d_dx.dx.dim[0] = full.dim[0];
    return args;
}

static clade_args conv_dw_of(const clade_conv2d_maxpool_dw_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    return (clade_args){.conv2d_dw = conv_pool_conv_dw(a, conv_pool_full(&a->x, &a->dw, &g))};
}

static clade_status pool(opencl_context *cl, const clade_tensor *full, const clade_tensor *y,
                         const clade_tensor *index, bool relu)
{
    const int32_t *dim = full->dim;
    opencl_launch l = clade_opencl_begin_lanes(cl, "conv_pool", "conv_pool", dim[3], "");
    clade_opencl_tensor(&l, full);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, index);
    clade_opencl_i32(&l, clade_tensor_present(index));
    clade_opencl_i32(&l, relu);
    for (int i = 0; i < 4; i++) clade_opencl_i32(&l, dim[i]);
    uint64_t vectors = (uint64_t)(dim[3] / clade_opencl_lanes(cl, dim[3]));
    return clade_opencl_run_rows(&l, (uint64_t)y->dim[2] * vectors,
                                 (uint64_t)y->dim[0] * (uint64_t)y->dim[1]);
}

/* Is the convolution one of register tiles? Then one kernel does it all. */
static bool is_direct(opencl_context *cl, const clade_conv2d_maxpool_args *a)
{
    clade_args conv;
    return algorithm_of(cl, a, &conv) == OPENCL_DIRECT && !conv_is_depthwise(&a->w, a->groups);
}

static clade_status pool_direct(opencl_context *cl, const clade_conv2d_maxpool_args *a,
                                void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_conv2d_args conv = conv_pool_conv(a, conv_pool_full(&a->x, &a->w, &g));
    conv_job job = clade_opencl_conv_job(&conv);
    opencl_tile s = clade_opencl_tile(cl, job.cout);
    clade_opencl_conv_packed(&job, &s);
    const int32_t *w = a->w.dim;
    clade_status status =
        clade_opencl_conv_pack(cl, &a->w, w[0] * w[1], w[2], w[3], &job, workspace);
    if (status) return status;
    job.out_h = a->y.dim[1];
    job.out_w = a->y.dim[2];
    conv_axis_interior(job.column, &job.low, &job.high);
    job.low = (job.low + 1) / 2;
    job.high = job.high / 2 < job.out_w ? job.high / 2 : job.out_w;
    if (job.high < job.low) job.low = job.high = 0;
    int32_t inside = job.high - job.low;
    clade_opencl_tile_row(cl, &s, 2 * inside);
    if (s.pb < 2) s.pb = 2;
    job.tiles = (2 * inside + s.pb - 1) / s.pb;
    clade_buffer memory;
    clade_tensor packed = clade_opencl_workspace_tensor(&memory, workspace, 0);
    opencl_launch l =
        clade_opencl_begin(cl, "conv_pool", "conv_pool_tiles", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &packed);
    clade_opencl_tensor(&l, &a->b);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_i32(&l, clade_tensor_present(&a->index));
    clade_opencl_struct(&l, &job, sizeof job);
    size_t units = (size_t)(job.tiles + job.out_w - inside);
    if (cl->cpu_like) units = units / 32 + 1;
    return clade_opencl_run_checked(&l, (size_t)(job.groups * job.blocks), units,
                                    (size_t)job.images * (size_t)job.out_h);
}

static clade_status pool_implicit(opencl_context *cl, const clade_conv2d_maxpool_args *a,
                                  const clade_conv2d_args *conv, const opencl_epilogue *epilogue)
{
    conv_job job = clade_opencl_conv_job(conv);
    job.out_h = a->y.dim[1];
    job.out_w = a->y.dim[2];
    return clade_opencl_implicit(cl, &job, &a->x, &a->w, epilogue, &a->y, &a->index);
}

/* What is done for some images at a time: the convolution, whose full tensor is in workspace
 * memory, and the pooled side. */
typedef struct apart {
    opencl_context *cl;
    opencl_table ops;
    clade_args conv;
    clade_tensor pooled, index;
    bool relu;
    void *workspace;
} apart;

/* All images: those of x (or dx), which is the convolution's, and of the pooled side. */
static clade_status in_parts(apart *p, clade_tensor *x, clade_tensor *full,
                             clade_status (*run)(const apart *))
{
    clade_tensor *const moving[] = {x, &p->pooled, &p->index};
    int32_t left = p->pooled.dim[0], n = full->dim[0];
    for (int i = 0; i < 3; i++) advance(moving[i], 0, n);
    for (;;) {
        clade_status status = run(p);
        left -= n;
        if (status || left <= 0) return status;
        int32_t next = left < n ? left : n;
        for (int i = 0; i < 3; i++) advance(moving[i], n, next);
        full->dim[0] = n = next;
    }
}

static clade_status convolve_and_pool(const apart *p)
{
    clade_status status = p->ops.conv2d(p->cl, &p->conv.conv2d, p->workspace);
    return status ? status : pool(p->cl, &p->conv.conv2d.y, &p->pooled, &p->index, p->relu);
}

static clade_status unpool_and_convolve(const apart *p)
{
    clade_maxpool2d_dx_args unpool = conv_pool_unpool(&p->pooled, &p->index, p->conv.conv2d_dx.dy);
    clade_status status = p->ops.maxpool2d_dx(p->cl, &unpool, NULL);
    return status ? status : p->ops.conv2d_dx(p->cl, &p->conv.conv2d_dx, p->workspace);
}

static clade_status conv2d_maxpool(void *context, const clade_conv2d_maxpool_args *a,
                                   void *workspace)
{
    opencl_context *cl = context;
    clade_args args;
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act};
    opencl_algorithm algorithm = algorithm_of(cl, a, &args);
    if (algorithm == OPENCL_WINOGRAD)
        return clade_opencl_winograd(cl, &args.conv2d, &epilogue, &a->y, &a->index, workspace);
    if (algorithm == OPENCL_IMPLICIT) return pool_implicit(cl, a, &args.conv2d, &epilogue);
    if (is_direct(cl, a)) return pool_direct(cl, a, workspace);
    apart p = {.cl = cl,
               .ops = parts_of(cl),
               .conv = conv_of(cl, a),
               .pooled = a->y,
               .index = a->index,
               .relu = a->act == CLADE_RELU,
               .workspace = workspace};
    clade_buffer memory = {.handle = workspace};
    clade_conv2d_args *conv = &p.conv.conv2d;
    conv->y.offset = full_offset(cl, CLADE_OP_conv2d, &p.conv);
    conv->y.buffer = &memory;
    return in_parts(&p, &conv->x, &conv->y, convolve_and_pool);
}

static clade_status conv2d_maxpool_dx(void *context, const clade_conv2d_maxpool_dx_args *a,
                                      void *workspace)
{
    opencl_context *cl = context;
    clade_args args;
    if (algorithm_of_dx(cl, a, &args) == OPENCL_WINOGRAD)
        return clade_opencl_winograd_dx(cl, &args.conv2d_dx, &a->index, workspace);
    apart p = {.cl = cl,
               .ops = parts_of(cl),
               .conv = conv_dx_of(cl, a),
               .pooled = a->dy,
               .index = a->index,
               .workspace = workspace};
    clade_buffer memory = {.handle = workspace};
    clade_conv2d_dx_args *conv = &p.conv.conv2d_dx;
    conv->dy.offset = full_offset(cl, CLADE_OP_conv2d_dx, &p.conv);
    conv->dy.buffer = &memory;
    return in_parts(&p, &conv->dx, &conv->dy, unpool_and_convolve);
}

static clade_status conv2d_maxpool_dw(void *context, const clade_conv2d_maxpool_dw_args *a,
                                      void *workspace)
{
    opencl_context *cl = context;
    clade_args args;
    if (algorithm_of_dw(cl, a, &args) == OPENCL_WINOGRAD)
        return clade_opencl_winograd_dw(cl, &args.conv2d_dw, &a->index, workspace);
    opencl_table parts = parts_of(cl);
    args = conv_dw_of(a);
    clade_conv2d_dw_args *conv = &args.conv2d_dw;
    if (clade_opencl_dw_can_unpool(cl, conv)) {
        conv->dy.buffer = a->dy.buffer;
        conv->dy.offset = a->dy.offset;
        return clade_opencl_conv2d_dw_pooled(cl, conv, &a->index, workspace);
    }
    clade_buffer memory = {.handle = workspace};
    conv->dy.offset = full_offset(cl, CLADE_OP_conv2d_dw, &args);
    conv->dy.buffer = &memory;
    clade_maxpool2d_dx_args unpool = conv_pool_unpool(&a->dy, &a->index, conv->dy);
    clade_status status = parts.maxpool2d_dx(cl, &unpool, NULL);
    return status ? status : parts.conv2d_dw(cl, conv, workspace);
}

size_t clade_opencl_conv_pool_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    clade_args conv;
    opencl_algorithm algorithm;
    switch (op) {
    case CLADE_OP_conv2d_maxpool:
        algorithm = algorithm_of(cl, &args->conv2d_maxpool, &conv);
        if (algorithm == OPENCL_WINOGRAD)
            return clade_opencl_winograd_workspace(cl, CLADE_OP_conv2d, &conv);
        if (algorithm == OPENCL_IMPLICIT)
            return clade_opencl_implicit_workspace(cl, CLADE_OP_conv2d, &conv);
        conv = conv_of(cl, &args->conv2d_maxpool);
        if (is_direct(cl, &args->conv2d_maxpool))
            return clade_opencl_conv_workspace(cl, CLADE_OP_conv2d, &conv);
        return (full_offset(cl, CLADE_OP_conv2d, &conv) + clade_tensor_count(&conv.conv2d.y)) *
               sizeof(float);
    case CLADE_OP_conv2d_maxpool_dx:
        if (algorithm_of_dx(cl, &args->conv2d_maxpool_dx, &conv) == OPENCL_WINOGRAD)
            return clade_opencl_winograd_workspace(cl, CLADE_OP_conv2d_dx, &conv);
        conv = conv_dx_of(cl, &args->conv2d_maxpool_dx);
        return (full_offset(cl, CLADE_OP_conv2d_dx, &conv) +
                clade_tensor_count(&conv.conv2d_dx.dy)) *
               sizeof(float);
    case CLADE_OP_conv2d_maxpool_dw:
        if (algorithm_of_dw(cl, &args->conv2d_maxpool_dw, &conv) == OPENCL_WINOGRAD)
            return clade_opencl_winograd_workspace(cl, CLADE_OP_conv2d_dw, &conv);
        conv = conv_dw_of(&args->conv2d_maxpool_dw);
        if (clade_opencl_dw_can_unpool(cl, &conv.conv2d_dw))
            return clade_opencl_dw_pooled_workspace(cl, &conv.conv2d_dw);
        return (full_offset(cl, CLADE_OP_conv2d_dw, &conv) +
                clade_tensor_count(&conv.conv2d_dw.dy)) *
               sizeof(float);
    default: return 0;
    }
}

void clade_opencl_conv_pool(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->conv2d_maxpool = conv2d_maxpool;
    table->conv2d_maxpool_dx = conv2d_maxpool_dx;
    table->conv2d_maxpool_dw = conv2d_maxpool_dw;
}
