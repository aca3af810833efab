/* The record of each layer, and what families of layers share. */
#ifndef CLADE_NN_LAYER_H
#define CLADE_NN_LAYER_H

#include "nn/build.h"
#include "nn/graph.h"

#include <stddef.h>

/* ---- records ---- */

/* The type of a setting, in its struct and in recipes. Zero is the default. */
typedef enum clade_field_type {
    CLADE_FIELD_INT,        /* int32_t from 1, or -1 too: see `all` */
    CLADE_FIELD_INDEX,      /* int32_t from 0 */
    CLADE_FIELD_PAIR,       /* int32_t [rows, columns], each from 1; a recipe may give one number
                             * for both */
    CLADE_FIELD_SIDES,      /* int32_t [top, left, bottom, right], each from 0 */
    CLADE_FIELD_LIST,       /* int32_t count, then [3]: 1 to 3 numbers from -1 */
    CLADE_FIELD_REAL,       /* float in `range` */
    CLADE_FIELD_ON,         /* bool */
    CLADE_FIELD_OFF,        /* bool, the opposite of its key, which is true by default */
    CLADE_FIELD_PADDING,    /* clade_padding; at `more`, the sides, if explicit */
    CLADE_FIELD_ACTIVATION, /* clade_activation; at `more` (0: none), a bool for softmax */
    CLADE_FIELD_FUNCTION,   /* clade_activation; softmax turns the layer into a softmax layer */
    CLADE_FIELD_WORD        /* an enum with the words `words` */
} clade_field_type;

typedef enum clade_field_range {
    CLADE_RANGE_NOT_NEGATIVE, /* >= 0 */
    CLADE_RANGE_POSITIVE,     /* > 0 */
    CLADE_RANGE_RATE,         /* 0 <= x < 1 */
} clade_field_range;

/* A setting of a layer. It serves to read and write recipes, check settings, fill in defaults and
 * generate the reference page of recipe keys. */
typedef struct clade_layer_field {
    const char *key, *alias; /* in recipes; the alias is Keras' word if that differs, or NULL */
    clade_field_type type;
    clade_field_range range;
    size_t at, more;          /* offsets in the struct of settings */
    const char *within;       /* REAL: the key of the map that contains it in recipes, or NULL */
    const char *const *words; /* in the order of the enum, ended by NULL */
    bool required;
    bool classes;          /* in recipes, may be `classes`: the number of classes in the data */
    bool all;              /* an INT that may be -1: as many as there are */
    float standard;        /* the value that zero stands for, if it is a number */
    const char *otherwise; /* the default in words, if `standard` does not say it, or NULL */
    const char *about;     /* for the reference page */
} clade_layer_field;

/* Everything about a kind of layer. */
typedef struct clade_layer_record {
    const char *key;          /* in recipes */
    const char *name, *alias; /* other words for it in recipes: Keras' default name, another one or
                               * NULL */
    const char *type;         /* Keras' class */
    const char *about;        /* for the reference page */
    const char *main;         /* the key that a plain value sets, or NULL */
    const clade_layer_field *field; /* in the order of a recipe's text; ended by a NULL key */
    int32_t inputs[2];              /* minimum and maximum number; zeros: one */
    bool features;                  /* see clade_layer_has_features */
    bool keeps_values;              /* whether each output value is an input value or zero */
    const char *activation; /* the layer's name as an activation, if no field says it, or NULL */
    /* Returns whether the layer gives different results in each step even if nothing is trained.
     * NULL: no. */
    bool (*random)(const clade_layer *layer);
    /* Checks the layer against its inputs, and sets the output's shape and the weights; settings
     * are in their ranges. Errors: EINVAL, without the layer's name, which the caller prepends. */
    clade_status (*shape)(const clade_graph *graph, clade_node *node);
    /* Add the calls that compute y of layer `number`, and those that compute the gradients of its
     * weights and inputs from its dy. */
    void (*forward)(clade_build *build, int32_t number);
    void (*backward)(clade_build *build, int32_t number);
} clade_layer_record;

#define CLADE_LAYER(ID, id) extern const clade_layer_record clade_##id##_record;
#include <clade/layers.def>

