"""Data as people have them: classes in files' names, test sets that lack a class, archives from Python.

usage: layout_test.py CLADE"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unicodedata

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: small
input: {size: 16, rescale: 1/255}
model: [flatten, dense: {units: classes, activation: softmax}]
train: {loss: sparse_categorical_crossentropy, epochs: 1}
data: {validation_split: 0.2}
"""


def width(text):
    """Columns on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def main(clade):
    def run(*words, says=None):
        done = subprocess.run([clade, *words], capture_output=True, text=True, timeout=120)
        what = " ".join(str(w) for w in words)
        check((done.returncode == 0) == (says is None), f"{what}: status {done.returncode}: {done.stderr}")
        if says:
            check(says in done.stderr, f"{what}: {done.stderr}")
        return done.stdout

    def evaluate(data, *more):
        return json.loads(run("evaluate", model, "--data", data, "--device", "cpu", "--json", *more) or "{}")

    with tempfile.TemporaryDirectory(prefix="clade-layout-") as name:
        folder = pathlib.Path(name)
        plain, flat, model = folder / "plain", folder / "flat", folder / "run"
        run("data", "make", plain, "--classes", "3", "--train", "10", "--validation", "4", "--size", "16")
        flat.mkdir()
        recipe = folder / "small.yaml"
        recipe.write_text(RECIPE)
        for image in plain.glob("train/*/*"):
            shutil.copy(image, flat / f"{image.parent.name}_{image.name}")
        pattern = ("--label-pattern", r"^(?<shape>[a-z]+)_\d+")

        # training remembers where the class is; so does what follows
        run("train", recipe, "--data", flat, "--out", model, says="--label-pattern")
        check(not model.exists(), "a run that failed left its folder")
        run("train", recipe, "--data", flat, *pattern, "--out", model, "--device", "cpu")
        own = json.loads(run("evaluate", model, "--device", "cpu", "--json"))
        check(own.get("split") == "validation" and own.get("images") == 6, f"evaluate: {own}")
        check(evaluate(flat, *pattern) == own, "the same data, given, are split otherwise")
        run("report", model)
        for command in (["inspect"], ["inspect", "--data"]):
            found = json.loads(run(*command, flat, *pattern, "--json"))
            check(found.get("images") == 30 and len(found["splits"]["train"]) == 3, f"{command}: {found}")
        run("inspect", says="DATA or --data")
        # tables are straight whatever the letters
        letters = folder / "letters"
        shutil.copytree(plain, letters)
        for split in "train", "validation":
            for old, new in zip(sorted((letters / split).iterdir()), ("c\u00e4ts \U0001f431", "\u65e5\u672c", "e\u0301te\u0301")):
                old.rename(old.parent / new)
        text = run("train", recipe, "--data", letters, "--out", folder / "letters-run", "--device", "cpu")
        rows = text[text.index("Data: "):text.index("Recipe: ")].splitlines()[1:]
        check(len(rows) == 3 and {width(row) for row in rows} == {2 + 20 + 8 + 8}, f"train's table: {rows}")
        rows = run("inspect", letters).split("\n\n")[1].splitlines()[1:]
        check(len(rows) == 3 and len({width(row) for row in rows}) == 1, f"inspect's table: {rows}")
        rows = run("evaluate", folder / "letters-run", "--device", "cpu").split("true \\ predicted")[1].splitlines()
        check({width(row) for row in rows[1:4]} == {16 + 3 * 11} and width(rows[0]) == 3 * 11, f"evaluate's table: {rows}")
        # the next step is said
        for command in "train", "lr-find", "cross-validate":
            run(command, "photos", says="expected --data PATH: a folder with a folder of images for each class")
        run("train", "resnet18", "--data", plain, says="a backbone, not a recipe; use `clade train --data DIR --model resnet18`")
        run("train", recipe, "--data", "https://example.org/a.zip", says="this is an address: download the file first")
        run("predict", model, "https://example.org/a.jpg", says="`curl -s ADDRESS | clade predict MODEL -`")
        run("evaluate", model, "--split", "test", says="the test split has no images")
        run("inspect", plain, "--data", plain, says="DATA or --data")

        # the same by a list
        table, listed = folder / "table.csv", folder / "listed"
        table.write_text("id,shape\n" + "".join(f"{i.stem},{i.name.split('_')[0]}\n" for i in flat.iterdir()))
        run("train", recipe, "--data", flat, "--labels", table, "--out", listed)
        check((listed / "best.safetensors").read_bytes()[-256:] == (model / "best.safetensors").read_bytes()[-256:],
              "a list of the same classes gives other weights")
        run("train", recipe, "--data", flat, "--labels", table, "--label-columns", "id,form", "--out", folder / "no",
            says="expected the names of two of its columns")
        check("labels" in (listed / "recipe.yaml").read_text(), "the recipe of a run lacks its list")
        run("evaluate", listed, "--device", "cpu")

        # other data: all of it, and not all classes
        part = folder / "part"
        shutil.copytree(plain / "validation" / "square", part / "square")
        (part / "circle").mkdir()
        found = evaluate(part)
        check(found.get("split") == "all" and found.get("images") == 4, f"part: {found}")
        check(found.get("classes") == own["classes"] and sum(found["confusion"][1]) == 4, f"part: {found}")
        check(evaluate(plain).get("split") == "validation", "data with splits of their own")
        shutil.copytree(part / "square", part / "oval")
        run("evaluate", model, "--data", part, says="class 'oval' is in")

        # without a recipe: one that suits the data, and can be had to edit
        chosen = folder / "chosen"
        done = subprocess.run([clade, "train", "--data", plain, "--epochs", "1", "--patience", "3", "--out", chosen,
                               "--device", "cpu", "--set", "train.batch=16"], capture_output=True, text=True, timeout=120)
        text = (chosen / "recipe.yaml").read_text() if done.returncode == 0 else done.stderr
        check("`photos`" in done.stderr and "16×16 for 30 images" in done.stderr, f"no recipe: {done.stderr}")
        for part in ("name: photos", "size: 16", "early_stopping: 3", "batch: 16", "epochs: 1"):
            check(part in text, f"no recipe: no '{part}' in {text}")
        run("train", "--data", plain, "--size", "24", "--epochs", "1", "--out", folder / "larger", "--device", "cpu")
        check("size: 24" in (folder / "larger" / "recipe.yaml").read_text(), "--size is not heeded")
        own = folder / "own.yaml"
        own.write_text(run("recipes", "show", "photos"))
        run("train", own, "--data", plain, "--size", "16", "--epochs", "1", "--out", folder / "own", "--device", "cpu")
        names = json.loads(run("recipes", "list", "--json"))
        listed_text = run("recipes", "list")
        for group in ("recipes", "weights", "data"):
            for options in ([], ["--json"]):
                check(run(group, *options) == run(group, "list", *options), f"{group} {options} is not its list")
            check(f"clade {group} list " in run(group, "--help"), f"{group} --help does not say what list does")
            run(group, "photos", says="expected ")
        check("photos" in names and all(f"\n{n}\n" in f"\n{listed_text}" for n in names), f"recipes: {listed_text}")
        run("recipes", "show", "nothing", says="unknown recipe 'nothing'; `clade recipes list`")
        grey = folder / "grey"
        grey.mkdir()
        for part, n in (("train", 20), ("t10k", 10)):
            (grey / f"{part}-images-idx3-ubyte").write_bytes(
                b"\0\0\x08\x03" + n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2 + bytes(range(196)) * 4 * n)
            (grey / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes([0, 1] * (n // 2)))
        run("train", "--data", grey, "--epochs", "1", "--out", folder / "grey-run", "--device", "cpu")
        text = (folder / "grey-run" / "recipe.yaml").read_text()
        check("size: 28" in text and "channels: 1" in text and "horizontal_flip: false" in text, f"grey: {text}")

        # names that are marked as UTF-8
        wide = folder / "wide"
        for old, new in (("circle", "kreis ○"), ("square", "квадрат"), ("triangle", "三角")):
            shutil.copytree(plain / "train" / old, wide / new)
        packed = shutil.make_archive(str(folder / "wide"), "zip", wide)
        found = json.loads(run("inspect", packed, "--json"))
        check(found["splits"]["train"] == {"kreis ○": 10, "квадрат": 10, "三角": 10}, f"zip: {found['splits']}")
    return finish()


sys.exit(main(sys.argv[1]))
