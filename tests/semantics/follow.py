"""Training as docs/training.md says, epoch by epoch, with the rules and nets beside this file."""
import math

import numpy as np

from net import Net
from rules import (Optimizer, Schedule, accuracy, adjusted, chains, colours, erased, matrix, measures, mixed, mixing,
                   order, rectangles, sample, scaled, single, steps, top)


def class_weights(train, label, names):
    chosen = train.get("class_weight", {})
    if label.ndim == 2:  # as many as there are images
        return None
    if chosen == "balanced":
        return np.array([single(len(label) / (len(names) * (label == c).sum())) for c in range(len(names))])
    weights = np.ones(len(names))
    for name, value in chosen.items():
        weights[names.index(name) if name in names else int(name)] = single(value)
    return weights


def label_weights(train, label, names):
    """Of 0 and of 1, for each class of rows of labels; None: they weigh alike."""
    chosen = train.get("class_weight")
    if label.ndim == 1 or not chosen:
        return None
    weights = np.ones((2, len(names)))
    if chosen == "balanced":
        there = label.sum(0)
        both = (there > 0) & (there < len(label))  # else it weighs as it is
        weights[0, both] = np.float32(len(label) / (2 * (len(label) - there[both])))
        weights[1, both] = np.float32(len(label) / (2 * there[both]))
        return weights.astype(np.float32)
    for name, value in chosen.items():
        weights[1, names.index(name)] = single(value)
    return weights


def classes_of(steps):
    """Probabilities of classes by those of the steps between them, none of which is more probable than the one before."""
    up = np.minimum.accumulate(np.hstack([np.ones((len(steps), 1)), steps]), 1)
    return up - np.hstack([up[:, 1:], np.zeros((len(steps), 1))])


