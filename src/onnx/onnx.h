/* Reading ONNX: what its files share. The steps are: the file is unpacked (file.c); its nodes are
 * read in order (import.c) and become layers of a draft (draft.c) or, if all their inputs are
 * known, constants (fold.c); the draft is simplified (simplify.c) and becomes a network
 * (emit.c). */
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
}; /* some of the format's element types */
enum { clade_onnx_max_rank = 8 };

/* --- file.c --- */

/* An ONNX file. Memory is counted: reading may take 8 times the size of the files plus 64 MiB. */
typedef struct clade_onnx_file {
    const char *path;
    char *folder;
    Onnx__Model *model;
    const Onnx__Graph *graph;
    int64_t opset;
    uint64_t used, limit;
    bool short_of_memory; /* below the limit */
    char **external;      /* external files whose size is already counted */
    size_t external_count;
    ProtobufCAllocator allocator;
} clade_onnx_file;

/* Unpacks the file and checks its head: opset, one graph. `path` must live as long as the file. */
clade_status clade_onnx_file_open(const char *path, const void *bytes, size_t size,
                                  clade_onnx_file *out);
void clade_onnx_file_close(clade_onnx_file *file);
/* Allocates counted memory, zeroed; NULL with the error set. */
void *clade_onnx_take(clade_onnx_file *file, uint64_t count, size_t size);
void clade_onnx_give(clade_onnx_file *file, void *memory);
/* Removes memory from the count: from now on it is released with free(). NULL with the error
 * set. */
float *clade_onnx_release(clade_onnx_file *file, float *data, size_t count);

