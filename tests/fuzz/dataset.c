/* Fuzz target: the input is an archive; it is opened, inspected, loaded and read as a data set. */
#define _XOPEN_SOURCE 700
#include <clade/inspect.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was opened must be whole: labels of known classes, names, pixels or a clear error. */
static void read_all(const clade_dataset *dataset)
{
    uint8_t pixels[8 * 8 * 3];
    for (int s = 0; s < CLADE_SPLITS; s++) {
        size_t n = clade_dataset_count(dataset, (clade_split)s);
        for (size_t i = 0; i < n && i < 64; i++) {
            int32_t label = clade_dataset_label(dataset, (clade_split)s, i);
            if (label < 0 || (size_t)label >= clade_dataset_classes(dataset)) abort();
            if (strlen(clade_dataset_name(dataset, (clade_split)s, i)) == 0) abort();
            if (clade_dataset_pixels(dataset, (clade_split)s, i, pixels)) return;
        }
    }
}

/* What cannot be read must be listed with a reason, and what can be must be counted. */
static void inspect_all(const clade_dataset *dataset)
{
    clade_inspection *in;
    if (clade_inspect(dataset, &(clade_inspect_options){.threads = 1}, &in)) return;
    size_t readable = 0, formats = 0;
    for (size_t i = 0; i < CLADE_SPLITS * in->classes; i++) readable += in->readable[i];
    for (size_t i = 0; i < in->format_count; i++) formats += in->formats[i].count;
    if (readable != in->count - in->unreadable || formats != readable) abort();
    for (size_t i = 0; i < in->count; i++)
        if (!in->images[i].fault && in->images[i].format < 0) abort();
    clade_inspection_destroy(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/clade-fuzz-XXXXXX";
    int file = mkstemp(path);
    if (file < 0) return 0;
    int wrote = write(file, data, size) == (ssize_t)size;
    close(file);
    for (int k = 0; k < 2 && wrote; k++) {
        clade_data_options options = {.path = path,
                                      .height = 8,
                                      .width = 8,
                                      .channels = k ? 1 : 3,
                                      .validation_split = k ? 0.3 : 0,
                                      .cache_bytes = k ? 1000 : 0,
                                      .lenient = k == 1,
                                      .max_damaged = 1,
                                      .threads = 1};
        clade_dataset *dataset;
        if (clade_dataset_open(&options, &dataset)) continue;
        read_all(dataset);
        inspect_all(dataset);
        if (!clade_dataset_load(dataset, NULL, NULL)) read_all(dataset);
        clade_dataset_destroy(&dataset);
    }
    unlink(path);
    return 0;
}
