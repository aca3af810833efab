/* Fuzz target: files of class names. What was read, written down again, reads as the same. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "class_names.h"

#include "temporary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_names(const char *path, const class_names *names)
{
    FILE *file = fopen(path, "wb");
    if (!file) abort();
    fputs("\xef\xbb\xbf", file); /* of two marks of the byte order the second is a name's */
    for (int32_t i = 0; i < names->count; i++) fprintf(file, "%s\n", names->name[i]);
    if (fclose(file)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    class_names names = {0}, again = {0};
    fuzz_temporary("class-names", path);
    if (clade_file_write(path, data, size)) abort();
    if (!class_names_read(path, &names)) {
        write_names(path, &names);
        if (class_names_read(path, &again) || names.count < 1 || again.count != names.count)
            abort();
        for (int32_t i = 0; i < names.count; i++)
            if (!*names.name[i] || strcmp(again.name[i], names.name[i]) != 0) abort();
    }
    class_names_clear(&again);
    class_names_clear(&names);
    if (remove(path)) abort();
    return 0;
}
