/* What all images of a data set have in common: counts, ranges, means. */
#define _POSIX_C_SOURCE 200809L
#include "data/inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status out_of_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for the summary of an inspection");
}

/* The most frequent first, of equals by name. */
static int by_count(const void *a, const void *b)
{
    const clade_inspect_count *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Counts a name, which is copied; *place is where it stands. */
static clade_status count_name(clade_inspect_count **list, size_t *n, const char *name,
                               size_t *place)
{
    for (*place = 0; *place < *n; ++*place)
        if (!strcmp((*list)[*place].name, name)) break;
    if (*place == *n) {
        clade_inspect_count *more = realloc(*list, (*n + 1) * sizeof *more);
        if (!more) return out_of_memory();
        *list = more;
        more[*n] = (clade_inspect_count){strdup(name), 0};
        if (!more[*n].name) return out_of_memory();
        ++*n;
    }
    (*list)[*place].count++;
    return CLADE_OK;
}

static void name_format(const clade_inspection *in, const clade_header *header,
                        char text[clade_format_size])
{
    if (header->kind == CLADE_IMAGE_OTHER)
        snprintf(text, clade_format_size, "%s record", in->dataset->raw.planar ? "CIFAR" : "IDX");
    else
        clade_header_describe(header, text);
}

static clade_status count_formats(clade_inspection *in, const clade_header *headers)
{
    for (size_t i = 0; i < in->count; i++) {
        char text[clade_format_size];
        size_t place;
        if (in->images[i].fault) continue;
        name_format(in, &headers[i], text);
        clade_status status = count_name(&in->formats, &in->format_count, text, &place);
        if (status) return status;
    }
    if (in->format_count) qsort(in->formats, in->format_count, sizeof *in->formats, by_count);
    for (size_t i = 0; i < in->count; i++) { /* their places are known now */
        char text[clade_format_size];
        if (in->images[i].fault) continue;
        name_format(in, &headers[i], text);
        for (size_t k = 0; k < in->format_count; k++)
            if (!strcmp(in->formats[k].name, text)) in->images[i].format = (int32_t)k;
    }
    return CLADE_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the numbers. The lower of the two in the middle is the median. */
static clade_inspect_range range_of(uint64_t *numbers, size_t n)
{
    if (n == 0) return (clade_inspect_range){0, 0, 0};
    qsort(numbers, n, sizeof *numbers, by_number);
    return (clade_inspect_range){(double)numbers[0], (double)numbers[(n - 1) / 2],
                                 (double)numbers[n - 1]};
}

/* Counts of equal sizes, from width·2³² + height. */
static clade_status count_sizes(clade_inspection *in, uint64_t *numbers, size_t n)
{
    qsort(numbers, n, sizeof *numbers, by_number);
    size_t different = 0;
    for (size_t i = 0; i < n; i++) different += i == 0 || numbers[i] != numbers[i - 1];
    in->sizes = calloc(different ? different : 1, sizeof *in->sizes);
    if (!in->sizes) return out_of_memory();
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || numbers[i] != numbers[i - 1]) {
            char text[32];
            snprintf(text, sizeof text, "%d×%d", (int)(numbers[i] >> 32),
                     (int)(uint32_t)numbers[i]);
            in->sizes[in->size_count].name = strdup(text);
            if (!in->sizes[in->size_count++].name) return out_of_memory();
        }
        in->sizes[in->size_count - 1].count++;
    }
    qsort(in->sizes, in->size_count, sizeof *in->sizes, by_count);
    return CLADE_OK;
}

static size_t bin_of(uint64_t value)
{
    size_t bin = 0;
    while (value > 1 && bin < CLADE_INSPECT_BINS - 1) {
        value >>= 1;
        bin++;
    }
    return bin;
}

static clade_status measure_sizes(clade_inspection *in)
{
    uint64_t *numbers = malloc((in->count ? in->count : 1) * sizeof *numbers);
    if (!numbers) return out_of_memory();
    clade_status status = CLADE_OK;
    for (int what = 0; what < 4 && !status; what++) {
        size_t n = 0;
        for (size_t i = 0; i < in->count; i++) {
            const clade_inspected *p = &in->images[i];
            uint64_t w = (uint64_t)p->width, h = (uint64_t)p->height;
            if (!p->fault)
                numbers[n++] = what == 0 ? w : what == 1 ? h : what == 2 ? p->bytes : w << 32 | h;
        }
        if (what == 0) in->width = range_of(numbers, n);
        if (what == 1) in->height = range_of(numbers, n);
        if (what == 2) in->file_bytes = range_of(numbers, n);
        if (what == 3 && n) status = count_sizes(in, numbers, n);
    }
    free(numbers);
    return status;
}

/* Sums in the order of the images, so that threads make no difference. */
static void measure_channels(clade_inspection *in)
{
    double sum[3] = {0}, squares[3] = {0};
    size_t n = 0;
    in->channels = in->dataset->target.channels;
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->images[i];
        if (p->fault || p->split != in->measured) continue;
        for (int k = 0; k < in->channels; k++) {
            double mean = (double)p->mean[k], deviation = (double)p->deviation[k];
            sum[k] += mean;
            squares[k] += mean * mean + deviation * deviation;
        }
        n++;
    }
    for (int k = 0; k < in->channels && n; k++) {
        double mean = sum[k] / (double)n, variance = squares[k] / (double)n - mean * mean;
        in->mean[k] = mean / 255;
        in->deviation[k] = sqrt(variance > 0 ? variance : 0) / 255;
    }
}

/* Each class that an image shows; false: no memory. */
static bool count_labels(clade_inspection *in, const clade_inspected *p)
{
    uint8_t *row = malloc(in->classes + 1);
    if (!row) return false;
    clade_dataset_label_row(in->dataset, p->split, p->index, row);
    for (size_t c = 0; c < in->classes; c++)
        in->readable[(size_t)p->split * in->classes + c] += row[c];
    free(row);
    return true;
}

clade_status clade_inspect_summarize(clade_inspection *in, const clade_header *headers)
{
    bool found = false;
    in->classes = clade_dataset_classes(in->dataset);
    in->readable = calloc(CLADE_SPLITS * in->classes, sizeof *in->readable);
    if (!in->readable) return out_of_memory();
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->images[i];
        in->unreadable += p->fault != NULL;
        in->damaged += p->damaged;
        if (p->fault) continue;
        if (!found) in->measured = p->split;
        found = true;
        if (!count_labels(in, p)) return out_of_memory();
        in->single_coloured += p->single_colour;
        in->bytes += p->bytes;
        in->orientations[p->orientation]++;
        in->side_bins[bin_of((uint64_t)(p->height > p->width ? p->height : p->width))]++;
        in->byte_bins[bin_of(p->bytes)]++;
    }
    clade_status status = count_formats(in, headers);
    if (!status) status = measure_sizes(in);
    if (!status) measure_channels(in);
    return status;
}
