"""The cases: what each changes in a base recipe. A key may hold dots; `images` names a set, `classify` has the
run evaluated and its images predicted, and what begins with `expect_` is what must have come about, so that a case is
about what its name says."""
import copy

CONV = {"conv2d": {"name": "conv", "filters": 4, "kernel": 3, "activation": "relu"}}
NORM = {"batchnorm": {"name": "norm", "momentum": 0.8}}
UNSCALED = {"batchnorm": {"name": "norm", "scale": False}}
HEAD = {"dense": {"name": "head", "units": 3, "activation": "softmax"}}
MIXED = [{"conv2d": {**CONV["conv2d"], "padding": "same"}}, "maxpool2d", NORM,
         {"conv2d": {"name": "more", "filters": 5, "kernel": 3, "padding": "same", "activation": "leaky_relu",
                     "alpha": 0.3}}, {"dropout": 0.3}, "flatten", HEAD]
BASE = {
    "name": "toy",
    "input": {"size": [6, 5], "channels": 3, "rescale": 1 / 255},
    "model": [CONV, "flatten", HEAD],
    "train": {"loss": "categorical_crossentropy", "optimizer": {"sgd": {"lr": 0.05}}, "batch": 5, "epochs": 3,
              "seed": 7},
}

OPTIMIZERS = {
    "sgd": {"sgd": {"lr": 0.05}},
    "sgd-decay": {"sgd": {"lr": 0.05, "weight_decay": 0.3}},
    "momentum": {"sgd": {"lr": 0.05, "momentum": 0.9}},
    "momentum-decay": {"sgd": {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.3}},
    "nesterov": {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True}},
    "nesterov-decay": {"sgd": {"lr": 0.05, "momentum": 0.5, "nesterov": True, "weight_decay": 0.3}},
    "gradients": {"sgd": {"lr": 0.05, "momentum": 0.9, "velocity": "gradients"}},
    "gradients-nesterov-decay": {"sgd": {"lr": 0.05, "momentum": 0.5, "nesterov": True, "velocity": "gradients",
                                         "weight_decay": 0.3}},
    "rmsprop": {"rmsprop": {"lr": 0.005}},
    "rmsprop-rho-eps": {"rmsprop": {"lr": 0.005, "rho": 0.6, "eps": 0.01}},
    "rmsprop-momentum-decay": {"rmsprop": {"lr": 0.005, "momentum": 0.7, "weight_decay": 0.3}},
    "adam": {"adam": {"lr": 0.01}},
    "adam-betas-eps": {"adam": {"lr": 0.01, "beta1": 0.7, "beta2": 0.95, "eps": 0.01}},
    "adam-decay": {"adam": {"lr": 0.01, "weight_decay": 0.3}},
    "adamw": {"adamw": {"lr": 0.02}},
    "adamw-betas-decay": {"adamw": {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "eps": 0.001, "weight_decay": 0.5}},
    "decay-weights": {"sgd": {"lr": 0.05, "weight_decay": 0.3, "decay": "weights"}},
    "decay-exclude": {"adamw": {"lr": 0.01, "weight_decay": 0.5, "exclude": ["head/", "conv/bias"]}},
    "decay-exclude-one": {"rmsprop": {"lr": 0.005, "weight_decay": 0.3, "decay": "weights", "exclude": "conv"}},
    "lion": {"lion": {"lr": 0.002}},
    "lion-betas-decay": {"lion": {"lr": 0.005, "beta1": 0.7, "beta2": 0.8, "weight_decay": 0.5}},
    "lamb": {"lamb": {"lr": 0.02}},
    "lamb-betas-decay": {"lamb": {"lr": 0.02, "beta1": 0.7, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.3,
                                  "decay": "weights"}},
    "muon": {"muon": {"lr": 0.02}},
    "muon-some": {"muon": {"lr": 0.02, "momentum": 0.7, "weight_decay": 0.3, "beta1": 0.8, "eps": 1e-3,
                           "exclude_layers": ["head/"]}},
    # a 0 that is given is no default
    "rmsprop-no-rho": {"rmsprop": {"lr": 0.005, "rho": 0, "eps": 0.01}},
    "adam-no-betas": {"adam": {"lr": 0.01, "beta1": 0, "beta2": 0, "eps": 0.01}},
    "adamw-no-decay": {"adamw": {"lr": 0.01, "weight_decay": 0}},
}
DEFAULTS = {"sgd": "sgd", "rmsprop": "rmsprop", "adam": "adam", "adamw": "adamw", "lion": "lion", "lamb": "lamb", "muon": "muon"}

