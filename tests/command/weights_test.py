"""Published weights: what is listed and found in the caches, and fetching from a server on the loopback.

usage: weights_test.py CLADE CORPUS (the PyTorch files of the fuzz target)"""
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import watched


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's files; those named cut-… end in the middle when they are asked for as a whole, after some
    bytes of those named stalls-… nothing more comes, and those named endless-… never end."""

    def do_GET(self):
        name = self.path.lstrip("/")
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.server.asked.append((name, int(span[1]) if span else 0))
        data = self.server.files.get(name)
        if data is None:
            return self.send_error(404)
        begin = int(span[1]) if span else 0
        if begin and name.startswith("rigid"):
            begin = 0
        if span and begin >= len(data):
            return self.send_error(416)
        self.send_response(206 if begin else 200)
        if name.startswith("endless"):
            self.end_headers()
            return self.send_endlessly(bytes(1 << 20))
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if name.startswith("stalls"):
            self.wfile.write(data[begin:begin + 9])
            self.wfile.flush()
            return self.server.ended.wait(60)
        cut = name.startswith("cut") and not begin
        self.wfile.write(data[begin:len(data) // 2 if cut else None])

    def send_endlessly(self, block):
        try:
            while True:
                self.wfile.write(block)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Case:
    """A home without anything, and the command in it."""

    def __init__(self, clade, server, folder):
        self.clade, self.server, self.home = clade, server, pathlib.Path(folder)
        self.cache = self.home / ".cache/clade/weights"
        self.path = os.environ["PATH"]

    def run(self, *words, group="weights", path=None, expected=0):
        env = {**watched(), "HOME": str(self.home), "PATH": path or self.path}
        done = subprocess.run([self.clade, *[group] * bool(group), *words], capture_output=True, text=True, env=env, timeout=60)
        assert done.returncode == expected, (words, done)
        return done

    def fetch(self, name, *words, **options):
        self.server.asked.clear()
        port = self.server.server_address[1]
        return self.run("fetch", "resnet18", "--from", f"http://127.0.0.1:{port}/{name}", *words, **options)

    def kept(self):
        return sorted(path.name for path in self.cache.iterdir()) if self.cache.exists() else []


def digits(data):
    return hashlib.sha256(data).hexdigest()[:8]


def check_list(case):
    listed = json.loads(case.run("list", "--json").stdout)
    text = case.run("list").stdout
    first = next(entry for entry in listed if entry["backbone"] == "resnet18")
    assert first["url"].endswith(f"resnet18-{first['sha256']}.pth") and first["file"] is None, first
    rows = text.splitlines()
    assert rows[0].split() == ["name", "weights", "from", "size", "ImageNet", "GFLOPs"], rows[0]
    assert len(rows) == len(listed) + 5 and max(map(len, rows)) <= 100, rows
    for row, entry in zip(rows[1:], listed):
        assert entry["variant"] in row and entry["source"] in row, row
        assert entry["mib"] is None or f"{entry['mib']:.1f} MiB" in row, row
        assert entry["accuracy"] is None or f"{entry['accuracy']:.1f} %" in row and row.split()[-1] != "0", row
    details = "".join(case.run("list", name).stdout for name in sorted({entry["backbone"] for entry in listed}))
    assert all(entry["url"] in details and entry["licence"] in details for entry in listed)
    assert {entry["backbone"] for entry in json.loads(case.run("list", "vgg16", "--json").stdout)} == {"vgg16"}
    assert "did you mean 'resnet18'" in case.run("list", "resnet19", expected=2).stderr
    keras = next(entry for entry in listed if entry["source"] == "keras")
    hub = next(entry for entry in listed if entry["source"] == "timm")
    repository = hub["url"].split("/resolve/")[0].removeprefix("https://huggingface.co/")
    places = {
        first["url"]: case.home / ".cache/torch/hub/checkpoints" / first["url"].rsplit("/", 1)[1],
        keras["url"]: case.home / ".keras/models" / keras["url"].rsplit("/", 1)[1],
        hub["url"]: case.home / ".cache/huggingface/hub" / ("models--" + repository.replace("/", "--")) / "snapshots" /
                    ("0a" * 20) / "model.safetensors",
    }
    for place in places.values():
        place.parent.mkdir(parents=True)
        place.touch()
    refs = places[hub["url"]].parents[2] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0a" * 20)
    found = {entry["url"]: entry["file"] for entry in json.loads(case.run("list", "--json").stdout)}
    for url, path in found.items():
        assert path == (str(places[url]) if url in places else None), (url, path)
    assert sum(line.endswith("  on disk") for line in case.run("list").stdout.splitlines()) == len(places)
    assert case.run("fetch", "resnet18", "--dry-run").stdout == first["url"] + "\n"
    bad = case.run("fetch", "resnet18", expected=1).stderr  # an empty file is not what was published
    assert "not the published file: SHA-256 e3b0c442" in bad and first["sha256"] in bad, bad


def check_fetch(case, data):
    name = f"net-{digits(data)}.pth"
    case.server.files[name] = data
    done = case.fetch(name)
    assert done.stdout == f"{case.cache / name}\n", done
    assert (case.cache / name).read_bytes() == data and case.kept() == [name]
    done = case.fetch(name)  # on disk
    assert done.stdout == f"{case.cache / name}\n" and not case.server.asked, done
    done = case.fetch(name, "--out", str(case.home / "a/b"))
    assert done.stdout == f"{case.home}/a/b/{name}\n" and case.server.asked, done
    case.fetch(name, "--out", str(case.home / "a/b"))
    assert not case.server.asked
    moved = case.home / ".cache/torch/hub/checkpoints" / name
    moved.parent.mkdir(parents=True)
    (case.cache / name).rename(moved)
    done = case.fetch(name)
    assert done.stdout == f"{moved}\n" and not case.server.asked, done
    moved.unlink()


def check_resumed(case, data, program):
    name = f"cut-{digits(data)}.pth"
    case.server.files[name] = data
    half = len(data) // 2
    if program == "curl":
        done = case.fetch(name, expected=1)
        assert "the same command resumes it" in done.stderr and not done.stdout, done
        assert case.kept() == [name + ".part"]
        case.fetch(name)
        assert case.server.asked == [(name, half)], case.server.asked
    else:  # which goes on by itself
        case.fetch(name)
        assert case.server.asked == [(name, 0), (name, half)], case.server.asked
    assert case.kept() == [name] and (case.cache / name).read_bytes() == data
    (case.cache / name).rename(case.cache / (name + ".part"))  # all there but for the name
    case.fetch(name)
    assert case.kept() == [name] and (case.cache / name).read_bytes() == data
    (case.cache / name).unlink()
    name = f"rigid-{digits(data)}.pth"
    case.server.files[name] = data
    (case.cache / (name + ".part")).write_bytes(data[:9])
    case.fetch(name)
    assert case.kept() == [name] and (case.cache / name).read_bytes() == data
    (case.cache / name).unlink()


def check_failures(case, data):
    name = "net-01234567.pth"
    case.server.files[name] = data
    bad = case.fetch(name, expected=1)
    assert f"not the published file: SHA-256 {digits(data)}" in bad.stderr and "expected 01234567" in bad.stderr, bad
    page = b"<html>log in first</html>"
    case.server.files["net.pth"] = page
    bad = case.fetch("net.pth", expected=1)
    assert "not a safetensors file" in bad.stderr, bad
    bad = case.fetch("absent-01234567.pth", expected=1)
    assert "404" in bad.stderr, bad
    assert case.kept() == [], case.kept()
    bad = case.fetch(name, path="/nowhere", expected=1)
    assert "neither curl nor wget is installed; install one" in bad.stderr, bad
    (case.home / "file").touch()
    bad = case.fetch(name, "--out", str(case.home / "file/a/b"), expected=1)
    assert f"{case.home}/file: cannot create the folder: a file of that name exists" in bad.stderr, bad
    bad = case.run("fetch", "resnet81", expected=2)
    assert "did you mean 'resnet18'?" in bad.stderr, bad
    bad = case.run("fetch", "resnet18", "--variant", "V9", expected=2)
    assert "IMAGENET1K_V1" in bad.stderr, bad
    bad = case.run("fetch", "resnet18", "--from", "file:///etc/passwd", expected=2)
    assert "expected the address of a file" in bad.stderr, bad


def check_endless(case):
    case.server.files["endless.pth"] = b""
    bad = case.fetch("endless.pth", expected=1)
    assert "endless.pth: larger than 195 MiB: not weights of resnet18" in bad.stderr, bad
    assert case.kept() == [], case.kept()


def check_stalled(case, data, program):
    """One that is sent ever slower is given up: here at once, after one second for 30."""
    name = f"stalls-{digits(data)}.pth"
    case.server.files[name] = data
    hurried = case.home / "hurried"
    hurried.mkdir()
    (hurried / program).write_text(f"""#!{shutil.which('bash')}
