"""`clade evaluate` and `clade calibrate`: every number from the probabilities alone, views, ensembles, a temperature.

usage: evaluate_test.py CLADE [onnx]: this build writes ONNX"""
import csv
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish, taken

RECIPE = """
name: {name}
input: {{size: {size}, rescale: 1/255}}
augment: {{horizontal_flip: true, rotation: 20}}
model:
  - conv2d: {{filters: 4, kernel: 3, activation: relu}}
  - flatten
  - dense: {{units: {units}, activation: {activation}}}
train: {{loss: {loss}, optimizer: {{adam: {{lr: 0.005}}}}, batch: 8, epochs: 8, seed: {seed}}}
"""


def write_recipe(path, name, size=16, seed=1, units="classes", activation="softmax", loss="sparse_categorical_crossentropy"):
    path.write_text(RECIPE.format(name=name, size=size, seed=seed, units=units, activation=activation, loss=loss))


def near(a, b, by=2e-5):
    return abs(a - b) <= by


class Table:
    """A CSV of predictions, and what is to be said of it."""

    def __init__(self, path):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.classes = [c for c in rows[0] if c not in ("file", "fold", "class", "predicted")]
        self.truth = {r["file"]: r["class"] for r in rows}
        self.predicted = {r["file"]: r["predicted"] for r in rows}
        self.p = {r["file"]: {c: float(r[c]) for c in self.classes} for r in rows}

    def log_loss(self):
        return -sum(math.log(max(self.p[f][c], 1e-7)) for f, c in self.truth.items()) / len(self.truth)

    def ece(self):
        bins = {}
        for f, c in self.truth.items():
            sure = max(self.p[f].values())
            bins.setdefault(min(int(sure * 10), 9), []).append(sure - (self.predicted[f] == c))
        return sum(abs(sum(b)) for b in bins.values()) / len(self.truth)

    def accuracy(self):
        return sum(self.predicted[f] == c for f, c in self.truth.items()) / len(self.truth)

    def scores(self, c):
        right = sum(self.predicted[f] == c == t for f, t in self.truth.items())
        told, there = list(self.predicted.values()).count(c), list(self.truth.values()).count(c)
        precision, recall = right / told if told else 0, right / there
        return {"images": there, "precision": precision, "recall": recall,
                "f1": 2 * precision * recall / (precision + recall) if right else 0}

    def interval(self):
        """The roots of (share - x)^2 = z^2 x (1 - x) / n."""
        z, n, share = 1.959964, len(self.truth), self.accuracy()
        a, b, c = n + z * z, -(2 * n * share + z * z), n * share * share
        root = math.sqrt(b * b - 4 * a * c)
        return [(-b - root) / 2 / a, (-b + root) / 2 / a]

    def check(self, found, what):
        check(near(found["log_loss"], self.log_loss()), f"{what}: log loss {found['log_loss']}, not {self.log_loss()}")
        check(near(found["ece"], self.ece()), f"{what}: ece {found['ece']}, not {self.ece()}")
        check(near(found["accuracy"], self.accuracy()), f"{what}: accuracy {found['accuracy']}")
        check(all(map(near, found["accuracy_interval"], self.interval())), f"{what}: {found['accuracy_interval']}")
        own = [self.scores(c) for c in self.classes]
        for c, s, expected in zip(self.classes, found["class_scores"], own):
            check(s["class"] == c and all(near(s[k], expected[k]) for k in expected), f"{what}: {s}, not {expected}")
        n = len(self.truth)
        for key in ("precision", "recall", "f1"):
            check(near(found["mean"][key], sum(s[key] for s in own) / len(own)), f"{what}: mean {key}")
            weighted = sum(s[key] * s["images"] for s in own) / n
            check(near(found["weighted_mean"][key], weighted), f"{what}: weighted {key}")
        wrong = [(c, self.predicted[f]) for f, c in self.truth.items() if self.predicted[f] != c]
        counts = [w["images"] for w in found["confused"]]
        check(counts == sorted(counts, reverse=True) and sum(counts) == len(wrong), f"{what}: {found['confused']}")
        for w in found["confused"]:
            check(wrong.count((w["class"], w["predicted"])) == w["images"], f"{what}: {w}")


