"""`clade lr-find`: its rates, what it suggests, when it stops, and what it refuses.

usage: lr_find_test.py CLADE"""
import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: small
input: {size: 16, rescale: 1/255}
model: [flatten, dense: {units: 16, activation: relu}, dense: {units: classes, activation: softmax}]
train: {loss: sparse_categorical_crossentropy, optimizer: {sgd: {momentum: 0.9}}, batch: 8, shard: 3}
"""


def smooth(losses):
    out, total = [], 0
    for i, loss in enumerate(losses, 1):
        total = 0.98 * total + 0.02 * loss
        out.append(total / (1 - 0.98 ** i))
    return out


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-lr-find-") as name:
        folder = pathlib.Path(name)
        recipe, data = folder / "small.yaml", folder / "data"
        recipe.write_text(RECIPE)

        def run(*words, status=0, says=""):
            done = subprocess.run([clade, *map(str, words)], capture_output=True, text=True, timeout=120)
            check(done.returncode == status, f"{words}: status {done.returncode}: {done.stderr}")
            check(says in done.stderr, f"{words}: no '{says}' in {done.stderr}")
            check(not status or done.stderr.count("\n") == 1, f"{words}: {done.stderr}")
            return done.stdout

        def find(out, *words, **expected):
            return run("lr-find", recipe, "--data", data, "--device", "cpu", "--out", folder / out, *words, **expected)

        run("data", "make", data, "--classes", "3", "--train", "10", "--validation", "3", "--size", "16")
        found = json.loads(find("a", "--steps", "80", "--json"))
        rows = list(csv.DictReader((folder / "a.csv").open()))
        lr, loss, smoothed = ([float(row[key]) for row in rows] for key in ("lr", "loss", "smoothed"))
        check(found["steps"] == len(rows) <= 80 and found["csv"] == str(folder / "a.csv"), f"{found}, {len(rows)} rows")
        check(all(math.isclose(r, 1e-7 * 1e8 ** (i / 79), rel_tol=1e-7) for i, r in enumerate(lr)), f"rates {lr}")
        check(all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(smooth(loss), smoothed)), f"averages {smoothed}")
        # it ends with the first average above four times the least, or with the last step or number
        over = [i for i in range(1, len(rows)) if smoothed[i] > 4 * min(smoothed[:i])]
        check(over in ([], [len(rows) - 1]), f"went on after {over} of {len(rows)}")
        reach, tenth = len(rows) // 20, len(rows) // 10
        slope = {i: smoothed[i + reach] - smoothed[i - reach] for i in range(tenth + reach, len(rows) - reach)}
        best = min(slope, key=slope.get)
        check(slope[best] < 0 and math.isclose(found["lr"], lr[best], rel_tol=1e-6), f"{found['lr']}, expected {lr[best]}")
        check(tree.parse(folder / "a.svg").getroot().tag.endswith("svg"), "a.svg is no SVG")

        # squares of what grows without bound explode
        text = find("wild", "--steps", "80", "--set", "train.loss=mse", "--set",
                    "model=[flatten, dense: {units: classes}]")
        wild = [float(row["smoothed"]) for row in csv.DictReader((folder / "wild.csv").open())]
        check(len(wild) < 80 and wild[-1] > 4 * min(wild), f"ended after {len(wild)}: {wild[-3:]}")
        check(all(wild[i] <= 4 * min(wild[:i]) for i in range(1, len(wild) - 1)), f"went on: {wild[-9:]}")
        check(text.startswith("Suggested learning rate: "), text)

        # at a rate that changes nothing, the losses of an epoch's batches are those that training has
        find("still", "--steps", "10", "--from", "1e-30", "--to", "2e-30")
        run("train", recipe, "--data", data, "--device", "cpu", "--lr", "1e-30", "--out", folder / "run", "--no-report")
        still = [float(row["loss"]) for row in csv.DictReader((folder / "still.csv").open())]
        history = list(csv.DictReader((folder / "run/history.csv").open()))
        mean = (sum(8 * loss for loss in still[:3]) + 6 * still[3]) / 30
        check(math.isclose(mean, float(history[0]["loss"]), rel_tol=1e-5), f"{mean}, training has {history[0]['loss']}")
        again = (sum(8 * loss for loss in still[4:7]) + 6 * still[7]) / 30
        check(math.isclose(mean, again, rel_tol=1e-5) and still[4:8] != still[:4], f"the next epoch in the same order: {still}")

        before = (folder / "a.csv").read_bytes()
        again = find("b", "--steps", "80")
        check((folder / "b.csv").read_bytes() == before, "not the same twice")
        check(f"{found['lr']:.2g}" in again, again)
        find("half", "--steps", "80", "--precision", "mixed_bfloat16")
        find("set", "--steps", "80", "--set", "train.precision=mixed_bfloat16")
        halves = [(folder / f"{name}.csv").read_bytes() for name in ("half", "set")]
        check(halves[0] == halves[1] != before, "--precision is not the recipe's train.precision")
        find("a", status=1, says="a.csv: already exists; expected another --out")
        check((folder / "a.csv").read_bytes() == before, "a.csv was overwritten")
        find("c", "--from", "1", "--to", "0.1", status=1, says="expected to rise")
        find("c", "--set", "train.sync_batchnorm=true", status=1, says="train.sync_batchnorm")
        run("lr-find", recipe, status=1, says="expected --data PATH")
        check(not (folder / "c.csv").exists(), "a refusal leaves a file")
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
