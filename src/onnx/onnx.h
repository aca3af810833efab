/* Reading ONNX: what its files share. The way of a net: the file is unpacked (file.c),
 * its nodes are taken in order (import.c) and become layers of a draft
 * (draft.c), or, where all they take is known, constants (fold.c). The draft
 * is simplified (simplify.c) and becomes a network (emit.c). */
#ifndef CLADE_ONNX_H
#define CLADE_ONNX_H

#include "weights/network.h"

#include "onnx.pb-c.h"

enum {
    CLADE_ONNX_FLOAT = 1,
    CLADE_ONNX_UINT8 = 2,
    CLADE_ONNX_INT8 = 3,
    CLADE_ONNX_INT32 = 6,
    CLADE_ONNX_INT64 = 7
}; /* of the format's element types */
enum { clade_onnx_max_rank = 8 };

/* --- file.c --- */

/* Memory is counted: all that reading takes may be 8 times the size of the files plus 64 MiB. */
typedef struct clade_onnx_file {
    const char *path;
    char *folder;
    Onnx__Model *model;
    const Onnx__Graph *graph;
    int64_t opset;
    uint64_t used, limit;
    bool short_of_memory; /* below the limit */
    char **external;      /* files beside it whose size counts already */
    size_t external_count;
    ProtobufCAllocator allocator;
} clade_onnx_file;

/* Unpacks and checks the head: opset, one graph. `path` must live as long as the file. */
clade_status clade_onnx_file_open(const char *path, const void *bytes, size_t size,
                                  clade_onnx_file *out);
void clade_onnx_file_close(clade_onnx_file *file);
/* Counted memory, zeroed; NULL with the error set. */
void *clade_onnx_take(clade_onnx_file *file, uint64_t count, size_t size);
void clade_onnx_give(clade_onnx_file *file, void *memory);
/* Takes memory out of the count: it is for free() from here on. NULL with the error set. */
float *clade_onnx_release(clade_onnx_file *file, float *data, size_t count);

/* A tensor whose values are known: real numbers or whole ones. */
typedef struct clade_onnx_constant {
    bool real;
    int32_t rank;
    int64_t dim[clade_onnx_max_rank];
    size_t count;
    int32_t type; /* the format's, of one that a file stores; else 0 */
    float *f;     /* if real, else NULL; counted memory */
    int64_t *i;   /* if not */
} clade_onnx_constant;

clade_status clade_onnx_constant_make(clade_onnx_file *file, bool real, int32_t rank,
                                      const int64_t *dim, clade_onnx_constant *out);
void clade_onnx_constant_clear(clade_onnx_file *file, clade_onnx_constant *constant);
static inline double clade_onnx_number(const clade_onnx_constant *c, size_t k)
{
    return c->real ? (double)c->f[k] : (double)c->i[k];
}
/* Decodes a stored tensor, from an external file too. Errors: EFORMAT naming the tensor. */
clade_status clade_onnx_tensor_read(clade_onnx_file *file, const Onnx__Tensor *tensor,
                                    clade_onnx_constant *out);

/* --- node.c: attributes and names --- */

const Onnx__Attribute *clade_onnx_attribute(const Onnx__Node *node, const char *name);
int64_t clade_onnx_int(const Onnx__Node *node, const char *name, int64_t otherwise);
float clade_onnx_float(const Onnx__Node *node, const char *name, float otherwise);
/* "" where it is missing. */
void clade_onnx_text(const Onnx__Node *node, const char *name, char text[32]);
/* "Conv 'conv1'", for messages. */
const char *clade_onnx_describe(const Onnx__Node *node, char text[160]);
static inline const char *clade_onnx_string(const char *text) { return text ? text : ""; }

/* --- values --- */

typedef enum clade_onnx_kind {
    CLADE_ONNX_BROKEN, /* made by a node that cannot be read */
    CLADE_ONNX_STORED, /* an initializer, decoded where it is used */
    CLADE_ONNX_KNOWN,
    CLADE_ONNX_LAYER,
    CLADE_ONNX_PART /* a step of a normalisation that is written in pieces */
} clade_onnx_kind;

/* Where in the normalisation of x a step is. Those from the mean to the inverse have a number for
 * each image and group, or for each row of what is normalised. */
