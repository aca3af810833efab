/* Planted faults: errors made on purpose on a device, to judge the harness itself. */
#ifndef CLADE_CONFORM_FAULT_H
#define CLADE_CONFORM_FAULT_H

#include "conform/conform.h"

/* The kinds of faults. The first group changes the arguments with which the reference runs, so that
 * it computes what a kernel with that mistake would; the others corrupt its results. */
typedef enum fault_kind {
    FAULT_NONE,
    FAULT_PARAM_ADD,    /* parameter[index] + value */
    FAULT_PARAM_SET,    /* = value */
    FAULT_PARAM_SCALE,  /* × value */
    FAULT_PARAM_FLIP,   /* 0 for 1 and 1 for 0 */
    FAULT_PARAM_SWAP,   /* its first two values swapped */
    FAULT_ABSENT,       /* the slot is treated as absent */
    FAULT_FORMAT,       /* the slot is treated as the other 16-bit format */
    FAULT_SHRINK,       /* one less in dimension `index` of the slot and of `also` */
    FAULT_KEEP,         /* the slot is not written */
    FAULT_KEEP_TAIL,    /* its last element is not written */
    FAULT_STRAY_BEFORE, /* writes to the element before the slot, or `index` before that */
    FAULT_STRAY_AFTER,  /* writes to the one after it, or `index` after that */
    FAULT_STRAY_APART,  /* the same if tensors are in several buffers */
    FAULT_CLOBBER,      /* an input is changed */
    FAULT_ROUND,        /* only `value` bits of the significand are right */
    FAULT_LAST_BIT,     /* the last element's last bit is wrong */
    FAULT_FLICKER,      /* the same in every other call, for several elements */
    FAULT_VARIANT,      /* the same with other numbers of threads or another work-group size */
    FAULT_UNALIGNED,    /* the same if the slot does not begin at a multiple of 4 elements */
    FAULT_SEPARATE,     /* the same if tensors are in several buffers */
    FAULT_IN_PLACE,     /* the same if the slot shares the memory of an input */
    FAULT_WITHOUT,      /* the same if slot `also` is absent */
    FAULT_SWALLOW,      /* 0 for NaN */
    FAULT_SATURATE,     /* the largest number for an infinity */
    FAULT_ADD_PRIOR,    /* the previous contents are added */
    FAULT_SCALE,        /* × value */
    FAULT_FLOOR,        /* at least 0 */
    FAULT_NEXT,         /* each element of an integer slot + 1 */
    FAULT_NEIGHBOUR,    /* the last element is a copy of the one before */
    FAULT_FROZEN,       /* batchnorm_dx: the statistics are treated as constants */
    FAULT_NAN,          /* one element is NaN; if `also` names a slot, only if that has one */
    FAULT_STATUS,       /* the call fails */
    FAULT_KINK,         /* gradients of relu at 0 are `value` times the incoming ones */
    FAULT_ELEMENT,      /* element `index` × value */
    /* for convolutions computed by Winograd's tiles: */
    FAULT_TILE_ROW,     /* the last row of each tile × value, as if by a wrong constant */
    FAULT_TILE_DROPPED, /* the last tile is not written */
    FAULT_TILE_EDGE,    /* tiles that reach beyond the image are 0 */
    FAULT_TILE_SUM      /* the whole slot × value: a tile or a channel is missing in its sums */
} fault_kind;

/* Where a fault is planted, and so what must detect it. */
typedef enum fault_place {
    FAULT_IN_OP,       /* in a device, mode ops */
    FAULT_IN_ORACLE,   /* in the oracle's backward: finite differences must detect it */
    FAULT_IN_CHAIN,    /* in a device, mode layers */
    FAULT_IN_TRAINING, /* mode nets: in a step of training */
    FAULT_IN_FORWARD,  /* for a net from a file: its output */
    FAULT_IN_GRADIENT  /* for a net from a file: its losses and gradients */
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
    const char *check; /* that must detect it; NULL: any */
} conform_fault;

/* Names of an op's cases without a fault: a device without one, and its bounds. */
#define CLADE_FAULT_NONE "no-fault"
#define CLADE_FAULT_BOUND "bound"

extern const conform_fault clade_faults[];
extern const size_t clade_fault_count;

/* Changes the arguments, for faults of the first group. */
void clade_fault_alter(const conform_fault *fault, const clade_op_info *info, clade_args *args);
/* Corrupts the results of the oracle's backward, for the other faults; `x`: what the faulty slot is
 * the gradient of. */
void clade_fault_spoil(const conform_fault *fault, const clade_op_info *info,
                       const clade_args *args, void *const blocks[conform_slots],
                       void *const x[conform_slots]);

/* Creates a device on which every op is the reference, except for the fault (NULL: none). `variant`
 * is the index of the options that the device is opened with. Close it with clade_device_close. */
clade_status clade_fault_device(const conform_fault *fault, int variant, clade_device **out);

/* Checks that none of the op's bounds is so wide that errors go unnoticed, and that every finite
 * result has a bound. */
clade_status clade_bounds_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* Checks that results just beyond a bound are distinguished from those just within. */
clade_status clade_edges_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* Checks that frozen numbers that are just too far off are distinguished from those that are
 * not. */
clade_status clade_frozen_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure);
/* Runs a small net with the fault, in training or from a file, depending on `place`. */
clade_status clade_fault_net(conform_run *run, fault_place place, conform_failure *failure);

#endif
