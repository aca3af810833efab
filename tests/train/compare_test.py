#!/usr/bin/env python3
"""clade compare: the table, the run folders, the best on the test split, and what fails on the way.

compare_test.py CLADE
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from page import Page

RECIPE = """
name: pair
input: {size: 32, rescale: 1/255}
backbone: {pooling: avg, weights: random}
compare:
  - {name: squeezenet1_1, weights: random}
  - {label: shallow, name: squeezenet1_1, weights: random, output: features.4}
  - {name: resnet18, weights: nowhere.safetensors}
  - {name: squeezenet1_1, weights: random, freeze: none, lr_scale: 0.01}
model:
  - dense: {units: classes, activation: softmax}
data: {validation_split: 0.2, test_split: 0.2}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.01}}, batch: 16, epochs: 3}
"""
NAMES = ["squeezenet1_1", "shallow", "resnet18", "squeezenet1_1-2"]


def run(*arguments, status=0):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done


def main(clade):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run(clade, "data", "make", folder / "images", "--size", "32", "--train", "12", "--validation", "2")
        recipe, out = folder / "pair.yaml", folder / "out"
        recipe.write_text(RECIPE)
        images = folder / "images" / "train"
        common = [clade, "compare", recipe, "--data", images, "--device", "cpu"]
        # one of four fails: the others are done all the same, and the exit status says so
        result = json.loads(run(*common, "--out", out, "--json", status=1).stdout)
        rows = result["backbones"]
        assert [r["name"] for r in rows] == NAMES, rows
        assert "nowhere.safetensors" in rows[2]["error"] and "accuracy" not in rows[2]
        good = [r for r in rows if "error" not in r]
        best = max(good, key=lambda r: (r["accuracy"], -r["loss"]))
        assert result["best"] == best["name"], result
        assert [r["trained"] == r["parameters"] for r in good] == [False, False, True]
        assert good[1]["parameters"] < good[0]["parameters"] == good[2]["parameters"]
        assert all(r["seconds"] > 0 and r["bytes"] > 4 * r["parameters"] for r in good)
        assert json.loads((out / "compare.json").read_text()) == result
        with open(out / "compare.csv", newline="") as file:
            table = list(csv.DictReader(file))
        assert [r["name"] for r in table] == NAMES
        assert float(table[0]["accuracy"]) == rows[0]["accuracy"] and table[2]["error"] == rows[2]["error"]
        page = Page(out / "compare.html")
        text = " ".join("".join(page.texts).split())
        assert not page.faults and page.count("svg") == 5 and page.count("tr") >= 5, page.faults
        assert "Failed: resnet18: " in text and f"Best by validation accuracy: {best['name']}. On " in text, text
        for row in good:
            assert row["name"] in page.texts and f"{row['seconds']:.1f}" in page.texts, (row, page.texts)
            assert f"{row['accuracy']:.4f}" in page.texts and f"{row['bytes'] / 1e6:.2f}" in page.texts, row
        # each is a run of its own, and the test split was measured with the best one's best weights
        history = (out / "shallow" / "history.csv").read_text().splitlines()
        assert len(history) == 4, history
        measured = json.loads(run(clade, "evaluate", best["folder"], "--split", "test", "--json").stdout)
        assert measured["accuracy"] == result["test"]["accuracy"] and measured["images"] == result["test"]["images"]
        # a folder that is in use is left alone
        refused = run(*common, "--out", out, status=1)
        assert "not empty" in refused.stderr and refused.stderr.count("\n") == 1
        # backbones from the command line take the place of the list
        two = run(*common, "--out", folder / "two", "--backbone", "squeezenet1_1", "--set", "backbone.weights=random",
                  "--backbone", "resnet81", status=1)
        assert "did you mean 'resnet18'" in two.stdout and "best" in two.stdout, two.stdout
        assert "1 of 2 backbones failed; the last: resnet81: " in two.stderr and two.stderr.count("\n") == 1, two.stderr
        plain = folder / "plain.yaml"
        plain.write_text(RECIPE.replace("compare:", "tune:").split("tune:")[0] + "model:" + RECIPE.split("model:")[1])
        nothing = run(clade, "compare", plain, "--data", images, "--set", "backbone.name=resnet18", status=1)
        assert "nothing to compare" in nothing.stderr and nothing.stderr.count("\n") == 1
    print("passed")


if __name__ == "__main__":
    main(sys.argv[1])
