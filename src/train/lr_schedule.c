/* Learning rate schedules: constant, step, cosine, plateau, linear, polynomial, exponential and
 * cosine with restarts, each with a linear rise before it; one cycle. */
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
    if (s.settings.power == 0) s.settings.power = 1;
    if (s.settings.t_0 == 0) s.settings.t_0 = 10;
    if (s.settings.t_mult == 0) s.settings.t_mult = 1;
    if (s.settings.pct_start == 0) s.settings.pct_start = 0.3f;
    if (s.settings.div_factor == 0) s.settings.div_factor = 25;
    if (s.settings.final_div_factor == 0) s.settings.final_div_factor = 1e4f;
    return s;
}

/* From a to b by half a cosine, `part` of the way. */
static double by_cosine(double a, double b, double part)
{
    return b + (a - b) * (1 + cos(part * acos(-1.0))) / 2;
}

/* PyTorch's OneCycleLR of two phases: up to the base at the step before pct_start of all, then down
 * to the last. */
static double one_cycle(const clade_lr_scheduler *s, double step)
{
    const clade_lr_schedule *o = &s->settings;
    double last = (double)s->epochs * (double)s->batches - 1;
    double peak = (double)o->pct_start * (last + 1) - 1;
    double first = s->base / (double)o->div_factor;
    if (step < peak) return by_cosine(first, s->base, step / peak);
    if (last <= peak) return s->base;
    return by_cosine(s->base, first / (double)o->final_div_factor, (step - peak) / (last - peak));
}

/* How much of its cycle is over after so many steps. */
static double cycle_part(const clade_lr_scheduler *s, double steps)
{
    const double growth = (double)s->settings.t_mult;
    double length = (double)s->settings.t_0 * (double)s->batches;
    if (growth == 1) return fmod(steps, length) / length;
    for (; steps >= length; length *= growth) steps -= length;
    return steps / length;
}

double clade_lr_scheduler_rate(const clade_lr_scheduler *s, int32_t epoch, size_t batch)
{
    int32_t warmup = s->settings.warmup;
    if (epoch < warmup) {
        double done = (double)epoch * (double)s->batches + (double)batch + 1;
        return s->base * done / ((double)warmup * (double)s->batches);
    }
    int32_t past = epoch - warmup, length = s->epochs - warmup;
    double steps = (double)past * (double)s->batches + (double)batch; /* of them are behind */
    double left = 1 - steps / ((double)length * (double)s->batches);
    double minimum = (double)s->settings.minimum, rate = s->base;
    switch (s->settings.kind) {
    case CLADE_SCHEDULE_STEP:
        rate *= pow((double)s->settings.factor, past / s->settings.epochs);
        break;
    case CLADE_SCHEDULE_COSINE:
        if (length > 0)
            rate = minimum + (rate - minimum) * (1 + cos(past * acos(-1.0) / length)) / 2;
        break;
    case CLADE_SCHEDULE_LINEAR:
    case CLADE_SCHEDULE_POLYNOMIAL:
        rate = minimum + (rate - minimum) * pow(left, (double)s->settings.power);
        break;
    case CLADE_SCHEDULE_EXPONENTIAL:
        rate *= pow((double)s->settings.factor,
                    steps / ((double)s->settings.epochs * (double)s->batches));
        break;
    case CLADE_SCHEDULE_COSINE_RESTARTS:
        rate = by_cosine(rate, minimum, cycle_part(s, steps));
        break;
    case CLADE_SCHEDULE_ONE_CYCLE: return one_cycle(s, steps);
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
