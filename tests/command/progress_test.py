#!/usr/bin/env python3
"""What is seen while waiting: lines that fit the terminal, what a pipe gets, --quiet.

progress_test.py CLADE [JUMP.so]
With the shared object, which has time pass quickly, waits are looked at too.
"""
import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: small
input: {size: 24, rescale: 1/255}
model:
  - conv2d: {filters: 4, kernel: 3}
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.001}}, batch: 4, epochs: 3, seed: 2}
"""
TRANSFER = """
name: transfer
input: {size: 32, rescale: 1/255}
backbone: {name: squeezenet1_1, pooling: avg, weights: random}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 16, epochs: 1, seed: 2}
"""


def on_terminal(columns, *command, preload=None, known=True):
    """What it draws on a terminal of so many columns, known to the terminal or to the environment alone."""
    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns if known else 0, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "300" if known else str(columns)}
    if preload:
        environment["LD_PRELOAD"] = os.path.abspath(preload)
    child = subprocess.Popen([str(c) for c in command], stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    text = b""
    while True:
        try:
            piece = os.read(own, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(own)
    check(child.wait() == 0, f"{columns} columns: exit status {child.returncode}: {text!r}")
    return text.decode().replace("\r\n", "\n")


def drawings(text):
    """Each state of each line; the escape that clears the rest of a line takes no room."""
    return [part for line in text.split("\n") for part in line.replace("\033[K", "").split("\r") if part]


def check_widths(clade, folder, recipe, images):
    for columns, known in [(8, True), (20, True), (40, True), (50, False), (80, True), (200, True)]:
        where = f"{columns} columns"
        text = on_terminal(columns, clade, "train", recipe, "--data", images, "--device", "cpu", "--out",
                           folder / f"wide-{columns}", known=known)
        check("Run folder: " in text and " images/s in the last epoch" in text, f"{where}: head and end: {text!r}")
        seen = text[text.index("Run folder: "):]
        seen = seen[seen.index("\n") + 1:]
        lines = seen[:seen.index(" images/s in the last epoch")].split("\n")[:-1]
        check(len(lines) == 3, f"{where}: three epochs are {len(lines)} lines: {lines}")
        shown = drawings("\n".join(lines))
        check(all(len(s) < columns for s in shown), f"{where}: too long: {max(shown, key=len)!r}")
        ends = [drawings(line)[-1] for line in lines]
        bars = [s for s in shown if re.search(r"\d+/6\b", s)]
        for n, line in enumerate(ends, 1):
            check(re.match(rf"(Epoch )?{n}/3\b", line), f"{where}: epoch {n}: {line!r}")
        check(any("/3 - 1/6" in s for s in bars) or columns == 8, f"{where}: no first step: {shown}")
        check(("[" in "".join(bars)) == (columns >= 80), f"{where}: a bar: {bars}")
        check(columns < 40 or re.search(r"(best|\*)$", ends[0]), f"{where}: no best epoch: {ends}")
        forms = {re.sub(r"[\d.]+", "0", re.sub(r" - (best|\*)$", "", line)) for line in ends}
        check(len(forms) == 1, f"{where}: epochs in several forms: {ends}")
        check(columns < 80 or all("ETA" in s and "loss" in s for s in bars), f"{where}: fields: {bars}")
        check(columns < 80 or any("run" in s for s in bars), f"{where}: the run's end: {bars}")
        check(columns < 40 or any("val_acc" in e for e in ends), f"{where}: {ends}")
        check(f"Report: {folder}/wide-{columns}/report.html\n" in text.replace("\r", "").replace("\033[K", ""),
              f"{where}: the report: {text!r}")


def check_pipe(clade, folder, recipe, images):
    train = [clade, "train", recipe, "--data", images, "--device", "cpu", "--out"]
    piped = subprocess.run([*train, folder / "piped"], capture_output=True, text=True)
    number = r"\d+\.\d{4}"
    line = (rf"Epoch (\d)/3 - [\d.]+s [\d.]+ms/step - loss: {number} - accuracy: {number} - val_loss: {number}"
            rf" - val_accuracy: {number}( - best)?")
    epochs = [m for m in (re.fullmatch(line, text) for text in piped.stdout.splitlines()) if m]
    check([m[1] for m in epochs] == ["1", "2", "3"] and epochs[0][2], f"a pipe: {piped.stdout}")
    check("\r" not in piped.stdout and "\033" not in piped.stdout and piped.stderr == "", f"a pipe: {piped}")
    history = (folder / "piped" / "history.csv").read_text().splitlines()[1:]
    best, losses = [], []
    for row in history:
        loss, accuracy = (float(v) for v in row.split(",")[3:5])
        losses.append((-accuracy, loss))
        best.append(losses[-1] == min(losses) and losses.count(losses[-1]) == 1)
    check([bool(m[2]) for m in epochs] == best, f"the best epochs: {piped.stdout} {history}")

    lines = piped.stdout.splitlines()
    quiet = subprocess.run([*train, folder / "quiet", "--quiet"], capture_output=True, text=True)
    check([re.sub(r"\d+ s, .*? epoch;", "", q) for q in quiet.stdout.splitlines()] ==
          [re.sub(r"\d+ s, .*? epoch;", "", p).replace("piped", "quiet") for p in lines[-3:]] and quiet.stderr == "",
          f"--quiet: {quiet}")
    drawn = on_terminal(80, *train, folder / "silent", "--quiet")
    check("\r" not in drawn and "\033" not in drawn and drawn.count("\n") == 3, f"--quiet on a terminal: {drawn!r}")
    both = subprocess.run([*train, folder / "both", "--quiet", "--json"], capture_output=True, text=True)
    check(both.returncode == 2 and both.stderr.count("\n") == 1 and not (folder / "both").exists(), f"both: {both}")


def check_waits(clade, folder, recipe, images, preload):
    """That each is shown with its count, its time, and when it will be over."""
    transfer = folder / "transfer.yaml"
    transfer.write_text(TRANSFER)
    for columns in [20, 80]:
        text = on_terminal(columns, clade, "train", transfer, "--data", images, "--device", "cpu", "--out",
                           folder / f"waits-{columns}", preload=preload)
        shown = drawings(text[text.index("Run folder"):])
        waits = [s for s in shown if re.match("Reading images|Computing features|Validating|Writing the rep", s)]
        check(all(len(s) < columns for s in waits), f"{columns} columns: {waits}")
        for what in ["Reading images", "Computing features", "Validating", "Writing the report"]:
            check(any(w.startswith(what[:columns - 1]) for w in waits), f"{columns} columns: no '{what}': {shown}")
        ends = {"Reading images": "32/32", "Computing features": "24/24", "Validating": "8/8"} if columns == 80 else {}
        for what, count in ends.items():
            check(any(re.match(rf"{what} - {count} - (\d+m)?\d+s$", w) for w in waits), f"{what}: {waits}")
        check(columns == 20 or any(re.match(r"Computing features - 16/24 - \S+s - ETA: \S+s$", w) for w in waits),
              f"an ETA: {waits}")
    rows = folder / "rows.yaml"
    rows.write_text(TRANSFER + "compare:\n  - {name: squeezenet1_1, weights: random}\n")
    text = on_terminal(120, clade, "compare", rows, "--data", images, "--device", "cpu", "--out", folder / "compare",
                       preload=preload)
    shown = drawings(text)
    check(any(s.startswith("squeezenet1_1: computing features - 8/8") for s in shown), f"compare: {shown}")
    check(any("epoch 1/1" in s for s in shown), f"compare: {shown}")
    text = on_terminal(80, clade, "evaluate", folder / "waits-80", "--device", "cpu", preload=preload)
    check(any(s.startswith("Reading images - 32/32") for s in drawings(text)), f"evaluate: {text!r}")
    check(re.search(r"\rEvaluating - \d+s", text), f"evaluate: {text!r}")


def main(clade, preload=None):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        recipe, images = folder / "small.yaml", folder / "images"
        recipe.write_text(RECIPE)
        subprocess.run([clade, "data", "make", images, "--size", "24", "--train", "6", "--validation", "2"], check=True,
                       capture_output=True)
        check_widths(clade, folder, recipe, images)
        check_pipe(clade, folder, recipe, images)
        if preload:
            check_waits(clade, folder, recipe, images, preload)
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