once=()
for word; do
    case $word in 30) word=1 ;; --timeout=30) word=--timeout=1 ;; 3) word=0 ;; --tries=4) word=--tries=1 ;; esac
    once+=("$word")
done
exec {shutil.which(program)} "${{once[@]}}"
""")
    (hurried / program).chmod(0o755)
    bad = case.fetch(name, path=str(hurried), expected=1)
    assert "the same command resumes it" in bad.stderr, bad
    (case.cache / (name + ".part")).unlink()
    shutil.rmtree(hurried)


def check_program(case, data, program):
    """With this one alone on PATH."""
    where = shutil.which(program)
    if not where:
        return []
    folder = case.home / program
    folder.mkdir()
    (folder / program).symlink_to(where)
    case.path = str(folder)
    check_fetch(case, data)
    check_resumed(case, data, program)
    check_failures(case, data)
    check_stalled(case, data, program)
    check_endless(case)
    return [program]


RECIPE = """
input: {size: 32}
backbone: {name: squeezenet1_1, weights: WEIGHTS, pooling: avg}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 4, epochs: 1}
"""


def squeezenet():
    """{name: shape} of SqueezeNet 1.1 as torchvision names it."""
    shapes = {"features.0": (64, 3, 3, 3), "classifier.1": (1000, 512, 1, 1)}
    for n, (inputs, squeeze, expand) in {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192),
                                         10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}.items():
        shapes[f"features.{n}.squeeze"] = squeeze, inputs, 1, 1
        shapes[f"features.{n}.expand1x1"] = expand, squeeze, 1, 1
        shapes[f"features.{n}.expand3x3"] = expand, squeeze, 3, 3
    return {f"{name}.{kind}": shape if kind == "weight" else shape[:1] for name, shape in shapes.items()
            for kind in ("weight", "bias")}


def product(shape):
    return shape[0] * product(shape[1:]) if shape else 1


def pickled(value):
    """Text, whole numbers and tuples of them."""
    if isinstance(value, tuple):
        return b"(" + b"".join(pickled(item) for item in value) + b"t"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def write_weights(folder):
    """net.safetensors and net.pth with the same values."""
    draw = random.Random(1)
    header, table, data = {}, b"", b""
    with zipfile.ZipFile(folder / "net.pth", "w") as archive:
        for number, (name, shape) in enumerate(squeezenet().items()):
            count = product(shape)
            piece = struct.pack(f"<{count}f", *(draw.uniform(-0.1, 0.1) for _ in range(count)))
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(piece)]}
            data += piece
            archive.writestr(f"net/data/{number}", piece)
            stride = tuple(product(shape[d + 1:]) for d in range(len(shape)))
            storage = b"(" + pickled("storage") + b"ctorch\nFloatStorage\n" + pickled(str(number)) + pickled("cpu") + pickled(count)
            table += (pickled(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + pickled(0) + pickled(shape) +
                      pickled(stride) + b"tR")
        archive.writestr("net/data.pkl", b"\x80\2}(" + table + b"u.")
    header = json.dumps(header).encode()
    (folder / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)


def trained(case, weights, expected=0):
    """What training ends with: the weights' bytes, or the message."""
    (case.home / "r.yaml").write_text(RECIPE.replace("WEIGHTS", weights))
    run = case.home / "run"
    shutil.rmtree(run, ignore_errors=True)
    done = case.run("train", str(case.home / "r.yaml"), "--data", str(case.home / "shapes"), "--out", str(run), "--quiet",
                    "--device", "cpu", group=None, expected=expected)
    if expected:
        return done.stderr
    data = (run / "last.safetensors").read_bytes()
    return data[8 + struct.unpack("<Q", data[:8])[0]:], (run / "recipe.yaml").read_text()


