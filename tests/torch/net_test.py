"""Whole nets against PyTorch: the same weights and batches, then output, losses, every gradient, running
statistics, inference, and the weights and moments after each of three steps of every optimizer.

    net_test.py --runner net_runner --recipes tools/recipes --device cpu [--math exact|fast] [--strict]
                [--threads N] [--quick | --net NAME] [--faults]

An error is max |a - b| / max |b| of a tensor, b being PyTorch's in float64; all must be below 1e-5. A row
'float32' shows for comparison how far PyTorch itself is from that in float32. With --faults mistakes are
planted on PyTorch's side, and each must be seen. Exit status: 77 without PyTorch, NumPy, PyYAML or the
device."""
import argparse
import os
import sys
import zlib

try:
    import numpy as np
    import torch
    import yaml
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

from net import Net
from optimizers import Optimizer
from runner import NetError, NoDevice, Runner

BOUND = 1e-5
STEPS = 3
# name: pictures in the model's batch, in the batches of the test, classes, part of the quick run
NETS = {
    "shapes": (8, 8, 6, True),
    "cats-dogs-64": (8, 8, 2, True),
    "cifar10": (8, 8, 10, False),
    "cats-dogs-dropout": (4, 4, 2, False),
    "horses-or-humans": (4, 4, 2, False),
    "branches": (6, 5, 3, True),
    "corners": (7, 7, 3, True),
}
OPTIMIZERS = {
    "sgd": {"sgd": {"lr": 0.05}},
    "momentum": {"sgd": {"lr": 0.05, "momentum": 0.9}},
    "nesterov": {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True}},
    "rmsprop": {"rmsprop": {}},
    "rms+mom": {"rmsprop": {"momentum": 0.5, "rho": 0.8}},
    "adam": {"adam": {}},
    "adamw": {"adamw": {}},
}
# net; layer, "train" or an optimizer above; option; value
FAULTS = [
    ("branches", "stem", "padding", [1, 1, 1, 1]),
    ("branches", "batch_normalization", "momentum", 0.91),
    ("branches", "second_norm", "eps", 0.0101),
    ("branches", "depthwise_conv2d", "activation", "hard_swish"),
    ("branches", "narrow", "activation", "silu"),
    ("branches", "deep", "dilation", 1),
    ("branches", "sum", "inputs", ["deep", "peaks"]),
    ("branches", "shortcut", "count_pad", True),
    ("branches", "concatenate", "inputs", ["second_norm", "narrow", "peaks"]),
    ("branches", "conv2d", "stride", 2),
    ("branches", "conv2d", "padding", [0, 1, 1, 2]),
    ("branches", "conv2d", "alpha", 0.1001),
    ("branches", "dropout", "rate", 0.2501),
    ("branches", "train", "label_smoothing", 0.1001),
    ("branches", "train", "seed", 12345678902),
    ("corners", "lrn", "size", 5),
    ("corners", "lrn", "k", 2.001),
    ("corners", "batch_normalization", "frozen", False),
    ("corners", "average_pooling2d", "count_pad", False),
    ("corners", "train", "label_smoothing", 0.201),
    ("shapes", "sgd", "lr", 0.0501),
    ("shapes", "momentum", "momentum", 0.899),
    ("shapes", "nesterov", "nesterov", False),
    ("shapes", "rmsprop", "eps", 1.001e-7),
    ("shapes", "rmsprop", "eps_outside", True),
    ("shapes", "rmsprop", "rho", 0.9001),
    ("shapes", "adam", "eps", 1.1e-7),
    ("shapes", "adam", "eps_after_correction", True),
    ("shapes", "adam", "bias_uncorrected", True),
    ("shapes", "adam", "beta1", 0.9001),
    ("shapes", "adam", "beta2", 0.99901),
    ("shapes", "adamw", "weight_decay", 0.0),
]


