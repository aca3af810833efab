"""Several labels per image, from a list to what is predicted.

usage: labels_test.py CLADE"""
import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish, taken

RECIPE = """
name: colours
input: {size: 4, rescale: 1/255, interpolation: nearest}
model: [conv2d: {filters: 6, kernel: 3, activation: relu}, flatten, dense: {units: classes, activation: sigmoid}]
train: {loss: binary_crossentropy, optimizer: {adam: {lr: 0.02}}, batch: 16, epochs: 12, seed: 3}
data: {task: multi_label, validation_split: 0.4}
"""
CLASSES = ["blue", "green", "red"]


def write_png(path, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * 4) * 4
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def average_precision(scores, there):
    """Over thresholds from the highest down: the recall gained times the precision."""
    total = before = 0
    for threshold in sorted(set(scores), reverse=True):
        told = [s >= threshold for s in scores]
        hits = sum(a and b for a, b in zip(told, there))
        recall = hits / sum(there)
        total, before = total + (recall - before) * hits / sum(told), recall
    return total


def f1(told, there):
    hits = sum(a and b for a, b in zip(told, there))
    return 2 * hits / (sum(told) + sum(there)) if any(told) or any(there) else 0


def make_images(folder):
    """Of three colours each is there, more or less, or not: one in eight looks as it is not labelled."""
    folder.mkdir()
    lines, seed = ["image,labels"], 1
    for i in range(60):
        colour, labels = [], []
        for name in reversed(CLASSES):
            seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
            there = seed >> 20 & 1
            looks = there ^ (seed >> 16 & 7 == 0)
            colour.append((150 if looks else 20) + (seed >> 8) % 80)
            labels += [name] if there else []
        write_png(folder / f"{i:02}.png", colour)
        lines.append(f"{i:02},{'|'.join(labels)}")
    return "\n".join(lines) + "\n"


