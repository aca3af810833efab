/* Which folders are splits. They lie below any number of wrapping folders, and a split may be
 * wrapped once more:
 *
 *     train/CLASS/… validation/CLASS/… test/CLASS/…
 *     seg_train/seg_train/CLASS/… seg_test/seg_test/CLASS/…
 */
#define _POSIX_C_SOURCE 200809L
#include "data/layout.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static clade_status out_of_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for the folders of a data set");
}

clade_folder *clade_folders_take(clade_folders *in, const char *name, size_t length)
{
    for (size_t i = in->count; i-- > 0;) /* the last is the most likely: names are sorted */
        if (in->items[i].length == length && memcmp(in->items[i].name, name, length) == 0)
            return &in->items[i];
    if (in->count == in->room) {
        size_t room = in->room ? 2 * in->room : 16;
        clade_folder *items = realloc(in->items, room * sizeof *items);
        if (!items) return NULL;
        in->items = items;
        in->room = room;
    }
    clade_folder *fresh = &in->items[in->count++];
    *fresh = (clade_folder){.name = name, .length = length};
    return fresh;
}

clade_status clade_folders_scan(const clade_source *source, const char *prefix, clade_folders *out)
{
    out->count = 0;
    size_t n = strlen(prefix);
    for (size_t i = 0; i < source->count; i++) {
        const clade_entry *entry = &source->entries[i];
        if (strncmp(entry->name, prefix, n) != 0) continue;
        const char *rest = entry->name + n, *slash = strchr(rest, '/');
        if (!slash && entry->kind != CLADE_ENTRY_FOLDER) continue;
        clade_folder *f =
            clade_folders_take(out, rest, slash ? (size_t)(slash - rest) : strlen(rest));
        if (!f) return out_of_memory();
        if (entry->kind != CLADE_ENTRY_IMAGE) continue;
        f->deep++;
        f->direct += !strchr(slash + 1, '/');
    }
    return CLADE_OK;
}

/* ---- names ---- */

/* How a folder's name refers to a split. */
typedef enum split_naming {
    NAMES_NO_SPLIT,
    NAMES_SPLIT_TOO, /* together with other words: seg_train, x_test, asl_alphabet_test */
    NAMES_SPLIT      /* and nothing else: train, Training_Set, val2017, testImages */
} split_naming;

clade_split clade_split_of_word(const char *word, size_t n)
{
    static const struct {
        const char *word;
        clade_split split;
    } words[] = {{"train", CLADE_TRAIN},
                 {"training", CLADE_TRAIN},
                 {"validation", CLADE_VALIDATION},
                 {"valid", CLADE_VALIDATION},
                 {"val", CLADE_VALIDATION},
                 {"dev", CLADE_VALIDATION},
                 {"eval", CLADE_VALIDATION},
                 {"evaluation", CLADE_VALIDATION},
                 {"test", CLADE_TEST},
                 {"testing", CLADE_TEST}};
    if (n > 3 && strncasecmp(word + n - 3, "set", 3) == 0) n -= 3;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == n && strncasecmp(word, words[i].word, n) == 0)
            return words[i].split;
    return CLADE_SPLITS;
}

/* Returns whether a word adds nothing to a split's name. */
static bool is_filler(const char *word, size_t n)
{
    static const char *const words[] = {"set",    "data", "dataset", "image",
                                        "images", "img",  "imgs",    "split"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(word, words[i], n) == 0) return true;
    return false;
}

/* Words are runs of letters; a capital after a small letter also begins one. */
static split_naming read_name(const clade_folder *f, clade_split *split)
{
    split_naming naming = NAMES_SPLIT;
    *split = CLADE_SPLITS;
    for (size_t at = 0; at < f->length;) {
        size_t n = 0;
        while (at + n < f->length && isalpha((unsigned char)f->name[at + n]) &&
               !(n && islower((unsigned char)f->name[at + n - 1]) &&
                 isupper((unsigned char)f->name[at + n])))
            n++;
        clade_split named = n ? clade_split_of_word(f->name + at, n) : CLADE_SPLITS;
        if (named != CLADE_SPLITS && *split != CLADE_SPLITS && named != *split)
            return NAMES_NO_SPLIT;
        if (named != CLADE_SPLITS)
            *split = named;
        else if (n && !is_filler(f->name + at, n))
            naming = NAMES_SPLIT_TOO;
        at += n ? n : 1;
    }
    return *split == CLADE_SPLITS ? NAMES_NO_SPLIT : naming;
}

/* Returns whether a folder is part of a set divided by size, not a class: images_part_2,
 * chunk-01. */
static bool is_part(const clade_folder *f)
{
    static const char *const words[] = {"part", "chunk", "batch", "fold"};
    size_t n = f->length;
    while (n && isdigit((unsigned char)f->name[n - 1])) n--;
    const bool number = n < f->length;
    while (n && strchr("_- ", f->name[n - 1])) n--;
    for (size_t i = 0; i < sizeof words / sizeof *words && number; i++) {
        const size_t w = strlen(words[i]);
        if (n >= w && !strncasecmp(f->name + n - w, words[i], w)) return true;
    }
    return false;
}

