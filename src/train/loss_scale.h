/* Dynamic loss scaling, of mixed_float16: the gradients are those of the loss times a scale, which
 * falls where 16 bits did not hold them and rises again after many steps; Keras'
 * LossScaleOptimizer, Micikevicius et al. 2018. */
#ifndef CLADE_TRAIN_LOSS_SCALE_H
#define CLADE_TRAIN_LOSS_SCALE_H

#include <clade/model.h>

#define CLADE_LOSS_SCALE_START 0x1p15
#define CLADE_LOSS_SCALE_STEPS 2000 /* finite ones after which it is doubled */

/* Part of a run's state. */
typedef struct clade_loss_scale {
    double scale;         /* of the next step; 0: the precision needs none */
    int64_t finite;       /* steps since it last changed */
    int64_t skipped;      /* of the epoch under way */
    int64_t skipped_ever; /* of the run */
} clade_loss_scale;

typedef struct clade_loss_scaler clade_loss_scaler;

/* For the gradients of a model with a loss scale; it must live as long. NULL for other models. */
clade_status clade_loss_scaler_create(const clade_model *model, clade_loss_scaler **out);
void clade_loss_scaler_destroy(clade_loss_scaler **scaler);

/* Before the gradients of a step: gives the model the scale, if it has another. */
clade_status clade_loss_scaler_begin(clade_loss_scaler *scaler, const clade_loss_scale *scale);
/* After them: divides them by the scale and waits to see whether their norm is finite; if not, the
 * step is to be left out. Moves the scale. */
clade_status clade_loss_scaler_end(clade_loss_scaler *scaler, clade_loss_scale *scale, bool *skip);

#endif
