"""JSON is UTF-8 whatever the names of files and classes: bytes that are none become U+FFFD.

usage: json_test.py CLADE"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

# overlong, a surrogate, cut short, Latin-1, above the last; and a good one of each length
FILES = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"caf\xe9", b"\xf4\x90\x80\x80", "é€𝄞".encode()]
SHOWN = ["\ufffd" * 2, "\ufffd" * 3, "\ufffd" * 2, "caf\ufffd", "\ufffd" * 4, "é€𝄞"]
RECIPE = """
name: json
input: {size: 16, rescale: 1/255}
model:
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 4, epochs: 1}
data: {max_damaged: 1}
"""


def main(clade):
    def run(*words, status=0):
        done = subprocess.run([clade, *words], capture_output=True, timeout=60)
        what = " ".join(ascii(w) for w in words)
        check(done.returncode == status, f"{what}: status {done.returncode}: {done.stderr}")
        return done.stdout

    def read(text, what):
        """Strictly: neither other bytes nor surrogates."""
        try:
            return json.loads(text.decode())
        except ValueError as error:
            check(False, f"{what}: {error}")
            return {}

    with tempfile.TemporaryDirectory(prefix="clade-json-") as name:
        folder = pathlib.Path(name)
        images = folder / "images"
        run("data", "make", images, "--train", "6", "--validation", "6", "--size", "16")
        for split in (b"train", b"validation"):
            old = os.path.join(os.fsencode(images), split, b"circle")
            new = os.path.join(os.fsencode(images), split, b"circ\xe9")
            os.rename(old, new)
            for file, hostile in zip(sorted(os.listdir(new)), FILES):
                os.rename(os.path.join(new, file), os.path.join(new, hostile + b".jpg"))
        with open(os.path.join(os.fsencode(images), b"train", b"star", b"no\xff.jpg"), "wb") as file:
            file.write(b"\xff\xd8\xff\xe0 cut")
        recipe, out = folder / "json.yaml", folder / "run"
        recipe.write_text(RECIPE)

        found = read(run("inspect", images, "--json"), "inspect --json")
        check("circ\ufffd" in found.get("splits", {}).get("train", {}), "inspect --json: the class is not there")
        check([p["name"] for p in found.get("unreadable", [])] == ["train/star/no\ufffd.jpg"], "inspect --json: the damaged image")
        # what a model is of must be UTF-8: said before anything is trained
        error = subprocess.run([clade, "train", recipe, "--data", images, "--device", "cpu", "--out", out], capture_output=True)
        check(error.returncode == 1 and b"class 'circ\\xe9' is not UTF-8" in error.stderr and not out.exists(), error.stderr)
        for split in (b"train", b"validation"):
            folder_of = os.path.join(os.fsencode(images), split)
            os.rename(os.path.join(folder_of, b"circ\xe9"), os.path.join(folder_of, "circé".encode()))
        for line in run("train", recipe, "--data", images, "--device", "cpu", "--out", out, "--json").splitlines():
            read(line, "train --json")
        metrics = read((out / "metrics.json").read_bytes(), "metrics.json")
        check("circé" in metrics.get("classes", []), f"metrics.json: {metrics.get('classes')}")
        found = read(run("evaluate", out, "--data", images, "--device", "cpu", "--json"), "evaluate --json")
        check("circé" in found.get("classes", []), f"evaluate --json: {found.get('classes')}")
        validation = os.path.join(os.fsencode(images), b"validation", "circé".encode())
        found = read(run("predict", out, validation, "--device", "cpu", "--json"), "predict --json")
        shown = sorted(pathlib.Path(p["file"]).stem for p in found)
        check(shown == sorted(SHOWN), f"predict --json: {shown}")
        run("report", out, "--data", images, "--device", "cpu")
        (out / "report.html").read_bytes().decode()
        read(run("summary", out, "--json"), "summary --json")
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
