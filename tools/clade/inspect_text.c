/* An inspection in words: tables with bars. */
#include "inspect_print.h"
#include "session.h"
#include "shown.h"

#include <string.h>

enum { bar_cells = 24, listed_classes = 40, listed_sizes = 5 };

/* A bar of up to `cells` characters, drawn in eighths of one. Gives how many it took. */
static int print_bar(double value, double most, int cells)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = most > 0 ? (int)(value / most * 8 * cells + 0.5) : 0;
    if (value > 0 && eighths == 0) eighths = 1;
    for (int i = 0; i < eighths / 8; i++) fputs("█", stdout);
    fputs(parts[eighths % 8], stdout);
    return (eighths + 7) / 8;
}

static const char *size_text(double bytes, char text[32])
{
    if (bytes < 10e3)
        snprintf(text, 32, "%.0f bytes", bytes);
    else if (bytes < 10e6)
        snprintf(text, 32, "%.0f kB", bytes / 1e3);
    else
        snprintf(text, 32, "%.1f MB", bytes / 1e6);
    return text;
}

static void print_classes(const clade_inspection *in)
{
    enum { cells = bar_cells / 2 };
    size_t most = 0, column = 8;
    for (size_t i = 0; i < CLADE_SPLITS * in->classes; i++)
        if (in->readable[i] > most) most = in->readable[i];
    for (size_t c = 0; c < in->classes && c < listed_classes; c++) {
        size_t n = shown_columns(shown(clade_dataset_class_name(in->dataset, c)));
        if (n > column) column = n;
    }
    printf("\n%-*s", (int)column + 2, "Classes");
    for (int s = 0; s < CLADE_SPLITS; s++)
        if (clade_dataset_count(in->dataset, (clade_split)s))
            printf("%12s%*s", session_splits[s], cells - 2, "");
    printf("\n");
    for (size_t c = 0; c < in->classes && c < listed_classes; c++) {
        printf("  ");
        printf("%s", shown_cell(shown(clade_dataset_class_name(in->dataset, c)), column, false));
        int space = 0;
        for (int s = 0; s < CLADE_SPLITS; s++) {
            if (!clade_dataset_count(in->dataset, (clade_split)s)) continue;
            size_t n = in->readable[(size_t)s * in->classes + c];
            printf("%*s%9zu ", space, "", n);
            space = cells - print_bar((double)n, (double)most, cells);
        }
        printf("\n");
    }
    if (in->classes > listed_classes) printf("  and %zu more\n", in->classes - listed_classes);
}

static void print_counts(const clade_inspect_count *list, size_t n, size_t most)
{
    for (size_t i = 0; i < n && i < most; i++) {
        printf("  ");
        printf("%s", shown_cell(list[i].name, 22, false));
        printf("%9zu ", list[i].count);
        print_bar((double)list[i].count, (double)list[0].count, bar_cells);
        printf("\n");
    }
    if (n > most) printf("  and %zu more\n", n - most);
}

/* The numbers from 2^bin on, to before the next power of two. */
static const char *bin_text(int bin, bool bytes, char text[64])
{
    unsigned long long low = bin ? 1ull << bin : 0, high = 2ull << bin;
    if (!bytes)
        snprintf(text, 64, "%llu to %llu", low, high - 1);
    else if (bin < 10)
        snprintf(text, 64, "below %llu bytes", high);
    else if (bin < 20)
        snprintf(text, 64, "%llu to %llu KiB", low >> 10, high >> 10);
    else
        snprintf(text, 64, "%llu to %llu MiB", low >> 20, high >> 20);
    return text;
}

static void print_bins(const size_t bins[CLADE_INSPECT_BINS], bool bytes)
{
    int first = 0, last = CLADE_INSPECT_BINS - 1;
    size_t most = 0;
    while (first < last && !bins[first]) first++;
    while (last > first && !bins[last]) last--;
    for (int i = first; i <= last; i++)
        if (bins[i] > most) most = bins[i];
    for (int i = first; i <= last; i++) {
        char text[64];
        printf("  ");
        printf("%s", shown_cell(bin_text(i, bytes, text), 22, false));
        printf("%9zu ", bins[i]);
        print_bar((double)bins[i], (double)most, bar_cells);
        printf("\n");
    }
}

static void print_sizes(const clade_inspection *in)
{
    if (in->size_count == 1) {
        printf("\nSize of images: %s\n", in->sizes[0].name);
        return;
    }
    printf("\nSizes of images: width %.0f to %.0f, median %.0f; height %.0f to %.0f, median %.0f\n",
           in->width.low, in->width.high, in->width.median, in->height.low, in->height.high,
           in->height.median);
    printf(" longer side\n");
    print_bins(in->side_bins, false);
    printf(" %s\n", in->size_count > listed_sizes ? "most frequent" : "width × height");
    print_counts(in->sizes, in->size_count, listed_sizes);
}

