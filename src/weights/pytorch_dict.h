/* Finds the tensors in the contents of a PyTorch file. */
#ifndef CLADE_WEIGHTS_PYTORCH_DICT_H
#define CLADE_WEIGHTS_PYTORCH_DICT_H

#include "weights/pickle.h"

/* Returns the call that creates the value's tensor, also inside a Parameter; NULL: it is not a
 * tensor. */
const clade_pickle_value *clade_pytorch_tensor_of(const clade_pickle_value *value);

/* Finds the dict of tensors by name: the root itself or, in a training checkpoint, the one under
 * state_dict, model and the like. Errors: EFORMAT, naming the file and its keys. */
clade_status clade_pytorch_find_dict(const char *file, const clade_pickle_value *root,
                                     const clade_pickle_value **out);

/* Returns the length of the prefix that wrappers added to all of its tensors' names ("module." by
 * DataParallel). */
size_t clade_pytorch_prefix(const clade_pickle_value *dict);

#endif
