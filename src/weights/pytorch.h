/* PyTorch's files of tensors: state dicts as torch.save writes them, in a zip archive (since 1.6)
 * or in pickles followed by the numbers (before).
 *
 * In a training checkpoint, the tensors are found under state_dict, model and the like. Nothing in
 * a file is executed (weights/pickle.h). Numbers are read on demand. */
#ifndef CLADE_WEIGHTS_PYTORCH_H
#define CLADE_WEIGHTS_PYTORCH_H

#include "weights/blob.h"
#include "weights/dtype.h"

enum { clade_pytorch_max_rank = 8 };

typedef struct clade_pytorch_tensor {
    const char *name; /* belongs to the file */
    clade_safetensors_dtype dtype;
    int32_t rank;
    int64_t shape[clade_pytorch_max_rank], stride[clade_pytorch_max_rank]; /* in elements */
    size_t count;
    uint64_t at; /* of the first element in the file */
} clade_pytorch_tensor;

typedef struct clade_pytorch clade_pytorch;

/* Returns whether a file begins like a pickle of torch.save's older form. The other form is a zip
 * archive. */
bool clade_pytorch_is_old(const uint8_t start[16]);

/* Takes over the file, open or not, also on failure; it is closed with the reader. Every tensor
 * lies inside its storage, and has no more elements than that. Errors: EIO; EFORMAT (damaged,
 * truncated); EUNSUPPORTED (contents other than tensors, which are named; other forms of tensors);
 * ENOMEM. */
clade_status clade_pytorch_open(clade_blob *bytes, clade_pytorch **out);
void clade_pytorch_destroy(clade_pytorch **file);

size_t clade_pytorch_count(const clade_pytorch *file);
/* In the order of the file; names are unique. */
const clade_pytorch_tensor *clade_pytorch_at(const clade_pytorch *file, size_t i);

/* Gives the tensor's values, row-major, as float32. Errors: EFORMAT (not a floating-point dtype),
 * EIO, ENOMEM. */
clade_status clade_pytorch_floats(const clade_pytorch *file, const clade_pytorch_tensor *tensor,
                                  float *out);

#endif
