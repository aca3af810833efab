"""Trains with --tensorboard, in one go and resumed, and reads the event files back: framing, checks, fields, steps,
images, histograms, text and hyperparameters. The reader shares nothing with the writer.

usage: tensorboard_test.py CLADE"""
import csv
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

RECIPE = """
name: events
input: {size: 16, rescale: 1/255}
model:
  - conv2d: {filters: 4, kernel: 3, activation: relu}
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 16, epochs: 2}
"""

TRANSFER = """
name: head
input: {size: 32, rescale: 1/255}
backbone: {name: squeezenet1_1, weights: random, output: features.4, pooling: avg}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 16, epochs: 1}
"""


def crc32c(data):
    """Bit by bit, as the polynomial is defined."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        length, check_length = struct.unpack_from("<QI", data, at)
        check(check_length == masked(data[at:at + 8]), "the length's check")
        body = data[at + 12:at + 12 + length]
        check(len(body) == length, "a whole record")
        check(struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body), "the record's check")
        at += length + 16
        yield body


def fields(data):
    """A protobuf message as {number: [values]}."""
    out, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        elif kind == 2:
            size = varint()
            value = data[at:at + size]
            check(len(value) == size, "a whole field")
            at += size
        else:
            code, size = {1: ("<d", 8), 5: ("<f", 4)}[kind]
            value = struct.unpack_from(code, data, at)[0]
            at += size
        out.setdefault(key >> 3, []).append(value)
    return out


def png_pixels(data):
    """Size, colour type, unfiltered size and first byte of a PNG; every chunk's check must be right."""
    check(data[:8] == b"\x89PNG\r\n\x1a\n", "a PNG's head")
    at, body, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8:at + 8 + size]
        check(struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + chunk), "a chunk's check")
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", chunk)
        if kind == b"IDAT":
            body += chunk
        at += 12 + size
    rows = zlib.decompress(body)
    return head[0], head[1], head[3], len(rows), rows[1]


def write_mixed(folder):
    """An IDX set whose classes alternate: every pixel of an image of class c is 100 c + its number."""
    for name, count in (("train", 40), ("t10k", 8)):
        labels = bytes(i % 2 for i in range(count))
        images = b"".join(bytes([100 * label + i]) * 256 for i, label in enumerate(labels))
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, count, 16, 16) + images)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels)


def weights(path):
    """The float32 tensors of a safetensors file."""
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    head = json.loads(data[8:8 + size])
    return {name: struct.unpack_from(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f", data,
                                     8 + size + t["data_offsets"][0])
            for name, t in head.items() if name != "__metadata__" and t["dtype"] == "F32"}


def doubles(data):
    return struct.unpack(f"<{len(data) // 8}d", data)


def read_plugin(value, texts):
    """A value with a tensor: text, or hyperparameters, as {tag: contents} into `texts`."""
    tag = value[1][0].decode()
    metadata, tensor = fields(value[9][0]), fields(value[8][0])
    plugin = fields(metadata[1][0])
    check(metadata[4] == [2], f"{tag}: its class")
    if plugin[1] == [b"text"]:
        check(tensor[1] == [7] and tensor[2] == [b""], f"{tag}: one string")
        texts[tag] = tensor[8][0].decode()
        return
    check(plugin[1] == [b"hparams"] and tensor[1] == [1], f"{tag}: an empty tensor beside hyperparameters")
    content = fields(plugin[2][0])
    if 4 in content:
        texts[tag] = fields(content[4][0])
        return
    start = fields(content[3][0])
    check(abs(start[5][0] - time.time()) < 3600, "a session's time")
    texts[tag] = {}
    for entry in map(fields, start[1]):
        kind, (setting,) = next(iter(fields(entry[2][0]).items()))
        texts[tag][entry[1][0].decode()] = {2: float, 3: bytes.decode, 4: bool}[kind](setting)


