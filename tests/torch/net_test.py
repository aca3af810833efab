"""Whole nets against PyTorch: the same weights and batches, then output, losses, every gradient, running
statistics, inference, and the weights and moments after each of three steps of every optimizer.

    net_test.py --runner net_runner --device cpu [--math exact|fast] [--strict]
                [--threads N] [--quick | --net NAME] [--faults]

An error is max |a - b| / max |b| of a tensor, b being PyTorch's in float64. Rows of the table:
  clade    output to infer: the library against PyTorch from the same weights and batch, the gradient also
           in the second and third step of one training; optimizers: weights after each of three steps
           from the library's own gradients and PyTorch's own moments; below 1e-5
  moments  the optimizers' state after the same steps; below 1e-5
  first    weights after one whole step on either side, from its own gradient. Adam moves a weight whose
           gradient is within rounding of 0 by anything up to the rate, in float32 however computed, so
           this may also be as much as four times PyTorch's own error in float32:
  float32  PyTorch in float32 against float64
Decisions of relu and max that are closer than rounding may fall either way; their gradient is compared with
the decisions that the library took, and their number is printed. With --faults mistakes are planted on
PyTorch's side, and each must be seen. Exit status: 77 without PyTorch, NumPy, PyYAML or the device."""
import argparse
import os
import subprocess
import sys
import zlib

try:
    import numpy as np
    import torch
    import yaml
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

sys.dont_write_bytecode = True  # beside the sources
from net import CLOSE, Net
from optimizers import Optimizer
from runner import NetError, NoDevice, Runner

