/* Stands in front of dlopen: the library that the variable ABSENT names is not there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) void *dlopen(const char *file, int mode)
{
    const char *absent = getenv("ABSENT");
    char name[256];
    void *(*next)(const char *, int);
    void *symbol = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&next, &symbol, sizeof next);
    if (!file || !absent || strcmp(file, absent) != 0) return next(file, mode);
    snprintf(name, sizeof name, "%s.absent", file);
    return next(name, mode);
}
