/* A step of the optimizer, and of the scale of the loss. */
#include "train/trainer.h"

int64_t clade_trainer_updates(const clade_trainer *t)
{
    return t->progress.step - t->progress.loss_scale.skipped_ever;
}

clade_status clade_trainer_scale_loss(clade_trainer *t)
{
    clade_loss_scaler *scaler = t->learner.scaler;
    return scaler ? clade_loss_scaler_begin(scaler, &t->progress.loss_scale) : CLADE_OK;
}

clade_status clade_trainer_gather(clade_trainer *t)
{
    return t->team ? clade_team_gather(t->team) : CLADE_OK;
}

clade_status clade_trainer_step(clade_trainer *t, double lr)
{
    clade_loss_scaler *scaler = t->learner.scaler;
    bool skip = false;
    clade_status status =
        scaler ? clade_loss_scaler_end(scaler, &t->progress.loss_scale, &skip) : CLADE_OK;
    t->progress.step++;
    if (status || skip || (t->team && clade_team_takes_steps(t->team))) return status;
    return clade_updater_step(t->learner.updater, lr, (uint64_t)clade_trainer_updates(t));
}
