/* Layers: the record of each, and what the families share. */
#ifndef CLADE_NN_LAYER_H
#define CLADE_NN_LAYER_H

#include "nn/build.h"
#include "nn/graph.h"

#include <stddef.h>

/* ---- records ---- */

/* What a setting is in its struct, and with it what it is in a recipe. Zero is the default. */
typedef enum clade_field_type {
    CLADE_FIELD_INT,        /* int32_t from 1, or -1 too: see `all` */
    CLADE_FIELD_INDEX,      /* int32_t from 0 */
    CLADE_FIELD_PAIR,       /* int32_t [rows, columns], each from 1; in a recipe one may be both */
    CLADE_FIELD_SIDES,      /* int32_t [top, left, bottom, right], each from 0 */
    CLADE_FIELD_LIST,       /* int32_t count, then [3]: 1 to 3 numbers from -1 */
    CLADE_FIELD_REAL,       /* float in `range` */
    CLADE_FIELD_ON,         /* bool */
    CLADE_FIELD_OFF,        /* bool that says the opposite of its key, which is true by default */
    CLADE_FIELD_PADDING,    /* clade_padding, and at `more` the sides that it may say */
    CLADE_FIELD_ACTIVATION, /* clade_activation, and at `more` (0: not here) a bool for softmax */
    CLADE_FIELD_FUNCTION,   /* clade_activation; softmax makes the layer one of that kind */
    CLADE_FIELD_WORD        /* an enum, whose words are `words` */
} clade_field_type;

typedef enum clade_field_range {
    CLADE_RANGE_NOT_NEGATIVE, /* >= 0 */
    CLADE_RANGE_POSITIVE,     /* > 0 */
    CLADE_RANGE_RATE,         /* 0 <= x < 1 */
} clade_field_range;

/* A setting of a layer. Recipes are read and written, settings checked, defaults filled in and the
 * reference page of recipe keys made by it. */
typedef struct clade_layer_field {
    const char *key, *alias; /* in recipes; Keras' word where it is another, or NULL */
    clade_field_type type;
    clade_field_range range;
    size_t at, more;          /* offsets in the struct of settings */
    const char *within;       /* of a REAL in recipes: the key of a map that it is in, or NULL */
    const char *const *words; /* in the order of the enum, ended by NULL */
    bool required;
    bool classes;          /* in recipes, may be `classes`: as many as the data have */
    bool all;              /* an INT that may be -1: as many as there are */
    float standard;        /* what zero stands for, where it is a number */
    const char *otherwise; /* the default in words, where `standard` does not say it, or NULL */
    const char *about;     /* for the reference page */
} clade_layer_field;

/* All there is to know of a kind of layer. */
typedef struct clade_layer_record {
    const char *key;          /* in recipes */
    const char *name, *alias; /* other words for it there: Keras' default name, one more or NULL */
    const char *type;         /* Keras' class */
    const char *about;        /* for the reference page */
    const char *main;         /* the key that a plain value stands for, or NULL */
    const clade_layer_field *field; /* in the order of a recipe's text; ended by a NULL key */
    int32_t inputs[2];              /* how many, at least and at most; zeros: one */
    bool features;                  /* see clade_layer_has_features */
    bool keeps_values;              /* are the output's values, but for zeros, the input's? */
    const char *activation; /* what the layer is as an activation, if no field says it, or NULL */
    /* Does it give something else in each step, even if nothing is trained? NULL: no. */
    bool (*random)(const clade_layer *layer);
    /* Checks the layer against its inputs, sets the output's shape and the weights; settings are in
     * their ranges. Errors: EINVAL, without the layer's name, which the caller puts before it. */
    clade_status (*shape)(const clade_graph *graph, clade_node *node);
    /* Adds the calls that compute y of layer `number`, and those that take its dy to the gradients
     * of its weights and inputs. */
    void (*forward)(clade_build *build, int32_t number);
    void (*backward)(clade_build *build, int32_t number);
} clade_layer_record;

#define CLADE_LAYER(ID, id) extern const clade_layer_record clade_##id##_record;
#include <clade/layers.def>

/* Never NULL for a kind in the enum. */
const clade_layer_record *clade_layer_record_of(clade_layer_kind kind);

/* What lies at an offset in the layer's settings. */
static inline void *clade_layer_at(clade_layer *layer, size_t at)
{
    return (char *)&layer->as + at;
}
static inline const void *clade_layer_look(const clade_layer *layer, size_t at)
{
    return (const char *)&layer->as + at;
}

