/* Mode nets: the nets of the built-in recipes trained by their optimizers on random images, on
 * the device that is judged and on the CPU, which did every op as the reference does or was found
 * out by mode ops. The images and labels come round again, so that the nets learn them.
 *
 * In exact mode every loss of every step, and every weight and running statistic after 1, 10 and
 * 200 steps, must be the same bits. In fast mode rounding differs, and training makes small
 * differences grow at a rate that only the net knows: so a twin is trained on the CPU from weights
 * that differ by at most `spread` of themselves, and the device may be `slack` times as far from
 * the CPU as the twin has been until then: each loss, and each tensor in the Euclidean norm. */
#include "conform/twin.h"

#include "base/sha256.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { rounds = 4, most_batch = 8, most_parameters = 1024 };

static const int checkpoints[] = {1, 10, 200};
static const char *const checkpoint_names[] = {"1", "10", "200"};
enum { checkpoint_count = sizeof checkpoints / sizeof *checkpoints, most_quick = 10 };

/* A net in training. */
typedef struct net {
    clade_model *model;
    clade_updater *updater;
    float losses[most_batch]; /* of the last step */
} net;

enum { JUDGED, CPU, TWIN, most_nets };

typedef struct contest {
    const char *recipe;
    uint64_t seed;
    clade_precision precision;
    bool exact;
    double lr;
    int32_t batch, classes;
    size_t pixels; /* numbers of one batch */
    float *image[rounds];
    int32_t label[rounds][most_batch];
    net nets[most_nets];
    size_t count;     /* of nets */
    double spread;    /* fast: by how much of itself a weight of the twin's differs */
    double loss_room; /* fast: how far a loss may be from the CPU's */
    double weight_room[most_parameters];
    double difference; /* the largest relative difference of a tensor */
    int done;          /* steps */
    conform_failure failure;
} contest;

static size_t parameter_bytes(const clade_parameter *p)
{
    return clade_tensor_count(&p->value) * sizeof(float);
}

/* ---- making ---- */

/* How many images at once: fewer of the large ones, which keep two cores busy for long. */
static int32_t batch_of(const clade_preprocessing *p)
{
    return (int64_t)p->height * p->width > 100 * 100 ? 2 : most_batch;
}

static clade_status draw_images(contest *c, const clade_preprocessing *p)
{
    int32_t channels = p->channels ? p->channels : 3;
    c->pixels = (size_t)c->batch * (size_t)p->height * (size_t)p->width * (size_t)channels;
    clade_random r = clade_conform_random(c->seed, "nets", c->recipe, "images", "random");
    for (int i = 0; i < rounds; i++) {
        float *v = c->image[i] = malloc(c->pixels * sizeof *v);
        if (!v) return clade_fail(CLADE_ENOMEM, "out of memory for images");
        for (size_t j = 0; j < c->pixels; j++) {
            size_t channel = j % (size_t)channels;
            float scale = p->scale[channel] == 0 ? 1 : p->scale[channel];
            v[j] = scale * (float)clade_random_below(&r, 256) + p->shift[channel];
        }
        for (int32_t j = 0; j < c->batch; j++)
            c->label[i][j] = (int32_t)clade_random_below(&r, (uint32_t)c->classes);
    }
    return CLADE_OK;
}

static clade_status create_net(contest *c, const clade_graph *graph, const clade_recipe *recipe,
                               clade_device *device)
{
    const clade_training *training = clade_recipe_training(recipe);
    net *n = &c->nets[c->count++];
    clade_model_options options = {.batch = c->batch,
                                   .seed = c->seed,
                                   .loss = training->loss,
                                   .numbers = training->loss_numbers,
                                   .precision = training->precision,
                                   .label_smoothing = training->label_smoothing};
    clade_status status = clade_model_create(graph, device, &options, &n->model);
    return status ? status : clade_updater_create_by(recipe, n->model, NULL, 0, &n->updater);
}

/* Where the device rounds factors of products, by as much more as that makes of a layer's three
 * products, forward and of both gradients. Factors of mixed precisions have 16 bits already, but
 * not the transforms of Winograd's tiles, which fast math may round to bfloat16. */