def check_recipe(case):
    """A .pth file trains as the same weights in a .safetensors file, and so do those that a cache has."""
    case.run("make", str(case.home / "shapes"), "--classes", "2", "--train", "4", "--validation", "2", "--size", "32",
             group="data")
    write_weights(case.home)
    wanted, _ = trained(case, str(case.home / "net.safetensors"))
    found, _ = trained(case, str(case.home / "net.pth"))
    assert wanted == found
    for word in "pretrained", "imagenet":
        assert "`clade weights fetch squeezenet1_1`" in trained(case, word, expected=1)
    name = next(entry for entry in json.loads(case.run("list", "--json").stdout) if entry["backbone"] == "squeezenet1_1")
    place = case.home / ".cache/torch/hub/checkpoints" / name["url"].rsplit("/", 1)[1]
    place.parent.mkdir(parents=True)
    (case.home / "net.pth").rename(place)
    for word in "pretrained", "imagenet":
        found, recipe = trained(case, word)
        assert wanted == found and f"weights: {place}" in recipe, recipe


def main(clade, corpus):
    data = (pathlib.Path(corpus) / "new.pth").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked, server.ended = {}, [], threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tried = []
        for program in "curl", "wget":
            with tempfile.TemporaryDirectory(prefix="clade-weights-") as folder:
                tried += check_program(Case(clade, server, folder), data, program)
        with tempfile.TemporaryDirectory(prefix="clade-weights-") as folder:
            check_list(Case(clade, server, folder))
        with tempfile.TemporaryDirectory(prefix="clade-weights-") as folder:
            check_recipe(Case(clade, server, folder))
        server.ended.set()
        server.shutdown()
    print("fetched with", " and ".join(tried) or "nothing")


if __name__ == "__main__":
    main(*sys.argv[1:])
