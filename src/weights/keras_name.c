/* What Keras' files call the weights of a layer, by the versions of Keras. */
#include "weights/keras_name.h"

#include "nn/graph.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* "kernel:0", in newer files without the number. */
static bool is_term(const char *text, const char *term)
{
    size_t n = strlen(term);
    return !strncmp(text, term, n) && (!text[n] || !strcmp(text + n, ":0"));
}

/* What follows the number that Keras gives to a name's second, third, … use in a process: the text
 * behind "_1", or all of it. */
static const char *behind_number(const char *text)
{
    const size_t n = *text == '_' ? strspn(text + 1, "0123456789") : 0;
    return n ? text + 1 + n : text;
}

/* Keras 1, as VGG16's file still is: LAYER_W_1:0 and LAYER_b_1:0. */
static bool is_keras1(const char *text, const char *layer, const char *weight)
{
    const char *term = !strcmp(weight, "kernel") ? "_W" : !strcmp(weight, "bias") ? "_b" : NULL;
    const size_t n = strlen(layer);
    return term && !strncmp(text, layer, n) && !strncmp(text + n, term, 2) &&
           is_term(behind_number(text + n + 2), "");
}

/* A weight that has no name of its own, as a scale: "Variable:0", since 3 "variable_7". */
static bool is_nameless(const char *text, const char *weight)
{
    static const char word[] = "Variable";
    const size_t n = sizeof word - 1;
    return !strcmp(weight, word) && !strncasecmp(text, word, n) &&
           is_term(behind_number(text + n), "");
}

/* What Keras 3 calls a layer, which has no / in it: conv_bn for Conv/BatchNorm. */
static void keras3_name(const char *layer, char out[CLADE_NAME_SIZE])
{
    static const char norm[] = "BatchNorm";
    size_t n = 0;
    while (*layer) {
        const bool is_norm = !strncmp(layer, norm, sizeof norm - 1);
        if (is_norm) {
            memcpy(out + n, "bn", 2);
            n += 2;
        } else {
            out[n++] = *layer == '/' ? '_' : (char)tolower((unsigned char)*layer);
        }
        layer += is_norm ? sizeof norm - 1 : 1;
    }
    out[n] = 0;
}

/* LAYER/anything/WEIGHT:0; since 3 the ordinal of the weight in LAYER/vars, or
 * LAYER/anything/WEIGHT. */
static bool is_in_layer(const char *name, const char *layer, const char *weight, int32_t ordinal)
{
    static const char vars[] = "/vars/", depthwise[] = "depthwise_";
    size_t n = strlen(layer), v = sizeof vars - 1, d = sizeof depthwise - 1;
    const char *last = strrchr(name, '/');
    if (!n || !last || strncmp(name, layer, n) || name[n] != '/') return false;
    if (!strncmp(name + n, vars, v)) return name[n + v] == '0' + ordinal && !name[n + v + 1];
    return is_term(last + 1, weight) || is_nameless(last + 1, weight) ||
           is_keras1(last + 1, layer, weight) ||
           (!strncmp(weight, depthwise, d) && is_term(last + 1, weight + d)); /* since 3 */
}

/* Keras: in whole models all lies below model_weights, and there a group of layers has its name
 * twice. */
static const char *below_model(const char *name)
{
    static const char above[] = "model_weights/";
    if (!strncmp(name, above, sizeof above - 1)) name += sizeof above - 1;
    const size_t n = strcspn(name, "/") + 1;
    return name[n - 1] && !strncmp(name, name + n, n) ? name + n : name;
}

/* Since Keras 3 a layer of a group may stand without that. */
bool clade_keras_names(const char *name, const char *layer, const char *weight, int32_t ordinal)
{
    char layer3[CLADE_NAME_SIZE];
    const char *slash = strchr(layer, '/');
    keras3_name(layer, layer3);
    name = below_model(name);
    return is_in_layer(name, layer, weight, ordinal) ||
           is_in_layer(name, layer3, weight, ordinal) ||
           (slash && is_in_layer(name, slash + 1, weight, ordinal));
}

static bool is_in_group(const char *name, const char *group)
{
    const size_t n = strlen(group);
    return !strncmp(name, group, n) && *behind_number(name + n) == '/';
}

bool clade_keras_ignores(const char *name)
{
    name = below_model(name);
    return !strncmp(name, "optimizer_weights/", 18) || !strncmp(name, "optimizer/", 10) ||
           is_in_group(name, "normalization") ||
           is_in_group(name, "layer_normalization"); /* what ends ConvNeXt without its top */
}
