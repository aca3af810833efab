/* Where the tensors are in what a PyTorch file holds. */
#ifndef CLADE_WEIGHTS_PYTORCH_DICT_H
#define CLADE_WEIGHTS_PYTORCH_DICT_H

#include "weights/pickle.h"

/* The call that makes the value's tensor, also inside a Parameter; NULL: it is none. */
const clade_pickle_value *clade_pytorch_tensor_of(const clade_pickle_value *value);

/* The dict of tensors by name: the root itself, or in a training checkpoint the one under
 * state_dict, model and the like. Errors: EFORMAT, naming the file and the keys that are there. */
clade_status clade_pytorch_find_dict(const char *file, const clade_pickle_value *root,
                                     const clade_pickle_value **out);

/* How many letters all of its tensors' names begin with that wrappers have put there ("module." by
 * DataParallel). */
size_t clade_pytorch_prefix(const clade_pickle_value *dict);

#endif