typedef enum clade_onnx_step {
    CLADE_ONNX_GROUPED, /* x itself, its channels seen in groups */
    CLADE_ONNX_MEAN,
    CLADE_ONNX_DIFFERENCE, /* x − mean */
    CLADE_ONNX_SQUARE,
    CLADE_ONNX_VARIANCE,
    CLADE_ONNX_SHIFTED,     /* variance + eps */
    CLADE_ONNX_DEVIATION,   /* its root */
    CLADE_ONNX_INVERSE,     /* 1 / deviation, times gamma if there is one */
    CLADE_ONNX_SCALED_X,    /* x inverse */
    CLADE_ONNX_SCALED_MEAN, /* mean inverse */
    CLADE_ONNX_REST,        /* beta − mean inverse */
    CLADE_ONNX_NORMAL       /* all of it: (x − mean) / deviation, times gamma, plus beta */
} clade_onnx_step;

typedef struct clade_onnx_part {
    clade_onnx_step step;
    const char *x;          /* name of what is normalised, the output of a layer */
    const Onnx__Node *node; /* that the step comes from */
    int32_t groups;         /* of channels; 0: whole dimensions are normalised, … */
    unsigned axes;          /* … those of x as ONNX sees it: bit k */
    bool listed;            /* gamma and beta are lists: see clade_onnx_norm */
    bool negative;          /* minus the mean, or minus the scaled mean */
    float eps;
    const char *gamma, *beta; /* names of constants, or NULL */
} clade_onnx_part;

typedef struct clade_onnx_value {
    const char *name;
    clade_onnx_kind kind;
    const Onnx__Tensor *stored;
    clade_onnx_constant known;
    /* A layer's output, seen as ONNX does: dim[0] is the batch, order[k] which dimension of the
     * layer's [n, …] dimension k is, or −1 where it has size 1 and need not be any. */
    int32_t layer, rank;
    int64_t dim[clade_onnx_max_rank];
    int8_t order[clade_onnx_max_rank];
    int32_t chw[3];       /* not 0: one vector, [c h w] to ONNX, but the layer's is [h w c] */
    clade_onnx_part part; /* rank and dim are those that ONNX sees */
} clade_onnx_value;

/* Where ONNX's channel or element k lies in the layer's last dimension. */
static inline size_t clade_onnx_channel(const clade_onnx_value *x, size_t k)
{
    if (!x->chw[0]) return k;
    size_t c = (size_t)x->chw[0], area = (size_t)x->chw[1] * (size_t)x->chw[2];
    return k % area * c + k / area;
}

/* --- draft.c: layers under construction --- */

/* What a layer of the draft stands for. The others than CLADE_ONNX_PLAIN are linear activations
 * until simplification has found what they are part of. */
typedef enum clade_onnx_role {
    CLADE_ONNX_PLAIN,
    CLADE_ONNX_AFFINE,
    CLADE_ONNX_ERF,
    CLADE_ONNX_SCALE, /* a prelu that all is multiplied by: the alphas are the factors */
    CLADE_ONNX_CLIP   /* to 0 … 1, of an affine */
} clade_onnx_role;

typedef struct clade_onnx_layer {
    clade_layer layer; /* inputs are numbers in the draft */
    clade_onnx_role role;
    const Onnx__Node *node; /* it comes from */
    const char *stem;       /* name of its weights before their suffix; counted memory, or NULL */
    float *weight[4];       /* in the order of the layer's rule; counted memory */
    size_t weight_count[4];
    int32_t channels;           /* of an affine */
    float *scale, *shift;       /* [channels]; counted memory */
    clade_quantization rounded; /* its output */
    int32_t uses;
    bool live;
} clade_onnx_layer;

typedef struct clade_onnx_reader {
    clade_onnx_file file;
    clade_graph *draft;      /* gives the shapes; its layers are those below */
    clade_onnx_layer *layer; /* [0] is the input */
    int32_t layers, capacity;
    clade_onnx_value *value;
    size_t values, value_capacity;
    uint32_t *slot; /* hash table of values by name: number + 1 */
    size_t slots;
    clade_onnx_constant held[8]; /* decoded for the node under way */
    int32_t held_count;
    int64_t batch;
    size_t node;           /* number of the one under way */
    int32_t folded;        /* nodes */
    int32_t trained_norms; /* batch normalisations in training mode */
    int32_t output;        /* layer */
    bool output_turned;
    bool pixels;  /* the input is uint8 */
    bool resized; /* images have another size than the file says */
    clade_preprocessing preprocessing;
    bool has_preprocessing;
    char faults[3072];
    size_t fault_count;
} clade_onnx_reader;

