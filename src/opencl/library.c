/* Libraries that are loaded at run time, where they are there. */
#define _GNU_SOURCE
#include "opencl/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void describe_absence(const opencl_library *library, char *why, size_t size)
{
    const char *error = dlerror();
    bool absent = !error || (strstr(error, "No such file") &&
                             !strncmp(error, library->file, strlen(library->file)));
    snprintf(why, size, absent ? "%s not found (Debian: %s)" : "%s does not load: %s",
             library->file, absent ? library->package : error);
}

bool clade_opencl_library_open(const opencl_library *library, char *why, size_t size)
{
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) describe_absence(library, why, size);
    for (size_t i = 0; i < library->count; i++) {
        const char *name = library->names[i];
        void *found = dlsym(RTLD_DEFAULT, name); /* a preloaded layer */
        if (!found && handle) found = dlsym(handle, name);
        if (!found) {
            if (handle) snprintf(why, size, "%s has no %s", library->file, name);
            return false;
        }
        memcpy(&library->functions[i], &found, sizeof found);
    }
    return true;
}

opencl_functions clade_icd;

enum { functions = sizeof clade_icd / sizeof(void (*)(void)) };

static char absence[256];
static bool present;

static void load(void)
{
#define NAME(name) #name,
    static const char *const names[functions] = {OPENCL_FUNCTIONS(NAME)};
    void (*found[functions])(void);
    const opencl_library loader = {"libOpenCL.so.1", "ocl-icd-libopencl1", functions, names, found};
    present = clade_opencl_library_open(&loader, absence, sizeof absence);
    if (present) memcpy(&clade_icd, found, sizeof clade_icd);
}

bool clade_opencl_load(const char **why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *why = absence;
    return present;
}