AUGMENTATIONS = {
    "rotation": {"rotation": 40},
    "rotation-far": {"rotation": 300},
    "width-shift": {"width_shift": 0.4},
    "height-shift": {"height_shift": 0.4},
    "shear": {"shear": 30},
    "zoom": {"zoom": 0.4},
    "zoom-range": {"zoom": [0.5, 0.9]},
    "horizontal-flip": {"horizontal_flip": True},
    "vertical-flip": {"vertical_flip": True},
    "both-flips": {"horizontal_flip": True, "vertical_flip": True},
    "brightness": {"brightness": 0.5},
    "brightness-range": {"brightness": [1.2, 2.5]},
    "all": {"rotation": 25, "width_shift": 0.2, "height_shift": 0.3, "shear": 15, "zoom": [0.6, 1.3],
            "horizontal_flip": True, "vertical_flip": True, "brightness": [0.6, 1.5]},
}
MORE_AUGMENTATIONS = {
    "pad-crop": {"pad_crop": 2}, "pad-crop-zeros": {"pad_crop": 3, "fill": "constant"},
    "resized-crop": {"random_resized_crop": {}},
    "resized-crop-ranges": {"random_resized_crop": {"scale": [0.3, 0.5], "ratio": [0.5, 2]}},
    "resized-crop-too-wide": {"random_resized_crop": {"scale": [0.9, 1], "ratio": [4, 5]}},
    "resized-crop-too-narrow": {"random_resized_crop": {"scale": [0.9, 1], "ratio": [0.2, 0.3]}},
    "crops": {"random_resized_crop": {}, "pad_crop": 1, "rotation": 20, "horizontal_flip": True},
    "alternating-flip": {"alternating_flip": True},
    "erasing": {"random_erasing": {}},
    "erasing-more": {"random_erasing": {"p": 1, "scale": [0.3, 0.6], "ratio": [0.5, 1.5], "value": 0.7}},
    "cutout": {"cutout": 3}, "cutout-erasing": {"cutout": 2, "random_erasing": {"value": -1}},
    "jitter-brightness": {"color_jitter": {"brightness": 0.7}},
    "jitter-contrast": {"color_jitter": {"contrast": [0.2, 3]}},
    "jitter-saturation": {"color_jitter": {"saturation": [0.1, 4]}},
    "jitter-hue": {"color_jitter": {"hue": 0.5}}, "jitter-hue-range": {"color_jitter": {"hue": [0.1, 0.3]}},
    "jitter": {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8}},
    "grayscale": {"grayscale": 0.5},
    "rand": {"rand_augment": {}}, "rand-most": {"rand_augment": {"num_ops": 3, "magnitude": 29}, "fill": "constant"},
    "rand-crop": {"rand_augment": {"num_ops": 1, "magnitude": 20}, "random_resized_crop": {}, "horizontal_flip": True,
                  "color_jitter": {"hue": 0.2, "contrast": 0.5}, "random_erasing": {}},
    "rand-some": {"rand_augment": {"num_ops": 3, "magnitude": 25}, "policy_ops": ["sharpness", "equalize", "rotate"]},
    "augmix": {"augmix": {}},
    "augmix-all": {"augmix": {"severity": 10, "mixture_width": 4, "alpha": 2.5}, "random_resized_crop": {}, "fill": "constant",
                   "color_jitter": {"hue": 0.2, "brightness": 0.5}, "brightness": 0.3, "mixup": {}, "random_erasing": {}},
    "augmix-some": {"augmix": {"severity": 7, "mixture_width": 1, "chain_depth": 2, "alpha": 0.3, "all_ops": False},
                    "horizontal_flip": True},
    "trivial": {"trivial_augment": True}, "trivial-reflect": {"trivial_augment": True, "fill": "reflect", "cutout": 2},
    "mixup": {"mixup": {"alpha": 0.2}}, "mixup-even": {"mixup": {}}, "cutmix": {"cutmix": {"alpha": 1}},
    "everything": {"random_resized_crop": {}, "alternating_flip": True, "random_erasing": {},
                   "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
                   "grayscale": 0.3, "mixup": {"alpha": 0.8}, "cutmix": {"alpha": 1}},
}
FILLS = {
    "constant": {"fill": "constant"},
    "constant-value": {"fill": "constant", "fill_value": 200},
    "reflect": {"fill": "reflect"},
    "wrap": {"fill": "wrap"},
}

