/* Fuzz target: the file of what came of trying a device's matrix units, on no device. What the file
 * does not say is not judged; what is judged next is kept, whatever the file was. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "opencl/cache.h"
#include "opencl/matrix_units.h"

#include "no_device.h"
#include "temporary.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char home[64], path[256]; /* of the cache, and of the file in it */

/* Has each unit judged, so that the file is written, and finds its name. */
static void make_ready(void)
{
    char folder[128];
    opencl_context cl = {.label = "no device"};
    clade_matrix_unit unit;
    use_no_device();
    fuzz_temporary("matrix-units", home);
    setenv("XDG_CACHE_HOME", home, 1);
    setenv("CLADE_MATRIX_UNIT", "untried-mma", 1);
    if (clade_opencl_matrix_units_open(&cl)) abort();
    for (size_t i = 0; clade_opencl_matrix_unit(&cl, i, &unit); i++)
        if (clade_opencl_matrix_judge(&cl, i, NULL)) abort();
    clade_opencl_matrix_units_close(&cl);
    snprintf(folder, sizeof folder, "%s/clade/opencl", home);
    DIR *list = opendir(folder);
    if (!list) abort();
    for (const struct dirent *entry; (entry = readdir(list));)
        if (strstr(entry->d_name, ".json"))
            snprintf(path, sizeof path, "%s/%.80s", folder, entry->d_name);
    closedir(list);
    if (!*path) abort();
}

static void remove_cache(void)
{
    if (clade_folder_remove(home)) abort();
}

/* Only a unit that was right is used; one that was not says why. */
static void check(const opencl_context *cl)
{
    clade_matrix_unit unit;
    size_t count = 0;
    for (; clade_opencl_matrix_unit((void *)cl, count, &unit); count++) {
        if (unit.failure && (!*unit.failure || !unit.judged)) abort();
        const bool used = clade_opencl_matrix_unit_for(cl, unit.products) != NULL;
        if (used != (unit.judged && !unit.failure)) abort();
    }
    if (!count) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    opencl_context cl = {.label = "no device"};
    clade_matrix_unit unit;
    if (!*path) {
        make_ready();
        atexit(remove_cache);
    }
    if (clade_file_write(path, data, size) || clade_opencl_matrix_units_open(&cl)) abort();
    check(&cl);
    for (size_t i = 0; clade_opencl_matrix_unit(&cl, i, &unit); i++)
        if (clade_opencl_matrix_judge(&cl, i, i ? "wrong" : NULL)) abort();
    check(&cl);
    clade_opencl_matrix_units_close(&cl);
    if (clade_opencl_matrix_units_open(&cl)) abort();
    for (size_t i = 0; clade_opencl_matrix_unit(&cl, i, &unit); i++)
        if (!unit.judged || !unit.failure != !i) abort();
    clade_opencl_matrix_units_close(&cl);
    return 0;
}
