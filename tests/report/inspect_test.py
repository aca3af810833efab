"""Inspects sets with known content through the command: text, JSON, and the page, which must be whole, need nothing
from outside, and be the same each time; and bad input.

usage: inspect_test.py CLADE"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish
from page import Page

RECIPE = """
name: flips
input: {size: 24, rescale: 1/255}
augment: {horizontal_flip: true, rotation: 20}
model:
  - flatten
  - dense: {units: classes, activation: softmax}
data: {validation_split: 0.25}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, seed: 3}
"""


def main(clade):
    def inspect(*arguments):
        return subprocess.run([clade, "inspect", *map(str, arguments)], capture_output=True, text=True)

    with tempfile.TemporaryDirectory(prefix="clade-inspect-") as name:
        folder = pathlib.Path(name)
        made, data, recipe = folder / "made", folder / "data", folder / "flips.yaml"
        recipe.write_text(RECIPE)
        subprocess.run([clade, "data", "make", made, "--train", "12", "--validation", "4", "--size", "40",
                        "--classes", "2"], check=True, stdout=subprocess.DEVNULL)
        # a class whose name is markup, and one of plain letters
        odd = "<b>&\"'x"
        for source, target in (("circle", odd), ("square", "square")):
            shutil.copytree(made / "train" / source, data / target)
        shutil.copy(data / "square" / "0003.jpg", data / "square" / "copy.jpg")
        (data / odd / "broken.jpg").write_bytes((data / odd / "0001.jpg").read_bytes()[:300])
        (data / odd / "notes.txt").write_text("no image")

        done = inspect(data, "--json")
        check(done.returncode == 0, done.stderr)
        found = json.loads(done.stdout)
        check(found["images"] == 25 and found["splits"] == {"train": {odd: 12, "square": 13}}, "counts")
        check(found["formats"] == {"JPEG baseline": 25} and found["sizes"] == {"40×40": 25}, "formats")
        check([(d["a"]["name"], d["b"]["name"]) for d in found["duplicates"] if d["exact"]] ==
              [("square/0003.jpg", "square/copy.jpg")], "duplicates")
        check([u["name"] for u in found["unreadable"]] == [f"{odd}/broken.jpg"], "unreadable")
        check([u["name"] for u in found["not_used"]] == [f"{odd}/notes.txt"], "not used")
        check(len(found["values"]["mean"]) == 3 and all(0 < m < 1 for m in found["values"]["mean"]), "means")

        text = inspect(data).stdout
        for part in ("25 images in 2 classes", "█", "broken.jpg: JPEG", "notes.txt", "= train: square/copy.jpg",
                     "1 group of equal files", "1 image is damaged"):
            check(part in text, f"'{part}' in the text")

        # with a recipe: its split; the page shows what training sees
        pages = [folder / f"{i}.html" for i in range(4)]
        options = ("--recipe", recipe, "--samples", "5", "--device", "cpu")
        for page, seed, threads in zip(pages, (0, 0, 1), (1, 3, 1)):
            done = inspect(data, *options, "--html", page, "--seed", seed, "--threads", threads)
            check(done.returncode == 0 and f"Saved in {page}" in done.stdout, done.stderr)
        check(pages[0].read_bytes() == pages[1].read_bytes(), "the same page with other threads")
        check(pages[0].read_bytes() != pages[2].read_bytes(), "other samples with another seed")
        page = Page(pages[0])
        check(page.faults == [], page.faults)
        words = "".join(page.texts)
        check(odd in words and "<b>&" not in re.sub(r"<h1>.*</h1>", "", pages[0].read_text()), "names are escaped")
        # 2 × 5 samples, 2 × 2 images as read and in 5 epochs, pairs
        pairs = words.count("equal files") - words.count("groups of equal files") + words.count("similarity ")
        check(len(page.images) == 10 + 24 + 2 * pairs and pairs >= 1, f"{len(page.images)} images, {pairs} pairs")
        check(all(p[:2] == b"\xff\xd8" and p[-2:] == b"\xff\xd9" for p in page.images), "images are whole")
        shown = page.images[10:34]
        check(all(len(set(shown[k:k + 6])) == 6 for k in range(0, 24, 6)), "every epoch differs")
        done = inspect(data, "--recipe", recipe, "--set", "augment.rotation=0", "--set", "augment.horizontal_flip=false",
                       "--samples", "5", "--device", "cpu", "--html", pages[3])
        shown = Page(pages[3]).images[10:34]
        check(all(len(set(shown[k:k + 6])) == 1 for k in range(0, 24, 6)), "without augmentation all are as read")

        # bad input: one line, nothing written
        page = folder / "bad.html"
        archive = folder / "cut.zip"
        with zipfile.ZipFile(archive, "w") as pack:
            for path in sorted(data.glob("*/*.jpg")):
                pack.write(path, path.relative_to(data))
        check(inspect(archive).returncode == 0, "a zip archive")
        archive.write_bytes(archive.read_bytes()[:9000])
        (folder / "nothing").mkdir()
        for arguments, part in (((folder / "absent",), "absent"), ((folder / "nothing",), "no image"),
                                ((recipe,), "flips.yaml"), ((data / "square",), "no folders of images"),
                                ((data, "--recipe", "no-such"), "no-such"),
                                ((data, "--set", "a=b"), "--recipe"),
                                ((data, "--similarity", "2"), "--similarity")):
            done = inspect(*arguments, "--html", page)
            check(done.returncode in (1, 2) and part in done.stderr and done.stderr.count("\n") == 1,
                  f"{arguments}: {done.returncode} {done.stderr}")
        check(not page.exists(), "no page of bad input")
        done = inspect(archive)
        check(done.returncode == 1 or "Damaged" in done.stdout or "Not used" in done.stdout,
              "a cut archive is an error, or what was lost is listed: " + done.stdout + done.stderr)
        done = inspect(data, "--html", folder / "no" / "folder.html")
        check(done.returncode == 1 and "folder.html" in done.stderr, "a page that cannot be written: " + done.stderr)
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