static clade_status refuse_parts(const clade_source *source, const char *prefix,
                                 const clade_folders *list)
{
    char hint[CLADE_LABEL_HINT];
    size_t parts = 0, bearing = 0;
    for (size_t i = 0; i < list->count; i++) {
        bearing += list->items[i].deep > 0;
        parts += list->items[i].deep > 0 && is_part(&list->items[i]);
    }
    if (parts < 2 || parts < bearing) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "%s/%s: '%.*s' and the like look like parts of one set; rename them if they "
                      "are classes (%s)",
                      source->path, prefix, (int)list->items[0].length, list->items[0].name,
                      clade_label_hint(source, hint));
}

/* ---- splits of one source ---- */

/* Returns prefix + folder + "/", malloc'ed. */
static char *below(const char *prefix, const clade_folder *f)
{
    size_t n = strlen(prefix);
    char *whole = malloc(n + f->length + 2);
    if (!whole) return NULL;
    memcpy(whole, prefix, n);
    memcpy(whole + n, f->name, f->length);
    memcpy(whole + n + f->length, "/", 2);
    return whole;
}

/* Descends through wrapping folders: while only one folder has images, and these are in its
 * subfolders (with `flat`: anywhere). At the top, a folder named after a split does not count as
 * wrapping. Replaces *prefix; leaves its folders in `list`. */
static clade_status unwrap(const clade_source *source, bool flat, bool top, char **prefix,
                           clade_folders *list)
{
    for (;;) {
        clade_status status = clade_folders_scan(source, *prefix, list);
        if (status) return status;
        const clade_folder *only = NULL;
        size_t bearing = 0;
        for (size_t i = 0; i < list->count; i++) {
            if (list->items[i].deep == 0) continue;
            only = &list->items[i];
            bearing++;
        }
        clade_split split;
        if (bearing != 1 || (only->deep == only->direct && !flat) ||
            (top && read_name(only, &split) == NAMES_SPLIT))
            return CLADE_OK;
        char *deeper = below(*prefix, only);
        if (!deeper) return out_of_memory();
        free(*prefix);
        *prefix = deeper;
    }
}

/* Determines whether a folder that may be a split contains classes. It does not if its images are
 * directly in it, or in a subfolder of the same name. */
static clade_status has_classes(const clade_source *source, bool flat, const char *prefix,
                                const clade_folder *f, bool *has)
{
    *has = f->deep > (flat ? 0 : f->direct);
    if (!*has || flat) return CLADE_OK;
    clade_folders inner = {0};
    char *at = below(prefix, f);
    clade_status status = at ? unwrap(source, false, false, &at, &inner) : out_of_memory();
    size_t bearing = 0;
    bool same = false;
    for (size_t i = 0; i < inner.count; i++) {
        const clade_folder *c = &inner.items[i];
        bearing += c->deep > 0;
        same |= c->deep > 0 && c->length == f->length && !memcmp(c->name, f->name, f->length);
    }
    *has = !same || bearing > 1;
    free(at);
    free(inner.items);
    return status;
}

/* Signs that the subfolders of a folder are splits. */
typedef struct split_signs {
    bool train;                 /* one is named exactly train, and has classes */
    bool all;                   /* all have classes and are named exactly after splits */
    const clade_folder *a, *b;  /* named after the training split and another, among other words */
    const clade_folder *unlike; /* has folders with images and is not named after a split */
    const clade_folder *bare;   /* named after the training split, without classes */
    bool others;                /* some are not named after splits at all */
} split_signs;

static clade_status read_signs(const clade_source *source, bool flat, const char *prefix,
                               const clade_folders *list, split_signs *out)
{
    *out = (split_signs){0};
    clade_status status = CLADE_OK;
    size_t bearing = 0, exact = 0;
    for (size_t i = 0; i < list->count && !status; i++) {
        const clade_folder *f = &list->items[i];
        clade_split split;
        bool has;
        if (f->deep == 0) continue;
        split_naming naming = read_name(f, &split);
        status = has_classes(source, flat, prefix, f, &has);
        bool train = naming && split == CLADE_TRAIN;
        out->train |= train && naming == NAMES_SPLIT && has;
        bearing++;
        exact += naming == NAMES_SPLIT && has;
        if (train) out->a = f;
        if (naming && !train) out->b = f;
        if (train && !has) out->bare = f;
        if (!naming) out->others = true;
        if (!naming && has) out->unlike = f;
    }
    out->all = exact > 0 && exact == bearing;
    return status;
}

/* Determines whether the folders in `list` are splits. (A class may be called "test", or
 * "train".) */
