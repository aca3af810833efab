#!/usr/bin/env python3
"""Minimises the test functions of functions.c with random search, Optuna or scikit-optimize, where they are
installed, for a comparison with search_measure.

usage: peers.py random|tpe|optuna-gp|skopt FUNCTION SEED [EVALUATIONS]
Prints: method,function,seed, the regret after 30, 50, 60 and 100 evaluations, and the seconds of a suggestion."""
import math
import random
import sys
import time
import warnings

KERNELS = [3, 5, 7]
OPTIMIZERS = ["sgd", "rmsprop", "adam"]


def branin(v):
    x, y = v["x0"], v["x1"]
    b, c, t = 5.1 / (4 * math.pi ** 2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10


def hartmann6(v):
    alpha = [1.0, 1.2, 3.0, 3.2]
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
         [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    return -sum(alpha[i] * math.exp(-sum(a[i][j] * (v[f"x{j}"] - 1e-4 * p[i][j]) ** 2 for j in range(6)))
                for i in range(4))


def mixed(v):
    o = OPTIMIZERS.index(v["optimizer"])
    best_rate, offset, width = [-1.5, -3.0, -2.5][o], [0.05, 0.02, 0.0][o], [0.35, 0.15, 0.2][o]
    rate = math.log10(v["lr"]) - best_rate
    layers, kernel = v["layers"], v["kernel"]
    units = math.log2(v["units"]) - 7 - 0.5 * (layers - 4)
    fitting = 5 if layers <= 2 else 3
    return (offset + width * rate ** 2 + 0.03 * (layers - 4) ** 2 + 1.5 * (v["dropout"] - 0.1 * layers) ** 2
            + 0.02 * units ** 2 + 0.02 * abs(kernel - fitting) + 0.02 * (1 - math.cos(4 * math.pi * rate)))


SPACES = {
    "branin": [("x0", "real", -5, 10), ("x1", "real", 0, 15)],
    "hartmann6": [(f"x{i}", "real", 0, 1) for i in range(6)],
    "mixed": [("lr", "log", 1e-4, 1e-1), ("dropout", "real", 0, 0.6), ("layers", "int", 1, 6),
              ("units", "logint", 16, 512), ("kernel", "step", 3, 7), ("optimizer", "choice", OPTIMIZERS)],
}
FUNCTIONS = {"branin": (branin, 0.39788735772973816), "hartmann6": (hartmann6, -3.322368011391339),
             "mixed": (mixed, 0.0)}


def run_random(space, f, seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        v = {}
        for name, kind, *r in space:
            if kind == "real":
                v[name] = rng.uniform(*r)
            elif kind == "log":
                v[name] = math.exp(rng.uniform(math.log(r[0]), math.log(r[1])))
            elif kind == "int":
                v[name] = rng.randint(*r)
            elif kind == "logint":
                v[name] = round(math.exp(rng.uniform(math.log(r[0] - 0.5), math.log(r[1] + 0.499))))
            elif kind == "step":
                v[name] = rng.choice(KERNELS)
            else:
                v[name] = rng.choice(r[0])
        f(v)


def run_optuna(space, f, seed, n, gp):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if gp:
        import torch
        torch.set_num_threads(1)
        sampler = optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed)

    def objective(trial):
        v = {}
        for name, kind, *r in space:
            if kind in ("real", "log"):
                v[name] = trial.suggest_float(name, r[0], r[1], log=kind == "log")
            elif kind in ("int", "logint"):
                v[name] = trial.suggest_int(name, r[0], r[1], log=kind == "logint")
            elif kind == "step":
                v[name] = trial.suggest_int(name, r[0], r[1], step=2)
            else:
                v[name] = trial.suggest_categorical(name, r[0])
        return f(v)

    optuna.create_study(sampler=sampler).optimize(objective, n_trials=n)


def run_skopt(space, f, seed, n):
    import skopt
    dimensions = []
    for name, kind, *r in space:
        if kind in ("real", "log"):
            prior = "log-uniform" if kind == "log" else "uniform"
            dimensions.append(skopt.space.Real(r[0], r[1], prior=prior, name=name))
        elif kind in ("int", "logint"):
            prior = "log-uniform" if kind == "logint" else "uniform"
            dimensions.append(skopt.space.Integer(r[0], r[1], prior=prior, name=name))
        elif kind == "step":
            dimensions.append(skopt.space.Integer(0, len(KERNELS) - 1, name=name))
        else:
            dimensions.append(skopt.space.Categorical(r[0], name=name))

    def objective(x):
        v = {s[0]: value for s, value in zip(space, x)}
        if "kernel" in v:
            v["kernel"] = KERNELS[v["kernel"]]
        return float(f(v))

    skopt.gp_minimize(objective, dimensions, n_calls=n, random_state=seed)


def main(method, function, seed, n=100):
    warnings.simplefilter("ignore")
    value, least = FUNCTIONS[function]
    seen = []

    def f(v):
        y = value(v)
        seen.append(min(y, seen[-1]) if seen else y)
        return y

    space = SPACES[function]
    if method == "tpe":
        __import__("optuna")  # before the clock starts
    begun = time.process_time()
    if method == "random":
        run_random(space, f, seed, n)
    elif method == "skopt":
        run_skopt(space, f, seed, n)
    else:
        run_optuna(space, f, seed, n, method == "optuna-gp")
    at = [seen[k - 1] - least if k <= n else math.nan for k in (30, 50, 60, 100)]
    took = (time.process_time() - begun) / n
    print(",".join([method, function, str(seed)] + [f"{r:.6g}" for r in at] + [f"{took:.3g}"]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(int, sys.argv[4:5]))
