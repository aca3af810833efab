"""Words of Keras, PyTorch with timm, and Ultralytics: each is answered by what to type, and that is understood.

usage: elsewhere_test.py CLADE"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

SUBCOMMANDS = {"fit": "train", "val": "evaluate", "test": "evaluate", "classify": "train, evaluate or predict", "convert": "export",
               "info": "summary RECIPE or weights list", "version": "--version", "-v": "--version", "hpo": "tune"}
TRAIN = {  # what is typed: what to type
    "--imgsz 64": "--size N", "--img-size 64": "--size N", "--image_size=64": "--size N", "--batch-size 8": "--batch N",
    "--lr0 0.1": "--lr X", "--learning_rate 0.1": "--lr X", "--arch resnet18": "--model NAME", "--workers 4": "--threads N",
    "--project runs": "--out PATH", "--output x": "--out PATH", "--gpu 0": "--device NAME", "--amp": "--precision mixed_float16",
    "--opt sgd": "--set train.optimizer=sgd", "--optimizer AdamW": "--set train.optimizer=adamw", "--optim=lion": "--set train.optimizer=lion",
    "--optimizer nadam": "--set train.optimizer=sgd", "--momentum 0.9": "--set 'train.optimizer={sgd: {lr: 0.01, momentum: 0.9}}'",
    "--weight-decay 0.1": "--set 'train.optimizer={adamw: {lr: 0.001, weight_decay: 0.05}}'", "--cos_lr": "--set train.schedule=cosine",
    "--warmup-epochs 2": "--set 'train.schedule={cosine: {warmup: 3}}'", "--smoothing 0.1": "--set train.label_smoothing=0.1",
    "--monitor val_loss": "--set 'train.early_stopping={patience: 5, monitor: val_loss}'",
    "--loss cce": "--set train.loss=categorical_crossentropy", "--clip-grad 1": "--set train.clip_norm=1",
    "--model-ema": "--set train.ema.decay=0.999", "--class_weight x": "--set train.class_weight=balanced",
    "--steps_per_epoch 9": "--set train.steps_per_epoch=9", "--mixup 0.2": "--set augment.mixup.alpha=0.2",
    "--cutmix 1": "--set augment.cutmix.alpha=1", "--fliplr 0.5": "--set augment.horizontal_flip=true",
    "--flipud 0.5": "--set augment.vertical_flip=true", "--degrees 9": "--set augment.rotation=9",
    "--reprob 0.2": "--set augment.random_erasing.p=0.2", "--aa rand": "--set augment.trivial_augment=true",
    "--validation_split 0.1": "--set data.validation_split=0.1", "--freeze 10": "--set backbone.freeze=all",
    "--weights x.pth": "--model NAME=FILE", "--dropout 0.1": "a layer `dropout`", "--num-classes 3": "a folder in --data",
    "--random_state 1": "--seed N", "--logdir x": "--tensorboard=DIR", "--es-patience 3": "--patience N"}
UNDASHED = {"-b 8": "use --batch N", "-o x": "use --out PATH", "-epochs 3": "two dashes: --epochs", "epochs=3": "two dashes: --epochs",
            "data=photos": "two dashes: --data", "imgsz=64": "use --size N", "-y": "options begin with two dashes ("}
OTHERS = {("predict", "m", "--source", "x"): "the images' names", ("train", "--source", "x"): "--data PATH", ("predict", "m", "i", "--save-dir", "x"): "--save DIR",
          ("predict", "m", "i", "--topk", "3"): "--top K", ("evaluate", "m", "--augment"): "--tta flip",
          ("tune", "shapes", "--imgsz", "32"): "--set input.size=32", ("train", "--epoch", "3"): "--epochs N"}


def main(clade):
    clade = os.path.abspath(clade)

    def run(*words, cwd=None):
        return subprocess.run([clade, *words], capture_output=True, text=True, timeout=120, cwd=cwd)

    def told(words, part):
        done = run(*words)
        check(done.returncode == 2 and part in done.stderr and done.stderr.count("\n") == 1, f"{words}: no '{part}' in {done}")

    for word, meant in SUBCOMMANDS.items():
        told([word, "x"], f"use clade {meant}\n")
    for words, meant in TRAIN.items():
        told(["train", *shlex.split(words)], f"; use {meant}")
    for words, part in UNDASHED.items():
        told(["train", *shlex.split(words)], part)
    for words, meant in OTHERS.items():
        told(words, f"; use {meant}")
    told(["train", "--opochs", "3"], "did you mean --epochs?")
    told(["devices", "--imgsz", "3"], "unknown option --imgsz (")
    for words in ["train"], ["weights", "fetch"], ["weights"]:
        check(run("help", *words).stdout == run(*words, "--help").stdout != "", f"help {words}")
    with tempfile.TemporaryDirectory(prefix="clade-elsewhere-") as name:
        folder = pathlib.Path(name)
        run("data", "make", folder / "images", "--classes", "2", "--train", "4", "--validation", "2", "--size", "16")
        for text in sorted({m for m in TRAIN.values() if m.startswith("--set") and "backbone" not in m}):
            done = run("train", "photos", "--data", folder / "images", "--size", "16", "--epochs", "1", "--no-report", "--device", "cpu",
                       *shlex.split(text), "--out", folder / text.replace("/", "_"))
            check(done.returncode == 0, f"{text}: {done.stderr}")
        (folder / "imgsz=64").write_text("no recipe")  # is a file
        done = run("train", "imgsz=64", cwd=folder)
        check("two dashes" not in done.stderr, f"a file taken for an option: {done.stderr}")
    return finish()


sys.exit(main(sys.argv[1]))
