/* What an ONNX file's metadata say about images and classes. Two ways are read: our own, JSON
 * under "preprocessing" and "classes"; and plain lists of numbers under "scale", "mean" and "std",
 * as model collections write them. */
#include "onnx/onnx.h"

#include "base/json.h"
#include "base/locale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *find(const clade_onnx_reader *r, const char *key)
{
    const Onnx__Model *model = r->file.model;
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (!strcmp(clade_onnx_string(model->metadata_props[i]->key), key))
            return clade_onnx_string(model->metadata_props[i]->value);
    return NULL;
}

/* Numbers with commas between them, fractions allowed: "0.485,0.456,0.406", "1/255". One stands for
 * all channels. */
static bool read_numbers(const char *text, int32_t channels, double out[4])
{
    CLADE_PLAIN_NUMBERS;
    int32_t count = 0;
    while (text && count < 4) {
        char *end;
        out[count] = strtod(text, &end);
        if (end == text) return false;
        if (*end == '/') {
            const char *below = end + 1;
            out[count] /= strtod(below, &end);
            if (end == below) return false;
        }
        if (!isfinite(out[count++])) return false;
        while (*end == ' ') end++;
        if (*end && *end != ',') return false;
        text = *end ? end + 1 : NULL;
    }
    if (count == 1)
        for (; count < channels; count++) out[count] = out[0];
    return count == channels;
}

/* (scale · pixel − mean) / std */
static bool read_plain(const clade_onnx_reader *r, int32_t channels, clade_preprocessing *p)
{
    double scale[4] = {1, 1, 1, 1}, mean[4] = {0}, std[4] = {1, 1, 1, 1};
    const char *s = find(r, "scale"), *m = find(r, "mean"), *d = find(r, "std");
    if (!s && !m && !d) return false;
    if ((s && !read_numbers(s, channels, scale)) || (m && !read_numbers(m, channels, mean)) ||
        (d && !read_numbers(d, channels, std)))
        return false;
    for (int32_t c = 0; c < channels; c++) {
        p->scale[c] = (float)(scale[c] / std[c]);
        p->shift[c] = (float)(-mean[c] / std[c]);
        if (!isfinite(p->scale[c]) || !isfinite(p->shift[c]) || p->scale[c] == 0) return false;
    }
    return true;
}

static bool read_floats(const cJSON *object, const char *key, int32_t channels, float out[4])
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != channels) return false;
    for (int32_t c = 0; c < channels; c++) {
        const cJSON *item = cJSON_GetArrayItem(list, c);
        if (!cJSON_IsNumber(item)) return false;
        out[c] = (float)item->valuedouble;
        if (!isfinite(out[c])) return false;
    }
    return true;
}

/* JSON of our own; NULL where there is none, or it is no JSON. */
static clade_status parse(const clade_onnx_reader *r, const char *key, cJSON **out)
{
    const char *text = find(r, key);
    *out = NULL;
    clade_status status = text ? clade_json_parse(text, strlen(text), key, NULL, out) : CLADE_OK;
    return status == CLADE_ENOMEM ? status : CLADE_OK;
}

static bool read_ours(const cJSON *object, int32_t channels, clade_preprocessing *p)
{
    const cJSON *word = cJSON_GetObjectItemCaseSensitive(object, "interpolation");
    if (cJSON_IsString(word) && !strcmp(word->valuestring, "bilinear"))
        p->interpolation = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "antialias"))
                               ? CLADE_BILINEAR_ANTIALIAS
                               : CLADE_BILINEAR;
    return read_floats(object, "scale", channels, p->scale) &&
           read_floats(object, "shift", channels, p->shift);
}

static clade_status read_classes(const clade_onnx_reader *r, clade_network *network)
{
    cJSON *list;
    clade_status status = parse(r, "classes", &list);
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0, i = 0;
    const char **names = count ? calloc((size_t)count, sizeof *names) : NULL;
    if (count && !names) status = clade_fail(CLADE_ENOMEM, "out of memory for class names");
    const cJSON *item;
    bool good = names != NULL;
    if (names) cJSON_ArrayForEach(item, list)
        {
            good = good && cJSON_IsString(item);
            names[i++] = good ? item->valuestring : NULL;
        }
    if (good) status = clade_network_set_classes(network, names, count);
    if (status && status != CLADE_ENOMEM)
        status = clade_network_add_note(network, "class names left out: %s", clade_error());
    free(names);
    cJSON_Delete(list);
    return status;
}

clade_status clade_onnx_read_metadata(const clade_onnx_reader *r, clade_network *network)
{
    int32_t dim[3];
    clade_graph_shape(network->graph, 0, dim);
    clade_preprocessing p = {.scale = {1, 1, 1, 1}};
    bool few = dim[2] <= 4;
    cJSON *ours;
    clade_status status = parse(r, "preprocessing", &ours);
    if (status) return status;
    bool known = few && (read_ours(ours, dim[2], &p) || (!r->pixels && read_plain(r, dim[2], &p)));
    cJSON_Delete(ours);
    if (r->pixels) { /* the graph applies it; the metadata only repeat it */
        clade_interpolation interpolation = p.interpolation;
        p = r->preprocessing;
        p.interpolation = interpolation;
    }
    const char *order = find(r, "channel_order");
    if (order && !strcmp(order, "BGR"))
        status =
            clade_network_add_note(network, "expects the channels in the order blue, green, red");
    if (!status && few && (known || r->pixels))
        status = clade_network_set_preprocessing(network, &p);
    return status ? status : read_classes(r, network);
}