/* Returns the record; never NULL for a kind in the enum. */
const clade_layer_record *clade_layer_record_of(clade_layer_kind kind);

/* Returns the address at an offset in the layer's settings. */
static inline void *clade_layer_at(clade_layer *layer, size_t at)
{
    return (char *)&layer->as + at;
}
static inline const void *clade_layer_look(const clade_layer *layer, size_t at)
{
    return (const char *)&layer->as + at;
}

/* Checks that all settings are in their ranges. Errors: EINVAL naming the key. */
clade_status clade_layer_check(const clade_layer *layer);
/* Returns the layer with defaults in place of numbers that are zero. */
clade_layer clade_layer_complete(const clade_layer *layer);
/* Returns the last activation applied to the output: "relu", "softmax", …; "linear": none. */
const char *clade_layer_last_activation(const clade_layer *layer);

/* Returns the L2 factor of the layer's kernel; 0: none. */
float clade_layer_l2(const clade_layer *layer);

/* Words of enums, in the enums' order; ended by NULL. */
extern const char *const clade_initializer_words[], *const clade_conv_initializer_words[],
                                                        *const clade_interpolation_words[];

/* A field: member of `settings`, type, key, then .alias = …, .about = …. */
#define CLADE_FIELD(settings, member, kind, word, ...)                                             \
    {                                                                                              \
        .key = word, .type = CLADE_FIELD_##kind, .at = offsetof(settings, member), __VA_ARGS__     \
    }
/* Fields that several layers have. */
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

/* Returns the node that input i of `node` reads. */
static inline const clade_node *clade_node_input(const clade_graph *graph, const clade_node *node,
                                                 int32_t i)
{
    return &graph->node[node->layer.input[i]];
}

/* Sets the output's shape from a tensor that includes the batch. */
void clade_node_set_shape(clade_node *node, const clade_tensor *y);
/* Adds a weight; the default initialiser is Glorot uniform. */
clade_weight *clade_node_add_weight(clade_node *node, const char *name, clade_tensor shape,
                                    clade_initializer init);

/* Fails with EINVAL unless the input is an image [h, w, c]. */
clade_status clade_expect_image(const clade_node *input);

/* A window that slides over an image: the layer's settings as parameters of an op. */
typedef struct clade_window {
    int32_t size[2], stride[2], dilation[2], pad[4];
} clade_window;

/* Fills in `pad` from Keras' words: 'same' gives ceil(size / stride) outputs, an odd zero at the
 * bottom and right. Size, strides and dilations must be set. */
clade_status clade_window_set_pad(clade_window *window, clade_padding padding,
                                  const int32_t given[4], const clade_node *input);

/* Return the window of a convolution or pool `node` whose shape is known. */
clade_window clade_conv_window(const clade_graph *graph, const clade_node *node);
clade_window clade_pool_window(const clade_graph *graph, const clade_node *node);

/* Returns the alpha to pass to ops: the activation's default if none is set. */
static inline float clade_activation_alpha(clade_activation activation, float alpha)
{
    return alpha == 0 ? clade_activation_describe((int32_t)activation)->alpha : alpha;
}

/* Returns whether a batchnorm layer uses the batch's own statistics in this pass. */
bool clade_batchnorm_uses_batch(const clade_build *build, int32_t number);

/* Where dense layers and convolutions apply their activation. `z` is the sum before it, which is
 * kept for the gradient if the derivative needs it; else z and y are the same and the op applies
 * the activation itself. */
typedef struct clade_fused {
    clade_activation inside, after; /* one is the layer's activation, the other CLADE_LINEAR */
    float alpha;
    clade_tensor z, y;
} clade_fused;

clade_fused clade_fused_start(clade_build *build, int32_t number, clade_activation activation,
                              float alpha);
/* Adds the call that computes y from z, if there is one. */
void clade_fused_finish(clade_build *build, int32_t number, const clade_fused *fused);
/* Returns the gradient of z, given that of y. */
clade_tensor clade_fused_backward(clade_build *build, int32_t number, clade_activation activation,
                                  float alpha);

#endif
