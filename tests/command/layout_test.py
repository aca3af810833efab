"""Data as people have them: classes in files' names, test sets that lack a class, archives from Python.

usage: layout_test.py CLADE"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

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

        # names that are marked as UTF-8
        wide = folder / "wide"
        for old, new in (("circle", "kreis ○"), ("square", "квадрат"), ("triangle", "三角")):
            shutil.copytree(plain / "train" / old, wide / new)
        packed = shutil.make_archive(str(folder / "wide"), "zip", wide)
        found = json.loads(run("inspect", packed, "--json"))
        check(found["splits"]["train"] == {"kreis ○": 10, "квадрат": 10, "三角": 10}, f"zip: {found['splits']}")
    return finish()


sys.exit(main(sys.argv[1]))
