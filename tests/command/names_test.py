"""Names of files, classes, recipes, layers and folders that would move a terminal's cursor, begin a line, turn the order
of letters or are no UTF-8 are written out by every subcommand, to standard output and error; JSON has them as they are.

usage: names_test.py CLADE"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

HOSTILE = ["\x1b[31mred", "two\nlines", "bell\x07\x7f", "\x9b2Jcsi", "\u202egpj", "back\rward\ttab", "line\u2028end"]
RECIPE = r"""
name: "hostile\e[2J\nname"
input: {size: 16, rescale: 1/255}
model:
  - flatten: {name: "flat\e[1m\u202e"}
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 4, epochs: 2}
data: {max_damaged: 1}
tune: {train.batch: {choice: [4, 8]}}
"""
SHOWN = [r"\x1b", r"\n", r"\x07", r"\u009b", r"\u202e", r"\r", r"\t", r"\u2028", r"\xff"]


def obeyed(text):
    """What of a text a terminal would obey."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")}


class Bench:
    def __init__(self, clade, folder):
        self.clade, self.folder, self.seen = clade, folder, ""

    def run(self, *words, fails=False, json_too=False):
        done = subprocess.run([self.clade, *words], capture_output=True, timeout=120)
        what = " ".join(ascii(str(w)) for w in words)
        check((done.returncode != 0) == fails, f"{what}: status {done.returncode}: {done.stderr}")
        for output in (done.stdout, done.stderr):
            try:
                text = output.decode()
            except UnicodeDecodeError as error:
                check(json_too, f"{what}: {error}")
                continue
            if not json_too:
                check(not obeyed(text), f"{what}: {obeyed(text)}")
                self.seen += text
        return done.stdout


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-names-") as name:
        folder = pathlib.Path(name)
        plain, images = folder / "plain", folder / "images"
        subprocess.run([clade, "data", "make", plain, "--train", "8", "--validation", "4", "--size", "16"], check=True)
        for split in ("train", "validation"):
            for i, old in enumerate(sorted((plain / split).iterdir())):
                new = images / split / HOSTILE[i]
                new.parent.mkdir(parents=True, exist_ok=True)
                old.rename(new)
                for k, file in enumerate(sorted(new.iterdir())):
                    file.rename(new / f"{HOSTILE[k % len(HOSTILE)]}{k}.jpg")
        first = images / "train" / HOSTILE[0]
        for k, hostile in enumerate(HOSTILE):
            (first / f"damaged{k}{hostile}.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
        with open(os.fsencode(first) + b"/\xff\xfe.jpg", "wb") as file:
            file.write(b"no image")
        with open(os.fsencode(first) + b"/same\xff.jpg", "wb") as file:
            file.write((first / f"{HOSTILE[0]}0.jpg").read_bytes())
        recipe = folder / "hostile.yaml"
        recipe.write_text(RECIPE)

        bench = Bench(clade, folder)
        run, study = folder / "run\x1b[2J", folder / "study\n"
        (folder / "link\x1b[5m\n").symlink_to(images)
        bench.run("inspect", folder / "link\x1b[5m\n", "--list", "100")
        found = json.loads(bench.run("inspect", images, "--json", json_too=True).decode(errors="surrogateescape"))
        check(set(HOSTILE[:4]) == set(found["splits"]["train"]), "inspect --json: the classes' names differ")
        bench.run("train", recipe, "--data", images, "--device", "cpu", "--out", run)
        bench.run("train", recipe, "--data", images, "--device", "cpu", "--out", run, fails=True)
        bench.run("train", "--resume", run, "--device", "cpu")
        bench.run("train", "--resume", folder / "none\x1b", "--device", "cpu", fails=True)
        bench.run("evaluate", run, "--data", images, "--device", "cpu")
        photo = next((images / "validation" / HOSTILE[1]).iterdir())
        bench.run("predict", run, photo, "--device", "cpu")
        bench.run("predict", run, photo, folder / "no\nsuch.jpg", "--device", "cpu", fails=True)
        bench.run("summary", run)
        bench.run("report", run, "--data", images, "--device", "cpu")
        bench.run("compare", recipe, "--data", images, "--backbone", "x\x1b=none\x1b.onnx", fails=True)
        bench.run("tune", recipe, "--data", images, "--trials", "2", "--device", "cpu", "--out", study)
        bench.run("tune", "--list", study)
        bench.run("bench", "--model", recipe, "--data", images, "--device", "cpu", "--epochs", "1", "--repeat", "1")
        bench.run("bench", "--model", recipe, "--profile", "--device", "cpu", "--repeat", "1")
        bench.run("\x1b[31m", fails=True)
        bench.run("conform", "--op", "\x1b[31m", fails=True)
        bench.run("conform", "--model", folder / "no\x1b.onnx", fails=True)
        onnx = folder / "net\x1b.onnx"
        if subprocess.run([clade, "export", run, "--out", onnx], capture_output=True).returncode == 0:
            bench.run("import", onnx)
            bench.run("conform", "--model", onnx, "--device", "cpu", "--quick")
        for escape in SHOWN:
            check(escape in bench.seen, f"{escape} was never shown")
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