def read(path, pixels=None, texts=None, histograms=None, side=16):
    """Scalars as {tag: [(step, value)]}, images' tags, and the steps at which a session starts; into `pixels`, the
    first of each image by tag; into `texts`, what plugins show; into `histograms`, {tag: {step: fields}}."""
    pixels = {} if pixels is None else pixels
    texts = {} if texts is None else texts
    histograms = {} if histograms is None else histograms
    scalars, images, starts = {}, [], []
    for number, body in enumerate(records(path.read_bytes())):
        event = fields(body)
        check(abs(event[1][0] - time.time()) < 3600, "the time")
        step = event.get(2, [0])[0]
        if number == 0:
            check(event[3] == [b"brain.Event:2"], "the version comes first")
        if 7 in event:
            check(fields(event[7][0]) == {1: [1]}, "a session's start")
            starts.append(step)
        for summary in event.get(5, []):
            for value in fields(summary)[1]:
                value = fields(value)
                tag = value[1][0].decode()
                if 2 in value:
                    scalars.setdefault(tag, []).append((step, value[2][0]))
                elif 8 in value:
                    read_plugin(value, texts)
                elif 5 in value:
                    histograms.setdefault(tag, {})[step] = fields(value[5][0])
                else:
                    image = fields(value[4][0])
                    check((image[1], image[2], image[3]) == ([side], [side], [3]), f"{tag}: its size")
                    *shape, first = png_pixels(image[4][0])
                    check(shape == [side, side, 2, side * (side * 3 + 1)], f"{tag}: its pixels")
                    images.append(tag)
                    pixels[tag] = first
    return scalars, images, starts