def main(clade):
    def run(*words, says=None):
        done = subprocess.run([clade, *map(str, words)], capture_output=True, text=True, timeout=120)
        what = " ".join(str(w) for w in words)
        check((done.returncode == 0) == (says is None), f"{what}: status {done.returncode}: {done.stderr}")
        if says:
            check(says in done.stderr and done.stderr.count("\n") == 1, f"{what}: {done.stderr}")
        return done.stdout

    with tempfile.TemporaryDirectory(prefix="clade-labels-") as name:
        folder = pathlib.Path(name)
        images, table, recipe, model = folder / "images", folder / "table.csv", folder / "r.yaml", folder / "run"
        table.write_text(make_images(images))
        recipe.write_text(RECIPE)
        data = ("--data", images, "--labels", table, "--device", "cpu")
        lines = run("train", recipe, *data, "--out", model).splitlines()
        metrics = json.loads((model / "metrics.json").read_text())
        with open(model / "history.csv", newline="") as file:
            history = list(csv.DictReader(file))
        check(metrics["classes"] == CLASSES, f"classes: {metrics['classes']}")
        check(sum("val_map: " in line for line in lines) == 12, f"train: {lines}")
        check(any("best: epoch" in line and "val_map" in line for line in lines), f"train: {lines}")
        best = max(float(row["val_map"]) for row in history)
        check(abs(metrics["best"]["map"] - best) < 1e-8 and best > 0.7, f"best: {metrics['best']}")

        # what evaluate says is what the probabilities say
        predicted = folder / "predictions.csv"
        found = json.loads(run("evaluate", model, "--device", "cpu", "--json", "--predictions", predicted))
        with open(predicted, newline="") as file:
            rows = list(csv.DictReader(file))
        there = {c: [c in row["class"].split("|") for row in rows] for c in CLASSES}
        scores = {c: [float(row[c]) for row in rows] for c in CLASSES}
        averages = [average_precision(scores[c], there[c]) for c in CLASSES]
        check(found["images"] == len(rows) == 24, f"images: {found['images']}, {len(rows)}")
        check(abs(found["map"] - sum(averages) / 3) < 1e-4, f"map {found['map']}, expected {averages}")
        told = {c: [s > 0.5 for s in scores[c]] for c in CLASSES}
        check(abs(found["f1"] - sum(f1(told[c], there[c]) for c in CLASSES) / 3) < 1e-6, f"f1: {found['f1']}")
        right = sum(a == b for c in CLASSES for a, b in zip(told[c], there[c]))
        check(abs(found["accuracy"] - right / 72) < 1e-9, f"accuracy: {found['accuracy']}")
        check("average precision" in run("evaluate", model, "--device", "cpu"), "evaluate as text")
        check(rows[0]["predicted"] == "|".join(c for c in CLASSES if told[c][0]), f"predicted: {rows[0]}")

        # thresholds: the best there are, kept, and heeded
        with taken(model):
            run("evaluate", model, "--device", "cpu", "--thresholds", says="another process is at work in this folder")
        fitted = json.loads(run("evaluate", model, "--device", "cpu", "--json", "--thresholds"))
        limits = {s["class"]: s["threshold"] for s in fitted["class_scores"]}
        for c, s in zip(CLASSES, fitted["class_scores"]):
            best = max(f1([p > t for p in scores[c]], there[c]) for t in [0, *scores[c]])
            check(abs(s["f1"] - best) < 1e-6, f"threshold of {c}: F1 {s['f1']}, expected {best}")
        check(fitted["f1"] > found["f1"] and fitted["loss"] == found["loss"], f"thresholds: {fitted}")
        again = json.loads(run("evaluate", model, "--device", "cpu", "--json"))
        check(again == fitted, f"thresholds are not kept: {again}")
        one_file = folder / "one.safetensors"
        run("export", model, "--format", "safetensors", "--out", one_file)
        again = json.loads(run("evaluate", one_file, *data, "--json"))
        check(again["f1"] == fitted["f1"], f"export keeps no thresholds: {again}")
        files = sorted(images.glob("*.png"))[:6]
        for one in json.loads(run("predict", model, *files, "--device", "cpu", "--json")):
            own = [c["probability"] for c in one["classes"]]
            check(own == sorted(own, reverse=True), f"predict: {one}")
            check(all(c["probability"] > limits[c["class"]] for c in one["classes"]), f"predict: {one}")
        table_of = list(csv.DictReader(run("predict", model, *files, "--device", "cpu", "--format", "csv").splitlines()))
        for row in table_of:
            expected = {c for c in CLASSES if float(row[c]) > limits[c]}
            check(set(row["classes"].split("|")) - {""} == expected, f"predict: {row}, {limits}")
        text = run("predict", model, *files, "--device", "cpu")
        check(text.count("\n") == 6 and all(w in text for w in ("red", "green", "blue")), f"predict: {text}")
        saved = folder / "saved"
        run("predict", model, *files, "--device", "cpu", "--save", saved)
        check(len(list(saved.iterdir())) == 6, "predict --save")

        # the rest of what works on models and data
        run("report", model, "--device", "cpu")
        page = (model / "report.html").read_text()
        for part in ("average precision", "mAP", "micro F1", "ROC", "Grad-CAM"):
            check(part in page, f"report: no '{part}'")
        for part in ("Confusion matrix", "Calibration", "Most confident mistakes"):
            check(part not in page, f"report: '{part}'")
        # an empty class is no sign of several labels, and said by whatever reads the list
        blank = folder / "blank.csv"
        blank.write_text("image,label\n00,red\n01,green\n02,\n")
        for words in ["train", "--data"], ["inspect"]:
            run(*words, images, "--labels", blank, says="blank.csv:4: the class is empty")
        blank.write_text("image,label\n00,red|blue\n01,green\n02,\n")
        counts = json.loads(run("inspect", images, "--labels", blank, "--json"))
        check(counts["images"] == 3, f"inspect: {counts}")
        counts = json.loads(run("inspect", images, "--labels", table, "--recipe", model / "recipe.yaml", "--json"))
        shown = [line.split(",")[1].split("|") for line in table.read_text().splitlines()[1:]]
        check(json.dumps(counts).count("blue") and counts["images"] == 60, f"inspect: {counts}")
        run("bench", "--model", recipe, "--repeat", "1", "--device", "cpu")
        run("lr-find", recipe, *data, "--out", folder / "rates")
        run("evaluate", model, "--with", model, "--device", "cpu", "--tta", "flip")
        folds = run("cross-validate", recipe, *data, "--folds", "2", "--epochs", "1", "--json", "--out", folder / "folds")
        check('"map"' in folds, f"cross-validate: {folds}")
        study = folder / "study"
        run("tune", recipe, *data, "--out", study, "--trials", "1", "--epochs", "2", "--set", "tune={lr: {log: [1e-3, 1e-1]}}")
        trial = json.loads((study / "trials" / "0001" / "trial.json").read_text())
        with open(study / "trials" / "0001" / "history.csv", newline="") as file:
            maps = [float(row["val_map"]) for row in csv.DictReader(file)]
        check(abs(trial["objective"] - max(maps)) < 1e-9, f"tune: {trial}, {maps}")
        check('"val_map"' in (study / "study.json").read_text(), "tune: the objective's name")
        more = json.loads((model / "metrics.json").read_text())["epochs"]
        run("train", "--resume", model, "--device", "cpu", "--epochs", more + 1)
        check(len((model / "history.csv").read_text().splitlines()) == more + 2, "resume")

        # what does not fit is one line
        run("calibrate", model, "--device", "cpu", says="no probabilities to calibrate")
        run("evaluate", model, "--wrong", "3", "--device", "cpu", says="one class")
        start = ["train", recipe, *data, "--out", folder / "none"]
        soft = ["--set", "model.2.dense.activation=softmax", "--set", "train.loss=categorical_crossentropy"]
        run(*start, *soft, says="is for one class of each image, data.task: multi_label")
        run(*start, *soft[:2], says="expects a sigmoid output for each class")
        run(*start, "--set", "model.2.dense.units=2", says="any of which an image may show")
        run(*start, "--set", "data.task=classification", says="expects one sigmoid output")
        run(*start, "--set", "data.task=several", says="task: expected")
        run(*start, "--set", "train.top_k=2", says="top_k: cannot be combined with")
        run(*start, "--set", "train.early_stopping={patience: 2, monitor: val_accuracy}", says="val_map")
        run("train", recipe, "--data", images, "--out", folder / "none", says="expected labels: FILE")
    return finish()


sys.exit(main(sys.argv[1]))
