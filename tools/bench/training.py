"""Times `clade train` on rendered images, alone or under a launcher; what the peers need to be fair."""
import csv
import pathlib
import re
import shutil
import subprocess
import sys
import typing

RESNET = """
name: resnet50
input: {size: 224}
backbone: {name: resnet50, weights: random, freeze: none, bn: train, pooling: avg, preprocessing: imagenet}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 8, epochs: 1}
"""
# side and classes of the images, settings beside the recipe's
NETS = {
    "horses-or-humans": (300, 2, []),
    "cats-dogs-64": (64, 2, []),
    "cifar10": (32, 8, ["--set", "model.6.dense.units=classes"]),
    "cats-dogs-dropout": (150, 2, []),
    "cat-dog-transfer": (224, 2, ["--set", "backbone.weights=random"]),
    "resnet50": (224, 2, []),
}
ONE_HOST = ["mpirun.openmpi", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]


class Timing(typing.NamedTuple):
    step: list
    exchange: float
    hidden: float


class Subject:
    """One net: its images and what trains it. `args`: clade, batch, steps of an epoch, epochs that count."""

    def __init__(self, args, net, folder):
        self.args, self.net, self.folder = args, net, pathlib.Path(folder)
        side, classes, self.settings = NETS[net]
        self.recipe = net
        if net == "resnet50":
            self.recipe = self.folder / "resnet50.yaml"
            self.recipe.write_text(RESNET)
        self.images = self.folder / net
        each = -(-args.batch * args.steps // classes)
        subprocess.run([args.clade, "data", "make", self.images, "--classes", str(classes), "--train", str(each),
                        "--validation", "1", "--size", str(side)], check=True, stdout=subprocess.DEVNULL)

    def step(self, launcher, threads, shard):
        """Milliseconds: of each epoch but the first, a step; of the exchange with other ranks, for a step, and hidden."""
        args, run = self.args, self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        command = [*launcher, args.clade, "train", self.recipe, "--data", self.images, "--device", "cpu",
                   "--threads", threads, "--math", "exact", "--batch", args.batch, "--shard", shard,
                   "--epochs", args.epochs + 1, "--no-report", "--out", run, *self.settings]
        ended = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                               text=True)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {ended.stderr.strip()}")
        with open(run / "history.csv") as file:
            epochs = [1e3 * args.batch / float(e["images_per_second"]) for e in csv.DictReader(file)][1:]
        told = re.search(r"Exchange with other ranks: (\S+) s, of which (\S+) s", ended.stdout)
        steps = args.steps * (args.epochs + 1)
        return Timing(epochs, *(1e3 * float(seconds) / steps for seconds in (told.groups() if told else (0, 0))))


def find_clade():
    built = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "tools" / "clade" / "clade"
    return str(built) if built.exists() else shutil.which("clade") or "clade"


def check_blas(python):
    """The system's BLAS, where that Python's PyTorch maps one, is fit for comparison."""
    script = "import torch; print(open('/proc/self/maps').read())"
    maps = subprocess.run([python, "-c", script], capture_output=True, text=True).stdout
    for path in {line.split()[-1] for line in maps.splitlines() if "/libblas." in line}:
        if not any(fast in path for fast in ("openblas", "blis", "mkl")):
            sys.exit(f"PyTorch multiplies by {path}, which is no fair peer: install libopenblas0-pthread")