def main(clade, onnx=None):
    def run(*words, status=0, says=""):
        done = subprocess.run([clade, *words], capture_output=True, timeout=120)
        what, errors = " ".join(str(w) for w in words), done.stderr.decode()
        check(done.returncode == status, f"{what}: status {done.returncode}: {errors}")
        check(says in errors, f"{what}: no '{says}' in {errors}")
        check(status == 0 or errors.count("\n") == 1, f"{what}: {errors}")
        return done.stdout.decode()

    with tempfile.TemporaryDirectory(prefix="clade-evaluate-") as name:
        folder = pathlib.Path(name)
        data = folder / "data"
        run("data", "make", data, "--classes", "3", "--train", "40", "--validation", "20", "--size", "16")
        for path in sorted((data / "validation" / "circle").iterdir())[:7]:
            path.unlink()  # so that means by class and by image differ
        tables = 0

        def train(run_name, images=data, **settings):
            write_recipe(folder / f"{run_name}.yaml", run_name, **settings)
            run("train", folder / f"{run_name}.yaml", "--data", images, "--out", folder / run_name, "--device", "cpu", "--quiet")
            return folder / run_name

        def through_onnx(model, path):
            """The model exported as ONNX, and imported again."""
            run("export", model, "--out", path.with_suffix(".onnx"))
            run("import", path.with_suffix(".onnx"), "--out", path)
            return path

        def evaluate(model, *words, **more):
            nonlocal tables
            tables += 1
            path = folder / f"table{tables}.csv"
            text = run("evaluate", model, *words, "--device", "cpu", "--json", "--predictions", path, **more)
            return (json.loads(text), Table(path)) if text else (None, None)

        def predict_below(model, images, *words):
            found = json.loads(run("predict", model, images, *words, "--json", "--device", "cpu"))
            return {str(pathlib.Path(e["file"]).relative_to(images)): {c["class"]: c.get("probability", c.get("score"))
                                                                        for c in e["classes"]} for e in found}

        def predict(model, *words):
            return {f"validation/{f}": row for f, row in predict_below(model, data / "validation", *words).items()}

        def agree(table, expected, what, by=3e-6):
            check(table.keys() == expected.keys(), f"{what}: other images")
            for f, row in expected.items():
                check(all(near(table[f][c], row[c], by) for c in row), f"{what}: {f}: {table[f]}, not {row}")

        def mean(tables):
            return {f: {c: sum(t[f][c] for t in tables) / len(tables) for c in tables[0][f]} for f in tables[0]}

        first, second = train("first"), train("second", size=20, seed=2)

        # the numbers, as text too
        found, alone = evaluate(first)
        alone.check(found, "evaluate")
        check(found["images"] == 53 and near(found["loss"], found["log_loss"], 1e-4), f"loss: {found}")
        text = run("evaluate", first, "--device", "cpu")
        low, high = found["accuracy_interval"]
        check(f"accuracy   {found['accuracy']:.4f} (95 %: {low:.4f} to {high:.4f})\n" in text, text)
        check(f"ece        {found['ece']:.4f}\n" in text and "\nweighted mean " in text, text)
        most = found["confused"][0]
        check(f"{most['predicted']} for {most['class']}: {most['images']} of {alone.scores(most['class'])['images']}\n" in text, text)

        # the mean over views, which as files of their own give the same
        shown, views = folder / "shown.bmp", folder / "views"
        views.mkdir()
        write_bmp(shown, lambda x, y: (16 * x + 3, 16 * y + 9, 80))
        for i, (right, down) in enumerate(((0, 0), (2, 0), (0, 2), (2, 2), (1, 1))):
            def at(j, offset):
                """What a crop has there of 16 x: 7/8 of the side, by half-pixel centres, the edge repeated."""
                return min(max(14 * j - 1 + 16 * offset, 0), 16 * 15)
            write_bmp(views / f"crop{i}.bmp", lambda x, y: (at(x, right) + 3, at(y, down) + 9, 80))
            write_bmp(views / f"mirrored-crop{i}.bmp", lambda x, y: (at(15 - x, right) + 3, at(y, down) + 9, 80))
        write_bmp(views / "whole.bmp", lambda x, y: (16 * x + 3, 16 * y + 9, 80))
        write_bmp(views / "mirrored.bmp", lambda x, y: (16 * (15 - x) + 3, 16 * y + 9, 80))

        def probabilities(path, *words):
            found = json.loads(run("predict", first, path, *words, "--json", "--device", "cpu"))
            return {pathlib.Path(e["file"]).stem: {c["class"]: c["probability"] for c in e["classes"]} for e in found}

        each = probabilities(views)
        for word, stems in (("flip", ["whole", "mirrored"]), ("5crop", [f"crop{i}" for i in range(5)]),
                            ("10crop", [f"{m}crop{i}" for i in range(5) for m in ("", "mirrored-")])):
            row = probabilities(shown, "--tta", word)["shown"]
            for c in row:
                expected = sum(each[s][c] for s in stems) / len(stems)
                check(near(row[c], expected, 1e-6), f"{word}: {c}: {row[c]}, not {expected}")
        found, table = evaluate(first, "--tta", "flip")
        table.check(found, "flip")
        check(near(found["loss"], found["log_loss"], 1e-9), f"flip: {found['loss']}")
        agree(predict(first, "--tta", "flip"), table.p, "flip: predict and evaluate")
        for views in ("5crop", "10crop", "3"):
            found, other = evaluate(first, "--tta", views)
            other.check(found, views)
            check(other.p != alone.p and other.p != table.p, f"{views}: the same numbers")
            agree(predict(first, "--tta", views), other.p, f"{views}: predict and evaluate")
        run("evaluate", first, "--tta", "2", "--threads", "1", "--math", "exact")
        run("evaluate", first, "--tta", "1", status=1, says="--tta 1: expected flip, 5crop, 10crop")

        # outputs that are no probabilities, or logarithms of them
        logs = folder / "logs.yaml"
        logs.write_text((folder / "first.yaml").read_text().replace(", activation: softmax}", "}\n  - log_softmax"))
        run("train", logs, "--data", data, "--out", folder / "logs", "--device", "cpu", "--quiet")
        agree(evaluate(folder / "logs")[1].p, alone.p, "log_softmax")
        agree(predict(folder / "logs"), alone.p, "log_softmax, predicted")
        two = folder / "two"
        run("data", "make", two, "--classes", "2", "--train", "40", "--validation", "20", "--size", "16")
        linear = train("linear", images=two, units=1, activation="linear", loss="mse")
        found, table = evaluate(linear)
        check(found["accuracy"] == table.accuracy() != 0.5, f"one output: {found['accuracy']}, predicted {table.accuracy()}")
        predicted = {f: max(row, key=row.get) for f, row in predict_below(linear, two / "validation").items()}
        check(predicted == {f[len("validation/"):]: c for f, c in table.predicted.items()}, f"one output: {predicted}")

        # ensembles: each at its own size, classes by their names
        renamed = folder / "renamed"
        _, two = evaluate(second)
        found, both = evaluate(first, "--with", second)
        both.check(found, "ensemble")
        agree(both.p, mean([alone.p, two.p]), "ensemble")
        agree(predict(first, "--with", second), both.p, "ensemble: predict and evaluate")
        turned = folder / "turned.safetensors"
        edit_metadata(second / "best.safetensors", turned, turn_classes)
        agree(predict(first, "--with", turned), mean([alone.p, predict(turned)]), "ensemble: another order")
        _, other = evaluate(first, "--with", turned)
        agree(other.p, predict(first, "--with", turned), "ensemble: another order, evaluate")
        other = folder / "other.yaml"
        other.write_text((folder / "first.yaml").read_text() + "data: {validation_split: 0.5}\n")
        run("train", other, "--data", data, "--out", folder / "other", "--device", "cpu", "--quiet", "--epochs", "1")
        evaluate(first, "--with", folder / "other", says="warning: " + str(folder / "other") + " was trained on another split")
        found, three = evaluate(first, "--with", second, "--with", first, "--tta", "flip")
        three.check(found, "ensemble with views")
        run("data", "make", renamed, "--classes", "4", "--train", "4", "--validation", "2", "--size", "16")
        four = train("four", images=renamed)
        evaluate(first, "--with", four, status=1, says="four: 4 classes, expected 3, as in ")

        # a temperature: loss falls, classes stay, and it can be taken out again
        before = (first / "best.safetensors").read_bytes()
        with taken(first):
            for path in first, first / "best.safetensors":
                run("calibrate", path, "--device", "cpu", status=1, says="another process is at work in this folder")
            evaluate(first)
        check((first / "best.safetensors").read_bytes() == before, "calibrated beside training")
        told = json.loads(run("calibrate", first, "--device", "cpu", "--json"))
        found, table = evaluate(first)
        table.check(found, "calibrated")
        check(table.predicted == alone.predicted, "calibrated: other classes")
        check(told["images"] == 53 and near(told["before"]["log_loss"], alone.log_loss()), f"calibrate: {told}")
        check(near(told["before"]["ece"], alone.ece()) and near(told["after"]["ece"], table.ece()), f"calibrate: {told}")
        check(near(told["after"]["log_loss"], table.log_loss()), f"calibrate: {told}")
        agree(predict(first), table.p, "calibrated: predict and evaluate")

        def at(temperature):
            """The table as that temperature makes it."""
            rows = {}
            for f, row in alone.p.items():
                power = {c: v ** (1 / temperature) for c, v in row.items()}
                rows[f] = {c: v / sum(power.values()) for c, v in power.items()}
            return rows

        def loss_at(temperature):
            rows = at(temperature)
            return -sum(math.log(rows[f][c]) for f, c in alone.truth.items()) / len(rows)

        best = told["after"]["temperature"]
        agree(table.p, at(best), "calibrated: by hand", 2e-5)
        check(loss_at(best) <= min(loss_at(best * 1.02), loss_at(best / 1.02), loss_at(1)), f"no minimum at {best}")
        again = json.loads(run("calibrate", first, "--device", "cpu", "--json"))
        check(again == told, f"calibrated again: {again}")
        run("export", first, "--format", "safetensors", "--out", folder / "copy.safetensors")
        check(evaluate(folder / "copy.safetensors", "--data", data, "--split", "validation")[1].p == table.p, "exported: other numbers")
        if onnx:
            agree(predict(through_onnx(first, folder / "first.safetensors")), table.p, "as ONNX", 1e-5)
        run("calibrate", first, "--undo")
        check((first / "best.safetensors").read_bytes() == before, "undone: another file")
        run("calibrate", first, "--undo", status=1, says="best.safetensors: not calibrated, nothing to undo\n")
        run("calibrate", folder / "nowhere", status=1, says="nowhere: ")
        run("calibrate", first, "--data", data / "train", "--device", "cpu", status=1, says="no validation split; expected")
        check((first / "best.safetensors").read_bytes() == before, "a calibration that failed changed the file")

        for text in ("warm", "0", "nan", "101", "1,5"):
            bad = folder / "bad.safetensors"
            edit_metadata(first / "best.safetensors", bad, lambda metadata: metadata.update(temperature=text))
            run("predict", bad, shown, status=1, says=f"bad.safetensors: 'temperature' is '{text}', expected 0.01 to 100\n")

        # one output; by the images that it was trained on
        pair = folder / "pair"
        run("data", "make", pair, "--classes", "2", "--train", "40", "--validation", "4", "--size", "16")
        binary = train("binary", images=pair, units=1, activation="sigmoid", loss="binary_crossentropy")
        known = ("--data", pair / "train", "--validation", pair / "train")
        found, table = evaluate(binary, *known)
        table.check(found, "one output")
        told = json.loads(run("calibrate", binary, *known, "--device", "cpu", "--json"))
        found, table = evaluate(binary, *known)
        table.check(found, "one output, calibrated")
        check(near(told["after"]["log_loss"], table.log_loss()), f"one output: {told}")
        check(told["after"]["log_loss"] < told["before"]["log_loss"], f"one output: {told}")
        if onnx:
            other = predict_below(through_onnx(binary, folder / "binary.safetensors"), pair / "train")
            agree(other, table.p, "one output as ONNX", 1e-5)
    return finish()


def edit_metadata(source, target, edit):
    """A copy of a model whose metadata were edited."""
    data = source.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    edit(header["__metadata__"])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])


def turn_classes(metadata):
    """Each class is called by the next one's name."""
    names = json.loads(metadata["classes"])
    metadata["classes"] = json.dumps(names[1:] + names[:1], separators=(",", ":"))


def write_bmp(path, color):
    """16 by 16 pixels, of which color(x, y) gives red, green and blue."""
    rows = [bytes(v for x in range(16) for v in reversed(color(x, y))) for y in range(15, -1, -1)]
    head = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54 + 768, 0, 54, 40, 16, 16, 1, 24, 0, 768, 2835, 2835, 0, 0)
    path.write_bytes(head + b"".join(rows))


sys.exit(main(*sys.argv[1:]))