BOUND = 1e-5
STEPS = 3
MOST_TURNED = 40  # close decisions that are tried
FOLLOWED = "adam"
# name: images in the model's batch, in the batches of the test, classes, part of the quick run
NETS = {
    "shapes": (8, 8, 6, True),
    "cats-dogs-64": (8, 8, 2, True),
    "cifar10": (8, 8, 10, False),
    # two images: of more, values lie closer to kinks than MOST_TURNED decisions can sort out
    "cats-dogs-dropout": (2, 2, 2, False),
    "horses-or-humans": (4, 4, 2, False),
    "branches": (6, 5, 3, True),
    "tokens": (5, 4, 3, True),
    "corners": (7, 7, 3, True),
    "modern": (6, 6, 4, True),
}
OPTIMIZERS = {
    "sgd": {"sgd": {"lr": 0.05}},
    "momentum": {"sgd": {"lr": 0.05, "momentum": 0.9}},
    "nesterov": {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True}},
    "gradients": {"sgd": {"lr": 0.05, "momentum": 0.9, "velocity": "gradients"}},
    "both": {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "velocity": "gradients"}},
    "rmsprop": {"rmsprop": {}},
    "rms+mom": {"rmsprop": {"momentum": 0.5, "rho": 0.8}},
    "adam": {"adam": {}},
    "adamw": {"adamw": {"lr": 0.01}},
}
# net; layer, "train" or an optimizer above; option; value
FAULTS = [
    ("branches", "stem", "padding", [1, 1, 1, 1]),
    ("branches", "batch_normalization", "momentum", 0.91),
    ("branches", "second_norm", "eps", 0.0101),
    ("branches", "depthwise_conv2d", "activation", "hard_swish"),
    ("branches", "narrow", "activation", "silu"),
    ("branches", "deep", "dilation", 1),
    ("branches", "sometimes", "rate", 0.41),
    ("branches", "sum", "inputs", ["sometimes", "narrow"]),
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
    ("tokens", "heads", "heads", 4),
    ("tokens", "plain", "heads", 2),
    ("tokens", "layer_normalization_1", "eps", 0.0001),
    ("modern", "group_normalization", "groups", 2),
    ("modern", "pixels", "eps", 0.00101),
    ("modern", "left", "start", 1),
    ("modern", "lifted", "activation", "elu"),
    ("modern", "up_sampling2d", "interpolation", "nearest"),
    ("modern", "corners", "align_corners", False),
    ("shapes", "sgd", "lr", 0.0501),
    ("shapes", "momentum", "momentum", 0.899),
    ("shapes", "nesterov", "nesterov", False),
    ("shapes", "gradients", "velocity", "steps"),
    ("shapes", "both", "velocity", "steps"),
    ("shapes", "rmsprop", "eps", 1.01e-7),
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
        self.turned = 0  # decisions of relu and max that fell the other way

    def bound(self, row, column):
        own = self.errors["float32", column][0] if row == "first" else 0
        return max(BOUND, 4 * own)

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
        text = subprocess.run([options.runner, "recipe", here if own else name], check=True, capture_output=True)
        self.recipe = yaml.safe_load(text.stdout)
        command = [options.runner, "--batch", str(self.batch), "--classes", str(self.classes),
                   "--math", options.math] + (["--strict"] if options.strict else [])
        if options.threads:
            command += ["--threads", str(options.threads)]
        self.runner = Runner(command + [options.device, here if own else name])
        if fault and fault[0] == "train":
            self.recipe["train"][fault[1]] = fault[2]
        self.net = Net(self.recipe, self.classes, fault)
        self.fault = fault
        random = np.random.default_rng(zlib.crc32(name.encode()))
        self.start = self.choose_weights(random)
        self.batches = [self.choose_batch(random) for _ in range(STEPS)]

    def choose_weights(self, random):
        """Kernels as they are initialised; what begins as 0 or 1 is drawn."""
        def choose(name, w):
            if name.endswith("kernel"):
                return w
            if name.endswith("moving_variance"):
                return random.uniform(0.05, 1, w.shape).astype(np.float32)
            return (w + 0.1 * random.standard_normal(w.shape)).astype(np.float32)
        return {name: choose(name, w) for name, w in self.runner.ask("values").items()}

    def choose_batch(self, random):
        """Images of patches, noise and their own brightness: if they were alike, their gradients would
        cancel and leave rounding errors."""
        height, width, channels = self.net.size
        patches = random.random((self.batch, height // 8 + 1, width // 8 + 1, channels))
        images = patches.repeat(8, 1).repeat(8, 2)[:, :height, :width] * 0.4
        images += 0.6 * random.random(images.shape)
        images = (images * random.uniform(0.2, 1, (self.batch, 1, 1, 1))).astype(np.float32)
        label = random.integers(0, self.classes, self.batch).astype(np.int32)
        weight = np.full(self.batch, 1 / self.n, np.float32)
        if self.n < self.batch or self.net.loss_name == "mse":  # as with weights of classes
            weight *= random.uniform(0.5, 2, self.batch).astype(np.float32)
        return images, label, weight

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

    def torch_optimizer(self, name, settings):
        planted = {self.fault[1]: self.fault[2]} if self.fault and self.fault[0] == name else None
        return Optimizer(settings, fault=planted)

    def torch_moments(self, optimizer):
        """As moments()."""
        return {"%s %s" % (n, moment): v.numpy() for moment, values in optimizer.moments().items()
                for n, v in zip(self.net.trained(), values)}


def arrays(tensors):
    return {name: t.numpy() for name, t in tensors.items()}


def close_decisions(case, weights, step):
    """Decisions of relu and max in the float64 net that rounding may turn, the closest first."""
    case.net.close = []
    case.net.start(weights, torch.float64)
    case.net.gradient(case.torch_batch(step), step)
    found, case.net.close = sorted(case.net.close)[:MOST_TURNED], None
    return found


def match_decisions(case, weights, step, found, truth):
    """`found` is the library's gradient, `truth` PyTorch's in float64. Where a value is closer to a kink than
    float32 can tell, either of two gradients is right. Looks for the decisions that fell the other way: one
    did if turning it takes away what it changes from the difference. Returns PyTorch's gradient with
    those decisions, and their number."""
    def difference(a, b):
        return np.concatenate([((a[n] - b[n]) / np.abs(truth[n]).max()).ravel() for n in truth
                               if np.abs(truth[n]).max() > 0])
    turned, base, count = {}, truth, 0
    for _, layer, position in close_decisions(case, weights, step):
        if max(relative(found[n], base[n]) for n in truth) < BOUND:
            break
        trial = {**turned, layer: turned.get(layer, []) + [position]}
        case.net.turned = trial
        case.net.start(weights, torch.float64)
        other = arrays(case.net.gradient(case.torch_batch(step), step)[2])
        change = difference(other, base)
        size = np.dot(change, change)
        if size and 0.5 < np.dot(difference(found, base), change) / size < 1.5:
            turned, base, count = trial, other, count + 1
    case.net.turned = {}
    return base, count


def compare_pass(case, worst, weights, step, dtypes):
    """Forward and backward from these weights, which the library has done. Returns PyTorch's gradient in
    float64, with the library's decisions."""
    clade = case.outputs() + (case.runner.ask("gradients"), case.runner.ask("values"))
    for dtype in dtypes:
        case.net.start(weights, dtype)
        y, loss, gradients = case.net.gradient(case.torch_batch(step), step)
        side = y.numpy(), loss.numpy(), arrays(gradients), arrays(case.net.weights)
        if dtype == torch.float64:
            truth = side
            matched = side[2]
            if max(relative(clade[2].get(n, np.nan), g) for n, g in matched.items()) >= BOUND:
                matched, count = match_decisions(case, weights, step, clade[2], matched)
                worst.turned += count
        row, a = ("clade", clade) if dtype == torch.float64 else ("float32", side)
        worst.add(row, "output", "output", a[0], truth[0])
        worst.add(row, "loss", "loss", a[1], truth[1])
        worst.add_all(row, "gradient", a[2], matched if row == "clade" else truth[2])
        worst.add_all(row, "statistics", *[{n: w for n, w in s[3].items() if n in case.net.statistics()}
                                           for s in (a, truth)])
    return matched


def compare_inference(case, worst):
    """With the statistics that a step left."""
    case.runner.ask("infer %d" % case.n)
    output, loss = case.outputs()
    case.net.start(case.runner.ask("values"), torch.float64)
    y, losses = case.net.infer(case.torch_batch(0))
    worst.add("clade", "infer", "output", output, y.numpy())
    worst.add("clade", "infer", "loss", loss, losses.numpy())


def compare_optimizer(case, worst, name, settings, gradient, dtypes):
    """Three steps on the library's own gradients, each at half the rate: weights and moments. Then the first step whole: from
    PyTorch's gradient. The gradients of the last two steps are compared in one optimizer's training."""
    case.write_weights()
    case.runner.ask("optimizer " + yaml.safe_dump(settings, default_flow_style=True).strip())
    optimizer, before = case.torch_optimizer(name, settings), case.start
    for step in range(STEPS):
        case.run_gradient(step)
        if name == FOLLOWED and step and dtypes:
            compare_pass(case, worst, before, step, dtypes)
        given = {n: torch.tensor(g, dtype=torch.float64)
                 for n, g in case.runner.ask("gradients").items()}
        case.runner.ask("update %d %g" % (step + 1, 0.5 ** step))
        after = case.runner.ask("values")
        case.net.start(before, torch.float64)
        optimizer.step(case.net.weights, given, 0.5 ** step)
        worst.add_all("clade", name, *[{n: w[n] for n in given} for w in
                                       (after, arrays(case.net.weights))])
        worst.add_all("moments", name, case.moments(), case.torch_moments(optimizer))
        before = after
        if step == 0:
            compare_first(case, worst, name, settings, gradient, after)


def compare_first(case, worst, name, settings, gradient, after):
    """`gradient`: precision -> PyTorch's gradient of the first step."""
    truth = None
    for dtype, g in gradient.items():
        case.net.start(case.start, dtype)
        case.torch_optimizer(name, settings).step(
            case.net.weights, {n: torch.tensor(v, dtype=dtype) for n, v in g.items()})
        stepped = {n: w.numpy() for n, w in case.net.weights.items() if n in g}
        if truth is None:
            truth = stepped
            worst.add_all("first", name, {n: after[n] for n in g}, truth)
        else:
            worst.add_all("float32", name, stepped, truth)


def run(options, name, fault=None, dtypes=(torch.float64, torch.float32)):
    """All comparisons of a net; with a fault those that could see it."""
    worst = Worst()
    case = Case(options, name, fault)
    case.write_weights()
    case.run_gradient(0)
    gradient = {}
    if not fault or fault[0] not in OPTIMIZERS:
        gradient[torch.float64] = compare_pass(case, worst, case.start, 0, dtypes)
        compare_inference(case, worst)
    for dtype in dtypes[1:]:
        case.net.start(case.start, dtype)
        gradient[dtype] = arrays(case.net.gradient(case.torch_batch(0), 0)[2])
    for key, settings in OPTIMIZERS.items():
        if not fault or fault[0] == key:
            compare_optimizer(case, worst, key, settings, gradient, dtypes if not fault else ())
    if case.runner.close() != 0:
        raise NetError("net_runner did not end well")
    return worst, case.runner.device


def print_table(name, worst):
    columns = ["output", "loss", "gradient", "statistics", "infer"] + list(OPTIMIZERS)
    for row in ("clade", "moments", "first", "float32"):
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
        if worst.turned:
            print("%18s%d decisions of relu or max by less than %g fell the other way" % (
                "", worst.turned, CLOSE))
        failures += ["%s: %s of %s, %s: error %.2e" % (name, row, column, tensor, error)
                     for (row, column), (error, tensor) in worst.errors.items()
                     if row != "float32" and not error < worst.bound(row, column)]
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
