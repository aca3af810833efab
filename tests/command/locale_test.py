#!/usr/bin/env python3
"""A program whose locale writes numbers with a comma writes the same files, and reads them.

locale_test.py CLADE [COMMA.so]
The shared object has the command follow the locale of the environment, as programs do that use the library.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: small
input: {size: 16, rescale: 1/255}
vars: {lr: 0.0025}
model:
  - conv2d: {filters: 4, kernel: 3}
  - flatten
  - dense: {units: classes, activation: softmax}
data: {path: ../shapes}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: $lr}}, batch: 8, epochs: 2, seed: 2}
tune:
  lr: {log: [0.0005, 0.02]}
"""


def files(folder):
    """What the files of a folder say; None: times too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "history.csv":  # its last two columns are times
            found[path.relative_to(folder)] = [line.split(",")[:-2] for line in path.read_text().splitlines()]
        elif path.suffix in (".yaml", ".svg", ".safetensors", ".onnx"):
            found[path.relative_to(folder)] = path.read_bytes()
        elif path.is_file():
            found[path.relative_to(folder)] = None
    return found


def main():
    clade, comma = sys.argv[1], sys.argv[2:]
    if not comma or not shutil.which("localedef"):
        print("nothing can be loaded before the command, or there is no localedef")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], capture_output=True).returncode:
            print("localedef knows no de_DE (Debian: locales)")
            return 77
        plain = dict(os.environ, LC_ALL="C.UTF-8")
        german = dict(os.environ, LOCPATH=name, LC_ALL="de_DE.UTF-8", LD_PRELOAD=str(pathlib.Path(comma[0]).resolve()))
        subprocess.run([clade, "data", "make", folder / "shapes", "--train", "10", "--validation", "4", "--size", "16"], check=True,
                       capture_output=True)
        runs = {"plain": plain, "german": german}
        for language, environment in runs.items():
            (folder / language).mkdir()

            def run(*args):
                done = subprocess.run([os.path.abspath(clade), *map(str, args)], capture_output=True, text=True, env=environment,
                                      cwd=folder / language)
                check(done.returncode == 0, f"{language}: {args[:2]} ends with {done.returncode}: {done.stderr[-500:]}")
                return done.stdout

            (folder / language / "small.yaml").write_text(RECIPE)
            text = run("train", "small.yaml", "--out", "run")
            check(("accuracy 0," in text) == (language == "german"), f"{language} is not followed: {text}")
            run("train", "--resume", "run", "--epochs", "3")
            run("report", "run")
            run("export", "run", "--format", "onnx", "--out", "net.onnx")
            run("import", "net.onnx", "--out", "imported.safetensors")
            run("tune", "small.yaml", "--trials", "3", "--epochs", "1", "--out", "study")
        one, other = (files(folder / language) for language in runs)
        check(len(one) > 20, f"only {len(one)} files")
        check(set(one) == set(other), f"only in one: {set(one) ^ set(other)}")
        for path in set(one) & set(other):
            check(one[path] == other[path], f"{path} differs")
    return finish()


sys.exit(main())