/* Are all settings in their ranges? Errors: EINVAL naming the key. */
clade_status clade_layer_check(const clade_layer *layer);
/* The layer with its numbers' defaults in place of zeros. */
clade_layer clade_layer_complete(const clade_layer *layer);
/* What the output went through last: "relu", "softmax", …; "linear": nothing. */
const char *clade_layer_last_activation(const clade_layer *layer);

/* The L2 factor of the layer's kernel; 0: none. */
float clade_layer_l2(const clade_layer *layer);

/* Words of enums, in their order; ended by NULL. */
extern const char *const clade_initializer_words[], *const clade_conv_initializer_words[],
                                                        *const clade_interpolation_words[];

/* A field: member of `settings`, type, key, then .alias = …, .about = …. */
#define CLADE_FIELD(settings, member, kind, word, ...)                                             \
    {                                                                                              \
        .key = word, .type = CLADE_FIELD_##kind, .at = offsetof(settings, member), __VA_ARGS__     \
    }
/* Those that several layers have. */
#define CLADE_ACTIVATION_FIELD(settings, softmax_at)                                               \
    CLADE_FIELD(settings, activation, ACTIVATION, "activation", .more = softmax_at,                \
                .otherwise = "linear", .about = "function applied to the output")
#define CLADE_ALPHA_FIELD(settings)                                                                \
    CLADE_FIELD(settings, alpha, REAL, "alpha", .otherwise = "the activation's own",               \
                .about = "slope of leaky_relu below 0; elu goes to -alpha")
#define CLADE_BIAS_FIELD(settings)                                                                 \
    CLADE_FIELD(settings, no_bias, OFF, "use_bias",                                                \
                .about = "add a trained number to each channel of the output")
#define CLADE_INIT_FIELD(settings)                                                                 \
    CLADE_FIELD(settings, init, WORD, "init", .alias = "kernel_initializer",                       \
                .words = clade_initializer_words, .otherwise = "glorot_uniform",                   \
                .about = "initial values of the kernel")

#define CLADE_L2_FIELD(settings)                                                                   \
    CLADE_FIELD(settings, l2, REAL, "kernel_regularizer", .within = "l2",                          \
                .about = "adds the gradient of l2 times the sum of the kernel's squares")

/* ---- for layers ---- */

/* The node that input i of `node` comes from. */
static inline const clade_node *clade_node_input(const clade_graph *graph, const clade_node *node,
                                                 int32_t i)
{
    return &graph->node[node->layer.input[i]];
}

/* Takes the output's shape from a tensor with batch. */
void clade_node_set_shape(clade_node *node, const clade_tensor *y);
/* Adds a weight; the default initialiser is Glorot's uniform. */
clade_weight *clade_node_add_weight(clade_node *node, const char *name, clade_tensor shape,
                                    clade_initializer init);

/* EINVAL unless the input is an image [h, w, c]. */
clade_status clade_expect_image(const clade_node *input);

/* A window that moves over an image: the layer's words turned into an op's parameters. */
typedef struct clade_window {
    int32_t size[2], stride[2], dilation[2], pad[4];
} clade_window;

/* Fills in `pad` from Keras' words: 'same' gives ceil(size / stride) outputs, the odd zero at the
 * bottom and right. Size, strides and dilations must be set. */
clade_status clade_window_set_pad(clade_window *window, clade_padding padding,
                                  const int32_t given[4], const clade_node *input);

/* The windows of the convolution or pool that `node` is; its shape has been worked out. */
clade_window clade_conv_window(const clade_graph *graph, const clade_node *node);
clade_window clade_pool_window(const clade_graph *graph, const clade_node *node);

/* The alpha to give to ops: the activation's own where none is said. */
static inline float clade_activation_alpha(clade_activation activation, float alpha)
{
    return alpha == 0 ? clade_activation_describe((int32_t)activation)->alpha : alpha;
}

/* Does a batchnorm layer take the batch's own statistics in this pass? */
bool clade_batchnorm_uses_batch(const clade_build *build, int32_t number);

/* What dense and convolutions do around their activation. `z` is the sum before it, which is kept
 * for the gradient where the derivative needs it; else z and y are the same and the op applies the
 * activation itself. */
typedef struct clade_fused {
    clade_activation inside, after; /* one of them is the layer's, the other CLADE_LINEAR */
    float alpha;
    clade_tensor z, y;
} clade_fused;

clade_fused clade_fused_start(clade_build *build, int32_t number, clade_activation activation,
                              float alpha);
/* Adds the call that takes z to y, if there is one. */
void clade_fused_finish(clade_build *build, int32_t number, const clade_fused *fused);
/* The gradient of z from that of y. */
clade_tensor clade_fused_backward(clade_build *build, int32_t number, clade_activation activation,
                                  float alpha);

#endif