class Training:
    """One run. data: {"train": (pixels, labels), "validation": the same or None, "names": class names,
    "weights": of the images}; labels are classes, or rows of 0 and 1."""

    def __init__(self, recipe, data):
        train = recipe["train"]
        self.recipe, self.data, self.train = recipe, data, train
        self.seed, self.batch = train.get("seed", 0), train["batch"]
        self.pixels, self.label = data["train"]
        task = recipe.get("data", {}).get("task")
        self.ordered, self.numbers = task == "ordinal", task == "regression"
        self.middle, self.spread = 0, 1  # of targets
        if self.numbers and train.get("normalize_targets", True):
            self.middle, self.spread = (f(self.label.astype(float), 0).astype(np.float32) for f in (np.mean, np.std))
        if self.numbers:
            self.label = (self.label - self.middle) / self.spread
        self.own = data.get("weights", np.ones(len(self.label)))  # of each image
        self.net = Net(recipe, self.seed)
        self.net.whiten(scaled(self.pixels.astype(np.float64), recipe["input"]))
        self.optimizer = Optimizer(recipe)
        self.batches = -(-len(self.label) // self.batch)  # of the data
        self.steps = train.get("steps_per_epoch", self.batches)
        self.schedule = Schedule(recipe, self.steps)
        self.weight = class_weights(train, self.label, data["names"])
        self.net.label_weights = label_weights(train, self.label, data["names"])
        self.epoch = self.step = self.waited = 0
        self.lowest, self.best, self.best_epoch = math.inf, None, 0
        self.unfrozen = False
        self.scale = 2.0 ** 15 if train.get("precision") == "mixed_float16" else 1
        self.finite = self.skipped = 0  # steps since the scale changed; of the epoch
        self.kept = single(train["ema"].get("decay", 0.999)) if "ema" in train else None
        self.swa = train["swa"]["epoch"] if "swa" in train else None
        self.average = {name: self.net.weights[name].copy() for name in self.net.trained()}

    def over(self):
        patience = self.train.get("early_stopping", 0)
        patience = patience["patience"] if isinstance(patience, dict) else patience
        return self.epoch == self.train["epochs"] or (patience and self.waited >= patience)

    def unfreeze(self):
        """At the beginning of the epoch that it is said for."""
        backbone = self.recipe.get("backbone", {})
        when = backbone.get("unfreeze", {}).get("epoch")
        if not self.unfrozen and when and self.epoch + 1 >= when:
            self.net.apply_freezing(backbone, True)
            self.average = {name: self.average.get(name, self.net.weights[name]) for name in self.net.trained()}
            self.unfrozen = True

    def order(self, once):
        return order(len(self.label), self.seed, once, self.train.get("shuffle", True))

    def image(self, place, once, m):
        """An image as the net gets it, the data gone through `once` times before."""
        augment, (height, width) = self.recipe.get("augment", {}), self.pixels.shape[1:3]
        when = self.seed, once, place
        pixels = sample(self.pixels[place], m, augment)
        if "augmix" in augment:
            pixels = 0
            for weight, chain in chains(augment, height, width, *when):
                one = sample(self.pixels[place], matrix(augment, height, width, *when, chain), augment)
                pixels = pixels + single(weight) * adjusted(one, colours(chain))
        pixels = adjusted(pixels, steps(augment, *when))
        where = rectangles(augment, height, width, *when)
        return erased(scaled(pixels, self.recipe["input"]), where, augment)

    def inputs(self, places, once, at):
        """Batch `at` of the data, the images at these places: what they are mixed to, their labels, and their matrices."""
        augment, (height, width) = self.recipe.get("augment", {}), self.pixels.shape[1:3]
        matrices = [matrix(augment, height, width, self.seed, once, p) for p in places]
        images = np.stack([self.image(p, once, m) for p, m in zip(places, matrices)])
        mix = mixing(augment, height, width, self.seed, once, at)
        return *mixed(images, self.label[places], mix), matrices

    def image_weights(self, places, once, at):
        """Those of the images that have the larger share."""
        mix = mixing(self.recipe.get("augment", {}), *self.pixels.shape[1:3], self.seed, once, at)
        own = self.own[places]
        return np.roll(own, 1) if mix and mix[0] < 0.5 else own

    def weight_of(self, label):
        return np.ones(len(label)) if self.weight is None else self.weight[label]

    def train_batch(self, number, places, once, at, done):
        """A step on batch `at` of the data, which were gone through `once` times before."""
        lr = self.schedule.rate(self.epoch, number)
        x, label, other, share, matrices = self.inputs(places, once, at)
        total = {}
        weigh = self.weight_of(label) * self.image_weights(places, once, at)
        weight = weigh / len(places) * self.scale
        shard = min(self.train.get("shard") or self.batch, self.batch)
        if self.train.get("sync_batchnorm"):  # what differs from a batch's own pass is the order of sums
            shard = self.batch
        for first in range(0, len(places), shard):
            part = slice(first, first + shard)
            with np.errstate(over="ignore", invalid="ignore"):  # a scaled loss may be too large
                y, loss, gradients = self.net.train(x[part], (label[part], other[part], share), weight[part], self.step,
                                                    first)
            total = {name: total.get(name, 0) + g for name, g in gradients.items()}
            done.append((y, loss * weigh[part], label[part]))
        self.step += 1
        step = {"epoch": self.epoch + 1, "batch": number + 1, "step": self.step, "lr": lr, "images": places,
                "matrices": matrices}
        total = {name: g / self.scale for name, g in total.items()}
        if not self.are_finite(total):
            return step
        scale = single(self.recipe.get("backbone", {}).get("lr_scale", 1))
        self.optimizer.step(self.net.weights, self.net.regularised(total), self.net.rates(lr, scale))
        if self.kept is not None:
            for name, value in self.average.items():
                self.average[name] = self.kept * value + (1 - self.kept) * self.net.weights[name]
        return step

    def are_finite(self, gradients):
        """Does the step count? Moves the scale of the loss."""
        if "mixed_float16" != self.train.get("precision"):
            return True
        finite = all(np.isfinite(g).all() for g in gradients.values())
        self.finite += 1
        self.skipped += not finite
        if not finite or self.finite == 2000:
            self.scale *= 2 if finite else 0.5
            self.finite = 0
        return finite

    def summary(self, done):
        y, loss, label = (np.concatenate(part) for part in zip(*done))
        if self.numbers:
            y, label = y * self.spread + self.middle, label * self.spread + self.middle
            return {"images": len(label), "loss": float(loss.mean()), "mae": float(abs(y - label).mean())}, y, label
        if self.ordered:
            y = classes_of(y)
        out = {"images": len(label), "loss": float(loss.mean()), "accuracy": accuracy(y, label)}
        if self.train.get("top_k"):
            out["top_k"] = top(y, label, self.train["top_k"])
        return out, y, label

    def shown(self):
        """What is validated and saved as the best and the last: the average in place of the weights."""
        there = self.kept is not None or self.swa is not None and self.epoch >= self.swa
        return {**self.net.weights, **(self.average if there else {})}

    def add_epoch(self, places):
        """At the end of an epoch, its weights to the mean, and statistics as that has them."""
        n = self.epoch + 2 - self.swa
        if n < 1:
            return self.net.weights
        for name, value in self.average.items():
            self.average[name] = value + (self.net.weights[name] - value) / n
        own, shards = self.net.weights, []
        self.net.weights = {**own, **self.average}
        shard = min(self.train.get("shard") or self.batch, self.batch)
        for at in range(self.batches):
            batch = places[at * self.batch:(at + 1) * self.batch]
            x, label, other, share, _ = self.inputs(batch, self.epoch, at)
            for first in range(0, len(batch), shard):
                part = slice(first, first + shard)
                labels = label[part], other[part], share
                shards.append(self.net.statistics(x[part], labels, first, self.step))
        means = {path: np.mean([s[path] for s in shards], axis=0) for path in shards[0]}
        self.net.weights = {**own, **means}
        return {**own, **means, **self.average}

    def judge(self, split):
        """The metrics of a split's images, neither augmented nor weighted."""
        pixels, label = split
        if self.numbers:
            label = (label - self.middle) / self.spread
        y, loss = self.net.infer(scaled(pixels.astype(np.float64), self.recipe["input"]), label)
        out, y, label = self.summary([(y, loss, label)])
        if self.numbers:
            error, around = ((y - label) ** 2).sum(0), ((label - label.mean(0)) ** 2).sum(0)
            return {**out, "mse": float(((y - label) ** 2).mean()), "r2": float((1 - error / around).mean())}
        if self.ordered:
            out["mae"] = float(abs(y.argmax(1) - label).mean())
        return {**out, **measures(y, label, len(self.data["names"]))}

    def probabilities(self, pixels):
        x = scaled(pixels.astype(np.float64), self.recipe["input"])
        y = self.net.infer(x, np.zeros(len(x), int))[0]
        if self.ordered:
            return classes_of(y)
        return np.hstack([1 - y, y]) if y.shape[1] == 1 else y

    def next_epoch(self):
        """Its steps, its means, those of validation, and whether it is the best so far."""
        self.unfreeze()
        done, steps = [], []
        for number in range(self.steps):
            once, at = divmod(self.epoch * self.steps + number, self.batches)
            places = self.order(once)[at * self.batch:(at + 1) * self.batch]
            steps.append(self.train_batch(number, places, once, at, done))
        shown = self.shown() if self.swa is None else self.add_epoch(self.order(self.epoch))
        own, self.net.weights = self.net.weights, shown
        means, validation = self.summary(done)[0], self.data["validation"] and self.judge(self.data["validation"])
        self.net.weights = own
        judged = validation or means
        score = -judged["loss"] if self.numbers else judged.get("map", judged["accuracy"])
        rank = (score, -judged["loss"]) if validation else -judged["loss"]
        best = self.best is None or rank > self.best
        if best:
            self.best, self.best_epoch = rank, self.epoch + 1
        self.schedule.end_epoch(judged["loss"])
        stopping = self.train.get("early_stopping", 0)
        stopping = stopping if isinstance(stopping, dict) else {}
        value = -score if stopping.get("monitor") in ("val_accuracy", "val_map") else judged["loss"]
        if value + single(stopping.get("min_delta", 0)) < self.lowest:
            self.lowest, self.waited = value, 0
        else:
            self.waited += 1
        self.epoch += 1
        skipped, self.skipped = self.skipped, 0
        return {"steps": steps, "skipped": skipped, "train": means, "validation": validation, "best": best}

    def state(self):
        """Weights, statistics and moments as a state's tensors have them."""
        out = dict(self.net.weights)
        for name, values in self.optimizer.moments().items():
            flat = [values.get(p, np.zeros_like(self.net.weights[p])).ravel() for p in self.net.trained()]
            out[name] = np.concatenate(flat)
        if self.kept is not None or self.swa is not None:
            out["average"] = np.concatenate([self.average[p].ravel() for p in self.net.trained()])
        return out
