"""A run that fails before its first step leaves no folder, not even those above it, and what was there stays.

usage: no_folder_test.py CLADE"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: plain
input: {size: 32, rescale: 1/255}
model:
  - conv2d: {filters: 2, kernel: 3}
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.01}}, batch: 8, epochs: 1}
"""
MISFIT = """
name: misfit
input: {size: 32, rescale: 1/255}
BACKBONE
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.01}}, batch: 8, epochs: 1}
"""


def main(clade):
    clade = pathlib.Path(clade).resolve()
    with tempfile.TemporaryDirectory(prefix="clade-no-folder-") as name:
        os.chdir(name)

        def run(command, status, part=""):
            done = subprocess.run([clade, *command.split()], capture_output=True, text=True)
            check(done.returncode == status and part in done.stderr + done.stdout, f"{command}: {done.returncode}, {done.stderr}")

        run("data make images --train 8 --validation 4 --size 32 --classes 2", 0)
        run("data make cut --train 8 --validation 4 --size 32 --classes 2", 0)
        for path in pathlib.Path("cut/train").glob("*/*"):
            os.truncate(path, 400)
        pathlib.Path("plain.yaml").write_text(RECIPE)
        run("train plain.yaml --data images --device cpu --out other", 0)
        misfit = MISFIT.replace("BACKBONE", "backbone: {name: squeezenet1_1, weights: other/best.safetensors, pooling: avg}")
        pathlib.Path("misfit.yaml").write_text(misfit)
        pathlib.Path("compare.yaml").write_text(MISFIT.replace("BACKBONE", "backbone: {pooling: avg}\ncompare:\n"
                                                "  - {name: squeezenet1_1, weights: other/best.safetensors}"))
        pathlib.Path("wide.yaml").write_text(RECIPE.replace("kernel: 3", "kernel: 33"))
        os.makedirs("there/empty")
        before = sorted(pathlib.Path().rglob("*"))
        long = "x" * 300
        for command, part, *status in (
                ("train misfit.yaml --data images", "belongs to no layer"),
                ("train misfit.yaml --data images --out a/b/c/", "belongs to no layer"),
                ("train misfit.yaml --data images --out there/empty", "belongs to no layer"),
                ("train misfit.yaml --data images --out there/new", "belongs to no layer"),
                ("train misfit.yaml --data images --tensorboard", "belongs to no layer"),
                ("train wide.yaml --data images", "does not fit"),
                ("train plain.yaml --data cut", "has no images"),  # the first batch tells
                ("train plain.yaml --data cut --out there/empty", "has no images"),
                (f"train plain.yaml --data images --set name={long}", "cannot create the folder", 3),
                ("cross-validate misfit.yaml --data images/train --folds 2", "belongs to no layer"),
                ("cross-validate plain.yaml --data cut/train --folds 2", "are damaged"),
                ("compare compare.yaml --data images", "belongs to no layer"),
                ("compare compare.yaml --data images --out a/b", "belongs to no layer"),
                ("tune plain.yaml --data images", "nothing to search"),
                ("lr-find misfit.yaml --data images", "belongs to no layer"),
        ):
            run(command + " --device cpu", status[0] if status else 1, part)
            after = sorted(pathlib.Path().rglob("*"))
            check(after == before, f"{command[:80]} leaves {[str(p) for p in after if p not in before]}")
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
