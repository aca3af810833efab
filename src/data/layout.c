/* Which folders are splits and which are classes.
 *
 *     CLASS/…                       all of it is the training split
 *     train/CLASS/… validation/CLASS/… test/CLASS/…
 *
 * either below any number of wrapping folders. A class' images may lie in folders of their own.
 */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A folder within the one that is looked at. */
typedef struct child {
    const char *name; /* not terminated */
    size_t length;
    size_t direct, deep; /* images in it, and in it or below it */
} child;

typedef struct children {
    child *items;
    size_t count, room;
} children;

/* A split's folder: a source and the part of the names that leads to the classes. */
typedef struct root {
    clade_source *source;
    char *prefix; /* empty, or ends in '/'; NULL: there is no such split */
} root;

static clade_status out_of_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for the folders of a data set");
}

static child *find_child(children *in, const char *name, size_t length)
{
    for (size_t i = in->count; i-- > 0;) /* the latest is the likeliest: names come sorted */
        if (in->items[i].length == length && memcmp(in->items[i].name, name, length) == 0)
            return &in->items[i];
    if (in->count == in->room) {
        size_t room = in->room ? 2 * in->room : 16;
        child *items = realloc(in->items, room * sizeof *items);
        if (!items) return NULL;
        in->items = items;
        in->room = room;
    }
    child *fresh = &in->items[in->count++];
    *fresh = (child){.name = name, .length = length};
    return fresh;
}

/* Lists the folders directly below a prefix. */
static clade_status scan(const clade_source *source, const char *prefix, children *out)
{
    out->count = 0;
    size_t n = strlen(prefix);
    for (size_t i = 0; i < source->count; i++) {
        const clade_entry *entry = &source->entries[i];
        if (strncmp(entry->name, prefix, n) != 0) continue;
        const char *rest = entry->name + n, *slash = strchr(rest, '/');
        if (!slash && entry->kind != CLADE_ENTRY_FOLDER) continue;
        child *c = find_child(out, rest, slash ? (size_t)(slash - rest) : strlen(rest));
        if (!c) return out_of_memory();
        if (entry->kind != CLADE_ENTRY_IMAGE) continue;
        c->deep++;
        c->direct += !strchr(slash + 1, '/');
    }
    return CLADE_OK;
}

/* Whether a folder's name stands for a split: train, training, training_set, val, … in any case. */
static bool is_split(const child *c, clade_split *split)
{
    static const struct {
        const char *word;
        clade_split split;
    } words[] = {{"train", CLADE_TRAIN},           {"training", CLADE_TRAIN},
                 {"validation", CLADE_VALIDATION}, {"valid", CLADE_VALIDATION},
                 {"val", CLADE_VALIDATION},        {"test", CLADE_TEST},
                 {"testing", CLADE_TEST}};
    size_t n = c->length;
    if (n > 4 && (c->name[n - 4] == '_' || c->name[n - 4] == '-') &&
        strncasecmp(c->name + n - 3, "set", 3) == 0)
        n -= 4;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != n || strncasecmp(c->name, words[i].word, n) != 0) continue;
        *split = words[i].split;
        return true;
    }
    return false;
}

/* prefix + child + "/", malloc'ed. */
static char *below(const char *prefix, const child *c)
{
    size_t n = strlen(prefix);
    char *whole = malloc(n + c->length + 2);
    if (!whole) return NULL;
    memcpy(whole, prefix, n);
    memcpy(whole + n, c->name, c->length);
    memcpy(whole + n + c->length, "/", 2);
    return whole;
}

/* Goes down through wrapping folders: while only one folder has images, and these are in folders
 * of that one. Replaces *prefix; leaves its children in `list`. */
static clade_status unwrap(const clade_source *source, char **prefix, children *list)
{
    for (;;) {
        clade_status status = scan(source, *prefix, list);
        if (status) return status;
        const child *only = NULL;
        size_t bearing = 0;
        for (size_t i = 0; i < list->count; i++) {
            if (list->items[i].deep == 0) continue;
            only = &list->items[i];
            bearing++;
        }
        clade_split split;
        if (bearing != 1 || only->deep == only->direct || is_split(only, &split)) return CLADE_OK;
        char *deeper = below(*prefix, only);
        if (!deeper) return out_of_memory();
        free(*prefix);
        *prefix = deeper;
    }
}

/* Whether the folders in `list` are splits: one of them is called train and holds folders with
 * images, or all that have images do and are called after splits. (A class may be called
 * "test".) */
