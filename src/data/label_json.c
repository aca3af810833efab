/* Converts lists of labels in JSON to tables. */
#define _GNU_SOURCE
#include "data/label_json.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct table_writer {
    FILE *to;
    const char *path;
    size_t entries;
    bool several; /* labels of a file */
    bool numbers; /* values that are not numbers are reported */
    size_t odd;   /* the first entry with a label that is neither text nor number; 0: none */
} table_writer;

static void put_text(table_writer *w, const char *text)
{
    for (; *text; text++) {
        if (*text == '"') fputc('"', w->to);
        fputc(*text, w->to);
    }
}

static void put_field(table_writer *w, const char *text, char end)
{
    fputc('"', w->to);
    put_text(w, text);
    fputc('"', w->to);
    fputc(end, w->to);
}

/* Returns a text, or a number as written; anything else only if numbers are expected. */
static const char *text_of(const table_writer *w, const cJSON *value, char number[64])
{
    number[0] = 0;
    if (w->numbers && cJSON_IsNull(value)) return "null";
    if (w->numbers && cJSON_IsBool(value)) return cJSON_IsTrue(value) ? "true" : "false";
    if (w->numbers && cJSON_IsArray(value)) return "[…]";
    if (w->numbers && cJSON_IsObject(value)) return "{…}";
    if (cJSON_IsNumber(value)) cJSON_PrintPreallocated((cJSON *)value, number, 64, false);
    return cJSON_IsString(value) ? value->valuestring : number;
}

static void put_value(table_writer *w, const cJSON *value, char end)
{
    char number[64];
    if (!w->several || !cJSON_IsArray(value)) {
        put_field(w, text_of(w, value, number), end);
        return;
    }
    const cJSON *item;
    fputc('"', w->to);
    cJSON_ArrayForEach(item, value)
    {
        if (!w->odd && !cJSON_IsString(item) && !cJSON_IsNumber(item)) w->odd = w->entries;
        put_text(w, text_of(w, item, number));
        fputs(CLADE_LABEL_END, w->to);
    }
    fputc('"', w->to);
    fputc(end, w->to);
}

static void put_row(table_writer *w, const char *file, const cJSON *label)
{
    w->entries++;
    put_field(w, file, ',');
    put_value(w, label, '\n');
}

/* [{"file": "a.jpg", "label": "cat"}, …]: the first object's keys are the columns. */
static clade_status put_objects(table_writer *w, const cJSON *array)
{
    const cJSON *first = array->child, *entry, *key;
    cJSON_ArrayForEach(key, first) put_field(w, key->string, key->next ? ',' : '\n');
    cJSON_ArrayForEach(entry, array)
    {
        w->entries++;
        if (!cJSON_IsObject(entry))
            return clade_fail(CLADE_EFORMAT, "%s, entry %zu: expected an object as the first is",
                              w->path, w->entries);
        cJSON_ArrayForEach(key, first) put_value(
            w, cJSON_GetObjectItemCaseSensitive(entry, key->string), key->next ? ',' : '\n');
    }
    return CLADE_OK;
}

/* {"a.jpg": "cat", …} or {"cat": ["a.jpg", …], …}, with several labels {"a.jpg": ["cat", …], …} */
static clade_status put_map(table_writer *w, const cJSON *map)
{
    const cJSON *entry, *file;
    fputs("file,label\n", w->to);
    cJSON_ArrayForEach(entry, map)
    {
        if (w->several || !cJSON_IsArray(entry)) {
            put_row(w, entry->string, entry);
            continue;
        }
        cJSON_ArrayForEach(file, entry)
        {
            put_value(w, file, ',');
            put_field(w, entry->string, '\n');
            w->entries++;
        }
    }
    return CLADE_OK;
}

/* ---- COCO ---- */

static int compare_ids(const cJSON *a, const cJSON *b)
{
    if (cJSON_IsString(a) && cJSON_IsString(b)) return strcmp(a->valuestring, b->valuestring);
    if (cJSON_IsString(a) != cJSON_IsString(b)) return cJSON_IsString(a) ? 1 : -1;
    return (a->valuedouble > b->valuedouble) - (a->valuedouble < b->valuedouble);
}

typedef struct coco_name {
    const cJSON *id;
    const char *name;
} coco_name;

static int by_id(const void *a, const void *b)
{
    return compare_ids(((const coco_name *)a)->id, ((const coco_name *)b)->id);
}

/* Reads the names of the objects of `array`, by their ids. */
static clade_status read_names(const table_writer *w, const cJSON *array, const char *key,
                               coco_name **names, size_t *count)
{
    const cJSON *object;
    *count = 0;
    *names = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof **names);
    if (!*names) return clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", w->path);
    cJSON_ArrayForEach(object, array)
    {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
        if (!name || !(cJSON_IsNumber(id) || cJSON_IsString(id)))
            return clade_fail(CLADE_EFORMAT, "%s: %s %zu: expected 'id' and '%s'", w->path,
                              array->string, *count + 1, key);
        (*names)[(*count)++] = (coco_name){id, name};
    }
    if (*count) qsort(*names, *count, sizeof **names, by_id);
    return CLADE_OK;
}

