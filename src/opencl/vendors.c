/* Drivers that are installed and do not load. The ICD loader leaves them out without a word. */
#define _XOPEN_SOURCE 700
#include "opencl/vendors.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a vendor's file: the driver's library. */
static bool read_line(const char *folder, const char *name, char *line, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    line[read ? strcspn(line, " \r\n") : 0] = 0;
    return line[0] != 0;
}

bool clade_opencl_broken_vendor(char *text, size_t size)
{
    const char *folder = getenv("OCL_ICD_VENDORS");
    if (!folder || !*folder) folder = "/etc/OpenCL/vendors";
    bool broken = false;
    DIR *dir = opendir(folder);
    if (!dir) return false;
    for (struct dirent *entry; !broken && (entry = readdir(dir));) {
        const char *end = strrchr(entry->d_name, '.');
        char line[512];
        if (!end || strcmp(end, ".icd") || !read_line(folder, entry->d_name, line, sizeof line))
            continue;
        void *library = dlopen(line, RTLD_LAZY | RTLD_LOCAL);
        broken = !library;
        if (broken) snprintf(text, size, "%s does not load: %s", entry->d_name, dlerror());
        if (library) dlclose(library);
    }
    closedir(dir);
    return broken;
}