static void print_files(const clade_inspection *in)
{
    static const char *const turns[9] = {"",        "upright",           "mirrored",
                                         "by 180°", "mirrored, by 180°", "mirrored, by 90°",
                                         "by 90°",  "mirrored, by 270°", "by 270°"};
    char low[32], median[32], high[32];
    if (in->file_bytes.low < in->file_bytes.high)
        printf("\nFiles: %s to %s, median %s\n", size_text(in->file_bytes.low, low),
               size_text(in->file_bytes.high, high), size_text(in->file_bytes.median, median));
    else
        printf("\nFiles: %s each\n", size_text(in->file_bytes.low, low));
    print_counts(in->formats, in->format_count, SIZE_MAX);
    if (in->file_bytes.low < in->file_bytes.high) {
        printf(" sizes\n");
        print_bins(in->byte_bins, true);
    }
    bool turned = false;
    for (int i = 2; i < 9; i++) turned |= in->orientations[i] > 0;
    if (!turned) return;
    printf(" EXIF orientation\n");
    for (int i = 1; i < 9; i++) {
        if (!in->orientations[i]) continue;
        printf("  %d ", i);
        printf("%s", shown_cell(turns[i], 20, false));
        printf("%9zu\n", in->orientations[i]);
    }
}

static void print_channels(const clade_inspection *in)
{
    static const char *const names[] = {"red", "green", "blue"};
    printf("\nValues, 0 to 1 (%s split)       mean   deviation\n", session_splits[in->measured]);
    for (int k = 0; k < in->channels; k++)
        printf("  %-30s%9.4f %9.4f\n", in->channels == 1 ? "grey" : names[k], in->mean[k],
               in->deviation[k]);
}

static void print_image(const clade_inspection *in, size_t i)
{
    const clade_inspected *p = &in->images[i];
    printf("%s: %s", session_splits[p->split], shown(p->name));
}

/* The damaged images, or those that cannot be read. */
static void print_unusable(const clade_inspection *in, bool damaged, size_t listed)
{
    size_t all = damaged ? in->damaged : in->unreadable - in->damaged, said = 0;
    if (all) printf("\n%s: %zu\n", damaged ? "Damaged, cannot be decoded" : "Cannot be read", all);
    for (size_t i = 0; i < in->count && said < listed; i++) {
        if (!in->images[i].fault || in->images[i].damaged != damaged) continue;
        printf("  ");
        print_image(in, i);
        printf(": %s\n", shown(in->images[i].fault));
        said++;
    }
    if (all > said) printf("  and %zu more\n", all - said);
}

static void print_faults(const clade_inspection *in, size_t listed)
{
    size_t skipped = clade_dataset_skipped(in->dataset), said;
    print_unusable(in, true, listed);
    print_unusable(in, false, listed);
    if (skipped) printf("\nNot used: %zu\n", skipped);
    for (size_t i = 0; i < skipped && i < listed; i++)
        printf("  %s: %s\n", shown(clade_dataset_skipped_name(in->dataset, i)),
               shown(clade_dataset_skipped_reason(in->dataset, i)));
    if (skipped > listed) printf("  and %zu more\n", skipped - listed);
    if (in->single_coloured) printf("\nOf a single colour: %zu\n", in->single_coloured);
    said = 0;
    for (size_t i = 0; i < in->count && said < listed; i++) {
        if (!in->images[i].single_colour) continue;
        printf("  ");
        print_image(in, i);
        printf("\n");
        said++;
    }
    if (in->single_coloured > said) printf("  and %zu more\n", in->single_coloured - said);
}

static void print_duplicates(const clade_inspection *in, size_t listed)
{
    size_t near = in->duplicate_count - in->exact_count;
    printf("\nDuplicates: %zu group%s of equal files", in->exact_groups,
           in->exact_groups == 1 ? "" : "s");
    if (in->exact_groups) printf(" (%zu files)", in->exact_count + in->exact_groups);
    printf(", %zu near pair%s%s\n", near, near == 1 ? "" : "s", in->more ? " or more" : "");
    for (size_t i = 0; i < in->duplicate_count && i < listed; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        if (d->exact)
            printf("  equal  ");
        else
            printf("  %5.3f  ", d->similarity);
        print_image(in, d->a);
        printf(" %s ", d->exact ? "=" : "~");
        print_image(in, d->b);
        printf("%s\n", in->images[d->a].label == in->images[d->b].label ? "" : "  (other class)");
    }
    if (in->duplicate_count > listed)
        printf("  and %zu more (--list N names more)\n", in->duplicate_count - listed);
}

void inspect_print_text(const clade_inspection *in, const char *path, size_t listed)
{
    char text[32];
    printf("%s: %zu images in %zu classes, %s\n", shown(path), in->count - in->unreadable,
           in->classes, size_text((double)in->bytes, text));
    print_classes(in);
    if (in->count > in->unreadable) {
        print_sizes(in);
        print_files(in);
        print_channels(in);
    }
    print_faults(in, listed);
    print_duplicates(in, listed);
    printf("\n%s\n", in->finding_count ? "To look into" : "Nothing to look into");
    for (size_t i = 0; i < in->finding_count; i++)
        printf("  %c %s\n", in->findings[i].serious ? '!' : '-', shown(in->findings[i].text));
}
