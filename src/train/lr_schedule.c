/* Learning rate schedules: constant, step, cosine, plateau, each with a linear rise before it. */
#include "train/lr_schedule.h"

#include <math.h>

clade_lr_scheduler clade_lr_scheduler_start(const clade_lr_schedule *settings, double base,
                                            int32_t epochs, size_t batches)
{
    clade_lr_scheduler s = {.settings = *settings,
                            .base = base,
                            .epochs = epochs,
                            .batches = batches,
                            .factor = 1,
                            .best = INFINITY};
    if (s.settings.factor == 0) s.settings.factor = 0.1f;
    if (s.settings.epochs == 0) s.settings.epochs = 10;
    if (s.settings.patience == 0) s.settings.patience = 10;
    return s;
}

double clade_lr_scheduler_rate(const clade_lr_scheduler *s, int32_t epoch, size_t batch)
{
    int32_t warmup = s->settings.warmup;
    if (epoch < warmup) {
        double done = (double)epoch * (double)s->batches + (double)batch + 1;
        return s->base * done / ((double)warmup * (double)s->batches);
    }
    int32_t past = epoch - warmup, length = s->epochs - warmup;
    double minimum = (double)s->settings.minimum, rate = s->base;
    switch (s->settings.kind) {
    case CLADE_SCHEDULE_STEP:
        rate *= pow((double)s->settings.factor, past / s->settings.epochs);
        break;
    case CLADE_SCHEDULE_COSINE:
        if (length > 0)
            rate = minimum + (rate - minimum) * (1 + cos(past * acos(-1.0) / length)) / 2;
        break;
    case CLADE_SCHEDULE_PLATEAU: rate *= s->factor; break;
    default: return rate;
    }
    return rate > minimum ? rate : minimum;
}

void clade_lr_scheduler_epoch(clade_lr_scheduler *s, double loss)
{
    static const double least = 1e-4; /* Keras' min_delta */
    if (s->settings.kind != CLADE_SCHEDULE_PLATEAU) return;
    if (loss < s->best - least) {
        s->best = loss;
        s->wait = 0;
    } else if (++s->wait >= s->settings.patience) {
        s->factor *= (double)s->settings.factor;
        s->wait = 0;
    }
}
