"""Kills training at moments spread over its life, in epochs and while it writes, and checks each time that the
run folder opens and resumes, and that the end is the same to the bit as without.

usage: kill_test.py CLADE [KILLS]"""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

RECIPE = """
name: kill
input: {size: 16, rescale: 1/255}
model:
  - conv2d: {filters: 8, kernel: 3, use_bias: false}
  - batchnorm: {momentum: 0.9}
  - flatten
  - dense: {units: 512, activation: relu}
  - dense: {units: classes, activation: softmax}
train:
  loss: sparse_categorical_crossentropy
  optimizer: adam
  batch: 8
  epochs: 6
"""


def weights(run):
    """A hash of the last weights, recipe and class names."""
    return hashlib.sha256((run / "last.safetensors").read_bytes()).hexdigest()


def main(clade, kills):
    failures = total = 0
    with tempfile.TemporaryDirectory(prefix="clade-kill-") as name:
        folder = pathlib.Path(name)
        images, recipe = folder / "images", folder / "kill.yaml"
        recipe.write_text(RECIPE)
        subprocess.run([clade, "data", "make", images, "--train", "24", "--validation", "4", "--size", "24"],
                       check=True)
        begin = [clade, "train", recipe, "--data", images, "--device", "cpu", "--math", "exact", "--threads", "1"]
        whole = folder / "whole"
        started = time.monotonic()
        subprocess.run(begin + ["--out", whole], check=True, stdout=subprocess.DEVNULL)
        life = time.monotonic() - started
        moments = random.Random(1)
        for k in range(kills):
            run = folder / f"run-{k}"
            command, killed = begin + ["--out", run], 0
            for attempt in range(6):
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                try:
                    # most of the time goes into writing: random moments hit both
                    _, errors = process.communicate(timeout=life * moments.uniform(0.05, 0.9) if attempt < 3 else 60)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    killed += 1
                    begun = (run / "recipe.yaml").exists()
                    if (run / "state").exists():
                        opened = subprocess.run([clade, "summary", run], capture_output=True, text=True)
                        if opened.returncode:
                            print(f"kill {k}.{attempt}: does not open: {opened.stderr}")
                            failures += 1
                    command = [clade, "train", "--resume", run, "--device", "cpu", "--math", "exact", "--threads", "1"]
                    if not begun:
                        command = begin + ["--out", run]
                    continue
                if process.returncode:
                    print(f"kill {k}.{attempt}: does not resume: {errors.decode()}")
                    failures += 1
                break
            total += killed
            left = [entry for entry in os.listdir(run) if entry.endswith(".tmp")]
            if left:
                print(f"kill {k}: left over: {left}")
                failures += 1
            if weights(run) != weights(whole):
                print(f"kill {k}: other weights after {killed} kills")
                failures += 1
    print(f"{kills} runs, {total} kills, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 6))