SCHEDULES = {
    "step": ({"step": {"epochs": 2, "factor": 0.3}}, 6),
    "step-minimum": ({"step": {"epochs": 1, "factor": 0.5, "minimum": 0.01}}, 5),
    "step-defaults": ("step", 12),
    "step-warmup": ({"step": {"epochs": 2, "factor": 0.3, "warmup": 2}}, 6),
    "cosine": ("cosine", 4),
    "cosine-minimum": ({"cosine": {"minimum": 0.02}}, 4),
    "cosine-warmup": ({"cosine": {"warmup": 2}}, 5),
    "cosine-one-epoch-left": ({"cosine": {"warmup": 2}}, 3),
    "constant-warmup": ({"constant": {"warmup": 2}}, 3),
    "warmup-only": ({"constant": {"warmup": 9}}, 2),
    "linear": ("linear", 3),
    "linear-minimum-warmup": ({"linear": {"minimum": 0.02, "warmup": 1}}, 4),
    "polynomial": ({"polynomial": {"power": 2.5}}, 3),
    "polynomial-defaults": ("polynomial", 2),
    "exponential": ({"exponential": {"epochs": 2, "factor": 0.3}}, 4),
    "exponential-minimum-warmup": ({"exponential": {"epochs": 1, "factor": 0.2, "minimum": 0.004, "warmup": 1}}, 4),
    "exponential-defaults": ("exponential", 3),
    "restarts": ({"cosine_restarts": {"t_0": 2}}, 5),
    "restarts-growing": ({"cosine_restarts": {"t_0": 1, "t_mult": 2, "minimum": 0.01, "warmup": 1}}, 9),
    "restarts-defaults": ("cosine_restarts", 3),
    "one-cycle": ("one_cycle", 5),
    "one-cycle-options": ({"one_cycle": {"pct_start": 0.5, "div_factor": 4, "final_div_factor": 10}}, 4),
    "one-cycle-no-rise": ({"one_cycle": {"pct_start": 0}}, 2),
}

def jumpy(lr, seed, epochs=6):
    """Losses of validation that go up and down, and accuracies that recur."""
    return {"train.optimizer": {"sgd": {"lr": lr}}, "train.seed": seed, "train.epochs": epochs}


STILL = jumpy(1e-30, 7, 8)  # all epochs are alike

TWO = {"images": "two", "input.channels": 1, "train.loss": "binary_crossentropy",
       "model": [CONV, "flatten", {"dense": {"name": "head", "units": 1, "activation": "sigmoid"}}]}
MSE = {"train.loss": "mse", "model": [CONV, "flatten", {"dense": {"name": "head", "units": 3}}]}

LABELS = {"images": "marked", "train.loss": "binary_crossentropy", "data": {"task": "multi_label"},
          "model": [CONV, "flatten", {"dense": {**HEAD["dense"], "activation": "sigmoid"}}]}

ORDINAL = {"train.loss": "ordinal_crossentropy", "data": {"task": "ordinal"},
           "model": [CONV, "flatten", {"dense": {"name": "head", "units": 2, "activation": "sigmoid"}}]}
NUMBERS = {"images": "measured", "train.loss": "mse", "data": {"task": "regression"},
           "model": [CONV, "flatten", {"dense": {"name": "head", "units": 2}}]}


def focal(kind, **options):
    return {f"{kind}_focal_crossentropy": options} if options else f"{kind}_focal_crossentropy"


BACKBONE = {"weights": "random", "layers": [
    {"conv2d": {"name": "c1", "filters": 3, "kernel": 3, "padding": "same", "activation": "relu"}},
    {"batchnorm": {"name": "b1"}},
    {"conv2d": {"name": "c2", "filters": 4, "kernel": 3, "activation": "relu"}},
    {"batchnorm": {"name": "b2", "momentum": 0.7}}]}