/* A tensor whose values are known: real numbers or integers. */
typedef struct clade_onnx_constant {
    bool real;
    int32_t rank;
    int64_t dim[clade_onnx_max_rank];
    size_t count;
    int32_t type; /* the format's type, if a file stores it; else 0 */
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
/* Decodes a stored tensor, also from an external file. Errors: EFORMAT naming the tensor. */
clade_status clade_onnx_tensor_read(clade_onnx_file *file, const Onnx__Tensor *tensor,
                                    clade_onnx_constant *out);

/* --- node.c: attributes and names --- */

const Onnx__Attribute *clade_onnx_attribute(const Onnx__Node *node, const char *name);
int64_t clade_onnx_int(const Onnx__Node *node, const char *name, int64_t otherwise);
float clade_onnx_float(const Onnx__Node *node, const char *name, float otherwise);
/* Gives "" if it is missing. */
void clade_onnx_text(const Onnx__Node *node, const char *name, char text[32]);
/* "Conv 'conv1'", for messages. */
const char *clade_onnx_describe(const Onnx__Node *node, char text[160]);
static inline const char *clade_onnx_string(const char *text) { return text ? text : ""; }

/* --- values --- */

typedef enum clade_onnx_kind {
    CLADE_ONNX_BROKEN, /* output of a node that cannot be read */
    CLADE_ONNX_STORED, /* an initializer, decoded when it is used */
    CLADE_ONNX_KNOWN,
    CLADE_ONNX_LAYER,
    CLADE_ONNX_PART /* a step of a normalisation that is written as several nodes */
} clade_onnx_kind;

/* The steps of normalising x. Those from the mean to the inverse have one number for each image and
 * group, or for each normalised row. */
typedef enum clade_onnx_step {
    CLADE_ONNX_GROUPED, /* x itself, with its channels grouped */
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
    CLADE_ONNX_NORMAL       /* the result: (x − mean) / deviation, times gamma, plus beta */
} clade_onnx_step;

typedef struct clade_onnx_part {
    clade_onnx_step step;
    const char *x;          /* name of the normalised value, the output of a layer */
    const Onnx__Node *node; /* the step's node */
    int32_t groups;         /* of channels; 0: whole dimensions are normalised */
    unsigned axes;          /* those dimensions, as ONNX numbers them: bit k */
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
    /* A layer's output as ONNX sees it. dim[0] is the batch; order[k] is the dimension of the
     * layer's [n, …] that is dimension k, or −1 if it has size 1 and can be any. */
    int32_t layer, rank;
    int64_t dim[clade_onnx_max_rank];
    int8_t order[clade_onnx_max_rank];
    int32_t chw[3];       /* not 0: a vector that is [c h w] in ONNX, but [h w c] in the layer */
    clade_onnx_part part; /* rank and dim are ONNX's */
} clade_onnx_value;

/* Returns the index in the layer's last dimension of ONNX's channel or element k. */
static inline size_t clade_onnx_channel(const clade_onnx_value *x, size_t k)
{
    if (!x->chw[0]) return k;
    size_t c = (size_t)x->chw[0], area = (size_t)x->chw[1] * (size_t)x->chw[2];
    return k % area * c + k / area;
}

/* --- draft.c: layers under construction --- */

/* The meaning of a layer in the draft. Layers other than CLADE_ONNX_PLAIN are linear activations
 * until simplification finds out what they belong to. */
typedef enum clade_onnx_role {
    CLADE_ONNX_PLAIN,
    CLADE_ONNX_AFFINE,
    CLADE_ONNX_ERF,
    CLADE_ONNX_SCALE, /* a prelu that multiplies everything: its alphas are the factors */
    CLADE_ONNX_CLIP   /* to 0 … 1, of an affine */
} clade_onnx_role;

typedef struct clade_onnx_layer {
    clade_layer layer; /* its inputs are numbers in the draft */
    clade_onnx_role role;
    const Onnx__Node *node; /* its node */
    const char *stem;       /* its weights' name before their suffix; counted memory, or NULL */
    float *weight[4];       /* in the order of the layer's record; counted memory */
    size_t weight_count[4];
    int32_t channels;           /* of an affine */
    float *scale, *shift;       /* [channels]; counted memory */
    clade_quantization rounded; /* of its output */
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
    clade_onnx_constant held[8]; /* decoded for the current node */
    int32_t held_count;
    int64_t batch;
    size_t node;           /* number of the current node */
    int32_t folded;        /* nodes */
    int32_t trained_norms; /* batch normalisations in training mode */
    int32_t output;        /* layer */
    bool output_turned;
    bool pixels;  /* the input is uint8 */
    bool resized; /* images have another size than in the file */
    clade_preprocessing preprocessing;
    bool has_preprocessing;
    char faults[3072];
    size_t fault_count;
} clade_onnx_reader;

void clade_onnx_reader_clear(clade_onnx_reader *reader);

/* Finds a value by name; NULL: there is none. */
clade_onnx_value *clade_onnx_find(const clade_onnx_reader *reader, const char *name);
/* Adds a value of that name. EFORMAT if there is one already. */
clade_status clade_onnx_define(clade_onnx_reader *reader, const char *name,
                               const clade_onnx_value *value);

/* Adds a layer, which the node gives its name (NULL: none does), and computes its shape.
 * EUNSUPPORTED if it does not fit. */
clade_status clade_onnx_add(clade_onnx_reader *reader, const Onnx__Node *node,
                            const clade_layer *layer, int32_t *number);
/* Gives the layer's output shape: dim [0, rank] with the batch first; the rank includes the
 * batch. */
int32_t clade_onnx_dims(const clade_onnx_reader *reader, int32_t layer, int64_t dim[4]);

/* Gives the node's input i as a constant, decoding it if needed and holding it until the node is
 * done; *out is NULL if there is no such input. EUNSUPPORTED if it is not constant. */
clade_status clade_onnx_input_constant(clade_onnx_reader *reader, const Onnx__Node *node, size_t i,
                                       const clade_onnx_constant **out);
/* Does the same by name. */
clade_status clade_onnx_find_constant(clade_onnx_reader *reader, const char *name,
                                      const clade_onnx_constant **out);
/* Frees the constants that are held. */
void clade_onnx_drop_held(clade_onnx_reader *reader);
/* Fails with EFORMAT if there is no such constant, with EUNSUPPORTED if it does not have `rank`
 * dimensions of real numbers; `what` names it: "its kernel". */
clade_status clade_onnx_expect_real(const clade_onnx_constant *constant, int32_t rank,
                                    const char *what);
/* Gives integers from an attribute or, in later opsets, input i. *count 0: there is neither. */
clade_status clade_onnx_ints(clade_onnx_reader *reader, const Onnx__Node *node, const char *name,
                             size_t i, int64_t out[clade_onnx_max_rank], int32_t *count);
/* Gives the node's input i as a layer's output; EUNSUPPORTED if it is constant. */
clade_status clade_onnx_input(clade_onnx_reader *reader, const Onnx__Node *node, size_t i,
                              clade_onnx_value *out);
/* Give the same as an image [n, h, w, c], or as a vector [n, c], adding a reshape if needed. */
clade_status clade_onnx_image(clade_onnx_reader *reader, clade_onnx_value *value);
clade_status clade_onnx_vector(clade_onnx_reader *reader, clade_onnx_value *value);
/* Defines the node's first output. */
clade_status clade_onnx_output(clade_onnx_reader *reader, const Onnx__Node *node,
                               const clade_onnx_value *value);
clade_status clade_onnx_output_image(clade_onnx_reader *reader, const Onnx__Node *node,
                                     int32_t layer);

/* Copies a constant of real numbers into the layer's weight k: values[i] = source[from(i)]; `from`
 * NULL: in the same order. */
clade_status clade_onnx_set_weight(clade_onnx_reader *reader, int32_t layer, int k,
                                   const float *data, size_t count);
/* Sets the layer's stem from the name of a weight's tensor. */
clade_status clade_onnx_set_stem(clade_onnx_reader *reader, int32_t layer, const char *tensor);

/* Converts a node to layers, or returns EUNSUPPORTED, which is collected. */
typedef clade_status (*clade_onnx_handler)(clade_onnx_reader *reader, const Onnx__Node *node);
#define CLADE_ONNX_OPERATOR(op, reader)                                                            \
    clade_status clade_onnx_read_##reader(clade_onnx_reader *reader, const Onnx__Node *node);
#include "onnx/operators.def"

/* --- shape.c --- */

/* Gives the dimensions that Reshape gives v. */
clade_status clade_onnx_reshape_target(clade_onnx_reader *reader, const Onnx__Node *node,
                                       const clade_onnx_value *v, int64_t to[clade_onnx_max_rank],
                                       int32_t *rank);

/* --- norm.c --- */

/* A normalisation of groups of the layer's channels or (groups 0) over the dimensions of x that
 * `axes` names, bit k. gamma and beta are NULL, or constants that broadcast to x; with `listed`
 * they are lists, one number for each channel or group. */
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
/* Returns whether the constant can be gamma or beta. */
bool clade_onnx_norm_fits(const clade_onnx_reader *reader, const clade_onnx_value *x,
                          const clade_onnx_norm *norm, const clade_onnx_constant *c);

/* --- norm_part.c --- */

/* Reads a node that is a step of a normalisation written as several nodes. *done false: it is not,
 * and its inputs no longer count as steps. EUNSUPPORTED if such a step is used for something
 * else. */
clade_status clade_onnx_read_part(clade_onnx_reader *reader, const Onnx__Node *node, bool *done);
/* Turns a step that completes a normalisation into a layer; EUNSUPPORTED for other steps. */
clade_status clade_onnx_finish_part(clade_onnx_reader *reader, const char *name);

/* --- tokens.c --- */

/* Reads attention or class_token, beginning at the current node, in the form that Clade writes;
 * *nodes is the number of their nodes, 0 if they do not begin here. */
clade_status clade_onnx_read_tokens(clade_onnx_reader *reader, size_t *nodes);
/* Returns whether c has one number for each element of an image of x. */
bool clade_onnx_is_position(const clade_onnx_value *x, const clade_onnx_constant *c);
/* Adds a position_embedding with these numbers to x, which becomes its output. */
clade_status clade_onnx_add_position(clade_onnx_reader *reader, const Onnx__Node *node,
                                     clade_onnx_value *x, const clade_onnx_constant *c);

/* --- window.c --- */

/* A window's attributes, unchanged. */
typedef struct clade_onnx_window {
    int64_t size[2], stride[2], dilation[2], pad[4];
    clade_padding padding;
} clade_onnx_window;

/* Reads an attribute of `need` numbers from `low` to 2^31; if it is missing, *out is unchanged. */
clade_status clade_onnx_read_pair(clade_onnx_reader *reader, const Onnx__Node *node,
                                  const char *name, int need, int64_t low, int64_t *out);
/* Sizes must be set; `x` is the image's value, [n, c, h, w]. */
clade_status clade_onnx_read_window(clade_onnx_reader *reader, const Onnx__Node *node,
                                    const clade_onnx_value *x, clade_onnx_window *window);
void clade_onnx_set_ints(int32_t *to, const int64_t *from, int count);

/* --- activation.c --- */

/* Adds y = scale x + shift, with one of each or `count` of each, in the order of the layer's
 * channels. */
clade_status clade_onnx_add_affine(clade_onnx_reader *reader, const Onnx__Node *node,
                                   clade_onnx_value *value, const float *scale, const float *shift,
                                   size_t count);

/* Adds a prelu with these slopes, which broadcast to x. */
clade_status clade_onnx_add_prelu(clade_onnx_reader *reader, const Onnx__Node *node,
                                  clade_onnx_value *value, const clade_onnx_constant *slope);

/* --- fold.c --- */

/* Folds a node whose inputs are all known, or that only queries a shape. *done false: it is
 * neither. */
clade_status clade_onnx_fold(clade_onnx_reader *reader, const Onnx__Node *node, bool *done);

/* Returns whether an operator can be folded. */
bool clade_onnx_folds(const char *op);

/* --- simplify.c, emit.c --- */

void clade_onnx_simplify(clade_onnx_reader *reader);
clade_status clade_onnx_emit(clade_onnx_reader *reader, const char *name, clade_network **out);
/* Adds to the list of what cannot be read. */
void clade_onnx_add_fault(clade_onnx_reader *reader, const Onnx__Node *node, const char *reason);

/* --- metadata.c --- */

/* Reads preprocessing and classes from the file's metadata; both may be missing. */
clade_status clade_onnx_read_metadata(const clade_onnx_reader *reader, clade_network *network);

#endif
