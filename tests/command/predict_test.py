"""`clade predict` of files, folders and standard input, in each format; the single images of `clade evaluate`.

usage: predict_test.py CLADE [BARE_NET]: an ONNX file that says neither classes nor preprocessing"""
import csv
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: small
input: {size: 16, rescale: 1/255}
model: [flatten, dense: {units: classes, activation: softmax}]
train: {loss: sparse_categorical_crossentropy, epochs: 2}
"""


def main(clade, bare=None):
    def run(*words, status=0, stdin=b"", says=""):
        done = subprocess.run([clade, *words], input=stdin, capture_output=True, timeout=120)
        what = " ".join(str(w) for w in words)
        errors = done.stderr.decode()
        check(done.returncode == status, f"{what}: status {done.returncode}: {errors}")
        check(says in errors, f"{what}: no '{says}' in {errors}")
        return done.stdout.decode()

    with tempfile.TemporaryDirectory(prefix="clade-predict-") as name:
        folder = pathlib.Path(name)
        data, model = folder / "data", folder / "run"
        run("data", "make", data, "--classes", "3", "--train", "20", "--validation", "5", "--size", "16")
        (folder / "small.yaml").write_text(RECIPE)
        run("train", folder / "small.yaml", "--data", data, "--out", model, "--device", "cpu")
        image = next(data.glob("validation/circle/*"))

        def predict(*what, **more):
            return run("predict", model, *what, "--device", "cpu", **more)

        # folders by content: names say nothing, links are followed, what is no image is said
        odd = folder / "odd"
        (odd / "below").mkdir(parents=True)
        for other in ("photo", "img.jpg?w=300", "real.bmp", "below/a, \"b\".jpg"):
            shutil.copy(image, odd / other)
        os.symlink(image, odd / "link")
        (odd / "notes.txt").write_text("no image")
        text = predict(odd, says="notes.txt: not a")
        check([line.split(": ")[0].removeprefix(str(odd) + "/") for line in text.splitlines()] ==
              ['below/a, "b".jpg', "img.jpg?w=300", "link", "photo", "real.bmp"], f"folder: {text}")
        check(len({line.split(": ", 1)[1] for line in text.splitlines()}) == 1, f"folder: {text}")
        (odd / "broken.jpg").write_text("no image")
        predict(odd, status=1, says="broken.jpg: not a")
        (odd / "broken.jpg").unlink()

        # archives, as the folders that they are made of
        (odd / "link").unlink()
        text = predict(odd)
        for form, end in ("zip", ".zip"), ("gztar", ".tar.gz"), ("tar", ".tar"):
            packed = shutil.make_archive(str(folder / "packed"), form, odd)
            inside = predict(packed, says=f"packed{end}/notes.txt: not an image")
            check(inside.replace(packed, str(odd)) == text, f"{form}: {inside}")
        predict(packed, "--save", folder / "drawn-packed")
        check(len(list((folder / "drawn-packed").iterdir())) == 4, "images of an archive drawn")
        with zipfile.ZipFile(folder / "none.zip", "w"):
            pass
        predict(folder / "none.zip", status=1, says="none.zip: contains no images\n")
        (folder / "half.zip").write_bytes((folder / "packed.zip").read_bytes()[:200])
        predict(folder / "half.zip", status=1, says="half.zip: ")
        (folder / "text.jpg").write_text("no image, nor an archive; " * 20)
        predict(folder / "text.jpg", status=1, says="text.jpg: not an image")
        os.symlink(image, odd / "link")

        # formats agree
        whole = json.loads(predict(odd, "--json"))
        lines = [json.loads(line) for line in predict(odd, "--format", "jsonl").splitlines()]
        check(lines == whole and len(whole) == 5, f"jsonl: {lines}")
        rows = list(csv.DictReader(io.StringIO(predict(odd, "--format", "csv", "--top", "2"))))
        check(list(rows[0]) == ["file", "class", "probability", "class_2", "probability_2"], f"csv: {rows[0]}")
        for row, entry in zip(rows, whole):
            first, second = entry["classes"][:2]
            check(row["file"] == entry["file"] and row["class"] == first["class"] and
                  row["class_2"] == second["class"], f"csv: {row}, {entry}")
            check(abs(float(row["probability"]) - first["probability"]) < 1e-5, f"csv: {row}, {entry}")

        # standard input: an image, or names
        alone = predict(image)
        check(predict("-", stdin=image.read_bytes()) == alone.replace(f"{image}:", "-:"), "an image as -")
        check(predict("-", stdin=f"{image}\r\n\n{odd}\n".encode()) == alone + predict(odd), "names as -")
        predict("-", status=1, says="contains no images")
        predict("-", stdin=b"/no/such\n", status=1, says="/no/such: ")
        predict("-", stdin=image.read_bytes()[:300], status=1, says="standard input: ")

        # images with their classes below: names are kept, those of one name are told apart, nothing is replaced unasked
        def size(path):
            """Height and width by a JPEG's frame header."""
            data = path.read_bytes()
            at = next(i for i in range(len(data)) if data[i] == 0xff and data[i + 1] in (0xc0, 0xc2))
            return int.from_bytes(data[at + 5:at + 7], "big"), int.from_bytes(data[at + 7:at + 9], "big")

        saved = folder / "not yet" / "saved"
        (odd / "photo.png").write_bytes(image.read_bytes())
        text = predict(odd, image, "--save", saved, says=f"7 images saved in {saved}\n")
        check(text == predict(odd, image), f"saved: {text}")
        names = sorted(["photo.jpg", "photo-2.jpg", "img.jpg", "real.jpg", 'a, "b".jpg', "link.jpg", f"{image.stem}.jpg"])
        check(sorted(p.name for p in saved.iterdir()) == names, f"saved: {list(saved.iterdir())}")
        check({size(p) for p in saved.iterdir()} == {(128 + 15, 160)}, "saved: their size")
        before = {p: p.read_bytes() for p in saved.iterdir()}
        (saved / "real.jpg").write_text("mine")
        said = predict(odd, "--save", saved, status=1, says=" already exists; --force overwrites it\n")
        check(said == "" and (saved / "real.jpg").read_text() == "mine", "saved: nothing is replaced")
        predict(odd, image, "--save", saved, "--force", says="7 images saved")
        check({p: p.read_bytes() for p in saved.iterdir()} == before, "saved: replaced where asked")
        own = (odd / "photo").read_bytes()
        predict(odd, "--save", odd, "--force", status=1, says="; expected another folder\n")
        predict(folder / "odd" / "link", "--save", image.parent, "--force", status=1, says=": contains ")
        check((odd / "photo").read_bytes() == own and not (odd / "photo.jpg").exists(), "saved: not onto what is read")
        predict("-", "--save", folder / "input", stdin=image.read_bytes(), says="1 image saved")
        check([p.name for p in (folder / "input").iterdir()] == ["stdin.jpg"], "saved: standard input")
        predict(image, "--save", model / "history.csv", status=1, says="history.csv: cannot create: Not a directory\n")
        predict(image, "--force", status=2, says="--force requires --save")

        # evaluate's single images are those of predict
        table = folder / "table.csv"
        found = json.loads(run("evaluate", model, "--data", data, "--device", "cpu", "--json", "--wrong", "1000",
                               "--predictions", table))
        rows = list(csv.DictReader(table.open()))
        check(len(rows) == found["images"] == 15, f"predictions: {len(rows)}")
        again = {e["file"]: e["classes"] for e in json.loads(predict(data / "validation", "--json"))}
        for row in rows:
            best = again[str(data / row["file"])]
            check(row["predicted"] == best[0]["class"] and pathlib.Path(row["file"]).parent.name == row["class"],
                  f"predictions: {row}, {best}")
            for c in best:
                check(abs(float(row[c["class"]]) - c["probability"]) < 2e-6, f"predictions: {row}, {best}")
        wrong = [r["file"] for r in rows if r["class"] != r["predicted"]]
        check(sorted(w["file"] for w in found["wrong"]) == sorted(wrong), f"wrong: {found['wrong']}")
        sure = [w["probability"] for w in found["wrong"]]
        check(sure == sorted(sure, reverse=True), f"wrong: {sure}")
        check(abs(found["accuracy"] - (1 - len(wrong) / 15)) < 1e-6, f"accuracy: {found['accuracy']}")
        text = run("evaluate", model, "--data", data, "--device", "cpu", "--wrong", "1")
        check(f"{len(wrong)} wrong" in text, f"wrong: {text}")
        before = table.read_bytes()
        run("evaluate", model, "--data", data, "--predictions", table, status=2, says="already exists")
        check(table.read_bytes() == before, "a file of predictions was replaced")

        # a net without softmax
        if bare:
            run("import", bare, "--preprocessing", "unit", "--out", folder / "bare.safetensors")
            text = run("predict", folder / "bare.safetensors", image, "--device", "cpu")
            check(text.endswith(" (scores)\n"), f"scores: {text}")
            entry = json.loads(run("predict", folder / "bare.safetensors", image, "--device", "cpu", "--json"))[0]
            check("score" in entry["classes"][0] and "probability" not in entry["classes"][0], f"scores: {entry}")
    return finish()


sys.exit(main(*sys.argv[1:]))