def relative(a, b):
    """max |a - b| / max |b|; infinite where that is no number."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return np.inf
    difference, size = np.abs(a - b).max(), np.abs(b).max()
    error = difference / size if size else (0.0 if difference == 0 else np.inf)
    return error if np.isfinite(error) else np.inf


class Worst:
    """The largest errors: (row, column) -> (error, tensor)."""

    def __init__(self):
        self.errors = {}

    def add(self, row, column, tensor, a, b):
        error = relative(a, b)
        if error >= self.errors.get((row, column), (-1, ""))[0]:
            self.errors[row, column] = error, tensor

    def add_all(self, row, column, a, b):
        """Both: name -> array."""
        for name in set(a) | set(b):
            self.add(row, column, name, a.get(name, np.nan), b.get(name, np.nan))


class Case:
    """One net with its weights and batches, and what either side makes of them."""

    def __init__(self, options, name, fault=None):
        self.batch, self.n, self.classes, _ = NETS[name]
        here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nets", name + ".yaml")
        own = os.path.exists(here)
        with open(here if own else os.path.join(options.recipes, name + ".yaml")) as file:
            self.recipe = yaml.safe_load(file)
        command = [options.runner, "--batch", str(self.batch), "--classes", str(self.classes),
                   "--math", options.math] + (["--strict"] if options.strict else [])
        if options.threads:
            command += ["--threads", str(options.threads)]
        self.runner = Runner(command + [options.device, here if own else name])
        if fault and fault[0] == "train":
            self.recipe["train"][fault[1]] = fault[2]
        self.net = Net(self.recipe, self.classes, fault)
        self.fault = fault
        self.first = {}  # precision -> the first step's gradient, the same for all optimizers
        random = np.random.default_rng(zlib.crc32(name.encode()))
        self.start = self.choose_weights(random)
        self.batches = [self.choose_batch(random) for _ in range(STEPS)]

    def choose_weights(self, random):
        """Kernels as they are initialised; what begins as 0 or 1 is drawn."""
        def choose(name, w):
            if name.endswith("kernel"):
                return w
            noise = random.standard_normal(w.shape)
            if name.endswith("moving_variance"):
                noise = random.uniform(-0.4, 1, w.shape) * 10
            return (w + 0.1 * noise).astype(np.float32)
        return {name: choose(name, w) for name, w in self.runner.ask("values").items()}

    def choose_batch(self, random):
        pictures = random.random((self.batch,) + self.net.size, np.float32)
        label = random.integers(0, self.classes, self.batch).astype(np.int32)
        weight = np.full(self.batch, 1 / self.n, np.float32)
        if self.n < self.batch or self.net.loss_name == "mse":  # as with weights of classes
            weight *= random.uniform(0.5, 2, self.batch).astype(np.float32)
        return pictures, label, weight

    # ---- the library ----

    def write_weights(self):
        for name, w in self.start.items():
            self.runner.write(name, w)

    def write_batch(self, step):
        for name, array in zip(("input", "label", "weight"), self.batches[step]):
            self.runner.write(name, array)

    def run_gradient(self, step):
        self.write_batch(step)
        self.runner.ask("gradient %d %d" % (step, self.n))

    def outputs(self):
        reply = self.runner.ask("outputs")
        return reply["output"][:self.n], reply["loss"][:self.n]

    def moments(self):
        """name of weight and moment -> array, cut from the library's flat tensors."""
        result = {}
        for moment, flat in self.runner.ask("moments").items():
            at = 0
            for name in self.net.trained():
                count = self.start[name].size
                result[name + " " + moment] = flat[at:at + count].reshape(self.start[name].shape)
                at += count
            if at != flat.size:
                result[moment] = flat  # compared with nothing: an error
        return result

    # ---- PyTorch ----

    def torch_batch(self, step):
        return [array[:self.n] for array in self.batches[step]]

    def torch_gradient(self, weights, step, dtype):
        """Net.gradient of a step from these weights. That from the first weights is kept, with the
        statistics that it leaves."""
        self.net.start(weights, dtype)
        if weights is not self.start:
            return self.net.gradient(self.torch_batch(step), step)
        if dtype not in self.first:
            found = self.net.gradient(self.torch_batch(step), step)
            fixed = {n: w.clone() for n, w in self.net.weights.items() if "/moving_" in n}
            self.first[dtype] = found, fixed
        found, fixed = self.first[dtype]
        self.net.weights.update({n: w.clone() for n, w in fixed.items()})
        return found

    def torch_optimizer(self, name, settings):
        planted = {self.fault[1]: self.fault[2]} if self.fault and self.fault[0] == name else None
        return Optimizer(settings, fault=planted)

    def torch_moments(self, optimizer):
        """As moments()."""
        return {"%s %s" % (n, moment): v.numpy() for moment, values in optimizer.moments().items()
                for n, v in zip(self.net.trained(), values)}


def arrays(tensors):
    return {name: t.numpy() for name, t in tensors.items()}