void clade_onnx_reader_clear(clade_onnx_reader *reader);

/* NULL: there is none. */
clade_onnx_value *clade_onnx_find(const clade_onnx_reader *reader, const char *name);
/* Adds a value of that name. EFORMAT if there is one already. */
clade_status clade_onnx_define(clade_onnx_reader *reader, const char *name,
                               const clade_onnx_value *value);

/* Adds a layer that the node gives its name to (NULL: none does); its shape follows. EUNSUPPORTED
 * where it does not fit. */
clade_status clade_onnx_add(clade_onnx_reader *reader, const Onnx__Node *node,
                            const clade_layer *layer, int32_t *number);
/* The layer's output: dim [0, rank] with the batch first; the rank with the batch. */
int32_t clade_onnx_dims(const clade_onnx_reader *reader, int32_t layer, int64_t dim[4]);

/* The node's input i as a constant, decoded if need be and held until the node is done; *out is
 * NULL where there is no such input. EUNSUPPORTED where it is not constant. */
clade_status clade_onnx_input_constant(clade_onnx_reader *reader, const Onnx__Node *node, size_t i,
                                       const clade_onnx_constant **out);
/* The same by its name. */
clade_status clade_onnx_find_constant(clade_onnx_reader *reader, const char *name,
                                      const clade_onnx_constant **out);
/* Frees those that are held. */
void clade_onnx_drop_held(clade_onnx_reader *reader);
/* EFORMAT where there is no such constant, EUNSUPPORTED where it has not `rank` dimensions of real
 * numbers; `what` is it: "its kernel". */
clade_status clade_onnx_expect_real(const clade_onnx_constant *constant, int32_t rank,
                                    const char *what);
/* Whole numbers given as an attribute or, in later opsets, as input i. *count 0: neither. */
clade_status clade_onnx_ints(clade_onnx_reader *reader, const Onnx__Node *node, const char *name,
                             size_t i, int64_t out[clade_onnx_max_rank], int32_t *count);
/* The node's input i as a layer's output; EUNSUPPORTED where it is constant. */
clade_status clade_onnx_input(clade_onnx_reader *reader, const Onnx__Node *node, size_t i,
                              clade_onnx_value *out);
/* The same as an image [n, h, w, c], or as a vector [n, c], adding a reshape where that is needed.
 */
clade_status clade_onnx_image(clade_onnx_reader *reader, clade_onnx_value *value);
clade_status clade_onnx_vector(clade_onnx_reader *reader, clade_onnx_value *value);
/* Defines the node's first output. */
clade_status clade_onnx_output(clade_onnx_reader *reader, const Onnx__Node *node,
                               const clade_onnx_value *value);
clade_status clade_onnx_output_image(clade_onnx_reader *reader, const Onnx__Node *node,
                                     int32_t layer);

/* Copies a constant of real numbers into the layer's weight k: values[i] = source[from(i)], `from`
 * NULL: as they are. */
clade_status clade_onnx_set_weight(clade_onnx_reader *reader, int32_t layer, int k,
                                   const float *data, size_t count);
/* Sets the layer's stem from the name of a weight's tensor. */
clade_status clade_onnx_set_stem(clade_onnx_reader *reader, int32_t layer, const char *tensor);

/* Takes a node to layers, or says EUNSUPPORTED, which is collected. */
typedef clade_status (*clade_onnx_handler)(clade_onnx_reader *reader, const Onnx__Node *node);
#define CLADE_ONNX_OPERATOR(op, reader)                                                            \
    clade_status clade_onnx_read_##reader(clade_onnx_reader *reader, const Onnx__Node *node);
#include "onnx/operators.def"

/* --- shape.c --- */

/* The dimensions that Reshape gives v. */
clade_status clade_onnx_reshape_target(clade_onnx_reader *reader, const Onnx__Node *node,
                                       const clade_onnx_value *v, int64_t to[clade_onnx_max_rank],
                                       int32_t *rank);

/* --- norm.c --- */

