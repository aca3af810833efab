#!/usr/bin/env python3
"""clade cross-validate: folds, their runs, the numbers of all, and going on.

cross_validate_test.py CLADE
"""
import collections
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from page import Page

RECIPE = """
name: folds
input: {size: 16, rescale: 1/255}
model: [flatten, dense: {units: classes, activation: softmax}]
data: {seed: 3}
train: {loss: sparse_categorical_crossentropy, batch: 8, epochs: 3}
"""


def run(*arguments, status=0):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done


def read_table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main(clade):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        images, out = folder / "images", folder / "out"
        run(clade, "data", "make", images, "--size", "16", "--classes", "3", "--train", "11", "--validation", "3")
        recipe = folder / "folds.yaml"
        recipe.write_text(RECIPE)
        common = [clade, "cross-validate", recipe, "--data", images, "--device", "cpu", "--folds", "4"]
        result = json.loads(run(*common, "--out", out, "--json").stdout)

        # every image, of training and validation, is in one fold; classes and folds are of one size
        rows = read_table(out / "predictions.csv")
        files = sorted(str(p.relative_to(images)) for p in images.glob("*/*/*.jpg"))
        assert sorted(r["file"] for r in rows) == files and len(files) == 42, len(rows)
        sizes = collections.Counter((r["fold"], r["class"]) for r in rows)
        assert len(sizes) == 12 and set(sizes.values()) == {3, 4}, sizes
        totals = collections.Counter(r["fold"] for r in rows)
        assert sorted(totals.values()) == [10, 10, 11, 11], totals

        # a fold's numbers are those of its images, by the last weights of a run that has not seen them
        for k, fold in enumerate(result["folds"], 1):
            own = {r["file"]: r for r in rows if r["fold"] == str(k)}
            right = sum(r["class"] == r["predicted"] for r in own.values())
            assert fold["images"] == len(own) and abs(fold["accuracy"] - right / len(own)) < 1e-9, fold
            last = out / f"fold-{k}" / "last.safetensors"
            measured = json.loads(run(clade, "evaluate", last, "--device", "cpu", "--json", "--predictions",
                                      folder / f"{k}.csv").stdout)
            assert measured["split"] == "validation" and abs(measured["loss"] - fold["loss"]) < 1e-9, (measured, fold)
            for r in read_table(folder / f"{k}.csv"):
                assert r == {key: v for key, v in own[r["file"]].items() if key != "fold"}, r
        for word in ("accuracy", "loss", "f1"):
            values = [f[word] for f in result["folds"]]
            assert abs(result["mean"][word] - statistics.mean(values)) < 1e-9, word
            assert abs(result["deviation"][word] - statistics.stdev(values)) < 1e-9, word
        right = sum(r["class"] == r["predicted"] for r in rows)
        assert result["pooled"]["images"] == 42 and abs(result["pooled"]["accuracy"] - right / 42) < 1e-9
        assert json.loads((out / "cross-validation.json").read_text()) == result
        page = Page(out / "compare.html")
        text = "".join(page.texts)
        assert not page.faults and "Cross-validation of folds" in text and "over 4 folds" in text, text

        # the seed alone says what is in a fold
        more = [*common, "--quiet", "--set", "train.epochs=1"]
        run(*more, "--out", folder / "again")
        other = {r["file"]: r["fold"] for r in read_table(folder / "again" / "predictions.csv")}
        assert other == {r["file"]: r["fold"] for r in rows}
        run(*more, "--out", folder / "seed", "--set", "data.seed=4")
        assert other != {r["file"]: r["fold"] for r in read_table(folder / "seed" / "predictions.csv")}

        # what is finished is not trained again; what is missing is, to the same numbers
        finished = {p: p.stat().st_mtime_ns for p in out.glob("fold-[124]/*.safetensors")}
        for path in sorted((out / "fold-3").iterdir()):
            path.unlink()
        (out / "fold-3").rmdir()
        assert json.loads(run(*common, "--out", out, "--json").stdout) == result
        assert finished == {p: p.stat().st_mtime_ns for p in finished} and len(finished) == 6
        text = run(*common, "--out", out).stdout
        mean, deviation = result["mean"]["accuracy"], result["deviation"]["accuracy"]
        assert f"accuracy   {mean:.4f} ± {deviation:.4f}\n" in text and "all folds: 42 images" in text, text

        # what does not fit is said, and nothing is touched
        refused = run(*common, "--out", out, "--set", "train.batch=4", status=1)
        assert "fold-1: trained with another recipe" in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
        few = run(*common[:-1], "15", "--out", folder / "few", status=1)
        assert "class 'circle' has 14 images, expected one for each of 15 folds" in few.stderr, few.stderr
        for edit, why in (("data.fold=3", "folds and fold go together: expected folds"),
                          ("data.folds=1", "folds: expected a whole number from 2 to 1000")):
            bad = run(clade, "train", recipe, "--data", images, "--set", edit, "--out", folder / "bad", status=1)
            assert why in bad.stderr, bad.stderr
    print("passed")


if __name__ == "__main__":
    main(sys.argv[1])
