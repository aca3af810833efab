#!/usr/bin/env python3
"""Features on disk by the command: trials of tune, compare and later runs share them; what is told; bad settings.

shared_features_test.py CLADE
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: tiny
input: {size: 32, rescale: 1/255}
backbone: {name: squeezenet1_1, weights: random, pooling: avg}
vars: {units: 8}
model:
  - dense: {units: $units, activation: relu}
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.01}}, batch: 16, epochs: 2, seed: 3}
tune:
  lr: {log: [1e-4, 1e-2]}
  units: {int: [4, 64]}
compare:
  - {name: squeezenet1_1, weights: random}
  - {label: shallow, name: squeezenet1_1, weights: random, output: features.4}
"""
IMAGES = 4 * (6 + 2)
COMPUTED = rf"{IMAGES} images computed in \d+\.\d s"
FOUND = f"{IMAGES} of {IMAGES} images from the cache"


class Bench:
    def __init__(self, clade, folder):
        self.clade, self.folder = clade, folder
        self.images, self.recipe, self.cache = folder / "images", folder / "tiny.yaml", folder / "cache"
        self.recipe.write_text(RECIPE)
        self.place = ["--data", self.images, "--device", "cpu"]
        self.run("data", "make", self.images, "--size", "32", "--train", "6", "--validation", "2")

    def run(self, *arguments, status=0, size="64M", cache=None):
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache or self.cache), "CLADE_FEATURE_CACHE": size}
        done = subprocess.run([self.clade, *map(str, arguments)], capture_output=True, text=True, env=environment)
        check(done.returncode == status, f"{arguments}: status {done.returncode}: {done.stderr}")
        return done

    def train(self, name, *more, status=0, **how):
        return self.run("train", self.recipe, *self.place, "--set", "compare=null", "--out", self.folder / name, *more,
                        status=status, **how)

    def weights(self, name):
        return (self.folder / name / "last.safetensors").read_bytes()

    def files(self):
        return sorted((self.cache / "clade" / "features").glob("*"))


def check_tune(bench):
    """Eight trials of the head, one of them computes; its seconds have that in them."""
    study = bench.folder / "study"
    done = bench.run("tune", bench.recipe, *bench.place, "--set", "compare=null", "--out", study, "--trials", "8",
                     "--method", "random", "--epochs", "1", "--quiet")
    check(re.fullmatch(r"Best: trial .*\nSaved in .*\n", done.stdout) and done.stderr == "", f"tune --quiet: {done}")
    logs = sorted(study.rglob("trial.log"))
    said = [re.findall(r"^Features: (.*)$", log.read_text(), re.M) for log in logs]
    check(len(said) == 8 and all(len(s) == 1 for s in said), f"tune: {said}")
    check(sum(bool(re.fullmatch(COMPUTED, s[0])) for s in said) == 1 and sum(s[0] == FOUND for s in said) == 7,
          f"tune: {said}")
    check(len(bench.files()) == 1, f"tune: {bench.files()}")
    # another size is another file
    bench.run("tune", bench.recipe, *bench.place, "--set", "compare=null", "--set", "input.size=40", "--out",
              bench.folder / "larger", "--trials", "2", "--method", "random", "--epochs", "1")
    said = [log.read_text() for log in (bench.folder / "larger").rglob("trial.log")]
    check(sum("computed" in s for s in said) == 1 and len(bench.files()) == 2, f"tune: {said}")


def check_train(bench):
    found = bench.train("found")
    check(f"Features: {FOUND}\n" in found.stdout and found.stderr == "", f"found: {found}")
    none = bench.train("none", size="0")
    check(re.search(rf"^Features: {COMPUTED}$", none.stdout, re.M), f"none: {none}")
    check(bench.weights("found") == bench.weights("none"), "weights with features from the cache")
    check("Features" in bench.train("json", "--json").stderr, "train --json")
    quiet = bench.train("quiet", "--quiet")
    check("Features" not in quiet.stdout and quiet.stderr == "", f"quiet: {quiet}")
    size = sum(f.stat().st_size for f in bench.files())
    check(size < 64 << 20, f"the cache has {size} bytes")


def check_seconds(bench):
    """The first epoch's seconds count the features."""
    def seconds(done):
        return [json.loads(line)["seconds"] for line in done.stdout.splitlines()]
    anew = bench.train("anew", "--json", cache=bench.folder / "empty")
    took = float(re.search(r"computed in ([\d.]+) s", anew.stderr)[1])
    check(seconds(anew)[0] >= took - 0.05, f"seconds: {anew}")


def check_compare(bench):
    command = ["compare", bench.recipe, *bench.place, "--out"]
    first = bench.run(*command, bench.folder / "first")
    check(f"squeezenet1_1: features: {FOUND}\n" in first.stdout, f"compare: {first.stdout}")
    check(re.search(rf"^shallow: features: {COMPUTED}$", first.stdout, re.M), f"compare: {first.stdout}")
    second = bench.run(*command, bench.folder / "second")
    check(second.stdout.count(FOUND) == 2, f"compare: {second.stdout}")
    quiet = bench.run(*command, bench.folder / "quiet-compare", "--quiet")
    check("features" not in quiet.stdout and "Best by" in quiet.stdout and quiet.stderr == "", f"compare: {quiet}")
    for name in ["squeezenet1_1", "shallow"]:
        check(bench.weights(f"first/{name}") == bench.weights(f"second/{name}"), f"compare: {name}")


def check_trouble(bench):
    for size in ["many", "-1", "4Q", ""]:
        for command in ["train", "tune", "compare"]:
            done = bench.run(command, bench.recipe, *bench.place, "--out", bench.folder / "bad", status=1, size=size)
            check(f"CLADE_FEATURE_CACHE is '{size}': expected a size" in done.stderr and done.stderr.count("\n") == 1,
                  f"'{size}': {done}")
    check(not (bench.folder / "bad").exists(), "a folder was made")
    nowhere = bench.train("nowhere", cache="/dev/null")
    check(nowhere.stderr.startswith("clade train: features are not kept: /dev/null") and nowhere.stderr.count("\n") == 1,
          f"nowhere: {nowhere}")
    check(bench.weights("nowhere") == bench.weights("none"), "weights without a cache")
    # a byte of each file is another one
    for file in bench.files():
        bytes_ = bytearray(file.read_bytes())
        bytes_[len(bytes_) // 2] ^= 1
        file.write_bytes(bytes_)
    damaged = bench.train("damaged")
    check(re.fullmatch(r"clade train: .*\.rows: 1 damaged; computed anew\n", damaged.stderr), f"damaged: {damaged}")
    check(f"Features: {IMAGES - 1} of {IMAGES} images from the cache, the others computed in" in damaged.stdout,
          f"damaged: {damaged}")
    check(bench.weights("damaged") == bench.weights("none"), "weights with a damaged cache")
    check(bench.train("mended").stderr == "", "the cache is mended")


def main(clade):
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(clade, pathlib.Path(name))
        check_tune(bench)
        check_train(bench)
        check_seconds(bench)
        check_compare(bench)
        check_trouble(bench)
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