static double spread_on(const clade_device *device, clade_precision precision)
{
    const clade_products products = clade_precision_factors(precision);
    const bool rounded =
        precision == CLADE_PRECISION_TF32
            ? clade_device_products(device, products, NULL) != NULL
            : products == CLADE_FACTORS_BFLOAT16 && clade_device_math(device) == CLADE_FAST;
    return twin_spread + (rounded ? 3 * clade_products_error(products) : 0);
}

static clade_status create_nets(contest *c, const clade_recipe *recipe, clade_device *device,
                                clade_device *cpu)
{
    clade_graph *graph = NULL;
    clade_status status = clade_recipe_graph(recipe, 0, &graph);
    if (status) goto fail;
    const clade_training *training = clade_recipe_training(recipe);
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    int32_t dim[3];
    clade_graph_shape(graph, clade_graph_layers(graph) - 1, dim);
    c->classes = dim[0] > 1 ? dim[0] : 2;
    c->batch = batch_of(p);
    c->lr = (double)clade_optimizer_resolve(&training->optimizer).lr;
    c->spread = spread_on(device, training->precision);
    status = draw_images(c, p);
    if (!status) status = create_net(c, graph, recipe, device);
    if (!status) status = create_net(c, graph, recipe, cpu);
    if (!status && !c->exact) status = create_net(c, graph, recipe, cpu);
    if (!status && !c->exact)
        status =
            clade_twin_move(clade_model_trained(c->nets[TWIN].model), c->spread,
                            clade_conform_random(c->seed, "nets", c->recipe, "weights", "twin"));
    if (!status && clade_model_parameters(c->nets[CPU].model) > most_parameters)
        status = clade_fail(CLADE_EINVAL, "more than %d parameters", most_parameters);
fail:
    clade_graph_destroy(&graph);
    return status;
}

static clade_status create_built_in(contest *c, clade_device *device, clade_device *cpu)
{
    clade_recipe *recipe = NULL;
    char edit[64];
    const char *const edits[] = {edit};
    snprintf(edit, sizeof edit, "train.precision=%s", clade_precision_words()[c->precision]);
    clade_status status = clade_recipe_read(c->recipe, edits, 1, &recipe);
    if (!status) status = create_nets(c, recipe, device, cpu);
    clade_recipe_destroy(&recipe);
    return status;
}

static void destroy_nets(contest *c)
{
    for (size_t i = 0; i < c->count; i++) {
        clade_updater_destroy(&c->nets[i].updater);
        clade_model_destroy(&c->nets[i].model);
    }
    for (int i = 0; i < rounds; i++) free(c->image[i]);
}

/* ---- training ---- */

/* Step `t`, from 1. */
static clade_status train(const contest *c, net *n, int t)
{
    int round = (t - 1) % rounds;
    clade_status status = clade_tensor_write(clade_model_input(n->model), c->image[round]);
    if (!status) status = clade_tensor_write(clade_model_label(n->model), c->label[round]);
    if (!status) status = clade_model_gradient(n->model, c->batch, (uint32_t)t, 0);
    if (!status) status = clade_updater_step(n->updater, c->lr, (uint64_t)t);
    if (!status) status = clade_tensor_read(clade_model_losses(n->model), n->losses);
    return status;
}

static clade_status read_parameter(const net *n, size_t i, float **out)
{
    const clade_parameter *p = clade_model_parameter(n->model, i);
    *out = malloc(parameter_bytes(p) + 1);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for weights");
    return clade_tensor_read(&p->value, *out);
}

/* ---- judging ---- */

/* How far the twin has come from the CPU by now. Every step counts: at any one of them the twin of
 * a tensor with a single element may be near by chance. */
static clade_status follow_twin(contest *c)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < clade_model_parameters(c->nets[CPU].model); i++) {
        size_t n = clade_tensor_count(&clade_model_parameter(c->nets[CPU].model, i)->value);
        float *twin = NULL, *cpu = NULL;
        status = read_parameter(&c->nets[TWIN], i, &twin);
        if (!status) status = read_parameter(&c->nets[CPU], i, &cpu);
        double room = status ? 0 : twin_slack * clade_twin_distance(twin, cpu, n);
        if (!(room <= c->weight_room[i])) c->weight_room[i] = room;
        free(twin);
        free(cpu);
    }
    return status;
}

