#!/usr/bin/env python3
"""Training against docs/training.md, written anew in numpy (rules.py, net.py, follow.py): each case of cases.py trains
a toy net by `clade train`, at a stretch and stopped and resumed after every epoch, and both must take the steps, and
come to the weights, moments, statistics and metrics, that the page says.

    semantics_test.py CLADE [NAME ...]

Exit status: 77 without NumPy."""
import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ProcessPoolExecutor

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.dont_write_bytecode = True  # beside the sources
from cases import recipe_of, table
from follow import Training
from rules import split

# Toy nets sum some hundred terms of float32 (2^-24 = 6e-8 each) in a step, and take some ten steps.
CLOSE = 1e-5
SETS = {  # channels, classes with their images for training and validation
    "three": (3, {"a": (5, 3), "b": (3, 2), "c": (5, 2)}),
    "two": (1, {"no": (8, 3), "yes": (5, 4)}),
}


# --- images ---

def write_png(path, pixels):
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def make_images(folder):
    """{set: what Training takes}"""
    random, out = np.random.default_rng(5), {}
    for name, (channels, classes) in SETS.items():
        splits = {}
        for at, word in enumerate(("train", "validation")):
            pixels, label, files = [], [], []
            for c, (own, counts) in enumerate(classes.items()):
                place = folder / name / word / own
                place.mkdir(parents=True)
                tone = random.integers(40, 200, channels)
                for i in range(counts[at]):
                    image = np.clip(tone + random.integers(-90, 90, (6, 5, channels)), 0, 255).astype(np.uint8)
                    write_png(place / f"{i}.png", image)
                    pixels.append(image)
                    label.append(c)
                    files.append(f"{own}/{i}.png")
            splits[word] = np.stack(pixels), np.array(label)
            if word == "train":
                splits.update(files=files, pixels=pixels)
        out[name] = {**splits, "names": list(classes)}
    out["three-alone"] = {**out["three"], "validation": None}
    out["marked"] = make_labels(folder / "marked", random)
    out["uneven"] = make_labels(folder / "uneven", random, True)
    out["marked-alone"] = {**out["marked"], "validation": None}
    out["measured"] = make_numbers(folder / "measured", random)
    out["measured-alone"] = {**out["measured"], "validation": None}
    out["everywhere"] = make_labels(folder / "everywhere", random, everywhere=True)
    return out


def make_labels(folder, random, weighted=False, everywhere=False):
    """Images of any of three classes, of which all show the first where it is `everywhere`, by a list beside them, which
    may have weights."""
    out, lines = {"names": ["a", "b", "c"]}, ["image,labels" + ",weight" * weighted]
    for word, count in (("train", 13), ("validation", 7)):
        (folder / word).mkdir(parents=True)
        rows = (random.random((count, 3)) < 0.4).astype(int)
        rows[:, 0] |= everywhere
        pixels = []
        for i, row in enumerate(rows):
            tone = 60 + 50 * row
            pixels.append(np.clip(tone + random.integers(-60, 90, (6, 5, 3)), 0, 255).astype(np.uint8))
            write_png(folder / word / f"{word}{i:02}.png", pixels[-1])
            lines.append(f"{word}{i:02}.png,{'|'.join(name for name, there in zip('abc', row) if there)}" +
                         f",{i % 5 / 2}" * weighted)
        out[word] = np.stack(pixels), rows
        if weighted and word == "train":
            out["weights"] = np.arange(count) % 5 / 2
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return out


def make_numbers(folder, random):
    """Images with two numbers each, which their tones tell, and a weight."""
    out, lines = {"names": ["height", "tilt"]}, ["file,height,weight,tilt"]
    for word, count in (("train", 13), ("validation", 7)):
        (folder / word).mkdir(parents=True)
        rows = np.round(random.random((count, 2)) * [40, 2] + [150, -1], 3).astype(np.float32)
        pixels = []
        for i, (height, tilt) in enumerate(rows):
            tone = np.array([(height - 150) * 4, 60 + 40 * tilt, 90])
            pixels.append(np.clip(tone + random.integers(-30, 60, (6, 5, 3)), 0, 255).astype(np.uint8))
            write_png(folder / word / f"{word}{i:02}.png", pixels[-1])
            lines.append(f"{word}{i:02},{height},{i % 5 / 2},{tilt}")
        out[word] = np.stack(pixels), rows
        if word == "train":
            out["weights"] = np.arange(count) % 5 / 2
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return out


