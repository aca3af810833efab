/* An inspection as JSON. */
#include "inspect_print.h"
#include "json_print.h"
#include "session.h"

static void add_counts(cJSON *to, const char *name, const clade_inspect_count *list, size_t n)
{
    cJSON *object = cJSON_AddObjectToObject(to, name);
    for (size_t i = 0; i < n; i++)
        cJSON_AddNumberToObject(object, list[i].name, (double)list[i].count);
}

static void add_range(cJSON *to, const char *name, const clade_inspect_range *range)
{
    cJSON *object = cJSON_AddObjectToObject(to, name);
    cJSON_AddNumberToObject(object, "least", range->low);
    cJSON_AddNumberToObject(object, "median", range->median);
    cJSON_AddNumberToObject(object, "most", range->high);
}

/* {"from": 512, "to": 1023, "count": 7} for each bin that has images. */
static void add_bins(cJSON *to, const char *name, const size_t bins[CLADE_INSPECT_BINS])
{
    cJSON *list = cJSON_AddArrayToObject(to, name);
    for (int i = 0; i < CLADE_INSPECT_BINS; i++) {
        if (!bins[i]) continue;
        cJSON *bin = cJSON_CreateObject();
        cJSON_AddNumberToObject(bin, "from", i ? (double)(1ull << i) : 0);
        cJSON_AddNumberToObject(bin, "to", (double)(1ull << (i + 1)) - 1);
        cJSON_AddNumberToObject(bin, "count", (double)bins[i]);
        clade_json_append(list, bin);
    }
}

static cJSON *image_of(const clade_inspection *in, size_t i)
{
    const clade_inspected *p = &in->images[i];
    cJSON *image = cJSON_CreateObject();
    cJSON_AddStringToObject(image, "split", session_splits[p->split]);
    cJSON_AddStringToObject(image, "class",
                            clade_dataset_class_name(in->dataset, (size_t)p->label));
    cJSON_AddStringToObject(image, "name", p->name);
    return image;
}

static void add_splits(cJSON *to, const clade_inspection *in)
{
    cJSON *splits = cJSON_AddObjectToObject(to, "splits");
    for (size_t s = 0; s < CLADE_SPLITS; s++) {
        if (!clade_dataset_count(in->dataset, (clade_split)s)) continue;
        cJSON *split = cJSON_AddObjectToObject(splits, session_splits[s]);
        for (size_t c = 0; c < in->classes; c++)
            cJSON_AddNumberToObject(split, clade_dataset_class_name(in->dataset, c),
                                    (double)in->readable[s * in->classes + c]);
    }
}

static void add_channels(cJSON *to, const clade_inspection *in)
{
    cJSON *channels = cJSON_AddObjectToObject(to, "values");
    cJSON_AddStringToObject(channels, "split", session_splits[in->measured]);
    clade_json_put(channels, "mean", cJSON_CreateDoubleArray(in->mean, in->channels));
    clade_json_put(channels, "deviation", cJSON_CreateDoubleArray(in->deviation, in->channels));
}

static void add_faults(cJSON *to, const clade_inspection *in)
{
    cJSON *unreadable = cJSON_AddArrayToObject(to, "unreadable");
    cJSON *unused = cJSON_AddArrayToObject(to, "not_used");
    cJSON *single = cJSON_AddArrayToObject(to, "single_colour");
    for (size_t i = 0; i < in->count; i++) {
        if (in->images[i].fault) {
            cJSON *image = image_of(in, i);
            cJSON_AddBoolToObject(image, "damaged", in->images[i].damaged);
            cJSON_AddStringToObject(image, "reason", in->images[i].fault);
            clade_json_append(unreadable, image);
        }
        if (in->images[i].single_colour) clade_json_append(single, image_of(in, i));
    }
    for (size_t i = 0; i < clade_dataset_skipped(in->dataset); i++) {
        cJSON *file = cJSON_CreateObject();
        cJSON_AddStringToObject(file, "name", clade_dataset_skipped_name(in->dataset, i));
        cJSON_AddStringToObject(file, "reason", clade_dataset_skipped_reason(in->dataset, i));
        clade_json_append(unused, file);
    }
}

static void add_duplicates(cJSON *to, const clade_inspection *in, size_t listed)
{
    cJSON *list = cJSON_AddArrayToObject(to, "duplicates");
    for (size_t i = 0; i < in->duplicate_count && i < listed; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        cJSON *pair = cJSON_CreateObject();
        cJSON_AddBoolToObject(pair, "exact", d->exact);
        cJSON_AddNumberToObject(pair, "similarity", d->similarity);
        cJSON_AddNumberToObject(pair, "distance", d->distance);
        clade_json_put(pair, "a", image_of(in, d->a));
        clade_json_put(pair, "b", image_of(in, d->b));
        clade_json_append(list, pair);
    }
    cJSON_AddNumberToObject(to, "equal_groups", (double)in->exact_groups);
    cJSON_AddNumberToObject(to, "equal_files", (double)(in->exact_count + in->exact_groups));
    cJSON_AddNumberToObject(to, "near_pairs", (double)(in->duplicate_count - in->exact_count));
    cJSON_AddBoolToObject(to, "more_duplicates", in->more || in->duplicate_count > listed);
    cJSON *shared = cJSON_AddObjectToObject(to, "images_with_a_duplicate");
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!clade_dataset_count(in->dataset, (clade_split)s)) continue;
        cJSON *of = cJSON_AddObjectToObject(shared, session_splits[s]);
        for (int t = 0; t < CLADE_SPLITS; t++)
            if (clade_dataset_count(in->dataset, (clade_split)t))
                cJSON_AddNumberToObject(of, session_splits[t], (double)in->shared[s][t]);
    }
}

void inspect_print_json(const clade_inspection *in, const char *path, size_t listed)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "data", path);
    cJSON_AddNumberToObject(root, "images", (double)(in->count - in->unreadable));
    cJSON_AddNumberToObject(root, "bytes", (double)in->bytes);
    add_splits(root, in);
    add_range(root, "width", &in->width);
    add_range(root, "height", &in->height);
    add_range(root, "file_bytes", &in->file_bytes);
    add_counts(root, "sizes", in->sizes, in->size_count);
    add_counts(root, "formats", in->formats, in->format_count);
    add_bins(root, "longer_side", in->side_bins);
    add_bins(root, "file_sizes", in->byte_bins);
    cJSON *orientations = cJSON_AddObjectToObject(root, "orientations");
    for (int i = 1; i < 9; i++) {
        char name[2] = {(char)('0' + i), 0};
        if (in->orientations[i])
            cJSON_AddNumberToObject(orientations, name, (double)in->orientations[i]);
    }
    add_channels(root, in);
    add_faults(root, in);
    add_duplicates(root, in, listed);
    cJSON *findings = cJSON_AddArrayToObject(root, "findings");
    for (size_t i = 0; i < in->finding_count; i++) {
        cJSON *finding = cJSON_CreateObject();
        cJSON_AddBoolToObject(finding, "serious", in->findings[i].serious);
        cJSON_AddStringToObject(finding, "text", in->findings[i].text);
        clade_json_append(findings, finding);
    }
    json_print(root, false);
}