/* Weights after step t. Adds the device's to `hash`. */
static clade_status judge_parameter(contest *c, size_t i, int t, clade_sha256 *hash,
                                    clade_conform_result *result, conform_failure *failure)
{
    const clade_parameter *p = clade_model_parameter(c->nets[CPU].model, i);
    size_t n = clade_tensor_count(&p->value);
    float *v[most_nets] = {NULL};
    clade_status status = CLADE_OK;
    for (size_t k = 0; !status && k < c->count; k++) status = read_parameter(&c->nets[k], i, &v[k]);
    if (status) goto fail;
    clade_sha256_add(hash, v[JUDGED], n * sizeof(float));
    double size = clade_twin_distance(v[CPU], NULL, n),
           apart = clade_twin_distance(v[JUDGED], v[CPU], n), room = 0;
    if (!c->exact) {
        room = c->weight_room[i] + c->spread * size;
    }
    bool right =
        c->exact ? !memcmp(v[JUDGED], v[CPU], n * sizeof(float)) && size < INFINITY : apart <= room;
    if (!right) {
        size_t at = clade_twin_worst(v[JUDGED], v[CPU], n, c->exact);
        char bound[96] = "";
        if (!c->exact)
            snprintf(bound, sizeof bound, "; %.3g apart in the Euclidean norm, bound %.3g", apart,
                     room);
        clade_failure_set(failure, c->exact ? "bits" : "bound",
                          "step %d: %s[%zu]: got %.9g, the CPU %.9g%s", t, p->name, at,
                          (double)v[JUDGED][at], (double)v[CPU][at], bound);
    }
    double relative = apart == 0 ? 0 : apart / size, ratio = apart == 0 ? 0 : apart / room;
    if (!(relative <= c->difference)) c->difference = relative;
    if (!c->exact && !(ratio <= result->worst)) result->worst = ratio;
    result->compared += n;
fail:
    for (int k = 0; k < most_nets; k++) free(v[k]);
    return status;
}

static clade_status judge_parameters(contest *c, int t, char hex[65], clade_conform_result *result,
                                     conform_failure *failure)
{
    clade_status status = CLADE_OK;
    clade_sha256 hash;
    clade_sha256_start(&hash);
    for (size_t i = 0; !status && i < clade_model_parameters(c->nets[CPU].model); i++)
        status = judge_parameter(c, i, t, &hash, result, failure);
    clade_sha256_end(&hash, hex);
    return status;
}

/* Losses of step t. */
static void judge_losses(contest *c, int t, clade_conform_result *result, conform_failure *failure)
{
    const float *got = c->nets[JUDGED].losses, *cpu = c->nets[CPU].losses;
    for (int32_t i = 0; !c->exact && i < c->batch; i++) {
        double twin = twin_slack * fabs((double)c->nets[TWIN].losses[i] - (double)cpu[i]);
        if (!(twin <= c->loss_room)) c->loss_room = twin;
    }
    for (int32_t i = 0; i < c->batch; i++) {
        double apart = fabs((double)got[i] - (double)cpu[i]);
        double room = c->exact ? 0 : c->loss_room + c->spread * (1 + fabs((double)cpu[i]));
        double ratio = apart == 0 ? 0 : apart / room;
        result->compared++;
        if (!(apart <= result->error)) result->error = apart;
        if (!c->exact && !(ratio <= result->worst)) result->worst = ratio;
        if (c->exact ? !memcmp(&got[i], &cpu[i], sizeof *got) && isfinite(cpu[i]) : apart <= room)
            continue;
        clade_failure_set(failure, "loss", "step %d: loss of image %d: got %.9g, the CPU %.9g", t,
                          i, (double)got[i], (double)cpu[i]);
    }
}

/* After a loss that differs: the weights that it went on to, of which the first that differs is
 * added to the text. */
static clade_status explain(contest *c, int t, clade_conform_result *result,
                            conform_failure *failure)
{
    conform_failure weights = {0};
    char hex[65], text[sizeof failure->text];
    clade_status status = judge_parameters(c, t, hex, result, &weights);
    if (status || !weights.check) return status;
    snprintf(text, sizeof text, "%s", failure->text);
    snprintf(failure->text, sizeof failure->text, "%.200s; %.300s", text, weights.text);
    return CLADE_OK;
}