def backbone(**keys):
    return {"backbone": {**BACKBONE, **keys}, "model": ["flatten", HEAD]}


def whitening(pool=(), **options):
    """Layers that begin with such a kernel."""
    first = {"name": "white", "filters": 24, "kernel": 2, "init": "whitening", **options}
    return [{"conv2d": first}, *pool, "flatten", HEAD]


def table():
    """{name: changes}"""
    out = {
        "whole-batch": {"train.batch": 13}, "batch-beyond": {"train.batch": 40}, "single-images": {"train.batch": 1},
        "other-seed": {"train.seed": 2 ** 40 + 3}, "no-shuffle": {"train.shuffle": False},
        "no-validation": {"images": "three-alone"},
        "split": {"images": "three-alone", "data": {"validation_split": 0.3, "seed": 11}},
        "split-little": {"images": "three-alone", "data": {"validation_split": 0.05, "test_split": 0.25},
                         "classify": True},
        "mean-std": {"input.mean": [0.4, 0.5, 0.6], "input.std": [0.2, 0.25, 0.3]},
        "clip": {"train.clip_norm": 0.5}, "clip-seldom": {"train.clip_norm": 1.9},
        "clip-adam": {"train.clip_norm": 0.5, "train.optimizer": OPTIMIZERS["adam-betas-eps"]},
        "smoothing": {"train.label_smoothing": 0.2}, "class-weight": {"train.class_weight": {"b": 3, "2": 0.5}},
        "balanced": {"train.class_weight": "balanced"},
        "weight-smoothing-shard": {"train.class_weight": {"a": 0}, "train.label_smoothing": 0.1, "train.shard": 2},
        "top-k": {"train.top_k": 2},
        "binary": {**TWO, "classify": True}, "binary-smoothing": {**TWO, "train.label_smoothing": 0.3},
        "binary-weight-top": {**TWO, "train.class_weight": {"yes": 4}, "train.top_k": 1}, "mse": MSE,
        "mse-smoothing-weight": {**MSE, "train.label_smoothing": 0.3, "train.class_weight": "balanced"},
        "mae": {**MSE, "train.loss": "mae"}, "huber": {**MSE, "train.loss": "huber"},
        "huber-delta-mixed": {**MSE, "train.loss": {"huber": {"delta": 0.3}}, "augment": {"mixup": {}}},
        "focal": {"train.loss": focal("categorical")},
        "focal-options": {"train.loss": focal("categorical", gamma=0.5, alpha=1.5), "train.label_smoothing": 0.1,
                          "train.class_weight": "balanced", "augment": {"mixup": {}}},
        "focal-binary": {**TWO, "train.loss": focal("binary")},
        "focal-binary-options": {**TWO, "train.loss": focal("binary", gamma=1, alpha=0.4, apply_class_balancing=True),
                                 "train.label_smoothing": 0.2},
        "focal-labels": {**LABELS, "train.loss": focal("binary", apply_class_balancing=True), "train.shard": 2,
                         "augment": {"mixup": {}}},
        "ordinal": {**ORDINAL, "classify": True},
        "ordinal-mixed": {**ORDINAL, "train.label_smoothing": 0.2, "train.class_weight": "balanced",
                          "augment": {"mixup": {}}},
        "numbers": NUMBERS, "numbers-mae": {**NUMBERS, "train.loss": "mae", "train.shard": 2},
        "numbers-huber-mixed": {**NUMBERS, "train.loss": {"huber": {"delta": 0.7}}, "augment": {"mixup": {}}},
        "numbers-raw": {**NUMBERS, "train.normalize_targets": False, "train.optimizer": {"sgd": {"lr": 0.001}}},
        "numbers-stop-alone": {**NUMBERS, "images": "measured-alone", "train.early_stopping": 1},
        "labels-weight": {**LABELS, "train.class_weight": {"b": 3}},
        "labels-balanced": {**LABELS, "train.class_weight": "balanced", "train.shard": 2,
                            "train.loss": focal("binary", gamma=1.5)},
        "labels-balanced-everywhere": {**LABELS, "images": "everywhere", "train.class_weight": "balanced"},
        "labels": LABELS, "labels-smoothing-shard": {**LABELS, "train.label_smoothing": 0.2, "train.shard": 2},
        "weighted": {**LABELS, "images": "uneven", "train.shard": 2},
        "weighted-mixed": {**LABELS, "images": "uneven", "augment": {"mixup": {}}},
        "labels-alone": {**LABELS, "images": "marked-alone"},
        "labels-stop": {**LABELS, "train.epochs": 9, "train.early_stopping": {"patience": 2, "monitor": "val_map"}, "expect_epochs": 5},
        "labels-frozen": {**LABELS, **backbone(), "model": ["flatten", LABELS["model"][-1]]},
        "shard": {"train.shard": 2}, "shard-beyond": {"train.shard": 8},
        "shards-many": {"train.batch": 13, "train.shard": 1},
        "dropout": {"model": [CONV, {"dropout": 0.4}, "flatten", {"dropout": 0.2}, HEAD]},
        "dropout-shard": {"model": [CONV, {"dropout": 0.4}, "flatten", HEAD], "train.shard": 2},
        "depth": {"model": [CONV, {"stochastic_depth": 0.4}, "flatten", HEAD]},
        "depth-shard": {"model": [CONV, {"stochastic_depth": 0.4}, "flatten", HEAD], "train.shard": 2},
        "norm": {"model": [CONV, NORM, "flatten", HEAD]},
        "norm-defaults": {"model": [CONV, {"batchnorm": {"name": "norm"}}, "flatten", HEAD]},
        "norm-eps": {"model": [CONV, {"batchnorm": {"name": "norm", "eps": 0.5, "momentum": 0.0}}, "flatten", HEAD]},
        "norm-shard": {"model": [CONV, NORM, "flatten", HEAD], "train.shard": 2},
        "norm-no-scale": {"model": [CONV, UNSCALED, "flatten", HEAD], "train.shard": 3, "train.clip_norm": 0.5},
        "norm-no-scale-frozen": {"model": [CONV, {"batchnorm": {**UNSCALED["batchnorm"], "frozen": True}}, "flatten",
                                           HEAD]},
        "norm-no-scale-sync": {"model": [CONV, UNSCALED, "flatten", HEAD], "train.shard": 2,
                               "train.sync_batchnorm": True},
        "norm-sync": {"model": [CONV, NORM, {"dropout": 0.3}, "flatten", HEAD], "train.shard": 2,
                      "train.sync_batchnorm": True},
        "norm-sync-uneven": {"model": [CONV, NORM, {"conv2d": {**CONV["conv2d"], "name": "more"}},
                                       {"batchnorm": {"name": "last"}}, "flatten", HEAD],
                             "train.batch": 13, "train.shard": 3, "train.sync_batchnorm": True},
        "norm-single": {"model": ["flatten", {"batchnorm": {"name": "norm"}}, HEAD], "train.batch": 4},
        "norm-frozen": {"model": [CONV, {"batchnorm": {"name": "norm", "frozen": True}}, "flatten", HEAD]},
        "norm-untrained": {"model": [CONV, {"batchnorm": {"name": "norm", "trainable": False}}, "flatten", HEAD]},
        "layer-untrained": {"model": [{"conv2d": {**CONV["conv2d"], "trainable": False}}, NORM, "flatten", HEAD]},
        "pools": {"model": [{"conv2d": {**CONV["conv2d"], "padding": "same"}}, "maxpool2d",
                            {"conv2d": {**CONV["conv2d"], "name": "more", "padding": "same"}},
                            "global_avgpool2d", HEAD]},
        # a slope of 0 is no default: relu
        "slope": {"model": [{"conv2d": {**CONV["conv2d"], "activation": "leaky_relu", "alpha": 0.4}}, "flatten", HEAD]},
        "no-slope": {"model": [{"conv2d": {**CONV["conv2d"], "activation": "leaky_relu", "alpha": 0}}, "flatten",
                               HEAD]},
        # losses 1.106 1.107 1.098 1.088 1.096 1.089: the wait begins anew
        "stop": {**jumpy(0.2, 8, 9), "train.early_stopping": 2, "expect_epochs": 6},
        "stop-keras": {**jumpy(0.2, 8), "train.early_stopping": {"patience": 1}, "expect_epochs": 2},
        "stop-equal": {**STILL, "train.early_stopping": 2, "expect_epochs": 3},
        "stop-alone": {**jumpy(2, 7), "images": "three-alone", "train.early_stopping": 1, "expect_epochs": 4},
        "stop-delta": {**jumpy(0.2, 8, 9), "expect_epochs": 3,
                       "train.early_stopping": {"patience": 2, "min_delta": 0.02, "restore_best_weights": True}},
        "stop-accuracy": {**jumpy(0.2, 8, 9), "expect_epochs": 3,
                          "train.early_stopping": {"patience": 2, "monitor": "val_accuracy"}},
        # fewer steps than the data have, more, and with what depends on the pass: augmentation, warm-up
        "steps-fewer": {"train.steps_per_epoch": 2}, "steps-more": {"train.steps_per_epoch": 7},
        "steps-frozen": {**backbone(), "train.steps_per_epoch": 4},
        "steps-augment": {"train.steps_per_epoch": 4, "augment": AUGMENTATIONS["all"],
                          "train.schedule": {"constant": {"warmup": 2}}},
        # of equal accuracies the lower loss, not a higher one; the accuracy before the loss; the first of equals
        "best-lower-loss": {**jumpy(1, 7), "expect_best": 6}, "best-higher-loss": {**jumpy(0.5, 7), "expect_best": 1},
        "best-accuracy": {**jumpy(0.05, 8), "expect_best": 5, "classify": True},
        "best-first": {**STILL, "expect_best": 1},
        "best-alone": {**jumpy(2, 8, 4), "images": "three-alone", "expect_best": 3},
        "plateau": {**jumpy(2, 7), "train.schedule": {"plateau": {"patience": 1, "factor": 0.4}}, "expect_rates": 2},
        "plateau-patience": {**jumpy(0.2, 8, 9), "train.schedule": {"plateau": {"patience": 2}}, "expect_rates": 3},
        "plateau-defaults": {**jumpy(1e-30, 7, 13), "train.schedule": "plateau", "expect_rates": 2},
        "plateau-alone": {**jumpy(2, 7), "images": "three-alone", "train.schedule": {"plateau": {"patience": 1}},
                          "expect_rates": 2},
        "plateau-minimum": {**jumpy(1e-6, 7, 8), "expect_rates": 7, "train.schedule": {
            "plateau": {"patience": 2, "factor": 0.4, "minimum": 6e-7, "warmup": 2}}},
        "plateau-delta": {**jumpy(2e-5, 7, 6), "train.schedule": {"plateau": {"patience": 2}}, "expect_rates": 3},
    }
    for law in ("glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "ones"):
        conv = {"conv2d": {**CONV["conv2d"], "init": law}}
        out[f"init-{law}"] = {"model": [conv, "flatten", HEAD], "train.epochs": 1}
    dirac = [{"conv2d": {**CONV["conv2d"], "init": "dirac"}},
             {"conv2d": {"name": "fewer", "filters": 2, "kernel": 2, "init": "dirac"}}]
    out["init-dirac"] = {"model": [*dirac, "flatten", HEAD], "train.epochs": 2}
    out["init-whitening"] = {"model": whitening(), "input.mean": [0.4, 0.5, 0.6], "input.std": [0.2, 0.25, 0.3],
                             "augment": AUGMENTATIONS["all"], "train.optimizer": OPTIMIZERS["nesterov"],
                             "classify": True}
    out["init-whitening-pool"] = {"model": whitening(pool=["maxpool2d"], activation="relu"), "train.shard": 2,
                                  "train.clip_norm": 0.5, "train.ema": {"decay": 0.8}}
    out["init-whitening-frozen"] = {"model": whitening(trainable=False), "train.epochs": 2}
    out["init-zeros"] = {"model": [CONV, "flatten", {"dense": {**HEAD["dense"], "init": "zeros"}}], "train.epochs": 2}
    for name, optimizer in OPTIMIZERS.items():
        out[f"optimizer-{name}"] = {"train.optimizer": optimizer}
        later = backbone(unfreeze={"epoch": 2, "from": "c2"}, lr_scale=0.5)
        out[f"unfreeze-{name}"] = {**later, "train.optimizer": optimizer}
    for name, word in DEFAULTS.items():
        out[f"optimizer-{name}-defaults"] = {"train.optimizer": word}
    out["optimizer-default"] = {"train.optimizer": None}
    for name, augment in AUGMENTATIONS.items():
        out[f"augment-{name}"] = {"augment": augment}
        out[f"frozen-{name}"] = {**backbone(), "augment": augment}
    for name, augment in MORE_AUGMENTATIONS.items():
        out[f"augment-{name}"] = {"augment": augment}
    everything = {"augment": MORE_AUGMENTATIONS["everything"], "train.epochs": 4}
    out.update({
        "mixed-shard": {**everything, "train.shard": 2, "train.label_smoothing": 0.1, "classify": True},
        "mixed-weight": {**everything, "train.class_weight": "balanced", "train.top_k": 2,
                         "input.mean": [0.4, 0.5, 0.6], "input.std": [0.2, 0.25, 0.3]},
        "mixed-binary": {**TWO, **everything, "train.label_smoothing": 0.1},
        "mixed-labels": {**LABELS, **everything, "train.label_smoothing": 0.1},
        "mixed-mse": {**MSE, **everything}, "mixed-single": {**everything, "train.batch": 1},
    })
    for name, fill in FILLS.items():
        out[f"fill-{name}"] = {"augment": {**AUGMENTATIONS["all"], **fill}}
    for name, (schedule, epochs) in SCHEDULES.items():
        out[f"schedule-{name}"] = {"train.schedule": schedule, "train.epochs": epochs}
    out.update({
        "frozen": backbone(), "frozen-until": backbone(freeze="until c2"),
        "frozen-none": backbone(freeze="none", lr_scale=0.3),
        "frozen-norm-trained": backbone(freeze="until b1", bn="train"),
        "frozen-shard": {**backbone(freeze="until c2", bn="train"), "train.shard": 2},
        "frozen-dropout": {**backbone(layers=[*BACKBONE["layers"], {"dropout": 0.3}])},
        "frozen-depth": {**backbone(layers=[*BACKBONE["layers"], {"stochastic_depth": 0.3}])},
        "frozen-depth-until": {**backbone(layers=[BACKBONE["layers"][0], {"stochastic_depth": 0.3}, *BACKBONE["layers"][1:]],
                                          freeze="until c2")},
        "frozen-dropout-after": {**backbone(), "model": [{"dropout": 0.3}, "flatten", HEAD]},
        "unfreeze-all": backbone(unfreeze={"epoch": 3}, bn="train"),
        "unfreeze-twice": {**backbone(freeze="until b2", unfreeze={"epoch": 2}), "train.optimizer": OPTIMIZERS["adam"]},
        "unfreeze-augment": {**backbone(unfreeze={"epoch": 2}), "augment": AUGMENTATIONS["all"], "classify": True},
        "unfreeze-plateau": {**backbone(unfreeze={"epoch": 2}), **jumpy(0.3, 7),
                             "train.schedule": {"plateau": {"patience": 1}}},
        "unfreeze-clip-warmup": {**backbone(unfreeze={"epoch": 2}), "train.clip_norm": 0.5,
                                 "train.schedule": {"constant": {"warmup": 2}}},
        # a bias ahead of NORM has a gradient of little but rounding errors, of which a small eps makes steps
        "l2": {"model": [{"conv2d": {**CONV["conv2d"], "kernel_regularizer": {"l2": 0.1}}}, "flatten", HEAD]},
        "l2-clip-shard": {"model": [CONV, NORM, "flatten",
                                    {"dense": {**HEAD["dense"], "kernel_regularizer": {"l2": 0.3}}}],
                          "train.clip_norm": 0.5, "train.shard": 2, "train.optimizer": OPTIMIZERS["adam-betas-eps"]},
        "l2-unfreeze": {**backbone(layers=[{"conv2d": {**BACKBONE["layers"][0]["conv2d"],
                                                       "kernel_regularizer": {"l2": 0.2}}}, *BACKBONE["layers"][1:]],
                                   unfreeze={"epoch": 2})},
        "ema": {"train.ema": {"decay": 0.8}, "classify": True},
        "ema-defaults": {"train.ema": {}},
        "ema-norm-shard": {"model": [CONV, NORM, "flatten", HEAD], "train.shard": 2, "train.ema": {"decay": 0.5}},
        "ema-unfreeze": {**backbone(unfreeze={"epoch": 2}), "train.ema": {"decay": 0.7}},
        "ema-alone": {"images": "three-alone", "train.ema": {"decay": 0.9}, "train.optimizer": OPTIMIZERS["lion"]},
        "swa": {"train.swa": {"epoch": 2}, "train.epochs": 4, "classify": True},
        "swa-norm-shard": {"model": [CONV, NORM, {"dropout": 0.3}, "flatten", HEAD], "train.shard": 2,
                           "augment": AUGMENTATIONS["all"], "train.swa": {"epoch": 2}, "train.epochs": 4},
        "swa-norm-mixed": {"model": [CONV, NORM, "flatten", HEAD], "augment": {"mixup": {"alpha": 0.5}},
                           "train.swa": {"epoch": 2}, "train.epochs": 4},
        "swa-unfreeze": {**backbone(unfreeze={"epoch": 2}, bn="train"), "train.swa": {"epoch": 2}},
        "swa-frozen": {**backbone(freeze="until b2", bn="frozen"), "train.swa": {"epoch": 1}},
        "swa-never": {"train.swa": {"epoch": 7}}, "swa-alone": {"images": "three-alone", "train.swa": {"epoch": 2}},
        "rates-kinds": {"model": [CONV, NORM, "flatten", HEAD], "train.optimizer": {
            "sgd": {"lr": 0.01, "momentum": 0.85, "nesterov": True, "weight_decay": 0.1, "exclude": "beta",
                    "lr_scale": {"beta": 64, "gamma": 0.25, "head/": 3, "kernel": 0.5}}}},
        "rates-backbone": {**backbone(freeze="until c2", lr_scale=0.3), "train.optimizer": {
            "adamw": {"lr": 0.01, "weight_decay": 0.5, "lr_scale": {"bias": 4, "c2": 2}}}},
        "rates-muon": {"train.optimizer": {"muon": {"lr": 0.02, "lr_scale": {"bias": 2, "conv": 0.25}}}},
        "lamb-clip-backbone": {**backbone(freeze="until c2", lr_scale=0.3), "train.clip_norm": 0.5,
                               "train.optimizer": OPTIMIZERS["lamb"]},
        "muon-clip-backbone": {**backbone(freeze="until c2", lr_scale=0.3), "train.clip_norm": 0.5,
                               "train.optimizer": OPTIMIZERS["muon"]},
        # few steps: a sum of float32 and one of float64 may lie on two sides of where 16 bits round
        "bfloat16": {"train.seed": 9, "train.precision": "mixed_bfloat16", "train.epochs": 1, "classify": True},
        "bfloat16-norm-shard": {"train.seed": 9, "model": MIXED, "train.precision": "mixed_bfloat16", "train.shard": 2,
                                "train.epochs": 1},
        "float16": {"train.seed": 9, "train.precision": "mixed_float16", "train.epochs": 1, "classify": True},
        "float16-norm-shard": {"train.seed": 9, "model": MIXED, "train.precision": "mixed_float16", "train.shard": 2,
                               "train.epochs": 1},
        "float16-skipped": {"train.precision": "mixed_float16", "train.optimizer": OPTIMIZERS["adam"],
                            "train.class_weight": {"b": 150}, "train.epochs": 2, "expect_skipped": 3},
        "many": {"augment": AUGMENTATIONS["all"], "model": [CONV, NORM, {"dropout": 0.3}, "flatten", HEAD],
                 "train.optimizer": {"adam": {"lr": 0.05, "beta1": 0.7, "beta2": 0.95, "eps": 0.1}},
                 "train.shard": 2, "train.clip_norm": 0.7,
                 "train.label_smoothing": 0.1, "train.class_weight": "balanced", "train.schedule": "cosine",
                 "train.top_k": 2, "classify": True},
    })
    return out


def recipe_of(changes):
    """The base with the changes: a recipe."""
    recipe = copy.deepcopy(BASE)
    for key, value in changes.items():
        if key in ("images", "classify") or key.startswith("expect_"):
            continue
        at, (*path, last) = recipe, key.split(".")
        for part in path:
            at = at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return recipe