static clade_status are_splits(const clade_source *source, bool flat, const char *prefix,
                               const clade_folders *list, bool *splits)
{
    split_signs s;
    char hint[CLADE_LABEL_HINT];
    clade_status status = read_signs(source, flat, prefix, list, &s);
    *splits = s.train || s.all;
    if (status || *splits || !s.a || !s.b || (s.bare && s.others)) return status;
    if (s.bare)
        return clade_fail(CLADE_EINVAL,
                          "%s/%s: %.*s and %.*s look like splits, but no folder in %.*s is a class"
                          " (%s)",
                          source->path, prefix, (int)s.a->length, s.a->name, (int)s.b->length,
                          s.b->name, (int)s.bare->length, s.bare->name,
                          clade_label_hint(source, hint));
    if (s.unlike)
        return clade_fail(CLADE_EINVAL,
                          "%s/%s: %.*s and %.*s look like splits, %.*s does not: give the splits "
                          "separately (--validation), or rename the class",
                          source->path, prefix, (int)s.a->length, s.a->name, (int)s.b->length,
                          s.b->name, (int)s.unlike->length, s.unlike->name);
    *splits = true;
    return CLADE_OK;
}

/* Assigns each split of a source its folder: the one named exactly after it, else the one named
 * after it among other words. */
static clade_status take_splits(clade_source *source, bool flat, const char *prefix,
                                const clade_folders *list, clade_split_root roots[CLADE_SPLITS])
{
    clade_folders inner = {0};
    clade_status status = CLADE_OK;
    for (int naming = NAMES_SPLIT; naming >= NAMES_SPLIT_TOO && !status; naming--) {
        bool taken[CLADE_SPLITS];
        for (int s = 0; s < CLADE_SPLITS; s++) taken[s] = roots[s].prefix != NULL;
        for (size_t i = 0; i < list->count && !status; i++) {
            const clade_folder *f = &list->items[i];
            clade_split split;
            bool has = false;
            if ((int)read_name(f, &split) != naming || taken[split]) continue;
            status = has_classes(source, flat, prefix, f, &has);
            if (status || !has) continue;
            if (roots[split].prefix) {
                status = clade_fail(CLADE_EINVAL, "%s: two folders for the %s split: %s and %s%.*s",
                                    source->path, clade_split_word(split), roots[split].prefix,
                                    prefix, (int)f->length, f->name);
                break;
            }
            roots[split] = (clade_split_root){source, below(prefix, f)};
            status = roots[split].prefix ? unwrap(source, flat, false, &roots[split].prefix, &inner)
                                         : out_of_memory();
        }
    }
    free(inner.items);
    return status;
}

/* Returns whether an entry is an archive in a folder, or in another archive: that probably holds
 * the images. */
static bool is_archive(const clade_entry *entry)
{
    return !strcmp(entry->reason, clade_archive_refusal);
}

/* Finds the splits of one source. */
static clade_status find_roots(clade_source *source, bool flat,
                               clade_split_root roots[CLADE_SPLITS])
{
    clade_folders list = {0};
    size_t images = 0;
    bool splits = false;
    const clade_entry *other = NULL;
    for (size_t i = 0; i < source->count; i++) {
        images += source->entries[i].kind == CLADE_ENTRY_IMAGE;
        const clade_entry *entry = &source->entries[i];
        if (entry->reason && (!other || (is_archive(entry) && !is_archive(other)))) other = entry;
    }
    if (images == 0)
        return clade_fail(CLADE_EINVAL, "%s: contains no images (%s)%s%s%s%s", source->path,
                          clade_image_formats(), other ? "; " : "", other ? other->name : "",
                          other ? ": " : "", other ? other->reason : "");
    char *prefix = strdup("");
    clade_status status = prefix ? unwrap(source, flat, true, &prefix, &list) : out_of_memory();
    if (!status) status = are_splits(source, flat, prefix, &list, &splits);
    if (!status && !splits && !flat) status = refuse_parts(source, prefix, &list);
    if (!status && splits) {
        status = take_splits(source, flat, prefix, &list, roots);
    } else if (!status) {
        roots[0] = (clade_split_root){source, prefix};
        prefix = NULL;
    }
    free(list.items);
    free(prefix);
    return status;
}

/* Replaces `split` by a second folder or archive, which is that split as a whole. */
static clade_status find_second(clade_source *source, bool flat, clade_split split,
                                clade_split_root roots[CLADE_SPLITS])
{
    if (roots[split].prefix)
        return clade_fail(CLADE_EINVAL, "%s: two %s splits: the folder %s, and %s",
                          roots[split].source->path, clade_split_word(split), roots[split].prefix,
                          source->path);
    clade_split_root found[CLADE_SPLITS] = {0};
    clade_status status = find_roots(source, flat, found);
    int count = 0, last = 0, chosen;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!found[s].prefix) continue;
        count++;
        last = s;
    }
    chosen = found[split].prefix ? (int)split : last;
    if (!status && count != 1 && chosen != (int)split)
        status = clade_fail(CLADE_EINVAL, "%s: several splits, none of them named %s", source->path,
                            clade_split_word(split));
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!status && s == chosen)
            roots[split] = found[s];
        else
            free(found[s].prefix);
    }
    return status;
}

clade_status clade_find_splits(clade_source *const sources[CLADE_SPLITS], bool flat,
                               clade_split_root roots[CLADE_SPLITS])
{
    clade_status status = find_roots(sources[0], flat, roots);
    for (int s = 1; s < CLADE_SPLITS && !status; s++)
        if (sources[s]) status = find_second(sources[s], flat, (clade_split)s, roots);
    return status;
}