/* Trains all nets from step `from` to `to` and looks at their weights there. */
static clade_status judge_steps(contest *c, int from, int to, char hex[65],
                                clade_conform_result *result, conform_failure *failure)
{
    for (int t = from; t <= to; t++) {
        for (size_t i = 0; i < c->count; i++) {
            clade_status trained = train(c, &c->nets[i], t);
            if (trained && i != JUDGED) return trained;
            if (!trained) continue;
            clade_failure_set(failure, "status", "step %d: %s", t, clade_error());
            return CLADE_OK;
        }
        clade_status status = c->exact ? CLADE_OK : follow_twin(c);
        if (status) return status;
        judge_losses(c, t, result, failure);
        if (failure->check) return explain(c, t, result, failure);
    }
    return judge_parameters(c, to, hex, result, failure);
}

static double mean_loss(const contest *c)
{
    double sum = 0;
    for (int32_t i = 0; i < c->batch; i++) sum += (double)c->nets[JUDGED].losses[i];
    return sum / c->batch;
}

/* Trains on to a checkpoint and judges. What went wrong at an earlier one goes for all after it. */
static clade_status judge_checkpoint(conform_run *run, contest *c, int checkpoint,
                                     clade_conform_result *result)
{
    char hex[65] = "", text[256];
    clade_status status = CLADE_OK;
    if (!c->failure.check)
        status = judge_steps(c, c->done + 1, checkpoint, hex, result, &c->failure);
    if (status) return status;
    c->done = checkpoint;
    if (c->exact)
        snprintf(text, sizeof text, "batch %d, loss %.6f, weights %s", c->batch, mean_loss(c), hex);
    else
        snprintf(text, sizeof text,
                 "batch %d, loss %.6f, largest relative difference of a tensor %.3g, worst %.3g "
                 "of bound",
                 c->batch, mean_loss(c), c->difference, result->worst);
    result->text = text;
    return clade_conform_end(run, result, &c->failure);
}

clade_status clade_conform_training(const conform_run *run, const clade_recipe *recipe, int steps,
                                    clade_device *cpu, clade_conform_result *result,
                                    conform_failure *failure)
{
    contest c = {.recipe = clade_recipe_name(recipe),
                 .seed = run->options->seed,
                 .exact = run->options->math == CLADE_EXACT};
    char hex[65];
    clade_status status = create_nets(&c, recipe, run->devices[0].device, cpu);
    if (!status) status = judge_steps(&c, 1, steps, hex, result, failure);
    destroy_nets(&c);
    return status;
}

static clade_status judge_recipe(conform_run *run, const char *recipe, clade_device *cpu)
{
    contest c = {.recipe = recipe,
                 .seed = run->options->seed,
                 .precision = run->options->precision,
                 .exact = run->options->math == CLADE_EXACT};
    clade_status status = CLADE_OK;
    for (int i = 0; !status && i < checkpoint_count; i++) {
        clade_conform_result result = {.mode = CLADE_CONFORM_NETS,
                                       .op = recipe,
                                       .case_name = checkpoint_names[i],
                                       .check = "",
                                       .text = ""};
        if ((run->options->quick && checkpoints[i] > most_quick) ||
            !clade_conform_fits(run->options->case_name, checkpoint_names[i]) ||
            !clade_conform_begin(run, &result))
            continue;
        if (!c.count) status = create_built_in(&c, run->devices[0].device, cpu);
        if (!status) status = judge_checkpoint(run, &c, checkpoints[i], &result);
    }
    destroy_nets(&c);
    return clade_context(status, "%s", recipe);
}

clade_status clade_conform_nets(conform_run *run)
{
    /* the CPU itself is judged against the CPU with another number of threads */
    bool same = !strcmp(run->summary->device.id, "cpu");
    clade_device_options options = {.threads = same ? (run->options->threads == 1 ? 3 : 1) : 0};
    clade_device *cpu = NULL;
    clade_status status = CLADE_OK;
    if (!run->listing) status = clade_device_open("cpu", &options, &cpu);
    if (!status && run->options->model) status = clade_conform_network(run, cpu);
    for (const char *const *name = clade_recipe_names(); !status && !run->options->model && *name;
         name++)
        if (clade_conform_fits(run->options->op, *name)) status = judge_recipe(run, *name, cpu);
    clade_device_close(&cpu);
    return status;
}