static const char *find_name(const coco_name *names, size_t count, const cJSON *id)
{
    if (!cJSON_IsNumber(id) && !cJSON_IsString(id)) return NULL;
    const coco_name wanted = {.id = id};
    const coco_name *found = count ? bsearch(&wanted, names, count, sizeof *names, by_id) : NULL;
    return found ? found->name : NULL;
}

/* Writes an annotation's label; if an image has several, they are not split further. */
static void put_annotation(table_writer *w, const char *file, const char *label)
{
    put_field(w, file, ',');
    fputc('"', w->to);
    put_text(w, label);
    fputs(w->several ? CLADE_LABEL_END "\"\n" : "\"\n", w->to);
}

static clade_status put_coco(table_writer *w, const cJSON *coco)
{
    const cJSON *annotation;
    coco_name *images = NULL, *categories = NULL;
    size_t m, n;
    fputs("file,label\n", w->to);
    clade_status status =
        read_names(w, cJSON_GetObjectItem(coco, "images"), "file_name", &images, &m);
    if (!status)
        status = read_names(w, cJSON_GetObjectItem(coco, "categories"), "name", &categories, &n);
    for (size_t i = 0; !status && w->several && i < m; i++) put_annotation(w, images[i].name, "");
    if (!status) cJSON_ArrayForEach(annotation, cJSON_GetObjectItem(coco, "annotations"))
        {
            const char *file = find_name(images, m, cJSON_GetObjectItem(annotation, "image_id"));
            const char *label =
                find_name(categories, n, cJSON_GetObjectItem(annotation, "category_id"));
            if (!file || !label) {
                status = clade_fail(CLADE_EFORMAT, "%s: annotations %zu: no %s has its '%s'",
                                    w->path, w->entries + 1, file ? "category" : "image",
                                    file ? "category_id" : "image_id");
                break;
            }
            put_annotation(w, file, label);
            w->entries++;
        }
    free(images);
    free(categories);
    return status;
}

/* ---- the file ---- */

static bool is_coco(const cJSON *map)
{
    return cJSON_IsArray(cJSON_GetObjectItem(map, "images")) &&
           cJSON_IsArray(cJSON_GetObjectItem(map, "annotations")) &&
           cJSON_IsArray(cJSON_GetObjectItem(map, "categories"));
}

/* Parses the document: a value, or an array of consecutive values (JSON lines). */
static clade_status parse(const char *text, size_t size, const char *path, cJSON **out)
{
    const char *at = text, *end = text + size;
    *out = NULL;
    cJSON *lines = cJSON_CreateArray();
    clade_status status =
        lines ? CLADE_OK : clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", path);
    while (!status) {
        at += strspn(at, " \t\r\n");
        if (at == end) break;
        cJSON *value;
        const char *next;
        status = clade_json_parse(at, (size_t)(end - at), path, &next, &value);
        if (!status) clade_json_append(lines, value);
        at = next;
    }
    if (!status && !lines->child->next)
        *out = cJSON_DetachItemFromArray(lines, 0);
    else if (!status) {
        *out = lines;
        return CLADE_OK;
    }
    cJSON_Delete(lines);
    return status;
}

bool clade_label_json_is(const char *text)
{
    text += strspn(text, " \t\r\n");
    return *text == '{' || *text == '[';
}

clade_status clade_label_json_to_table(const char *text, size_t size, const char *path,
                                       bool several, bool numbers, char **table, size_t *table_size)
{
    cJSON *json = NULL;
    table_writer w = {.path = path, .several = several, .numbers = numbers};
    *table = NULL;
    clade_status status = parse(text, size, path, &json);
    if (!status && !(w.to = open_memstream(table, table_size)))
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", path);
    if (!status) {
        if (cJSON_IsArray(json) && cJSON_IsObject(json->child) && json->child->child)
            status = put_objects(&w, json);
        else if (cJSON_IsObject(json))
            status = is_coco(json) ? put_coco(&w, json) : put_map(&w, json);
        else
            status = clade_fail(CLADE_EFORMAT,
                                "%s: expected objects with file and class, an object of files and "
                                "their classes or of classes and their files, or COCO's",
                                path);
    }
    if (!status && w.odd)
        status = clade_fail(
            CLADE_EFORMAT, "%s, entry %zu: expected labels that are texts or numbers", path, w.odd);
    bool failed = w.to && ferror(w.to);
    if (w.to && fclose(w.to)) failed = true;
    if (!status && failed)
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", path);
    cJSON_Delete(json);
    if (status) {
        free(*table);
        *table = NULL;
    }
    return status;
}