static bool are_splits(const children *list)
{
    size_t bearing = 0, named = 0;
    for (size_t i = 0; i < list->count; i++) {
        const child *c = &list->items[i];
        clade_split split;
        if (c->deep == 0) continue;
        bearing++;
        if (c->deep == c->direct || !is_split(c, &split)) continue;
        named++;
        if (split == CLADE_TRAIN) return true;
    }
    return bearing > 0 && named == bearing;
}

/* Finds the splits of one source; `roots` receives them by their own names, `whole` is set when
 * there are none and the source is one split. */
static clade_status find_roots(clade_source *source, root roots[CLADE_SPLITS], bool *whole)
{
    children list = {0}, inner = {0};
    size_t images = 0;
    for (size_t i = 0; i < source->count; i++)
        images += source->entries[i].kind == CLADE_ENTRY_IMAGE;
    if (images == 0)
        return clade_fail(CLADE_EINVAL, "%s: holds no JPEG or PNG image", source->path);
    *whole = false;
    char *prefix = strdup("");
    clade_status status = prefix ? unwrap(source, &prefix, &list) : out_of_memory();
    if (status) goto done;
    *whole = !are_splits(&list);
    if (*whole) {
        roots[0] = (root){source, prefix};
        prefix = NULL;
        goto done;
    }
    for (size_t i = 0; i < list.count && !status; i++) {
        const child *c = &list.items[i];
        clade_split split;
        if (c->deep == c->direct || !is_split(c, &split)) continue;
        if (roots[split].prefix) {
            status = clade_fail(CLADE_EINVAL, "%s: two folders for the %s split: %s and %s%.*s",
                                source->path, clade_split_word(split), roots[split].prefix, prefix,
                                (int)c->length, c->name);
            break;
        }
        roots[split] = (root){source, below(prefix, c)};
        status =
            roots[split].prefix ? unwrap(source, &roots[split].prefix, &inner) : out_of_memory();
    }
done:
    free(list.items);
    free(inner.items);
    free(prefix);
    return status;
}

/* Puts the splits of a second folder or archive, which stands for `split` alone, in its place. */
static clade_status find_second(clade_source *source, clade_split split, root roots[CLADE_SPLITS])
{
    if (roots[split].prefix)
        return clade_fail(CLADE_EINVAL, "%s: two %s splits: the folder %s, and %s",
                          roots[split].source->path, clade_split_word(split), roots[split].prefix,
                          source->path);
    root found[CLADE_SPLITS] = {0};
    bool whole;
    clade_status status = find_roots(source, found, &whole);
    int count = 0, last = 0, chosen;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!found[s].prefix) continue;
        count++;
        last = s;
    }
    chosen = found[split].prefix ? (int)split : last;
    if (!status && count != 1 && chosen != (int)split)
        status = clade_fail(CLADE_EINVAL, "%s: several splits, none of them called %s",
                            source->path, clade_split_word(split));
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!status && s == chosen)
            roots[split] = found[s];
        else
            free(found[s].prefix);
    }
    return status;
}

static int by_name(const void *a, const void *b)
{
    const child *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static const child *lookup(const children *in, const char *name, size_t length)
{
    child key = {.name = name, .length = length};
    return in->count ? bsearch(&key, in->items, in->count, sizeof *in->items, by_name) : NULL;
}

/* The classes of a split, sorted by name; each must have an image unless `lenient`. */
static clade_status list_classes(const root *at, bool lenient, children *out)
{
    clade_status status = scan(at->source, at->prefix, out);
    if (status) return status;
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_name);
    for (size_t i = 0; i < out->count; i++)
        if (out->items[i].deep == 0 && !lenient)
            return clade_fail(CLADE_EINVAL, "%s/%s: class '%.*s' has no images", at->source->path,
                              at->prefix, (int)out->items[i].length, out->items[i].name);
    return CLADE_OK;
}

/* Both splits must know the same classes. */
static clade_status compare_classes(const root *a, const children *in_a, const root *b,
                                    const children *in_b)
{
    size_t shared = 0;
    const child *missing = NULL, *extra = NULL;
    for (size_t i = 0; i < in_a->count; i++) {
        const child *c = &in_a->items[i];
        if (lookup(in_b, c->name, c->length))
            shared++;
        else if (!missing)
            missing = c;
    }
    for (size_t i = 0; i < in_b->count && !extra; i++)
        if (!lookup(in_a, in_b->items[i].name, in_b->items[i].length)) extra = &in_b->items[i];
    if (!missing && !extra) return CLADE_OK;
    if (shared == 0)
        return clade_fail(CLADE_EINVAL, "%s/%s and %s/%s share no class ('%.*s' is not '%.*s')",
                          a->source->path, a->prefix, b->source->path, b->prefix,
                          (int)in_a->items[0].length, in_a->items[0].name,
                          (int)in_b->items[0].length, in_b->items[0].name);
    const root *has = missing ? a : b, *lacks = missing ? b : a;
    const child *c = missing ? missing : extra;
    return clade_fail(CLADE_EINVAL, "class '%.*s' is in %s/%s but not in %s/%s", (int)c->length,
                      c->name, has->source->path, has->prefix, lacks->source->path, lacks->prefix);
}