/* A normalisation of groups of the layer's channels, or (groups 0) over the dimensions of x that
 * `axes` names, bit k. gamma and beta are NULL, or constants that stretch over x; with `listed`
 * they are lists, of a number for each channel or group. */
typedef struct clade_onnx_norm {
    int32_t groups;
    unsigned axes;
    bool listed;
    float eps;
    const clade_onnx_constant *gamma, *beta;
} clade_onnx_norm;
/* Adds its layer to x, which becomes its output. */
clade_status clade_onnx_add_norm(clade_onnx_reader *reader, const Onnx__Node *node,
                                 clade_onnx_value *x, const clade_onnx_norm *norm);
/* Could it be gamma or beta? */
bool clade_onnx_norm_fits(const clade_onnx_reader *reader, const clade_onnx_value *x,
                          const clade_onnx_norm *norm, const clade_onnx_constant *c);

/* --- norm_part.c --- */

/* Reads a node that is a step of a normalisation written in pieces; *done false: it is none, and
 * its inputs are no steps any more. EUNSUPPORTED where such a step is used for something else. */
clade_status clade_onnx_read_part(clade_onnx_reader *reader, const Onnx__Node *node, bool *done);
/* A step that is a whole normalisation becomes a layer; of others EUNSUPPORTED. */
clade_status clade_onnx_finish_part(clade_onnx_reader *reader, const char *name);

/* --- tokens.c --- */

/* Reads attention or class_token from the node under way on, where these begin as Clade writes
 * them; *nodes is how many nodes that were, 0: they do not. */
clade_status clade_onnx_read_tokens(clade_onnx_reader *reader, size_t *nodes);
/* Has c a number for each element of an image of x? */
bool clade_onnx_is_position(const clade_onnx_value *x, const clade_onnx_constant *c);
/* Adds a position_embedding of these numbers to x, which becomes its output. */
clade_status clade_onnx_add_position(clade_onnx_reader *reader, const Onnx__Node *node,
                                     clade_onnx_value *x, const clade_onnx_constant *c);

/* --- window.c --- */

/* A window's attributes, as they are. */
typedef struct clade_onnx_window {
    int64_t size[2], stride[2], dilation[2], pad[4];
    clade_padding padding;
} clade_onnx_window;

/* An attribute of `need` numbers from `low` to 2^31; one that is missing leaves *out as it was. */
clade_status clade_onnx_read_pair(clade_onnx_reader *reader, const Onnx__Node *node,
                                  const char *name, int need, int64_t low, int64_t *out);
/* Sizes must be set; `x` is the image's value, [n, c, h, w]. */
clade_status clade_onnx_read_window(clade_onnx_reader *reader, const Onnx__Node *node,
                                    const clade_onnx_value *x, clade_onnx_window *window);
void clade_onnx_set_ints(int32_t *to, const int64_t *from, int count);

/* --- activation.c --- */

/* y = scale x + shift, one or `count` channels of each, in the order of the layer's channels. */
clade_status clade_onnx_add_affine(clade_onnx_reader *reader, const Onnx__Node *node,
                                   clade_onnx_value *value, const float *scale, const float *shift,
                                   size_t count);

/* A prelu with these slopes, which broadcast to x. */
clade_status clade_onnx_add_prelu(clade_onnx_reader *reader, const Onnx__Node *node,
                                  clade_onnx_value *value, const clade_onnx_constant *slope);

/* --- fold.c --- */

/* Works a node out whose inputs are all known, or that only asks for a shape. *done false: it is
 * not one of those. */
clade_status clade_onnx_fold(clade_onnx_reader *reader, const Onnx__Node *node, bool *done);

/* Is it an operator that can be worked out? */
bool clade_onnx_folds(const char *op);

/* --- simplify.c, emit.c --- */

void clade_onnx_simplify(clade_onnx_reader *reader);
clade_status clade_onnx_emit(clade_onnx_reader *reader, const char *name, clade_network **out);
/* Adds to the list of what cannot be read. */
void clade_onnx_add_fault(clade_onnx_reader *reader, const Onnx__Node *node, const char *reason);

/* --- metadata.c --- */

/* What the file's metadata say about preprocessing and classes; both may be missing. */
clade_status clade_onnx_read_metadata(const clade_onnx_reader *reader, clade_network *network);

#endif
