#!/usr/bin/env python3
"""report_test.py CLADE: the pages of runs: whole, closed in themselves, safe against names, the same twice."""
import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish
from page import Page


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-report-") as name:
        folder = pathlib.Path(name)
        data, run, other = folder / "data", folder / "run", folder / "other"
        subprocess.run([clade, "data", "make", data, "--train", "12", "--validation", "8", "--size", "64",
                        "--classes", "2"], check=True, stdout=subprocess.DEVNULL)
        odd = "<i>&'\"star"
        for split in ("train", "validation"):
            (data / split / "square").rename(data / split / odd)

        def clade_run(*arguments):
            return subprocess.run([clade, *map(str, arguments)], capture_output=True, text=True)

        train = ("train", "shapes", "--device", "cpu", "--data", data, "--epochs", "2")
        check(clade_run(*train, "--out", run).returncode == 0, "training")
        page = Page(run / "report.html")
        check(page.faults == [], page.faults)
        check(page.count("i") == 0, "no markup from names")
        check(odd in page.texts, "the name is shown as it is")
        check(not any(a.get("http-equiv") == "refresh" for _, a in page.tags), "the run is over")
        check(page.count("svg") == 7, f"charts: {page.count('svg')}")
        # 12 images at random and the mistakes, each with its map
        images = page.count("img")
        check(images % 2 == 0 and 24 <= images <= 48, f"images: {images}")
        text = " ".join("".join(page.texts).split())
        metrics = json.loads((run / "metrics.json").read_text())
        check(metrics["data"] == {"path": str(data), "train": 24, "validation": 16, "left_out": 0}, metrics["data"])
        check(f"Data: {data}; 24 training, 16 validation images; 2 classes: {odd}, circle." in text, "the data")
        check(re.search(r"\b20\d\d-\d\d-\d\d \d\d:\d\d UTC\. Clade ", text), "the date")
        check(metrics["date"][:10] in text and metrics["date"][11:16] in text, "the date of the last epoch")
        for heading in ("Validation", "Predictions", "Most confident mistakes", "Random images", "Model", "Recipe"):
            check(heading in page.texts, heading)
        curves = xml.etree.ElementTree.parse(run / "curves.svg").getroot()
        check(curves.tag.endswith("svg"), "curves.svg")

        # anew, twice: the same; without images: what the folder says
        first = clade_run("report", run, "--device", "cpu")
        text = (run / "report.html").read_bytes()
        clade_run("report", run, "--device", "cpu")
        check(first.returncode == 0 and (run / "report.html").read_bytes() == text, "the same page twice")
        data.rename(folder / "elsewhere")
        said = clade_run("report", run, "--device", "cpu").stderr
        check(said.count("\n") == 1 and "no images: " in said and str(data) in said, f"images that are gone: {said}")
        page = Page(run / "report.html")
        check(page.count("img") == 0, "no images")
        check(any("No images: " in t and str(data) in t for t in page.texts), "the page says why")
        (folder / "elsewhere").rename(data)

        check(clade_run(*train, "--out", other, "--lr", "0.01").returncode == 0, "another run")
        compared = folder / "compared.html"
        check(clade_run("report", run, other, "--out", compared).returncode == 0, "comparing")
        page = Page(compared)
        check(page.faults == [] and page.count("svg") == 5, "the comparison")
        check("other" in page.texts and str(run) not in page.texts, "runs by the last parts of their folders")
        # Wilson's interval of n images: the ends at which the share is 1.96 standard deviations away
        low, high = next(map(float, t.split("\N{EN DASH}")) for t in page.texts if re.fullmatch(r"0?[.\d]+\N{EN DASH}[.\d]+", t))
        share = max(float(r["val_accuracy"]) for r in csv.DictReader((run / "history.csv").open()))
        for end in (low, high):
            off = abs(share - end) / (end * (1 - end) / 16) ** .5 if 0 < end < 1 else 1.96
            check(abs(off - 1.96) < 0.02, f"the interval: {share} in {low} to {high}")
        shown = page.texts[page.texts.index("Settings that differ"):]
        shown = [t for t in shown if t.strip()]
        at = shown.index("train.optimizer.adam.lr")
        check(shown[at + 1:at + 3] == ["0.003", "0.01"], f"the setting that differs: {shown}")
        check("train.batch" not in shown and "cannot be compared" not in "".join(page.texts), "what is the same")
        check(f"{(run / 'best.safetensors').stat().st_size / 1e6:.2f}" in page.texts, "the size of the weights")

        # equal accuracies: the axis ends where these do
        twins = [folder / "twin-1", folder / "twin-2"]
        for twin in twins:
            shutil.copytree(run, twin)
            rows = [row.split(",") for row in (twin / "history.csv").read_text().splitlines()]
            for row in rows[1:]:
                row[rows[0].index("val_accuracy")] = "0.9375"
            (twin / "history.csv").write_text("".join(",".join(row) + "\n" for row in rows))
        clade_run("report", *twins, "--out", folder / "alike.html")
        texts = Page(folder / "alike.html").texts
        scatter = texts[texts.index("Validation accuracy by training time"):]
        ticks = [t for t in scatter[:scatter.index("seconds")] if re.fullmatch(r"\d([.]\d+)?", t)]
        check("1" in ticks and "1.1" not in ticks and "1.2" not in ticks, f"an axis of accuracies: {ticks}")

        # the page that training wrote shows the best weights, not the last: it is the same anew
        early = folder / "early"
        clade_run("train", "shapes", "--device", "cpu", "--data", data, "--epochs", "4", "--seed", "2", "--out", early)
        text = (early / "report.html").read_bytes()
        check(b"with the weights of epoch 1, the best" in text, "the best epoch is not the last")
        clade_run("report", early, "--device", "cpu")
        check((early / "report.html").read_bytes() == text, "the page that training wrote")

        none = clade_run(*train, "--out", folder / "none", "--no-report")
        check(none.returncode == 0 and not (folder / "none" / "report.html").exists(), "--no-report")

        # bad input: a line that says what is wrong, and the page stays
        text = (other / "report.html").read_bytes()
        history = (other / "history.csv").read_text()
        for damaged, line in ((history.replace(",", ";", 1), 1), (history + "3,1\n", 4),
                              (history.replace("\n2,", "\n7,"), 3), (history.replace("\n2,", "\n2,x"), 3)):
            (other / "history.csv").write_text(damaged)
            done = clade_run("report", other, "--device", "cpu")
            check(done.returncode == 1 and f"history.csv:{line}: expected" in done.stderr, done.stderr)
        (other / "history.csv").write_text(history)
        (other / "metrics.json").write_text("{")
        check("metrics.json: expected JSON" in clade_run("report", other, "--device", "cpu").stderr, "metrics")
        check((other / "report.html").read_bytes() == text, "the page stays")
        for arguments in (("report", folder, run, "--out", folder / "no.html"), ("report", folder / "nowhere")):
            done = clade_run(*arguments)
            check(done.returncode == 1 and len(done.stderr.splitlines()) == 1, f"no run: {done.stderr}")
        check(clade_run("report", run, other).returncode == 2, "several runs without --out")
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