/* Gives every image of a source its split and class, and lists the rest as skipped. */
static clade_status assign(clade_dataset *dataset, clade_source *source,
                           const root roots[CLADE_SPLITS], const children *classes)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < source->count && !status; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_FOLDER) continue;
        if (entry->kind != CLADE_ENTRY_IMAGE) {
            if ((entry->damaged || entry->replaced) && dataset->strict)
                return clade_fail(CLADE_EFORMAT, "%s: %s: %s", source->path, entry->name,
                                  entry->reason);
            status = clade_dataset_skip(dataset, entry->name,
                                        entry->reason ? entry->reason : "not a JPEG or PNG image");
            continue;
        }
        const char *why = "not in the folder of a split";
        bool used = false;
        for (int s = 0; s < CLADE_SPLITS && !used && !status; s++) {
            if (roots[s].source != source || !roots[s].prefix) continue;
            size_t n = strlen(roots[s].prefix);
            if (strncmp(entry->name, roots[s].prefix, n) != 0) continue;
            const char *rest = entry->name + n, *slash = strchr(rest, '/');
            const child *c = slash ? lookup(classes, rest, (size_t)(slash - rest)) : NULL;
            why = "not in the folder of a class";
            if (!c) continue;
            clade_image image = {.name = entry->name,
                                 .key = rest,
                                 .source = source,
                                 .entry = entry,
                                 .label = (int32_t)(c - classes->items)};
            status = clade_dataset_add(dataset, (clade_split)s, &image);
            used = true;
        }
        if (!used && !status) status = clade_dataset_skip(dataset, entry->name, why);
    }
    return status;
}

/* Images of a split in the order of their classes, then of their names. */
static int by_label(const void *a, const void *b)
{
    const clade_image *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp(x->key, y->key);
}

static clade_status read_splits(clade_dataset *dataset, root roots[CLADE_SPLITS])
{
    bool whole;
    clade_status status = find_roots(dataset->sources[0], roots, &whole);
    for (int s = 1; s < CLADE_SPLITS && !status; s++)
        if (dataset->sources[s]) status = find_second(dataset->sources[s], (clade_split)s, roots);
    if (status) return status;

    children classes = {0}, others = {0};
    int first = 0;
    while (first < CLADE_SPLITS && !roots[first].prefix) first++;
    status = list_classes(&roots[first], dataset->lenient, &classes);
    if (!status && classes.count == 0)
        status = clade_fail(CLADE_EINVAL, "%s/%s: no folders of images, one for each class",
                            roots[first].source->path, roots[first].prefix);
    for (int s = first + 1; s < CLADE_SPLITS && !status; s++) {
        if (!roots[s].prefix) continue;
        status = list_classes(&roots[s], dataset->lenient, &others);
        if (!status && others.count == 0)
            status = clade_fail(CLADE_EINVAL, "%s/%s: no folders of images, one for each class",
                                roots[s].source->path, roots[s].prefix);
        if (!status) status = compare_classes(&roots[first], &classes, &roots[s], &others);
    }
    for (size_t i = 0; i < classes.count && !status; i++)
        status = clade_dataset_add_class(dataset, classes.items[i].name, classes.items[i].length);
    for (int s = 0; s < CLADE_SPLITS && !status; s++)
        if (dataset->sources[s]) status = assign(dataset, dataset->sources[s], roots, &classes);
    if (!status && dataset->classes < 2)
        status = clade_fail(CLADE_EINVAL, "%s/%s: only one class, '%s': a classifier needs two",
                            roots[first].source->path, roots[first].prefix, dataset->names[0]);
    free(classes.items);
    free(others.items);
    return status;
}

clade_status clade_layout_read(clade_dataset *dataset)
{
    root roots[CLADE_SPLITS] = {0};
    clade_status status = read_splits(dataset, roots);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        free(roots[s].prefix);
        clade_images *p = &dataset->split[s];
        if (p->count) qsort(p->items, p->count, sizeof *p->items, by_label);
    }
    return status;
}
