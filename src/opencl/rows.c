/* Launches of kernels that stride over rows of vectors. */
#include "opencl/rows.h"

#include <stdio.h>

int32_t clade_opencl_lanes(const opencl_context *cl, int32_t c)
{
    for (int32_t lanes = cl->cpu_like ? 16 : 4; lanes >= 4; lanes /= 2)
        if (c % lanes == 0) return lanes;
    return 1;
}

opencl_launch clade_opencl_begin_lanes(opencl_context *cl, const char *family, const char *kernel,
                                       int32_t c, const char *more)
{
    char options[sizeof((opencl_kernel *)0)->options];
    snprintf(options, sizeof options, "-DVW=%d %s", clade_opencl_lanes(cl, c), more);
    return clade_opencl_begin(cl, family, kernel, options);
}

/* Most work-groups along a dimension: enough for any device, and within what all of them accept. */
enum { most_groups = 32768 };

static size_t whole_groups(uint64_t n, size_t group)
{
    uint64_t groups = (n + group - 1) / group;
    return (size_t)(groups < most_groups ? groups : most_groups) * group;
}

clade_status clade_opencl_run_rows(opencl_launch *launch, uint64_t items, uint64_t rows)
{
    if (launch->cl->cpu_like)
        return clade_opencl_run_grid(launch, 2, (const size_t[]){1, whole_groups(rows, 1)},
                                     (const size_t[]){1, 1});
    size_t local[] = {1, 1};
    while (local[0] < items && local[0] * 2 <= launch->cl->group_size) local[0] *= 2;
    while (local[1] < rows && local[0] * local[1] * 2 <= launch->cl->group_size) local[1] *= 2;
    return clade_opencl_run_grid(
        launch, 2, (const size_t[]){whole_groups(items, local[0]), whole_groups(rows, local[1])},
        local);
}
