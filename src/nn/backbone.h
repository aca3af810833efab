/* Internals of backbones: the names of their layers in files of weights, and functions with which
 * the builders add layers. */
#ifndef CLADE_NN_BACKBONE_H
#define CLADE_NN_BACKBONE_H

#include <clade/backbone.h>

/* The libraries whose names for a backbone's layers are known. The layers themselves have
 * torchvision's names. */
typedef enum clade_naming {
    CLADE_NAMING_TIMM,
    CLADE_NAMING_KERAS,
    CLADE_NAMING_GLUON, /* MXNet's model zoo; also torch's names, where it joins them by _ */
    CLADE_NAMING_OLD,   /* torchvision's former names */
    CLADE_NAMINGS
} clade_naming;

typedef struct clade_backbone_alias {
    char name[CLADE_NAMINGS][CLADE_NAME_SIZE]; /* empty: torchvision's name, or not in that
                                                * library */
} clade_backbone_alias;

/* How Keras' weights expect their images, by its names for preprocess_input. */
typedef enum clade_keras_mode {
    CLADE_KERAS_TORCH, /* (x / 255 - mean) / std */
    CLADE_KERAS_TF,    /* x / 127.5 - 1 */
    CLADE_KERAS_CAFFE  /* blue, green, red, minus their means */
} clade_keras_mode;

/* A backbone under construction, then the finished one. */
typedef struct clade_backbone {
    clade_graph *graph;
    clade_backbone_alias *alias; /* for each layer */
    int32_t capacity;            /* allocated elements of `alias` */
    clade_backbone_options options;
    clade_keras_mode mode;
    float eps, momentum;     /* for batch normalisation */
    clade_status status;     /* the first failure; later additions do nothing */
    clade_backbone_alias at; /* names of the next layer that has weights */
    int32_t last;            /* number of the last added layer */
} clade_backbone;

/* Builds a backbone with its names. The caller clears it, also after a failure. */
clade_status clade_backbone_build(const char *name, const clade_backbone_options *options,
                                  clade_backbone *out);
void clade_backbone_clear(clade_backbone *backbone);

/* Gives the depths of layers 1 to `layers` of a graph, which are this backbone or what is left of
 * it, in depth [layers]: 0 before the first block, then the block's number, from 1. Layers between
 * two blocks belong to the second one, those after the last block to the last. Returns the number
 * of blocks. Follows timm's group_matcher of these nets. */
int32_t clade_backbone_find_depths(const char *name, const clade_graph *graph, int32_t layers,
                                   int32_t *depth);

/* --- for the builders --- */

/* Sets the next layer's name in another library; for layers with weights. */
void clade_backbone_call(clade_backbone *b, clade_naming naming, const char *format, ...)
    CLADE_PRINTF(3, 4);

/* Settings of a convolution. */
typedef struct clade_backbone_conv {
    int32_t filters, kernel, stride, groups; /* stride and groups 0: 1 */
    bool valid; /* no padding; else the zeros that keep the size at stride 1 */
    bool depthwise, bias;
    clade_activation activation;
} clade_backbone_conv;

/* Each adds a layer that reads layer `from`, names it by the format, and returns its number. A
 * layer with weights takes the names set by clade_backbone_call. */
int32_t clade_backbone_add_conv(clade_backbone *b, int32_t from, clade_backbone_conv conv,
                                const char *format, ...) CLADE_PRINTF(4, 5);
int32_t clade_backbone_add_layer_norm(clade_backbone *b, int32_t from, const char *name);
int32_t clade_backbone_add_norm(clade_backbone *b, int32_t from, const char *format, ...)
    CLADE_PRINTF(3, 4);
int32_t clade_backbone_add_dense(clade_backbone *b, int32_t from, int32_t units,
                                 clade_activation activation, const char *format, ...)
    CLADE_PRINTF(5, 6);
int32_t clade_backbone_add(clade_backbone *b, clade_layer layer, const char *format, ...)
    CLADE_PRINTF(3, 4);

int32_t clade_backbone_activate(clade_backbone *b, int32_t from, clade_activation activation,
                                const char *format, ...) CLADE_PRINTF(4, 5);
/* Adds stochastic depth: in training, `from` is dropped for some images, which an add then
 * bypasses; block `i` of `count` at i / count of the options' rate. Without a rate, returns
 * `from`. */
int32_t clade_backbone_leave_out(clade_backbone *b, int32_t from, int i, int count,
                                 const char *format, ...) CLADE_PRINTF(5, 6);
/* Adds a layer with two inputs: add, multiply, concat. */
int32_t clade_backbone_join(clade_backbone *b, clade_layer_kind kind, int32_t from, int32_t with,
                            const char *format, ...) CLADE_PRINTF(5, 6);
/* Adds squeeze and excite of `from`; the dense layers' names in other libraries may be empty. */
int32_t clade_backbone_excite(clade_backbone *b, int32_t from, const char *name,
                              const clade_squeeze_excite_layer *settings, const char *const timm[2],
                              const char *const keras[2]);
/* Adds the global average, then dropout at `rate` and a dense layer of the classes, named
 * `dense`. */
void clade_backbone_add_classifier(clade_backbone *b, float rate, const char *pool,
                                   const char *dropout, const char *dense);

/* --- the builders --- */

void clade_backbone_vgg16(clade_backbone *b);
void clade_backbone_resnet18(clade_backbone *b);
void clade_backbone_resnet34(clade_backbone *b);
void clade_backbone_resnet50(clade_backbone *b);
void clade_backbone_resnet101(clade_backbone *b);
void clade_backbone_mobilenet_v2(clade_backbone *b);
void clade_backbone_mobilenet_v3_small(clade_backbone *b);
void clade_backbone_mobilenet_v3_large(clade_backbone *b);
void clade_backbone_squeezenet1_1(clade_backbone *b);
void clade_backbone_efficientnet_b0(clade_backbone *b);
void clade_backbone_efficientnet_b1(clade_backbone *b);
void clade_backbone_efficientnet_b2(clade_backbone *b);
void clade_backbone_efficientnet_b3(clade_backbone *b);
void clade_backbone_convnext_tiny(clade_backbone *b);
void clade_backbone_regnet_y_400mf(clade_backbone *b);
void clade_backbone_vit_b_16(clade_backbone *b);
void clade_backbone_vit_s_16(clade_backbone *b);

#endif
