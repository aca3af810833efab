"""Kills training at moments spread over its life, in epochs and while it writes, and checks each time that the
run folder opens and resumes, and that the end is the same to the bit as without: as it is, in shards, on two devices at
once, with features on disk, and in float16 with a loss scale that falls.

usage: kill_test.py CLADE [KILLS [KIND]]"""
import csv
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

RECIPE = """
name: kill
input: {size: 16, rescale: 1/255}
model:
  - conv2d: {filters: 8, kernel: 3, use_bias: false}
  - batchnorm: {momentum: 0.9}
  - flatten
  - dense: {units: 512, activation: relu}
  - dense: {units: classes, activation: softmax}
train:
  loss: sparse_categorical_crossentropy
  optimizer: adam
  batch: 8
  epochs: 6
"""
# a network whose first layers are frozen: what they give goes to disk
FROZEN = """
name: kill
input: {size: 32, rescale: 1/255}
backbone: {name: squeezenet1_1, weights: random, pooling: avg}
model:
  - dense: {units: 512, activation: relu}
  - dense: {units: classes, activation: softmax}
train:
  loss: sparse_categorical_crossentropy
  optimizer: adam
  batch: 8
  epochs: 6
"""
TWO = ["--device", "cpu,cpu"]
# name: recipe, options that it begins with, options that each start has
KINDS = {
    "plain": (RECIPE, [], ["--device", "cpu"]),
    "shards": (RECIPE, ["--shard", "3"], ["--device", "cpu"]),
    "devices": (RECIPE, ["--shard", "3"], TWO),
    "features": (FROZEN, [], ["--device", "cpu"]),
    # gradients that are too large for float16 at first
    "mixed_float16": (RECIPE, ["--precision", "mixed_float16", "--shard", "4", "--set",
                               "train.class_weight={circle: 20000}"], TWO),
}


class Kind:
    """Runs of one kind, and what they must come to."""

    def __init__(self, clade, folder, images, name):
        recipe, first, always = KINDS[name]
        self.clade, self.name, self.folder = clade, name, folder / name
        self.folder.mkdir()
        (self.folder / "kill.yaml").write_text(recipe)
        self.place = [*always, "--math", "exact", "--threads", "1"]
        self.begin = [clade, "train", self.folder / "kill.yaml", "--data", images, *first, *self.place]
        started = time.monotonic()
        self.environment = self.caches("whole")
        done = subprocess.run([*self.begin, "--out", self.folder / "whole"], check=True, capture_output=True, text=True,
                              env=self.environment)
        self.life = time.monotonic() - started
        self.expected = self.result(self.folder / "whole")
        # each kind is what its name says
        self.failures = 0
        if name == "features":
            self.expect(re.search("Features: .*computed", done.stdout + done.stderr), "no features were computed")
        if name == "mixed_float16":
            with open(self.folder / "whole" / "history.csv", newline="") as history:
                skipped = sum(int(row["skipped"]) for row in csv.DictReader(history))
            self.expect(skipped > 0, "no step was skipped")

    def expect(self, good, what):
        if not good:
            print(f"{self.name}: {what}")
            self.failures += 1

    def caches(self, run):
        """Each run has features of its own."""
        return dict(os.environ, XDG_CACHE_HOME=str(self.folder / f"{run}-cache"), CLADE_FEATURE_CACHE="64M")

    @staticmethod
    def result(run):
        """The last and the best weights, recipe and class names; the epochs without what they took."""
        history = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
        return [(run / name).read_bytes() for name in ("last.safetensors", "best.safetensors")], \
            [line[:6] + line[8:] for line in history]

    def kill(self, moments, k):
        """One run, killed up to three times; how often it was."""
        run, killed = self.folder / f"run-{k}", 0
        command, environment = [*self.begin, "--out", run], self.caches(f"run-{k}")
        for attempt in range(6):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
            try:
                # most of the time goes into writing: random moments hit both
                _, errors = process.communicate(timeout=self.life * moments.uniform(0.05, 0.9) if attempt < 3 else 60)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
                if (run / "state").exists():
                    opened = subprocess.run([self.clade, "summary", run], capture_output=True, text=True)
                    self.expect(opened.returncode == 0, f"{k}.{attempt}: does not open: {opened.stderr}")
                if (run / "recipe.yaml").exists():
                    command = [self.clade, "train", "--resume", run, *self.place]
                continue
            self.expect(process.returncode == 0, f"{k}.{attempt}: does not resume: {errors.decode()}")
            break
        left = [entry for entry in os.listdir(run) if entry.endswith(".tmp")]
        self.expect(not left, f"{k}: left over: {left}")
        self.expect(self.result(run) == self.expected, f"{k}: another result after {killed} kills")
        return killed


def main(clade, kills=4, only=None):
    failures = 0
    with tempfile.TemporaryDirectory(prefix="clade-kill-") as name:
        folder = pathlib.Path(name)
        subprocess.run([clade, "data", "make", folder / "images", "--train", "24", "--validation", "4", "--size", "24"],
                       check=True)
        for name in [only] if only else KINDS:
            kind = Kind(clade, folder, folder / "images", name)
            moments = random.Random(1)
            total = sum(kind.kill(moments, k) for k in range(int(kills)))
            print(f"{name}: {kills} runs, {total} kills, {kind.failures} failures", flush=True)
            failures += kind.failures + (total == 0)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
