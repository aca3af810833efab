"""What `clade train --data` chooses by itself, `--model`, and recipes that `clade new` writes.

usage: choice_test.py CLADE"""
import array
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish, watched

FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192), 10: (384, 48, 192),
         11: (384, 64, 256), 12: (512, 64, 256)}


def squeezenet():
    """A file of weights in torchvision's names, that features come out of."""
    shapes = {"features.0.weight": (64, 3, 3, 3)}
    for n, (channels, squeezed, expanded) in FIRES.items():
        shapes[f"features.{n}.squeeze.weight"] = (squeezed, channels, 1, 1)
        shapes[f"features.{n}.expand1x1.weight"] = (expanded, squeezed, 1, 1)
        shapes[f"features.{n}.expand3x3.weight"] = (expanded, squeezed, 3, 3)
    for name in list(shapes):
        shapes[name.replace("weight", "bias")] = shapes[name][:1]
    header, data = {}, b""
    for name, shape in shapes.items():
        count = 1
        for n in shape:
            count *= n
        scale = (2 * shape[0] / count) ** 0.5 if len(shape) > 1 else 0
        values = array.array("f", [scale * (((i * 2654435761) >> 7) % 1000 / 288 - 1.73) for i in range(4099)])
        part = (values * (count // 4099 + 1))[:count].tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


class Bench:
    def __init__(self, clade, folder):
        self.clade, self.folder = os.path.abspath(clade), folder
        self.env = watched("PATH")
        self.env.update(HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache"))
        self.weights = folder / "cache/clade/weights"

    def run(self, *words, status=0, says=()):
        done = subprocess.run([self.clade, *words], capture_output=True, text=True, env=self.env, cwd=self.folder, timeout=120)
        what = " ".join(str(w) for w in words)
        check(done.returncode == status, f"{what}: status {done.returncode}: {done.stderr}")
        for part in [says] if isinstance(says, str) else says:
            check(part in done.stderr, f"{what}: no '{part}' in {done.stderr}")
        return done

    def train(self, data, out, *more, **how):
        return self.run("train", "--data", data, "--out", out, "--device", "cpu", "--epochs", "1", *more, **how)


def check_choice(bench):
    small, large = bench.folder / "small", bench.folder / "large"
    for data, size in (small, 32), (large, 100):
        bench.run("data", "make", data, "--classes", "3", "--train", "6", "--validation", "3", "--size", str(size))
    # weights that were never fetched
    own = bench.folder / "mine.pth"
    own.write_bytes(squeezenet())
    bench.train(small, "named", "--model", f"squeezenet1_1={own}", "--size", "64",
                says=["a head on the features of squeezenet1_1\n", f"Weights: {own}\n"])
    recipe = (bench.folder / "named/recipe.yaml").read_text()
    check("name: squeezenet1_1" in recipe and f"weights: {own}" in recipe, f"--model NAME=FILE: {recipe}")
    bench.train(small, "none", "--model", own, status=1, says="to use a file of weights, write NAME=FILE")
    bench.train(small, "none", "--model", f"resnet18={own}", status=1, says=[str(own), "resnet18"])
    bench.train(small, "none", "--model", "nowhere.onnx", status=3, says="nowhere.onnx: cannot open")
    bench.train(small, "none", "--model", "a=b/nowhere.onnx", status=3, says="b/nowhere.onnx: cannot open")
    bench.train(small, "none", "--model", "lr=0.1/nowhere.onnx", status=3, says="0.1/nowhere.onnx: cannot open")
    bench.train(small, "none", "--model", "runs/lr=0.1/nowhere.onnx", status=3, says="runs/lr=0.1/nowhere.onnx: cannot open")
    bench.train(small, "none", "--model", "resnet18=nowhere.onnx", status=1, says="an ONNX file is a whole net, not weights of resnet18")
    for wrong in "resnet18=", "=mine.pth":
        bench.train(small, "none", "--model", wrong, status=1, says="expected NAME, NAME=FILE or NET.onnx")
    # without weights
    bench.train(large, "scratch", "--size", "32",
                says=["`photos`, a small net from scratch, at 32×32 for 18 images", "clade weights fetch efficientnet_b3", "--model"])
    done = bench.train(small, "scratch-small", says="32×32 for 18 images")
    check("weights fetch" not in done.stderr, f"weights for small drawings: {done.stderr}")
    bench.train(large, "none", "--model", "resnet18", status=1, says=["no weights of it", "clade weights fetch resnet18"])
    bench.train(large, "none", "--model", "squeezenet", status=1, says="did you mean 'squeezenet1_1'?")
    bench.run("train", "photos", "--model", "resnet18", "--data", large, "--out", "none", status=2, says="backbone.name")
    bench.run("train", "photos-transfer", "--data", large, "--out", "none", status=1, says="weights fetch resnet18")
    check(not (bench.folder / "none").exists(), "a run that failed left its folder")
    # with weights
    bench.weights.mkdir(parents=True)
    ours = bench.weights / "squeezenet1_1-b8a52dc0.pth"
    ours.write_bytes(squeezenet())
    bench.train(large, "own", "--size", "64", "--early-stopping", "3",
                says=["`photos-transfer`, a head on the features of squeezenet1_1", "58 % on ImageNet, the best on this machine that suit a CPU",
                      str(ours)])
    recipe = (bench.folder / "own/recipe.yaml").read_text()
    for part in ("name: photos-transfer", "name: squeezenet1_1", str(ours), "patience: 3", "min_delta: 0.001", "size: 64"):
        check(part in recipe, f"no '{part}' in {recipe}")
    done = bench.train(large, "quiet", "--size", "64", "--quiet")
    check("photos-transfer" not in done.stderr, f"--quiet: {done.stderr}")
    check("photos`" in bench.train(small, "small-again").stderr, "small drawings by transfer")
    bench.train(small, "asked", "--model", "squeezenet1_1", "--size", "64", says="Weights: ")
    check("name: squeezenet1_1" in (bench.folder / "asked/recipe.yaml").read_text(), "--model is not heeded")
    # the best of several; those are not read to the end, as they are no weights
    for better, file in ("resnet18", "resnet18-f37072fd.pth"), ("resnet18", "vgg16-397923af.pth"), \
            ("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth"):
        (bench.weights / file).write_bytes(b"no weights")
        bench.train(large, "none", status=1, says=f"on the features of {better}")
    check(not (bench.folder / "none").exists(), "a run whose weights are damaged left its folder")
    # a run is whole without the cache
    shutil.rmtree(bench.weights)
    bench.run("train", "--resume", "own", "--epochs", "2", "--device", "cpu")
    check((bench.folder / "own/history.csv").read_text().count("\n") == 3, "resumed without the cache")
    bench.run("evaluate", "own", "--device", "cpu")
    return large


def check_new(bench, data):
    file = bench.folder / "mine.yaml"
    done = bench.run("new", file, "--data", data, says="`photos`, a small net")
    text = file.read_text()
    check(done.stdout == f"{file}\n" and "name: mine" in text and f"path: {data}" in text, f"new: {text}")
    for comment in ("# The size to which images", "# Where the images are", "# early_stopping ends training"):
        check(f"\n{comment}" in text, f"new: no '{comment}' in {text}")
    bench.run("train", file, "--size", "32", "--epochs", "1", "--out", "from-new", "--device", "cpu")
    check("path: " in (bench.folder / "from-new/recipe.yaml").read_text(), "a run of a new recipe")
    bench.run("new", file, status=1, says="mine.yaml: already exists")
    check(file.read_text() == text, "a recipe was overwritten")
    bench.run("new", "--from", "cats-dogs-dropout")
    text = (bench.folder / "recipe.yaml").read_text()
    for part in ("name: recipe", "$conv_layers", "# The settings that `clade tune` searches", "based on `cats-dogs-dropout`"):
        check(part in text, f"no '{part}' in {text}")
    bench.run("new", "none.yaml", "--from", "cats-dogs", status=1, says="no recipe of that name")
    bench.run("new", "none.yaml", "--data", "nowhere", status=1, says="nowhere")
    bench.run("new", "none.yaml", "--from", "photos", "--model", "resnet18", status=2, says="--model requires --data")
    bench.run("new", "no/folder.yaml", status=1, says="no/folder.yaml: cannot write: No such file")
    check(not (bench.folder / "none.yaml").exists(), "a recipe that failed was written")


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-choice-") as name:
        bench = Bench(clade, pathlib.Path(name).resolve())
        check_new(bench, check_choice(bench))
    return finish()


sys.exit(main(sys.argv[1]))
