/* The records of all layers, and functions that only depend on their fields. */
#include "nn/layer.h"

#include <math.h>
#include <string.h>

static const clade_layer_record input_record = {.name = "input", .type = "InputLayer"};

static const clade_layer_record *const records[CLADE_LAYER_KINDS] = {
    [CLADE_LAYER_INPUT] = &input_record,
#define CLADE_LAYER(ID, id) [CLADE_LAYER_##ID] = &clade_##id##_record,
#include <clade/layers.def>
};

const clade_layer_record *clade_layer_record_of(clade_layer_kind kind) { return records[kind]; }

const char *clade_layer_type(clade_layer_kind kind)
{
    return (unsigned)kind < CLADE_LAYER_KINDS ? records[kind]->type : "?";
}

bool clade_layer_has_features(clade_layer_kind kind)
{
    return (unsigned)kind < CLADE_LAYER_KINDS && records[kind]->features;
}

/* --- words --- */

#define INITIALIZERS                                                                               \
    "default", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",      \
        "lecun_normal", "zeros", "ones"
const char *const clade_initializer_words[] = {INITIALIZERS, NULL};
const char *const clade_conv_initializer_words[] = {INITIALIZERS, "dirac", "whitening", NULL};
const char *const clade_interpolation_words[] = {"nearest", "bilinear", NULL};

/* --- ranges --- */

/* Checks that each is at least `least`, or 0 if that is the default. */
static clade_status check_ints(const clade_layer_field *f, const int32_t *values, int count,
                               int32_t least)
{
    for (int i = 0; i < count; i++)
        if (values[i] < least && (f->required || values[i] != 0))
            return clade_fail(CLADE_EINVAL, "%s is %d, expected %d or more", f->key, values[i],
                              least);
    return CLADE_OK;
}

static clade_status check_real(const clade_layer_field *f, float value)
{
    bool rate = f->range == CLADE_RANGE_RATE;
    if (value >= 0 && isfinite(value) && !(rate && value >= 1)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s is %g, expected 0 %s", f->key, (double)value,
                      rate ? "to less than 1" : "or more");
}

static clade_status check_word(const clade_layer_field *f, int32_t value)
{
    int32_t count = 0;
    while (f->words[count]) count++;
    if (value >= 0 && value < count) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s is %d, expected 0 to %d", f->key, value, count - 1);
}

static clade_status check_activation(const clade_layer_field *f, const clade_layer *layer)
{
    clade_activation act = *(const clade_activation *)clade_layer_look(layer, f->at);
    if ((unsigned)act >= CLADE_ACTIVATIONS)
        return clade_fail(CLADE_EINVAL, "there is no activation %d", (int)act);
    if (f->more && act && *(const bool *)clade_layer_look(layer, f->more))
        return clade_fail(CLADE_EINVAL, "has softmax and %s as its activation: expected one",
                          clade_activation_name(act));
    return CLADE_OK;
}

static clade_status check_field(const clade_layer_field *f, const clade_layer *layer)
{
    const void *at = clade_layer_look(layer, f->at);
    switch (f->type) {
    case CLADE_FIELD_INT:
        return f->all && *(const int32_t *)at == -1 ? CLADE_OK : check_ints(f, at, 1, 1);
    case CLADE_FIELD_INDEX: return check_ints(f, at, 1, 0);
    case CLADE_FIELD_PAIR: return check_ints(f, at, 2, 1);
    case CLADE_FIELD_SIDES: return check_ints(f, at, 4, 0);
    case CLADE_FIELD_REAL: return check_real(f, *(const float *)at);
    case CLADE_FIELD_ACTIVATION:
    case CLADE_FIELD_FUNCTION: return check_activation(f, layer);
    case CLADE_FIELD_PADDING:
        if (*(const unsigned *)at <= CLADE_PADDING_EXPLICIT)
            return check_ints(f, clade_layer_look(layer, f->more), 4, 0);
        return clade_fail(CLADE_EINVAL, "there is no padding %d", *(const int *)at);
    case CLADE_FIELD_WORD: return check_word(f, *(const int32_t *)at);
    case CLADE_FIELD_LIST: /* checked against the input */
    case CLADE_FIELD_ON:
    case CLADE_FIELD_OFF: break;
    }
    return CLADE_OK;
}

clade_status clade_layer_check(const clade_layer *layer)
{
    clade_status status = CLADE_OK;
    const clade_layer_field *f = records[layer->kind]->field;
    for (; f && f->key && !status; f++) status = check_field(f, layer);
    return status;
}

/* --- defaults --- */

clade_layer clade_layer_complete(const clade_layer *layer)
{
    clade_layer all = *layer;
    for (const clade_layer_field *f = records[layer->kind]->field; f && f->key; f++) {
        void *at = clade_layer_at(&all, f->at);
        int ints = f->type == CLADE_FIELD_INT ? 1 : f->type == CLADE_FIELD_PAIR ? 2 : 0;
        for (int i = 0; i < ints; i++)
            if (((int32_t *)at)[i] == 0) ((int32_t *)at)[i] = (int32_t)f->standard;
        if (f->type == CLADE_FIELD_REAL && *(float *)at == 0) *(float *)at = f->standard;
    }
    return all;
}

float clade_layer_l2(const clade_layer *layer)
{
    for (const clade_layer_field *f = records[layer->kind]->field; f && f->key; f++)
        if (f->within && !strcmp(f->within, "l2"))
            return *(const float *)clade_layer_look(layer, f->at);
    return 0;
}

const char *clade_layer_last_activation(const clade_layer *layer)
{
    if (records[layer->kind]->activation) return records[layer->kind]->activation;
    for (const clade_layer_field *f = records[layer->kind]->field; f && f->key; f++) {
        if (f->type != CLADE_FIELD_ACTIVATION && f->type != CLADE_FIELD_FUNCTION) continue;
        if (f->more && *(const bool *)clade_layer_look(layer, f->more)) return "softmax";
        return clade_activation_name(*(const clade_activation *)clade_layer_look(layer, f->at));
    }
    return clade_activation_name(CLADE_LINEAR);
}
