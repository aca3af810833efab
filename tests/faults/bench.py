"""What all scenarios stand on: a small recipe, a few images, runs of it that nothing disturbed, and the command."""
import csv
import hashlib
import os
import re
import shutil
import subprocess

RECIPE = """
name: faults
input: {size: 8, rescale: 1/255}
model:
  - conv2d: {filters: 4, kernel: 3, use_bias: false}
  - batchnorm: {momentum: 0.9}
  - flatten
  - dropout: 0.2
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 8, epochs: 2}
tune: {train.batch: {choice: [4, 8]}}
"""
TIME_LIMIT = 180


class Ended:
    """How a process ended; code None: not by itself."""

    def __init__(self, code, output, errors):
        self.code, self.output, self.errors = code, output, errors


def timeless(text):
    """Without what differs from run to run."""
    return re.sub(r"[0-9.]+ ?(m?s\b|images/s)", "-", text)


class Bench:
    """The images, the recipe, an undisturbed run, and what each scenario's result is undisturbed."""

    def __init__(self, clade, folder, layer):
        self.clade, self.folder = clade, folder
        self.device = "opencl" if layer == "opencl" else "cpu"
        self.images, self.recipe = folder / "images", folder / "faults.yaml"
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder),
                                POCL_CACHE_DIR=str(folder / "pocl"))
        self.results = {}
        self.recipe.write_text(RECIPE)
        # fewer than the loader's threads would take at once, so that most calls come in the same order each time
        self.quiet("data", "make", self.images, "--train", "4", "--validation", "2", "--size", "16")
        self.place = ["--device", "cpu", "--math", "exact", "--threads", "1"]
        self.begin = ["train", self.recipe, "--data", self.images]
        self.quiet(*self.begin, *self.place, "--out", folder / "whole")
        self.quiet(*self.begin, *self.place, "--out", folder / "paused", "--pause", "1")
        self.quiet("tune", self.recipe, "--data", self.images, "--out", folder / "study", "--trials", "1", "--epochs",
                   "1", *self.place)

    def run(self, *arguments, environment=None, launcher=()):
        """The environment is that of what a launcher starts, and not its own, nor has it meson's MALLOC_PERTURB_:
        Open MPI's uses memory that it has freed when a rank ends all."""
        own = dict(self.environment)
        filled = own.pop("MALLOC_PERTURB_", None)
        words = [f"{name}={value}" for name, value in
                 {**({"MALLOC_PERTURB_": filled} if filled else {}), **(environment or {})}.items()]
        try:
            done = subprocess.run([*launcher, "env", *words, self.clade, *map(str, arguments)], capture_output=True,
                                  timeout=TIME_LIMIT, cwd=self.folder, env=own)
        except subprocess.TimeoutExpired as late:
            return Ended(None, "", (late.stderr or b"").decode(errors="replace"))
        return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def quiet(self, *arguments):
        ended = self.run(*arguments)
        if ended.code:
            raise RuntimeError(f"clade {' '.join(map(str, arguments))}: {ended.errors}")
        return ended

    def check_layer(self, layer, environment):
        """The layer must see calls: a walk without any proves nothing."""
        counts = self.folder / "probe"
        counts.write_bytes(bytes(16))
        kind = {"memory": "alloc", "files": "open", "opencl": "any"}[layer]
        ended = self.run("evaluate", self.folder / "whole", "--device", self.device,
                         environment=dict(environment, FAULT_KIND=kind, FAULT_COUNT=str(counts), FAULT_FIRST="0"))
        if ended.code or not any(counts.read_bytes()):
            raise RuntimeError(f"the layer sees no calls: {ended.errors}")

    @staticmethod
    def where(leaks):
        """The lines of the layer for memory with functions in place of offsets."""
        out = []
        for line in sorted(set(leaks.splitlines()))[:8]:
            size, path, offset = line.rsplit(" ", 2) if line.count(" ") == 2 else (line, "", "")
            found = ""
            if shutil.which("addr2line"):
                found = subprocess.run(["addr2line", "-fpse", path, offset], capture_output=True, text=True).stdout
            out.append(f"    {size} bytes of {os.path.basename(path)} {offset} {found.strip()}")
        return "\n".join(out)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def history(run):
    """The epochs of a run without what they took."""
    path = run / "history.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [{name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
                for row in csv.DictReader(file)]