def near(pairs, expected):
    return len(pairs) == len(expected) and all(
        a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 * abs(b[1]) for a, b in zip(pairs, expected))


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-events-") as name:
        folder = pathlib.Path(name)
        data, recipe, run, apart = (folder / n for n in ("images", "events.yaml", "run", "apart"))
        recipe.write_text(RECIPE)
        subprocess.run([clade, "data", "make", data, "--train", "20", "--validation", "10", "--size", "16",
                        "--classes", "2"], check=True)
        train = [clade, "train", "--device", "cpu", "--math", "exact", "--threads", "1"]
        subprocess.run(train + [recipe, "--data", data, "--out", run, "--tensorboard"], check=True)
        files = sorted(run.glob("events.out.tfevents.*"))
        check(len(files) == 1, "one file beside the run's own")
        texts, histograms = {}, {}
        scalars, images, starts = read(files[0], None, texts, histograms)
        rows = list(csv.DictReader((run / "history.csv").open()))
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "lr"):
            check(near(scalars[key], [(3 * int(r["epoch"]), float(r[key])) for r in rows]), key)
        check([s for s, _ in scalars["images_per_second"]] == [3, 6], "images_per_second")
        # points of the loss by step, with one at the end of each epoch
        steps = [s for s, _ in scalars["step/loss"]]
        check(steps == sorted(set(steps)) and {3, 6} <= set(steps), "steps of the loss")
        check(images[:8] == [f"samples/{c}/{k}" for c in ("circle", "square") for k in (1, 2, 3, 4)], "samples")
        wrong = round((1 - float(rows[-1]["val_accuracy"])) * 20)
        check(len([t for t in images if t.startswith("mistakes/")]) == wrong, "as many mistakes as there are")
        check(starts == [], "no session begins again")

        # the recipe, and its settings without those of layers
        lines = (run / "recipe.yaml").read_text().splitlines()
        check(texts["recipe"].splitlines() == ["    " + line for line in lines], f"the recipe: {texts['recipe']}")
        settings = texts["_hparams_/session_start_info"]
        check(settings["train.optimizer"] == "adam" and settings["train.batch"] == 16 and settings["data.path"] == str(data)
              and settings["input.rescale"] == "1/255", f"hyperparameters: {settings}")
        check(not any(key.startswith(("model", "name", "train.optimizer.adam")) for key in settings), f"{list(settings)}")
        check(texts["_hparams_/session_end_info"][1] == [1], "the run has succeeded")

        # histograms of the last epoch are of the last weights
        last = weights(run / "last.safetensors")
        names = {"conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias"}
        check(set(histograms) == names | {f"gradients/{n}" for n in names}, f"{list(histograms)}")
        for tag, by_step in histograms.items():
            check(list(by_step) == [3, 6], f"{tag}: after each epoch")
            if tag.startswith("gradients/"):
                continue
            h, values = by_step[6], last[tag]
            low, high, limits = h[1][0], h[2][0], doubles(h[6][0])
            edges = [low, *limits[:-1], math.inf]
            counted = [sum(a <= v < b for v in values) for a, b in zip(edges, edges[1:])]
            check((low, high, h[3][0]) == (min(values), max(values), len(values)), f"{tag}: {low} to {high}")
            check(abs(h[4][0] - math.fsum(values)) < 1e-9 and abs(h[5][0] - math.fsum(v * v for v in values)) < 1e-9,
                  f"{tag}: sums")
            check(len(limits) == 30 and abs(limits[-1] - high) < 1e-9, f"{tag}: {limits}")
            check(list(doubles(h[7][0])) == counted, f"{tag}: {doubles(h[7][0])}, {counted}")

        # a step of plain SGD at rate 1/2 is half the gradient
        steep, slow = folder / "sgd.yaml", folder / "sgd"
        steep.write_text(RECIPE.replace("adam, batch: 16, epochs: 2", "{sgd: {lr: 0.5}}, batch: 64, epochs: 1"))
        subprocess.run(train + [steep, "--data", data, "--out", slow], check=True)
        before, histograms = weights(slow / "last.safetensors"), {}
        subprocess.run(train + ["--resume", slow, "--epochs", "2", "--tensorboard"], check=True)
        after = weights(slow / "last.safetensors")
        read(next(slow.glob("events.out.tfevents.*")), histograms=histograms)
        for tag in names:
            h, values = histograms["gradients/" + tag][2], [2 * (a - b) for a, b in zip(before[tag], after[tag])]
            expected = (min(values), max(values), len(values), math.fsum(values))
            check(max(values) > 1e-3 and all(abs(h[i + 1][0] - e) < 1e-5 for i, e in enumerate(expected)),
                  f"gradients/{tag}: {expected}, {h}")

        # of a frozen backbone, whose features are computed once, only what is trained
        transfer, head, histograms = folder / "transfer.yaml", folder / "head", {}
        transfer.write_text(TRANSFER)
        subprocess.run(train + [transfer, "--data", data, "--out", head, "--tensorboard"], check=True)
        read(next(head.glob("events.out.tfevents.*")), side=32, histograms=histograms)
        check({n for n in histograms if not n.startswith("gradients/")} == {"dense/kernel", "dense/bias"}, f"a frozen backbone: {list(histograms)}")

        mixed, ran, pixels = folder / "mixed", folder / "ran", {}
        mixed.mkdir()
        write_mixed(mixed)
        subprocess.run(train + [recipe, "--data", mixed, "--out", ran, "--epochs", "1", "--tensorboard"], check=True)
        read(next(ran.glob("events.out.tfevents.*")), pixels)
        check([pixels[f"samples/{c}/{k}"] for c in (0, 1) for k in (1, 2, 3, 4)]
              == [0, 10, 20, 30, 101, 111, 121, 131], f"samples of a set that is not in the order of classes: {pixels}")

        subprocess.run(train + ["--resume", run, "--epochs", "3", f"--tensorboard={apart}"], check=True)
        check(len(sorted(run.glob("events.out.tfevents.*"))) == 1, "no second file in the run folder")
        texts = {}
        scalars, _, starts = read(next(apart.glob("events.out.tfevents.*")), None, texts)
        check(texts["_hparams_/session_start_info"]["train.epochs"] == 3, "hyperparameters of what goes on")
        check([s for s, _ in scalars["loss"]] == [9], "steps go on")
        check(len(starts) == 1 and 6 < starts[0] <= 9, "a session begins where training went on")
        check(min(s for s, _ in scalars["step/loss"]) == starts[0], "with the first point after it")

        # a folder that cannot be written ends the events, not training
        blocked = folder / "blocked"
        blocked.write_text("")
        done = subprocess.run(train + [recipe, "--data", data, "--out", folder / "other", "--epochs", "1",
                                       f"--tensorboard={blocked}"], capture_output=True, text=True)
        check(done.returncode == 0 and done.stderr.count("stopped writing TensorBoard events") == 1 and
              str(blocked) in done.stderr, "a warning: " + done.stderr)
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
