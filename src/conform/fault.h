/* Planted faults: what a device gets wrong on purpose, so that the harness can be judged. */
#ifndef CLADE_CONFORM_FAULT_H
#define CLADE_CONFORM_FAULT_H

#include "conform/conform.h"

/* How a fault comes about. The first group changes the arguments that the reference then runs with,
 * as a kernel with that mistake would compute; the others spoil what it wrote. */
typedef enum fault_kind {
    FAULT_NONE,
    FAULT_PARAM_ADD,    /* parameter[index] + value */
    FAULT_PARAM_SET,    /* = value */
    FAULT_PARAM_SCALE,  /* × value */
    FAULT_PARAM_FLIP,   /* 0 for 1 and 1 for 0 */
    FAULT_PARAM_SWAP,   /* its first two values swapped */
    FAULT_ABSENT,       /* the slot taken for absent */
    FAULT_FORMAT,       /* the slot taken for one of the other format of 16 bits */
    FAULT_SHRINK,       /* one less in dimension `index` of the slot and of `also` */
    FAULT_KEEP,         /* the slot stays as it was */
    FAULT_KEEP_TAIL,    /* its last element does */
    FAULT_STRAY_BEFORE, /* a write to the element before the slot, or `index` before that */
    FAULT_STRAY_AFTER,  /* to the one after it, or `index` after that */
    FAULT_STRAY_APART,  /* the same where tensors lie in several buffers */
    FAULT_CLOBBER,      /* an input is changed */
    FAULT_ROUND,        /* only `value` bits of the significand are right */
    FAULT_LAST_BIT,     /* the last element's last bit is wrong */
    FAULT_FLICKER,      /* the same in every other call, of several elements */
    FAULT_VARIANT,      /* the same with other numbers of threads or another work-group size */
    FAULT_UNALIGNED,    /* the same where the slot does not begin at a multiple of 4 elements */
    FAULT_SEPARATE,     /* the same where tensors lie in several buffers */
    FAULT_IN_PLACE,     /* the same where the slot is the memory of an input */
    FAULT_WITHOUT,      /* the same where slot `also` is absent */
    FAULT_SWALLOW,      /* 0 for NaN */
    FAULT_SATURATE,     /* the largest number for an infinity */
    FAULT_ADD_PRIOR,    /* what was there is added */
    FAULT_SCALE,        /* × value */
    FAULT_FLOOR,        /* at least 0 */
    FAULT_NEXT,         /* each element of a whole-number slot + 1 */
    FAULT_NEIGHBOUR,    /* the last element is a copy of the one before */
    FAULT_FROZEN,       /* batchnorm_dx: the statistics taken for constants */
    FAULT_NAN,          /* one element is NaN; where slot `also` has one, if it is named */
    FAULT_STATUS,       /* the call fails */
    FAULT_KINK,         /* gradients of relu at 0 are `value` times the incoming ones */
    FAULT_ELEMENT,      /* element `index` × value */
    /* where a convolution is computed by Winograd's tiles: */
    FAULT_TILE_ROW,     /* the last row of each tile × value, as by a wrong constant */
    FAULT_TILE_DROPPED, /* the last tile stays as it was */
    FAULT_TILE_EDGE,    /* tiles that reach beyond the image are 0 */
    FAULT_TILE_SUM      /* the whole slot × value: a tile or a channel missing in its sums */
} fault_kind;

/* Where it is planted, and so what has to see it. */
typedef enum fault_place {
    FAULT_IN_OP,       /* of a device, in mode ops */
    FAULT_IN_ORACLE,   /* in the oracle's backward: finite differences must tell */
    FAULT_IN_CHAIN,    /* of a device, in mode layers */
    FAULT_IN_TRAINING, /* in mode nets: a step of training */
    FAULT_IN_FORWARD,  /* of a net from a file: its output */
    FAULT_IN_GRADIENT  /* its losses and gradients */
} fault_place;

typedef struct conform_fault {
    clade_op op;
    const char *part; /* what is wrong: "forward", "dx", "dw", "statistics"... */
    const char *name;
    fault_kind kind;
    const char *slot, *also; /* names; `slot` is a parameter's in the FAULT_PARAM kinds */
    int index;
    double value;
    fault_place place;
    bool fast;         /* in fast mode */
    const char *check; /* that must see it; NULL: any */
} conform_fault;

/* The cases of an op that plant no fault: on a device without one, and its bounds. */
#define CLADE_FAULT_NONE "no-fault"
#define CLADE_FAULT_BOUND "bound"

extern const conform_fault clade_faults[];
extern const size_t clade_fault_count;

/* Changes the arguments as the fault's first group does. */
void clade_fault_alter(const conform_fault *fault, const clade_op_info *info, clade_args *args);
/* Spoils what the oracle's backward gave as the second group does; `x`: what the faulty slot is the
 * gradient of. */
void clade_fault_spoil(const conform_fault *fault, const clade_op_info *info,
                       const clade_args *args, void *const blocks[conform_slots],
                       void *const x[conform_slots]);

/* A device on which every op is the reference, but for the fault (NULL: none). `variant`: which of
 * the ways that the device is opened in this is. Closed by clade_device_close. */
clade_status clade_fault_device(const conform_fault *fault, int variant, clade_device **out);

/* Is no bound of the op's so wide that errors are lost in it, and is every finite result bounded?
 */
clade_status clade_bounds_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* Are results just beyond a bound told from those just within it? */
clade_status clade_edges_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* Are frozen numbers that are just too far off told from those that are not? */
clade_status clade_frozen_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* A small net with the fault, in training or in a file, as `place` says. */
clade_status clade_fault_net(conform_run *run, fault_place place, conform_failure *failure);

#endif
