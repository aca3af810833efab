"""Keras' optimizers on PyTorch tensors, written from their formulas: PyTorch's own RMSprop and Adam put
epsilon elsewhere. SGD whose velocity is a sum of gradients is PyTorch's own."""
import math

import numpy as np
import torch

# Keras' defaults
DEFAULTS = {
    "sgd": {"lr": 0.01, "momentum": 0.0, "nesterov": False, "velocity": "steps"},
    "rmsprop": {"lr": 0.001, "rho": 0.9, "momentum": 0.0, "eps": 1e-7},
    "adam": {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7},
    "adamw": {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "weight_decay": 0.004},
}


class Own:
    """torch.optim.SGD for one weight each."""

    def __init__(self, options):
        self.momentum, self.nesterov = float(np.float32(options["momentum"])), options["nesterov"]
        self.optimizers = {}

    def step(self, name, w, g, lr):
        if name not in self.optimizers:
            self.optimizers[name] = torch.optim.SGD([torch.nn.Parameter(w.clone())], momentum=self.momentum,
                                                    nesterov=self.nesterov)
        group = self.optimizers[name].param_groups[0]
        group["lr"], p = lr, group["params"][0]
        with torch.no_grad():
            p.copy_(w)
            p.grad = g.clone()
            self.optimizers[name].step()
            w.copy_(p)

    def velocities(self):
        return [o.state[o.param_groups[0]["params"][0]]["momentum_buffer"] for o in self.optimizers.values()]


class Optimizer:
    """`settings`: {kind: {option: value}} as in a recipe. `fault`: option -> another value than said, or
    one of the names tested for below, to show that a comparison notices."""

    def __init__(self, settings, clip_norm=0.0, fault=None):
        (self.kind, options), = settings.items()
        self.fault = fault or {}
        options = {**DEFAULTS[self.kind], "weight_decay": DEFAULTS[self.kind].get("weight_decay", 0.0),
                   **options, **self.fault}
        self.own = Own(options) if options.pop("velocity", "steps") == "gradients" else None
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
        if self.own:
            return {"velocity": self.own.velocities()}
        return {name: [s[name] for s in self.state.values()] for name in names}

    def step(self, weights, gradients, share=1.0):
        """Updates the weights (name -> tensor) that have gradients, at this share of the rate."""
        self.t += 1
        self.lr = share * self.o["lr"]
        if self.clip_norm:
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
            gradients = {name: g * min(1.0, self.clip_norm / norm) for name, g in gradients.items()}
        for name, g in gradients.items():
            w = weights[name]
            zeros = torch.zeros_like(w)
            state = self.state.setdefault(name, {
                "velocity": zeros, "mean": zeros, "mean_square": zeros})
            if self.o["weight_decay"]:
                w -= self.lr * self.o["weight_decay"] * w
            if self.own:
                self.own.step(name, w, g, self.lr)
                continue
            w += {"sgd": self.sgd, "rmsprop": self.rmsprop, "adam": self.adam,
                  "adamw": self.adam}[self.kind](state, g)

    def sgd(self, state, g):
        step = -self.lr * g
        momentum = self.o["momentum"]
        if not momentum:
            return step
        state["velocity"] = momentum * state["velocity"] + step
        return momentum * state["velocity"] + step if self.o["nesterov"] else state["velocity"]

    def rmsprop(self, state, g):
        rho, eps = self.o["rho"], self.o["eps"]
        state["mean_square"] = s = rho * state["mean_square"] + (1 - rho) * g.square()
        if "eps_outside" in self.fault:
            step = self.lr * g / (s.sqrt() + eps)
        else:
            step = self.lr * g / (s + eps).sqrt()
        if self.o["momentum"]:
            state["velocity"] = step = self.o["momentum"] * state["velocity"] + step
        return -step

    def adam(self, state, g):
        b1, b2 = self.o["beta1"], self.o["beta2"]
        state["mean"] = m = b1 * state["mean"] + (1 - b1) * g
        state["mean_square"] = v = b2 * state["mean_square"] + (1 - b2) * g.square()
        rate = self.lr * math.sqrt(1 - b2**self.t) / (1 - b1**self.t)
        if "bias_uncorrected" in self.fault:
            rate = self.lr
        if "eps_after_correction" in self.fault:
            return -rate * m / (v.sqrt() + self.o["eps"] * math.sqrt(1 - b2**self.t))
        return -rate * m / (v.sqrt() + self.o["eps"])
