/* Muon: the step of one matrix, whose direction is the gradient's momentum made orthogonal. */
#ifndef CLADE_TRAIN_MUON_H
#define CLADE_TRAIN_MUON_H

#include <clade/device.h>
#include <clade/ops.h>

typedef struct clade_muon_memory clade_muon_memory;

/* For matrices of at most `elements`, whose smaller side is at most `side`. */
clade_status clade_muon_memory_create(clade_device *device, size_t elements, size_t side,
                                      clade_muon_memory **out);
void clade_muon_memory_destroy(clade_muon_memory **memory);

/* A matrix's calls, in their order. */
enum {
    CLADE_MUON_CLIP, /* where gradients are clipped */
    CLADE_MUON_MEAN,
    CLADE_MUON_NESTEROV,
    CLADE_MUON_NORM,
    CLADE_MUON_NORMALISE,
    CLADE_MUON_ENLARGE,
    CLADE_MUON_GRAM, /* an iteration, to the sum */
    CLADE_MUON_SQUARE,
    CLADE_MUON_POLYNOMIAL,
    CLADE_MUON_PRODUCT,
    CLADE_MUON_SUM,
    CLADE_MUON_MOVE,
    CLADE_MUON_CALLS
};

typedef struct clade_muon_step {
    clade_call call[CLADE_MUON_CALLS];
    bool clipped;
} clade_muon_step;

/* w [rows, columns] with its gradient g and the momentum m, which is kept between steps; `scale`
 * (may be absent) is what gradients are multiplied by first. */
typedef struct clade_muon_matrix {
    clade_tensor w, g, m, scale;
    float momentum;
} clade_muon_matrix;

clade_status clade_muon_prepare(clade_muon_memory *memory, const clade_muon_matrix *matrix,
                                clade_muon_step *out);
void clade_muon_release(clade_muon_step *step);
/* w ← w − decay w − lr × 0.2 √max(rows, columns) × the direction. */
clade_status clade_muon_run(clade_muon_step *step, double lr, double decay);

#endif