def compare_gradient(case, worst, dtypes):
    """One forward and backward pass, and inference after it."""
    case.write_weights()
    case.run_gradient(0)
    sides = [case.outputs() + (case.runner.ask("gradients"), case.runner.ask("values"))]
    case.runner.ask("infer %d" % case.n)
    inferred = [case.outputs()]
    for dtype in dtypes:
        y, loss, gradients = case.torch_gradient(case.start, 0, dtype)
        sides.append((y.numpy(), loss.numpy(), arrays(gradients), arrays(case.net.weights)))
        inferred.append([t.numpy() for t in case.net.infer(case.torch_batch(0))])
    truth = sides[1]
    for row, side, other in zip(("clade", "truth", "float32"), sides, inferred):
        if row == "truth":
            continue
        worst.add(row, "output", "output", side[0], truth[0])
        worst.add(row, "loss", "loss", side[1], truth[1])
        worst.add_all(row, "gradient", side[2], truth[2])
        worst.add_all(row, "statistics", *[{n: w for n, w in s[3].items() if n not in truth[2]}
                                           for s in (side, truth)])
        worst.add(row, "infer", "output", other[0], inferred[1][0])
        worst.add(row, "infer", "loss", other[1], inferred[1][1])


def compare_optimizer(case, worst, name, settings, dtypes):
    """Three steps. Each begins on both sides from the weights that the library's last one gave, as small
    differences grow from step to step in a net; the moments are each side's own."""
    case.write_weights()
    case.runner.ask("optimizer " + yaml.safe_dump(settings, default_flow_style=True).strip())
    optimizers = [case.torch_optimizer(name, settings) for _ in dtypes]
    before = case.start
    for step in range(STEPS):
        case.run_gradient(step)
        case.runner.ask("update %d" % (step + 1))
        sides = [(case.runner.ask("values"), case.moments())]
        for dtype, optimizer in zip(dtypes, optimizers):
            gradients = case.torch_gradient(before, step, dtype)[2]
            optimizer.step(case.net.weights, gradients)
            sides.append((arrays(case.net.weights), case.torch_moments(optimizer)))
        for row, side in (("clade", sides[0]), ("float32", sides[-1])):
            if row == "clade" or len(sides) > 2:
                worst.add_all(row, name, side[0], sides[1][0])
        worst.add_all("moments", name, sides[0][1], sides[1][1])
        before = sides[0][0]


def run(options, name, fault=None, dtypes=(torch.float64, torch.float32)):
    """All comparisons of a net; with a fault those that could see it."""
    worst = Worst()
    case = Case(options, name, fault)
    if not fault or fault[0] not in OPTIMIZERS:
        compare_gradient(case, worst, dtypes)
    for key, settings in OPTIMIZERS.items():
        if not fault or fault[0] == key:
            compare_optimizer(case, worst, key, settings, dtypes)
    if case.runner.close() != 0:
        raise NetError("net_runner did not end well")
    return worst, case.runner.device


def print_table(name, worst):
    columns = ["output", "loss", "gradient", "statistics", "infer"] + list(OPTIMIZERS)
    for row in ("clade", "moments", "float32"):
        cells = []
        for column in columns:
            error = worst.errors.get((row, column), (None, ""))[0]
            cells.append("-" if error is None else "0" if error == 0 else "%.1e" % error)
        print("%-18s%-9s" % (name if row == "clade" else "", row) +
              "".join("%*s" % (max(9, len(c) + 1), cell) for c, cell in zip(columns, cells)))


def test_nets(options):
    names = [options.net] if options.net else [n for n in NETS if NETS[n][3] or not options.quick]
    columns = ["output", "loss", "gradient", "statistics", "infer"] + list(OPTIMIZERS)
    failures = []
    for i, name in enumerate(names):
        worst, device = run(options, name)
        if i == 0:
            print("device %s, math %s; largest relative errors, bound %g" % (device, options.math, BOUND))
            print(" " * 27 + "".join("%*s" % (max(9, len(c) + 1), c) for c in columns))
        print_table(name, worst)
        sys.stdout.flush()
        failures += ["%s: %s of %s, %s: error %.2e" % (name, row, column, tensor, error)
                     for (row, column), (error, tensor) in worst.errors.items()
                     if row != "float32" and not error < BOUND]
    for failure in failures:
        print("failed: " + failure)
    return not failures


def test_faults(options):
    missed = 0
    for name, *fault in FAULTS:
        worst, _ = run(options, name, tuple(fault), (torch.float64,))
        error, tensor = max(e for (row, _), e in worst.errors.items())
        missed += error < BOUND
        print("%-9s%-9s %s %s: %s: error %.1e in %s" % (
            "missed" if error < BOUND else "seen", name, fault[0], fault[1], fault[2], error, tensor))
    print("%d of %d planted faults seen" % (len(FAULTS) - missed, len(FAULTS)))
    return not missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--recipes", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--math", default="exact", choices=["exact", "fast"])
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--net", choices=list(NETS))
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    try:
        good = test_faults(options) if options.faults else test_nets(options)
    except NoDevice as error:
        print("skipped: %s" % error)
        return 77
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
