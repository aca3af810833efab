/* Fuzz target: the file of measured choices of an OpenCL device, on no device, and what is exported
 * of it. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "bench/tuning_file.h"
#include "opencl/cache.h"
#include "opencl/tuning_cache.h"
#include "op/call_text.h"

#include "no_device.h"
#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is kept for a call is the name of an algorithm. */
static void look_up(const opencl_tuning *tuning)
{
    static const char *const texts[] = {"conv2d x=1x8x8x16 w=3x3x16x16",
                                        "conv2d_dx dy=1x6x6x16 w=3x3x16x16 dx=1x8x8x16",
                                        "dense x=4x8 w=8x4"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        clade_call call;
        if (clade_call_parse(texts[i], &call)) abort();
        for (int exact = 0; exact < 2; exact++) {
            const char *name = clade_opencl_tuned(tuning, call.op, &call.args, exact);
            if (name && !*name) abort();
        }
    }
}

/* What is exported can be taken over. */
static void export(opencl_context *cl, const opencl_tuning *tuning, const char *home)
{
    static const clade_device_info info = {.family = "none", .name = "n", .driver = "d"};
    char path[128], *kept;
    void *text;
    size_t size;
    opencl_tuning *other;
    if (clade_opencl_tuning_text(tuning, cl->label, &kept)) return;
    snprintf(path, sizeof path, "%s/exported.json", home);
    if (!clade_tuning_file_write(path, &info, kept)) {
        if (clade_file_read(path, 1 << 20, &text, &size)) abort();
        if (clade_opencl_tuning_open(cl, false, &other)) abort();
        const opencl_shipped shipped = {info.family, text, size};
        const bool whole = clade_opencl_tuning_take(cl, other, &shipped);
        if (!whole && !*clade_opencl_tuning_warning(tuning)) abort();
        clade_opencl_tuning_close(other);
        free(text);
    }
    free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    opencl_context cl = {.label = "no device"};
    opencl_tuning *tuning;
    clade_call call;
    char home[64], folder[128], key[65], path[256];
    use_no_device();
    fuzz_temporary("tuning", home);
    setenv("XDG_CACHE_HOME", home, 1);
    snprintf(folder, sizeof folder, "%s/clade/opencl", home);
    clade_opencl_cache_key(&cl, 0, NULL, "choices", key);
    snprintf(path, sizeof path, "%s/%s.json", folder, key);
    if (clade_folder_create(folder)) abort();
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) abort();
    if (clade_opencl_tuning_open(&cl, true, &tuning)) abort();
    look_up(tuning);
    export(&cl, tuning, home);
    /* whatever the file was, what is measured next is kept */
    const clade_algorithm_timing timings[] = {{.algorithm = "direct", .seconds = 2},
                                              {.algorithm = "implicit", .seconds = 1}};
    if (clade_call_parse("conv2d x=1x8x8x16 w=3x3x16x16", &call)) abort();
    if (clade_opencl_tuning_keep(tuning, &call, timings, 2)) abort();
    clade_opencl_tuning_close(tuning);
    if (clade_opencl_tuning_open(&cl, true, &tuning)) abort();
    const char *name = clade_opencl_tuned(tuning, call.op, &call.args, false);
    if (!*clade_opencl_tuning_warning(tuning) && (!name || strcmp(name, "implicit") != 0)) abort();
    clade_opencl_tuning_close(tuning);
    if (clade_folder_remove(home)) abort();
    return 0;
}
