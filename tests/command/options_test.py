"""Options that several subcommands have are called the same in all, and mean the same kind of value; what fails before
its first step leaves nothing, and nothing that is there is overwritten.

usage: options_test.py CLADE"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

PLACE = " device threads math"
SHARED = {  # of these words, those that a subcommand has
    "bench": "data epochs batch precision json" + PLACE,
    "calibrate": "data json" + PLACE,
    "compare": "data out epochs batch lr seed precision json quiet" + PLACE,
    "conform": "out seed precision json" + PLACE,
    "cross-validate": "data out epochs batch lr seed precision json quiet" + PLACE,
    "data list": "json",
    "data make": "seed",
    "devices": "json",
    "evaluate": "data json" + PLACE,
    "export": "data out" + PLACE,
    "import": "out json",
    "inspect": "data seed json" + PLACE,
    "lr-find": "data out batch seed precision json" + PLACE,
    "new": "data",
    "predict": "json" + PLACE,
    "recipes list": "json",
    "recipes show": "",
    "report": "data out" + PLACE,
    "summary": "data batch json" + PLACE,
    "train": "data out epochs batch lr seed precision json quiet" + PLACE,
    "tune": "data out epochs batch lr seed precision json quiet" + PLACE,
    "tune-device": "device batch",
    "weights fetch": "out",
    "weights list": "json",
}
VALUES = {"data": "PATH", "epochs": "N", "batch": "N", "lr": "X", "seed": "N", "threads": "N", "device": "NAME",
          "json": "", "quiet": "", "math": "exact|fast", "precision": "float32|mixed_bfloat16|mixed_float16|tf32"}  # --out is a file here, a folder there
OLD = {"conform": ["output", "format"], "predict": ["format", "save"], "train": ["patience", "early-stopping"]}


def check_table(run):
    names = [line[2:18].strip() for line in run("--help").stdout.split("\n\n")[2].splitlines()]
    check(names == list(SHARED), f"subcommands: {names}")
    for name in names:
        help_text = run(*name.split(), "--help").stdout.split("\nFor example:")[0]
        options = dict(re.findall(r"^  --([a-z_-]+) ?(\S*)", help_text, re.M))
        shared = {o for o in options if o in VALUES or o == "out"}
        check(shared == set(SHARED[name].split()), f"{name} has {sorted(shared ^ set(SHARED[name].split()))} or lacks it")
        for option in shared - {"out"}:
            check(options[option] == VALUES[option], f"{name} --{option}: {options[option]}")
        for option in OLD.get(name, []):
            check(option in options, f"{name} has lost --{option}")


RECIPE = """
input: {size: 16, rescale: 1/255}
backbone: {layers: [conv2d: {filters: 4, kernel: 3}], weights: random, pooling: avg, freeze: all}
model: [dense: {units: classes, activation: softmax}]
train: {loss: sparse_categorical_crossentropy, optimizer: adam, epochs: 9}
tune: {lr: {log: [1e-4, 1e-2]}}
"""


def check_training(run, folder, images):
    """What changes a recipe changes it in all three that train."""
    recipe = folder / "small.yaml"
    recipe.write_text(RECIPE)
    more = ("--data", images, "--device", "cpu", "--batch", "7", "--lr", "0.005")
    run("train", recipe, *more, "--epochs", "1", "--seed", "5", "--out", folder / "run")
    run("tune", recipe, *more, "--epochs", "1", "--seed", "5", "--trials", "1", "--out", folder / "study")
    for file, parts in ("run/recipe.yaml", ("batch: 7", "lr: 0.005", "epochs: 1", "seed: 5")), \
            ("study/recipe.yaml", ("batch: 7", "lr: 0.005", "epochs: 9")):
        text = (folder / file).read_text()
        for part in parts:
            check(part in text, f"{file}: no '{part}' in {text}")
    backbones = folder / "backbones.yaml"
    backbones.write_text(RECIPE.replace("backbone: {layers", "compare: [{label: one, name: squeezenet1_1, weights: random}]\n"
                                        "backbone: {layers").replace("size: 16", "size: 32")
                         .replace("layers: [conv2d: {filters: 4, kernel: 3}], weights: random, ", ""))
    run("compare", backbones, *more, "--epochs", "1", "--seed", "5", "--out", folder / "compared")
    text = "".join(f.read_text() for f in (folder / "compared").glob("*/recipe.yaml"))
    for part in ("batch: 7", "lr: 0.005", "epochs: 1", "seed: 5"):
        check(part in text, f"compare: no '{part}' in {text}")


def check_apart(run):
    """What does not go together, or has no value, is refused."""
    for words, part in ((["tune-device", "--export", "x.json", "--batch", "4"], "expected no recipe, --batch"),
                        (["tune-device", "--export", "x.json", "--limit", "4"], "expected no recipe"),
                        (["tune-device", "--export", "x.json", "--total", "4"], "expected no recipe"),
                        (["tune-device", "--export", "x.json", "--no-products"], "expected no recipe"),
                        (["train", "--tensorboard="], "--tensorboard: the value is empty"),
                        (["train", "--verify="], "--verify: the value is empty")):
        done = run(*words, good=False)
        check(done.returncode == 2 and part in done.stderr, f"{words}: {done}")


def check_nothing_left(run, folder, images):
    gone = folder / "gone"
    for words in (["train", "shapes", "--data", folder / "nowhere"], ["train", "shapes", "--data", images, "--set", "model.0=x"],
                  ["train", "shapes", "--data", images, "--device", "nothing"],
                  ["tune", "shapes", "--data", images], ["tune", "cats-dogs-dropout", "--data", folder / "nowhere"],
                  ["tune", "cats-dogs-dropout", "--data", images, "--device", "nothing"],
                  ["compare", "cat-dog-transfer", "--data", images],
                  ["compare", "cat-dog-transfer", "--data", images, "--backbone", f"resnet18={folder / 'nowhere'}"]):
        check(run(*words, "--out", gone, good=False).returncode != 0, f"{words} succeeds")
        check(not gone.exists(), f"{words[:2]} left {gone}")
        if gone.exists():
            for file in sorted(gone.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            gone.rmdir()


def check_nothing_lost(run, folder, images):
    model, copy = folder / "run", folder / "copy.safetensors"
    copy.write_text("precious")
    for words in (["export", model, "--format", "safetensors", "--out"], ["import", model / "best.safetensors", "--out"],
                  ["report", model, model, "--out"], ["inspect", images, "--html"]):
        done = run(*words, copy, good=False)
        check(done.returncode == 1 and "copy.safetensors: already exists" in done.stderr, f"{words[0]}: {done}")
        check(copy.read_bytes() == b"precious", f"{words[0]} has overwritten a file")
        run(*words, copy, "--force")
        check(copy.read_bytes()[:8] != b"precious", f"{words[0]} --force writes nothing")
        copy.write_text("precious")


def check_endless(run, folder, images):
    """What never ends, or nobody writes to, is refused at once."""
    model, pipe = folder / "run", folder / "pipe"
    os.mkfifo(pipe)
    for words in (["train", pipe, "--data", images], ["import", model / "best.safetensors", "--classes", pipe],
                  ["bench", "--op", "fill", "--device", "cpu", "--compare", pipe], ["import", model / "best.safetensors", "--classes", "/dev/zero"]):
        done = run(*words, good=False)
        check(done.returncode in (1, 3) and "not a regular file" in done.stderr, f"{words}: {done}")
    with open("/dev/zero", "rb") as endless:
        done = run("predict", model, "-", "--device", "cpu", good=False, stdin=endless)
    check(done.returncode == 1 and "standard input: 268435456 bytes or more" in done.stderr, f"predict -: {done}")


def check_foreign(run, folder, images):
    """Nothing is written among what is something else."""
    before = sorted(images.iterdir())
    for words in (["train"], ["cross-validate", "--folds", "2"], ["tune"]):
        done = run(words[0], folder / "small.yaml", *words[1:], "--data", images, "--out", images, "--device", "cpu", good=False)
        check(done.returncode == 1 and "the folder is not empty" in done.stderr, f"{words}: {done}")
    check(sorted(images.iterdir()) == before, "written among the images")


def main(clade):
    def run(*words, good=True, stdin=None):
        done = subprocess.run([clade, *words], capture_output=True, text=True, timeout=120, stdin=stdin)
        check(not good or done.returncode == 0, f"{words}: {done.stderr}")
        return done

    check_table(run)
    check_apart(run)
    with tempfile.TemporaryDirectory(prefix="clade-options-") as name:
        folder = pathlib.Path(name)
        images = folder / "images"
        run("data", "make", images, "--classes", "2", "--train", "6", "--validation", "3", "--size", "16")
        check_training(run, folder, images)
        check_nothing_left(run, folder, images)
        check_nothing_lost(run, folder, images)
        check_endless(run, folder, images)
        check_foreign(run, folder, images)
    return finish()


sys.exit(main(sys.argv[1]))
