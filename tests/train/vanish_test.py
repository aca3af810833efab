"""Takes the images away while `clade train`, `tune` and `compare` run, as a share that is lost: they end with an error
that names a file and with its own exit status, keep what they have, and the first two go on to the same result once the
images are back. Damages them for `tune`: that is no trial's fault either.

usage: vanish_test.py CLADE"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: vanish
input: {size: 16, rescale: 1/255}
model:
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 8, epochs: 40}
tune:
  lr: {log: [1e-4, 1e-1]}
"""
GONE = "No such file or directory"


def unplug(command, images):
    """Runs a command and takes the images away when it has printed a first line: an epoch, or a trial."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    images.rename(images.with_name("away"))
    _, errors = process.communicate(timeout=60)
    images.with_name("away").rename(images)
    return process.returncode, errors


def train(clade, folder, images, recipe):
    place = ["--device", "cpu", "--math", "exact", "--threads", "1", "--cache", "1", "--json", "--no-report"]
    begin = [clade, "train", recipe, "--data", images, *place, "--out"]
    subprocess.run([*begin, folder / "whole"], check=True, stdout=subprocess.DEVNULL)
    status, errors = unplug([*begin, folder / "run"], images)
    check(status == 3 and errors.count("\n") == 1, f"train: status {status}, {errors}")
    check(GONE in errors and ".jpg" in errors and "stopped in epoch" in errors and "resumed" in errors, errors)
    rows = (folder / "run/history.csv").read_text().splitlines()
    again = subprocess.run([clade, "train", "--resume", folder / "run", *place], capture_output=True, text=True)
    check(again.returncode == 0, again.stderr)
    history = (folder / "run/history.csv").read_text().splitlines()
    check(history[:len(rows)] == rows and len(history) == 41, "train: finished epochs were lost")
    digests = {hashlib.sha256((folder / run / "last.safetensors").read_bytes()).hexdigest() for run in ("whole", "run")}
    check(len(digests) == 1, "train: the weights are others")


def tune(clade, folder, images, recipe):
    command = [clade, "tune", recipe, "--data", images, "--out", folder / "study", "--trials", "3", "--device", "cpu",
               "--threads", "1", "--cache", "1", "--json"]
    status, errors = unplug(command, images)
    check(status == 3 and errors.startswith("clade tune: trial 2: ") and GONE in errors,
          f"tune: status {status}, {errors}")
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check(again.returncode == 0, again.stderr)
    table = subprocess.run([clade, "tune", "--list", folder / "study"], capture_output=True, text=True)
    check(table.stdout.count("failed") == 0 and table.returncode == 0, table.stdout)


def tune_damaged(clade, folder, images, recipe):
    """Too many images are damaged: the study stops at once, and no trial counts as failed."""
    command = [clade, "tune", recipe, "--data", images, "--out", folder / "damaged", "--trials", "3", "--device", "cpu",
               "--threads", "1", "--set", "train.epochs=1"]
    photos = sorted(images.glob("train/*/*.jpg"))[::3]
    sound = [photo.read_bytes() for photo in photos]
    for photo in photos:
        photo.write_bytes(photo.read_bytes()[:300])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check(done.returncode == 1 and done.stderr.startswith("clade tune: trial 1: ") and done.stderr.count("\n") == 1
          and "images are damaged" in done.stderr, f"tune, damaged: status {done.returncode}, {done.stderr}")
    table = subprocess.run([clade, "tune", "--list", folder / "damaged"], capture_output=True, text=True)
    check("failed" not in table.stdout and table.returncode == 0, table.stdout)
    for photo, content in zip(photos, sound):
        photo.write_bytes(content)


COMPARE = """
name: vanish
input: {size: 32, rescale: 1/255}
backbone: {pooling: avg, weights: random}
compare:
  - {name: resnet18, weights: nowhere.safetensors}
  - {name: squeezenet1_1, weights: random, output: features.4}
  - {label: second, name: squeezenet1_1, weights: random}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 16, epochs: 100000}
"""


def compare(clade, folder, images):
    """Missing weights fail one backbone, missing images the whole."""
    recipe, out = folder / "compare.yaml", folder / "compared"
    recipe.write_text(COMPARE)
    process = subprocess.Popen([clade, "compare", recipe, "--data", images, "--device", "cpu", "--cache", "1", "--out", out],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    history = out / "squeezenet1_1/history.csv"
    while process.poll() is None and not (history.exists() and history.read_text().count("\n") > 1):
        time.sleep(0.05)
    images.rename(images.with_name("away"))
    output, errors = process.communicate(timeout=60)
    images.with_name("away").rename(images)
    check(process.returncode == 3 and GONE in errors and errors.count("\n") == 1,
          f"compare: status {process.returncode}, {errors}")
    check("resnet18: failed" in output and not (out / "second").exists(), f"compare: {output}")


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-vanish-") as name:
        folder = pathlib.Path(name)
        images, recipe = folder / "images", folder / "vanish.yaml"
        recipe.write_text(RECIPE)
        subprocess.run([clade, "data", "make", images, "--train", "24", "--validation", "4", "--size", "24"], check=True)
        train(clade, folder, images, recipe)
        tune(clade, folder, images, recipe)
        tune_damaged(clade, folder, images, recipe)
        compare(clade, folder, images)
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
