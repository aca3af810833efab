/* The words of other programs, and what to type for them. A word stands for all its spellings with
 * capitals and with _ instead of -. */
#include "elsewhere.h"

#include <clade/recipe.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct translation {
    const char *words; /* between blanks */
    const char *type;
} translation;

static const translation subcommands_elsewhere[] = {
    {"fit learn finetune fine-tune resume", "train"},
    {"val validate validation test eval score", "evaluate"},
    {"classify yolo", "train, evaluate or predict"},
    {"infer inference detect", "predict"},
    {"convert save quantize onnx", "export"},
    {"load", "import"},
    {"info model models", "summary RECIPE or weights list"},
    {"search optimize hpo sweep", "tune"},
    {"benchmark profile", "bench"},
    {"cv kfold k-fold", "cross-validate"},
    {"lr finder lr-finder find-lr", "lr-find"},
    {"plot show", "report"},
    {"init create config", "new"},
    {"download fetch pretrained", "weights fetch"},
    {"gpus checks", "devices"},
    {"list", "recipes list, weights list or data list"},
    {"version v", "--version"},
};

/* Of several lines with one word the first counts whose option the subcommand has; text that is no
 * option counts for all. */
static const translation options_elsewhere[] = {
    {"imgsz img img-size image-size input-size crop-size resize resolution", "--size N"},
    {"imgsz img img-size image-size input-size crop-size resize resolution", "--set input.size=N"},
    {"batch-size bs b", "--batch N"},
    {"lr0 learning-rate lr-max base-lr", "--lr X"},
    {"n-epochs num-epochs max-epochs epoch e", "--epochs N"},
    {"arch a backbone network net pretrained", "--model NAME"},
    {"weights checkpoint ckpt initial-checkpoint", "--model NAME=FILE"},
    {"freeze", "--set backbone.freeze=all"},
    {"optimizer opt optim", "--set train.optimizer=sgd"},
    {"momentum", "--set 'train.optimizer={sgd: {lr: 0.01, momentum: 0.9}}'"},
    {"weight-decay wd", "--set 'train.optimizer={adamw: {lr: 0.001, weight_decay: 0.05}}'"},
    {"cos-lr sched scheduler schedule lr-scheduler", "--set train.schedule=cosine"},
    {"warmup warmup-epochs lr-warmup-epochs", "--set 'train.schedule={cosine: {warmup: 3}}'"},
    {"monitor eval-metric", "--set 'train.early_stopping={patience: 5, monitor: val_loss}'"},
    {"loss criterion", "--set train.loss=categorical_crossentropy"},
    {"label-smoothing smoothing", "--set train.label_smoothing=0.1"},
    {"clip-grad clip-grad-norm max-norm global-clipnorm", "--set train.clip_norm=1"},
    {"ema model-ema use-ema", "--set train.ema.decay=0.999"},
    {"class-weight class-weights", "--set train.class_weight=balanced"},
    {"steps-per-epoch", "--set train.steps_per_epoch=N"},
    {"mixup mixup-alpha", "--set augment.mixup.alpha=0.2"},
    {"cutmix cutmix-alpha", "--set augment.cutmix.alpha=1"},
    {"fliplr hflip flip", "--set augment.horizontal_flip=true"},
    {"flipud vflip", "--set augment.vertical_flip=true"},
    {"degrees rotation", "--set augment.rotation=DEGREES"},
    {"erasing reprob random-erase", "--set augment.random_erasing.p=0.25"},
    {"aa auto-augment trivial-augment", "--set augment.trivial_augment=true"},
    {"dropout drop", "a layer `dropout` in a recipe: `clade new` writes one to edit"},
    {"amp half fp16", "--precision mixed_float16"},
    {"bf16", "--precision mixed_bfloat16"},
    {"nbs accumulate grad-accum-steps gradient-accumulation-steps",
     "--shard N, the images of a batch that are computed at a time"},
    {"workers num-workers j", "--threads N"},
    {"gpu gpus cuda cpu accelerator", "--device NAME"},
    {"data-dir data-path dataset train-dir root source", "--data PATH"},
    {"val-dir val-data valid-dir", "--validation PATH"},
    {"val-split validation-split", "--set data.validation_split=0.2"},
    {"output output-dir save-dir run-dir project name experiment dest o", "--out PATH"},
    {"save-dir output output-dir save o", "--save DIR"},
    {"exist-ok overwrite", "--force"},
    {"topk k", "--top K"},
    {"augment", "--tta flip"},
    {"logdir log-dir", "--tensorboard=DIR"},
    {"early-stop es-patience early-stopping-patience", "--patience N"},
    {"random-state random-seed manual-seed", "--seed N"},
    {"num-classes nc classes", "a folder in --data for each class"},
    {"source", "the images' names, without an option"},
    {"evaluate", "`clade evaluate RUN`"},
    {"verbose v", "--quiet for less"},
};

/* Is the word one of those between blanks? */
static bool has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = words; n && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' ')) return true;
    return false;
}

/* In small letters, with - for _. */
static void normalize(const char *word, char out[64])
{
    size_t n = 0;
    for (; word[n] && word[n] != '=' && n < 63; n++)
        out[n] = word[n] == '_' ? '-' : (char)tolower((unsigned char)word[n]);
    out[n] = 0;
}

const char *elsewhere_subcommand(const char *word)
{
    char plain[64];
    normalize(word + strspn(word, "-"), plain);
    for (size_t i = 0; i < sizeof subcommands_elsewhere / sizeof *subcommands_elsewhere; i++)
        if (has_word(subcommands_elsewhere[i].words, plain)) return subcommands_elsewhere[i].type;
    return NULL;
}

/* Has the subcommand the option that a text begins with? */
static bool is_there(const char *type, const command_option *options, size_t count)
{
    if (strncmp(type, "--", 2)) return true;
    const size_t n = strcspn(type + 2, " =");
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == n && !memcmp(options[i].name, type + 2, n)) return true;
    return false;
}

const char *elsewhere_option(const char *word, const command_option *options, size_t count)
{
    char plain[64];
    normalize(word, plain);
    for (size_t i = 0; i < sizeof options_elsewhere / sizeof *options_elsewhere; i++) {
        const translation *t = &options_elsewhere[i];
        if (has_word(t->words, plain) && is_there(t->type, options, count)) return t->type;
    }
    return NULL;
}

/* Does a recipe take this edit? */
static bool is_taken(const char *edit)
{
    clade_recipe *recipe = NULL;
    const bool taken = !clade_recipe_read("photos", &edit, 1, &recipe);
    clade_recipe_destroy(&recipe);
    return taken;
}

const char *elsewhere_fill(const char *type, const char *value, char text[elsewhere_room])
{
    static const char set[] = "--set ";
    const size_t n = strcspn(type, "="), size = value ? strlen(value) : 0;
    if (!size || !type[n] || strncmp(type, set, sizeof set - 1) || n + size + 2 > elsewhere_room)
        return type;
    memcpy(text, type, n + 1);
    for (size_t i = 0; i <= size; i++) {
        const unsigned char c = (unsigned char)value[i];
        if (c && !isalnum(c) && !strchr("._-", c)) return type;
        text[n + 1 + i] = (char)tolower(c);
    }
    return is_taken(text + sizeof set - 1) ? text : type;
}