def divide(data, recipe):
    """The images after the splits that a recipe asks for."""
    section = recipe.get("data", {})
    if not section.get("validation_split"):
        return data
    pixels, label = data["train"]
    shares = [section.get(key, 0) for key in ("validation_split", "test_split", "seed")]
    part = split(data["files"], label, *shares)
    return {**data, **{word: (pixels[part == word], label[part == word]) for word in ("train", "validation", "test")}}


# --- what Clade gives ---

def read_tensors(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + size])
    out = {}
    for name, tensor in head.items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            first, last = tensor["data_offsets"]
            out[name] = np.frombuffer(raw[8 + size + first:8 + size + last], np.float32).reshape(tensor["shape"])
    return out


def run(clade, *arguments):
    command = [clade, *map(str, arguments), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def train(clade, *arguments):
    run(clade, "train", *arguments, "--no-report")


def read_trace(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_history(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# --- comparing ---

class Mismatch(Exception):
    pass


def same(what, found, expected):
    if found != expected:
        raise Mismatch(f"{what}: {found}, expected {expected}")


def close(what, found, expected, bound=CLOSE):
    """By the largest of what is expected."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    same(f"{what}, shape", found.shape, expected.shape)
    error = np.abs(found - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-30)
    if not error <= bound:
        raise Mismatch(f"{what}: error {error:.2g}, expected at most {bound:.2g}")


def compare_steps(found, expected):
    same("steps", len(found), len(expected))
    for a, b in zip(found, expected):
        at = f"epoch {b['epoch']}, batch {b['batch']}"
        for key in ("epoch", "batch", "step", "images"):
            same(f"{at}, {key}", a[key], b[key])
        close(f"{at}, rate", a["lr"], b["lr"], 1e-12)
        close(f"{at}, matrices", a["matrices"], b["matrices"], 2e-7)


def compare_metrics(at, found, expected):
    for key, value in expected.items():
        if isinstance(value, float) and key not in ("accuracy", "top_k"):
            close(f"{at} {key}", found[key], value)
        elif isinstance(value, float):
            close(f"{at} {key}", found[key], value, 1e-9)
        else:
            same(f"{at} {key}", found.get(key), value)


def compare_epoch(row, e, at):
    close(f"{at}, loss", float(row["loss"]), e["train"]["loss"])
    numbers = "mae" in row
    if numbers:
        close(f"{at}, mae", float(row["mae"]), e["train"]["mae"])
    else:
        close(f"{at}, accuracy", float(row["accuracy"]), e["train"]["accuracy"], 1e-8)
    close(f"{at}, rate", float(row["lr"]), e["steps"][-1]["lr"], 1e-6)
    same(f"{at}, skipped", int(row.get("skipped", 0)), e["skipped"])
    if e["validation"]:
        close(f"{at}, val_loss", float(row["val_loss"]), e["validation"]["loss"])
        if numbers:
            close(f"{at}, val_mae", float(row["val_mae"]), e["validation"]["mae"])
            close(f"{at}, val_r2", float(row["val_r2"]), e["validation"]["r2"])
        else:
            close(f"{at}, val_accuracy", float(row["val_accuracy"]), e["validation"]["accuracy"], 1e-8)
        if "map" in e["validation"]:
            close(f"{at}, val_map", float(row["val_map"]), e["validation"]["map"], 1e-8)
    else:
        same(f"{at}, val_loss", row["val_loss"], "")


def compare_tensors(at, found, expected, moments=True):
    if not moments:
        found = {name: value for name, value in found.items() if "/" in name}
        expected = {name: value for name, value in expected.items() if "/" in name}
    same(f"{at}, tensors", sorted(found), sorted(expected))
    for name, value in expected.items():
        close(f"{at}, {name}", found[name], value)


# --- a case ---

def follow(recipe, data):
    """The epochs as they should be, each with the state after it."""
    training, epochs = Training(recipe, data), []
    while not training.over():
        epochs.append(training.next_epoch())
        epochs[-1]["state"] = {name: value.copy() for name, value in training.state().items()}
        epochs[-1]["shown"] = {name: value.copy() for name, value in training.shown().items()}
    return training, epochs


def classify(clade, made, pictures, data, training, epochs):
    """Evaluation and prediction by the best epoch's weights."""
    training.net.weights = epochs[training.best_epoch - 1]["shown"]
    for word in ("validation", "test"):
        if data.get(word):
            found = json.loads(run(clade, "evaluate", made, "--split", word, "--json"))
            compare_metrics(word, found, training.judge(data[word]))
    files = [pictures / "train" / file for file in data["files"]]
    y = training.probabilities(np.stack(data["pixels"]))
    found = json.loads(run(clade, "predict", made, *files, "--json"))
    for one, probabilities in zip(found, y):
        order = np.argsort(-probabilities, kind="stable")
        same("predicted", [c["class"] for c in one["classes"]], [data["names"][c] for c in order])
        close("probabilities", [c["probability"] for c in one["classes"]], probabilities[order])


def run_case(clade, folder, images, name, changes):
    recipe, chosen = recipe_of(changes), changes.get("images", "three")
    data = divide(images[chosen], recipe)
    training, epochs = follow(recipe, data)
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(recipe))
    pictures = folder / chosen.split("-")[0]
    apart = ["--validation", pictures / "validation"] if images[chosen]["validation"] else []
    listed = ["--labels", pictures / "labels.csv"] if (pictures / "labels.csv").exists() else []
    arguments = [file, "--data", pictures / "train", *apart, *listed]
    made, stopped = folder / name, folder / f"{name}-stopped"
    traces = [folder / f"{name}.trace", folder / f"{name}-stopped.trace"]
    steps = [step for e in epochs for step in e["steps"]]

    train(clade, *arguments, "--out", made, "--trace", traces[0])
    history, metrics = read_history(made / "history.csv"), json.loads((made / "metrics.json").read_text())
    compare_steps(read_trace(traces[0]), steps)
    same("epochs", len(history), len(epochs))
    for k, e in enumerate(epochs):
        compare_epoch(history[k], e, f"epoch {k + 1}")
    compare_metrics("training", metrics["train"], epochs[-1]["train"])
    if epochs[-1]["validation"]:
        compare_metrics("validation", metrics["validation"], epochs[-1]["validation"])
    compare_tensors("end", read_tensors(made / "state"), epochs[-1]["state"])
    same("best", metrics["best"]["epoch"], training.best_epoch)
    compare_tensors("best", read_tensors(made / "best.safetensors"), epochs[training.best_epoch - 1]["shown"])
    compare_tensors("last", read_tensors(made / "last.safetensors"), epochs[-1]["shown"])

    unfreeze = recipe.get("backbone", {}).get("unfreeze", {}).get("epoch")
    for k, e in enumerate(epochs, 1):
        start = [*arguments, "--out", stopped] if k == 1 else ["--resume", stopped]
        train(clade, *start, "--trace", traces[1], *(["--pause", k] if k < len(epochs) else []))
        # a run that is stopped before the epoch that unfreezes may have made room for more moments
        compare_tensors(f"after epoch {k}", read_tensors(stopped / "state"), e["state"], k + 1 != unfreeze)
    compare_steps(read_trace(traces[1]), steps)
    best = [(folder / "best.safetensors").read_bytes() for folder in (made, stopped)]
    same("best.safetensors after a resume alike", best[0] == best[1], True)
    if changes.get("classify"):
        classify(clade, made, pictures, data, training, epochs)
    came = {"epochs": len(epochs), "best": training.best_epoch, "rates": len({s["lr"] for s in steps}),
            "skipped": sum(e["skipped"] for e in epochs)}
    for key, value in came.items():
        same(f"case: {key}", value, changes.get(f"expect_{key}", value))


def check_refusal(clade, folder):
    """A trace that cannot be written ends the command before it trains."""
    (folder / "base.yaml").write_text(json.dumps(recipe_of({})))
    command = [clade, "train", folder / "base.yaml", "--data", folder / "three/train", "--device", "cpu", "--out",
               folder / "none", "--trace", folder / "nowhere/trace"]
    done = subprocess.run(command, capture_output=True, text=True)
    good = done.returncode == 3 and done.stderr.count("\n") == 1 and "nowhere/trace: No such file" in done.stderr
    return [] if good and not (folder / "none").exists() else [f"trace that cannot be opened: {done.stderr}"]


def judge(job):
    """What is wrong with a case, or None."""
    clade, folder, images, name = job
    try:
        run_case(clade, folder, images, name, table()[name])
    except (Mismatch, AssertionError) as error:
        return f"{name}: {error}"
    return None


def main(clade, names):
    unknown = [name for name in names if name not in table()]
    if unknown:
        print(f"there is no case '{unknown[0]}'")
        return 2
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2) as pool:
        folder = pathlib.Path(folder)
        images = make_images(folder)
        cases = names or list(table())
        wrong = [w for w in pool.map(judge, [(clade, folder, images, name) for name in cases], chunksize=4) if w]
        wrong += check_refusal(clade, folder)
    for line in wrong:
        print(f"failed: {line}")
    print(f"{len(cases)} cases, {len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
