"""Keras' optimizers on PyTorch tensors, written from their formulas: PyTorch's own RMSprop and Adam put
epsilon elsewhere."""
import math

import numpy as np
import torch

# Keras' defaults
DEFAULTS = {
    "sgd": {"lr": 0.01, "momentum": 0.0, "nesterov": False},
    "rmsprop": {"lr": 0.001, "rho": 0.9, "momentum": 0.0, "eps": 1e-7},
    "adam": {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7},
    "adamw": {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "weight_decay": 0.004},
}


class Optimizer:
    """`settings`: {kind: {option: value}} as in a recipe. `fault`: option -> another value than said, or
    one of the names tested for below, to show that a comparison notices."""

    def __init__(self, settings, clip_norm=0.0, fault=None):
        (self.kind, options), = settings.items()
        self.fault = fault or {}
        options = {**DEFAULTS[self.kind], "weight_decay": DEFAULTS[self.kind].get("weight_decay", 0.0),
                   **options, **self.fault}
        # constants are float32 in the library: 1 - beta2 of float32 differs from 0.001 by 1e-5 of it
        self.o = {key: float(np.float32(value)) for key, value in options.items()}
        self.clip_norm = clip_norm
        self.state = {}
        self.t = 0

    def moments(self):
        """The state as lists of tensors by name, in the weights' order."""
        names = {"sgd": [], "rmsprop": ["mean_square"]}.get(self.kind, ["mean", "mean_square"])
        if self.o.get("momentum"):
            names = names + ["velocity"]
        return {name: [s[name] for s in self.state.values()] for name in names}

    def step(self, weights, gradients):
        """Updates the weights (name -> tensor) that have gradients."""
        self.t += 1
        if self.clip_norm:
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
            gradients = {name: g * min(1.0, self.clip_norm / norm) for name, g in gradients.items()}
        for name, g in gradients.items():
            w = weights[name]
            zeros = torch.zeros_like(w)
            state = self.state.setdefault(name, {
                "velocity": zeros, "mean": zeros, "mean_square": zeros})
            if self.o["weight_decay"]:
                w -= self.o["lr"] * self.o["weight_decay"] * w
            w += {"sgd": self.sgd, "rmsprop": self.rmsprop, "adam": self.adam,
                  "adamw": self.adam}[self.kind](state, g)

    def sgd(self, state, g):
        step = -self.o["lr"] * g
        momentum = self.o["momentum"]
        if not momentum:
            return step
        state["velocity"] = momentum * state["velocity"] + step
        return momentum * state["velocity"] + step if self.o["nesterov"] else state["velocity"]

    def rmsprop(self, state, g):
        rho, eps = self.o["rho"], self.o["eps"]
        state["mean_square"] = s = rho * state["mean_square"] + (1 - rho) * g.square()
        if "eps_outside" in self.fault:
            step = self.o["lr"] * g / (s.sqrt() + eps)
        else:
            step = self.o["lr"] * g / (s + eps).sqrt()
        if self.o["momentum"]:
            state["velocity"] = step = self.o["momentum"] * state["velocity"] + step
        return -step

    def adam(self, state, g):
        b1, b2 = self.o["beta1"], self.o["beta2"]
        state["mean"] = m = b1 * state["mean"] + (1 - b1) * g
        state["mean_square"] = v = b2 * state["mean_square"] + (1 - b2) * g.square()
        rate = self.o["lr"] * math.sqrt(1 - b2**self.t) / (1 - b1**self.t)
        if "bias_uncorrected" in self.fault:
            rate = self.o["lr"]
        if "eps_after_correction" in self.fault:
            return -rate * m / (v.sqrt() + self.o["eps"] * math.sqrt(1 - b2**self.t))
        return -rate * m / (v.sqrt() + self.o["eps"])
