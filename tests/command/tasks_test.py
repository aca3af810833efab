"""Numbers and classes that have an order, from a list to what is predicted and exported; focal losses.

usage: tasks_test.py CLADE"""
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
from checks import check, finish

RECIPE = """
name: tones
input: {size: 4, rescale: 1/255, interpolation: nearest}
model: [flatten, dense: {units: classes}]
train: {loss: mse, optimizer: {adam: {lr: 0.02}}, batch: 8, epochs: 30, seed: 3}
data: {task: regression, validation_split: 0.25}
"""
TARGETS = ["warmth", "depth"]


def write_png(path, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * 4) * 4
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def colours(count):
    seed = 1
    for i in range(count):
        colour = []
        for _ in range(3):
            seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
            colour.append(seed >> 16 & 255)
        yield f"{i:02}", colour


def scores(y, target):
    """Mean squared and absolute error, and R2."""
    n, mean = len(y), sum(target) / len(target)
    square = sum((a - b) ** 2 for a, b in zip(y, target))
    return square / n, sum(abs(a - b) for a, b in zip(y, target)) / n, 1 - square / sum((b - mean) ** 2 for b in target)


def close(a, b):
    return abs(a - b) <= 1e-4 * max(abs(a), abs(b), 1e-6)


def check_numbers(run, folder, images, table):
    """Two targets of very different size."""
    recipe, model = folder / "r.yaml", folder / "run"
    recipe.write_text(RECIPE)
    data = ("--data", images, "--labels", table, "--device", "cpu")
    lines = run("train", recipe, *data, "--out", model).splitlines()
    check(lines[0] == "Data: 2 numbers: warmth, depth; train 30 validation 10" and lines[1].startswith("Recipe"), f"train: {lines[:4]}")
    check(any("val_r2: " in line and "val_mae: " in line for line in lines), f"train: {lines}")
    check(any("best: epoch" in line and "val_loss" in line for line in lines), f"train: {lines}")
    with open(model / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    metrics = json.loads((model / "metrics.json").read_text())
    lowest = min(range(len(history)), key=lambda k: float(history[k]["val_loss"]))
    check(metrics["best"]["epoch"] == lowest + 1, f"best: {metrics['best']}, {history[lowest]}")
    check(close(metrics["validation"]["r2"], float(history[-1]["val_r2"])), "metrics.json")

    predicted = folder / "predictions.csv"
    found = json.loads(run("evaluate", model, "--device", "cpu", "--json", "--predictions", predicted))
    with open(predicted, newline="") as file:
        rows = list(csv.DictReader(file))
    check(list(rows[0]) == ["file", *TARGETS, *(f"predicted_{t}" for t in TARGETS)], f"columns: {list(rows[0])}")
    each = []
    for target, own in zip(TARGETS, found["target_scores"]):
        each.append(scores([float(r[f"predicted_{target}"]) for r in rows], [float(r[target]) for r in rows]))
        check(own["target"] == target, f"target: {own}")
        check(all(close(own[k], v) for k, v in zip(("mse", "mae", "r2"), each[-1])), f"{own}, expected {each[-1]}")
    check(len(rows) == found["images"] == 10, f"images: {found['images']}")
    for i, key in enumerate(("mse", "mae", "r2")):
        check(close(found[key], sum(e[i] for e in each) / 2), f"{key}: {found[key]}, expected {each}")
    check(found["r2"] > 0.8, f"nothing was learnt: {found}")
    check("r2" in run("evaluate", model, "--device", "cpu"), "evaluate as text")

    # predict has the list's units, in all formats
    own = {r["file"]: r for r in rows}
    name = rows[0]["file"]
    one = json.loads(run("predict", model, images / name, "--device", "cpu", "--json"))[0]["targets"]
    check(all(close(one[t], float(own[name][f"predicted_{t}"])) for t in TARGETS), f"predict: {one}, {own[name]}")
    table_of = list(csv.DictReader(run("predict", model, images / name, "--device", "cpu", "--format", "csv").splitlines()))
    check(all(close(float(table_of[0][t]), one[t]) for t in TARGETS), f"predict as CSV: {table_of}")
    check("warmth" in run("predict", model, images / name, "--device", "cpu"), "predict as text")
    run("predict", model, images / name, "--device", "cpu", "--save", folder / "saved")
    mean = run("evaluate", model, "--with", model, "--device", "cpu", "--tta", "flip")
    check("mse" in mean and "loss" not in mean, f"a loss that is none of the model's: {mean}")
    check("loss" not in json.loads(run("evaluate", model, "--device", "cpu", "--tta", "flip", "--json")), "--tta: a loss")
    run("evaluate", model, "--device", "cpu", "--tta", "3", says="--tta 3: the recipe's augmentation does not move images")
    run("report", model, "--device", "cpu")
    page = (model / "report.html").read_text()
    for part in ("R²", "warmth", "prediction equals truth", "mean absolute error"):
        check(part in page, f"report: no '{part}'")
    for part in ("Confusion matrix", "Calibration", "Most confident mistakes", "accuracy"):
        check(part not in page, f"report: '{part}'")

    # a file of its own keeps the scale; a resume goes on with it
    one_file = folder / "one.safetensors"
    run("export", model, "--format", "safetensors", "--out", one_file)
    again = json.loads(run("evaluate", one_file, *data, "--json", "--split", "validation"))
    check(again == found, f"export: {again}, expected {found}")
    whole, paused = folder / "whole", folder / "paused"
    run("train", recipe, *data, "--out", whole, "--epochs", "4")
    run("train", recipe, *data, "--out", paused, "--epochs", "4", "--pause", "2")
    robust = folder / "robust"
    run("train", recipe, *data, "--out", robust, "--epochs", "2", "--pause", "1", "--set", "train.loss=huber")
    again = ("train", "--resume", robust, "--device", "cpu")
    run(*again, "--set", "train.loss={huber: {delta: 0.5}}", says="train.loss: {huber: {delta: 1}}; expected the same, found 0.5")
    run(*again, "--set", "train.loss={huber: {delta: 1}}")
    again = ("train", "--resume", paused, "--device", "cpu")
    run(*again, "--set", "train.normalize_targets=false", says="with train.normalize_targets: true; expected the same, found false")
    run(*again, "--set", "train.loss=mae", says="with train.loss: mse; expected the same, found mae")
    run(*again)
    same = [(at / "last.safetensors").read_bytes() for at in (whole, paused)]
    check(same[0] == same[1], "a resume comes to other weights")
    more = json.loads(run("cross-validate", recipe, *data, "--folds", "2", "--epochs", "1", "--json", "--out", folder / "folds"))
    check("r2" in more["mean"] and "loss" in more["mean"] and "accuracy" not in more["mean"] and "loss" not in more["pooled"],
          f"cross-validate: {more}")
    study = folder / "study"
    run("tune", recipe, *data, "--out", study, "--trials", "1", "--epochs", "2", "--set", "tune={lr: {log: [1e-3, 1e-1]}}")
    check('"val_loss"' in (study / "study.json").read_text(), "tune: the objective's name")

    net = folder / "net.c"
    run("export", model, "--format", "c", "--out", net)
    check("scores[k]:\n * the number classes[k] */" in net.with_suffix(".h").read_text(), "export as C: no word of the numbers")

    # what does not fit is one line
    start = ["train", recipe, *data, "--out", folder / "none"]
    head = ["--set", "model.1.dense.activation=softmax"]
    run(*start, *head, says="softmax cannot output every number; data.task: regression expects no activation")
    run(*start, *head, "--set", "train.loss=categorical_crossentropy", says="is not for data.task: regression, expected mse, mae")
    run(*start, "--set", "model.1.dense.activation=sigmoid", says="normalize_targets: false")
    run(*start, "--set", "model.1.dense.units=3", says="3 outputs, but the data has 2 targets")
    run(*start, "--set", "train.class_weight=balanced", says="class_weight: cannot be combined with data.task: regression")
    run(*start, "--set", "train.early_stopping={patience: 2, monitor: val_accuracy}", says="val_loss")
    run(*start, "--precision", "mixed_float16", "--set", "input.rescale=1000", "--math", "exact",
        says="float16 ends at 65504: mixed_bfloat16 or smaller inputs (input.rescale) may help")
    run(*start, "--set", "train.loss={mse: {delta: 1}}", says="mse has no options")
    run(*start, "--set", "train.loss={huber: {gamma: 1}}", says="delta")
    run("train", recipe, "--data", images, "--out", folder / "none", says="expected labels: FILE")
    run("calibrate", model, "--device", "cpu", says="tells numbers")
    run("compare", recipe, "--data", images, "--out", folder / "none", says="compared by accuracy")
    run("tune", recipe, *data, "--out", folder / "none", "--objective", "val_accuracy", "--set",
        "tune={lr: {log: [1e-3, 1e-1]}}", says="data.task: regression has val_loss alone")
    run("evaluate", model, "--wrong", "3", "--device", "cpu", says="one class")
    bad = folder / "bad.csv"
    bad.write_text("file,warmth\n00,1\n01,warm\n")
    run("train", recipe, "--data", images, "--labels", bad, "--out", folder / "none", says=f"{bad}:3: 'warm' in 'warmth': expected a number")


def check_sizes(run, folder, images):
    """A tiny target that is far from 0 for its spread, a huge one, and one that is the same for all."""
    table, recipe, model = folder / "sizes.csv", folder / "sizes.yaml", folder / "sizes"
    rows = [f"{file},{1 + colour[0] * 1e-6:.9f},{colour[1]}e30,7\n" for file, colour in colours(40)]
    table.write_text("file,tiny,huge,constant\n" + "".join(rows))
    recipe.write_text(RECIPE)
    data = ("--data", images, "--labels", table, "--device", "cpu", "--epochs", "2")
    predicted = folder / "sizes-predicted.csv"
    lines = run("train", recipe, *data, "--out", model)
    check(all(len(word) < 16 for line in lines.splitlines() if line.startswith("Epoch") for word in line.split()), f"train: {lines}")
    found = json.loads(run("evaluate", model, "--device", "cpu", "--json", "--predictions", predicted))
    own = [s["r2"] for s in found["target_scores"]]
    check(own[2] is None and close(found["r2"], (own[0] + own[1]) / 2), f"R² of those that have one: {found}")
    with open(predicted, newline="") as file:
        tiny = {row["predicted_tiny"] for row in csv.DictReader(file)}
    check(len(tiny) == 10, f"predictions that differ in the seventh digit: {tiny}")
    for part, column in (("tiny", 1), ("huge", 2), ("constant", 3)):
        one = folder / f"{part}.csv"
        one.write_text("file,label\n" + "".join(f"{r.split(',')[0]},{float(r.split(',')[column]) * (1e-9 if column == 1 else 1)}\n" for r in rows))
        at = ("--data", images, "--labels", one, "--device", "cpu", "--epochs", "1")
        lines = run("train", recipe, *at, "--out", folder / f"{part}-run").splitlines()
        epoch = next(line for line in lines if line.startswith("Epoch"))
        check("mae: 0.0000" not in epoch and "nan" not in epoch, f"train: {epoch}")
        check("0.0000" not in run("cross-validate", recipe, *at, "--folds", "2", "--out", folder / f"{part}-folds"), f"cross-validate: {part}")
    history = list(csv.DictReader((folder / "constant-run" / "history.csv").read_text().splitlines()))
    check(history[0]["val_r2"] == "", f"no R²: {history}")


def check_order(run, folder, images):
    """Eleven shades in order of their numbers, not their names."""
    table, recipe, model = folder / "shades.csv", folder / "o.yaml", folder / "ordered"
    table.write_text("file,label\n" + "".join(f"{name},{max(c) // 24}\n" for name, c in colours(40)))
    labels = sorted({line.split(",")[1] for line in table.read_text().splitlines()[1:]}, key=int)
    recipe.write_text(RECIPE.replace("regression, validation_split: 0.25", "ordinal").replace("mse", "ordinal_crossentropy")
                      .replace("units: classes", "units: steps, activation: sigmoid"))
    data = ("--data", images, "--labels", table, "--device", "cpu")
    run("train", recipe, *data, "--out", model)
    metrics = json.loads((model / "metrics.json").read_text())
    check(metrics["classes"] == labels, f"order of classes: {metrics['classes']}, expected {labels}")
    predicted = folder / "ordered.csv"
    found = json.loads(run("evaluate", model, "--device", "cpu", "--json", "--predictions", predicted))
    with open(predicted, newline="") as file:
        rows = list(csv.DictReader(file))
    off = sum(abs(labels.index(r["class"]) - labels.index(r["predicted"])) for r in rows) / len(rows)
    check(close(found["mae"], off), f"mae {found['mae']}, expected {off}")
    for row in rows:
        p = [float(row[c]) for c in labels]
        check(abs(sum(p) - 1) < 1e-4 and min(p) >= 0, f"probabilities: {row}")
        check(row["predicted"] == labels[p.index(max(p))], f"predicted: {row}")
    check(any(c["class"] in labels for c in json.loads(run("predict", model, images / "00.png", "--device", "cpu", "--json"))[0]["classes"]), "predict")
    run("report", model, "--device", "cpu")
    net = folder / "ordered_net.c"
    run("export", model, "--format", "c", "--out", net)
    check("the probability that the class is above classes[k] */" in net.with_suffix(".h").read_text(), "export as C: no word of the order")
    start = ["train", recipe, *data, "--out", folder / "none"]
    run(*start, "--set", "model.1.dense.units=classes", says="expected 'units: steps'")
    run(*start, "--set", "data.task=classification", says="ordinal_crossentropy is for data.task: ordinal")
    run(*start, "--set", "train.loss=mse", says="is not for data.task: ordinal, expected ordinal_crossentropy")


def check_focal(run, folder, images):
    """The words of the losses; what they compute is followed in tests/semantics."""
    table, recipe = folder / "two.csv", folder / "f.yaml"
    table.write_text("file,label\n" + "".join(f"{name},{'light' if max(c) > 200 else 'dark'}\n" for name, c in colours(40)))
    recipe.write_text(RECIPE.replace("task: regression, ", "").replace("loss: mse", "loss: {categorical_focal_crossentropy: {gamma: 1}}")
                      .replace("units: classes", "units: classes, activation: softmax"))
    start = ["train", recipe, "--data", images, "--labels", table, "--device", "cpu", "--epochs", "1", "--out"]
    run(*start, folder / "focal")
    run(*start, folder / "none", "--set", "train.loss={categorical_focal_crossentropy: {apply_class_balancing: true}}",
        says="apply_class_balancing")
    one = ["--set", "model.1.dense={units: 1, activation: sigmoid}"]
    run(*start, folder / "binary", *one, "--set", "train.loss={binary_focal_crossentropy: {alpha: 0.3, apply_class_balancing: true}}")
    run(*start, folder / "none", *one, "--set", "train.loss={binary_focal_crossentropy: {alpha: 0.3}}",
        says="alpha: has no effect without apply_class_balancing: true")
    run(*start, folder / "none", *one, "--set", "train.loss={binary_focal_crossentropy: {gamma: -1}}", says="gamma")


def check_chosen(run, folder, images, table):
    """The recipe that is made for a list without being told the task."""
    whole, several, marks = folder / "whole.csv", folder / "several.csv", folder / "marks.csv"
    whole.write_text("file,label\n" + "".join(f"{name},{i % 3}\n" for i, (name, _) in enumerate(colours(40))))
    several.write_text("file,label\n" + "".join(f"{name},{'red|blue' if i % 3 else 'red'}\n" for i, (name, _) in enumerate(colours(40))))
    marks.write_text("file,red,blue\n" + "".join(f"{name},1,{i % 2}\n" for i, (name, _) in enumerate(colours(40))))
    for labels, task in ((table, "regression"), (whole, None), (several, "multi_label"), (marks, "multi_label")):
        made = folder / f"{labels.stem}.yaml"
        run("new", made, "--data", images, "--labels", labels)
        text = made.read_text()
        check(f"task: {task}" in text if task else "task:" not in text, f"new for {labels.name}: {text}")
        run("train", made, "--device", "cpu", "--epochs", "1", "--set", "input.size=16", "--out", folder / f"{labels.stem}-run")


def main(clade):
    def run(*words, says=None):
        done = subprocess.run([clade, *map(str, words)], capture_output=True, text=True, timeout=120)
        what = " ".join(str(w) for w in words)
        check((done.returncode == 0) == (says is None), f"{what}: status {done.returncode}: {done.stderr}")
        if says:
            check(says in done.stderr and done.stderr.count("\n") == 1, f"{what}: {done.stderr}")
        return done.stdout

    with tempfile.TemporaryDirectory(prefix="clade-tasks-") as name:
        folder = pathlib.Path(name)
        images, table = folder / "images", folder / "table.tsv"
        images.mkdir()
        lines = ["image\twarmth\tdepth"]
        for file, colour in colours(40):
            write_png(images / f"{file}.png", colour)
            lines.append(f"{file}.png\t{1000 + 3 * colour[0] - colour[2]}\t{colour[1] / 1000 - 0.1:.6f}")
        table.write_text("\n".join(lines) + "\n")
        check_numbers(run, folder, images, table)
        check_sizes(run, folder, images)
        check_order(run, folder, images)
        check_focal(run, folder, images)
        check_chosen(run, folder, images, table)
    return finish()


sys.exit(main(sys.argv[1]))
