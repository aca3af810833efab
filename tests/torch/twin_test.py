"""The recipe cifar10-94 against its twin in PyTorch (tools/bench/torch_cifar10.py): from Clade's initial weights, on
the images of its batches, moved and mirrored as its trace says, the twin has to come to the same rates, losses,
weights, running statistics and loss on other images.

    twin_test.py CLADE [--faults]

Errors of rates and losses are relative to PyTorch's in float64; those of weights and statistics are
rms(a - b) / rms(how far b moved). Maxima that are closer than rounding may be found at another place on either side.
With --faults mistakes are planted in the twin, and each must be seen. Exit status: 77 without PyTorch or NumPy."""
import argparse
import csv
import importlib.util
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

sys.dont_write_bytecode = True  # beside the sources
HERE = pathlib.Path(__file__).resolve().parent
IMAGES, EPOCHS, RATE = 25, 4, 0.1  # of one batch each: the rate rises, stays and falls
# of kernels more, as a maximum that is found elsewhere moves a filter by some percent
BOUNDS = {"rate": 1e-6, "whitening": 1e-5, "loss": 5e-6, "evaluation": 1e-5, "mirrored too": 1e-5, "kernel": 1e-2,
          "bias": 2e-3, "beta": 2e-3, "moving_mean": 2e-3, "moving_variance": 2e-3}
NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def load_twin():
    spec = importlib.util.spec_from_file_location("twin", HERE.parents[1] / "tools/bench/torch_cifar10.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what Clade does ---

def write_records(files, random):
    """Images with a tone for each class, as many in each file; [n, 32, 32, 3] and their classes."""
    label = np.arange(IMAGES) * 7 % 10
    tone = np.random.default_rng(3).integers(40, 216, (10, 3))[label][:, :, None, None]
    planes = np.clip(tone + random.normal(0, 40, (IMAGES, 3, 32, 32)), 0, 255).astype(np.uint8)
    records = [bytes([c]) + image.tobytes() for c, image in zip(label, planes)]
    each = len(records) // len(files)
    for i, file in enumerate(files):
        file.write_bytes(b"".join(records[i * each:(i + 1) * each]))
    return planes.transpose(0, 2, 3, 1), label


def read_tensors(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, tensor in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            first, last = tensor["data_offsets"]
            values = np.frombuffer(raw[8 + size + first:8 + size + last], np.float32).reshape(tensor["shape"])
            # PyTorch's order: [out, in, rows, columns], [out, in]
            order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(values.ndim, range(values.ndim))
            out[name] = torch.from_numpy(values.copy()).permute(*order)
    return out


def train_clade(clade, folder):
    """The set, the weights at first and at last, the trace, the history, and the loss on test images without and with
    their mirror images."""
    random, data = np.random.default_rng(5), folder / "set"
    data.mkdir()
    sets = [write_records(files, random) for files in
            ([data / f"data_batch_{i}.bin" for i in range(1, 6)], [data / "test_batch.bin"])]
    (data / "batches.meta.txt").write_text("\n".join(NAMES) + "\n")

    def run(*words):
        command = [clade, *map(str, words), "--data", data, "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def train(name, rate, *more):
        run("train", "cifar10-94", "--out", folder / name, "--batch", IMAGES, "--epochs", EPOCHS, "--lr", rate,
            "--no-report", *more)
        return read_tensors(folder / name / "last.safetensors")

    first = train("first", 1e-30, "--pause", 1)  # a step that moves nothing but statistics
    last = train("run", RATE, "--trace", folder / "trace")
    with open(folder / "run/history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    evaluate = ["evaluate", folder / "run/last.safetensors", "--split", "validation", "--json"]
    loss = [json.loads(run(*evaluate, *tta))["log_loss"] for tta in ((), ("--tta", "flip"))]
    return {"sets": sets, "first": first, "last": last, "history": history, "loss": loss,
            "trace": [json.loads(line) for line in (folder / "trace").read_text().splitlines()]}


# --- what the twin makes of it ---

def tensors_of(net):
    """By Clade's names; convolutions and normalisations are numbered from the second on."""
    out, seen = {}, {}
    for module in net:
        kind = {nn.Conv2d: "conv2d", nn.BatchNorm2d: "batch_normalization", nn.Linear: "dense"}.get(type(module))
        if not kind:
            continue
        number = seen[kind] = seen.get(kind, -1) + 1
        name = f"{kind}_{number}" if number else kind
        if kind == "batch_normalization":
            out.update({f"{name}/beta": module.bias, f"{name}/moving_mean": module.running_mean,
                        f"{name}/moving_variance": module.running_var})
        else:
            out[f"{name}/kernel"] = module.weight
            if module.bias is not None:
                out[f"{name}/bias"] = module.bias
    return out


def make_net(twin, x, first):
    net = twin.make_net(x).double()
    with torch.no_grad():
        for name, value in tensors_of(net).items():
            if name.endswith("/kernel"):
                value.copy_(first[name])
    return net


def moves(matrices):
    """Which images a trace's matrices mirror, and by how many rows and columns they move."""
    m = torch.tensor(matrices).round().long()
    mirrored = m[:, 0] < 0
    columns = torch.where(mirrored, 31 - m[:, 2], m[:, 2])
    return mirrored, torch.stack((m[:, 5], columns))[:, :, None]


def compare(twin, ran):
    """The largest error of each kind."""
    (pixels, label), (test_pixels, test_label) = ran["sets"]
    x, test = (twin.prepare(p).double() for p in (pixels, test_pixels))
    label, test_label = torch.from_numpy(label), torch.from_numpy(test_label)
    net = make_net(twin, x.float(), ran["first"])
    start = {name: value.detach().clone() for name, value in tensors_of(net).items()}
    optimizer, errors = twin.make_optimizer(net), {"rate": 0, "loss": 0}
    # eigenvectors of either sign and order stand beside their negatives
    halves = [sorted(k[:12].abs().sum((1, 2, 3)).tolist()) for k in
              (ran["first"]["conv2d/kernel"], twin.whitening_kernel(x.float()))]
    errors["whitening"] = max(abs(a / b - 1) for a, b in zip(*halves))
    net.train()
    for i, (line, row) in enumerate(zip(ran["trace"], ran["history"])):
        rate = twin.rate(RATE, i, 1, EPOCHS)
        errors["rate"] = max(errors["rate"], abs(line["lr"] / rate - 1))
        places = torch.tensor(line["images"])
        loss = twin.step(net, optimizer, twin.augment(x[places], *moves(line["matrices"])), label[places], rate)
        errors["loss"] = max(errors["loss"], abs(float(row["loss"]) / loss - 1))
    assert i + 1 == EPOCHS
    for name, value in tensors_of(net).items():
        moved = (value - start[name]).square().mean().sqrt().item()
        error = (ran["last"][name] - value).square().mean().sqrt().item()
        kind = name.split("/")[1] if name != "conv2d/kernel" else "whitening"
        errors[kind] = max(errors.get(kind, 0), error / moved if moved else error)
    for kind, tta, found in zip(("evaluation", "mirrored too"), (False, True), ran["loss"]):
        loss = F.nll_loss(twin.predict(net, test, tta).log(), test_label).item()
        errors[kind] = abs(found / loss - 1)
    return errors


def wrong(errors):
    return [kind for kind, error in errors.items() if not error <= BOUNDS[kind]]


# --- faults ---

def keras_step(twin):
    """Keras' velocity, a sum of steps each at the rate of its time."""
    def step(net, optimizer, x, label, now):
        loss = F.cross_entropy(net(x), label, label_smoothing=twin.SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for group in optimizer.param_groups:
                group["lr"] = 1
                for p in group["params"]:
                    p.mul_(1 - now * group["decay"])
                    p.grad.mul_(now * group["scale"])
        optimizer.step()
        return loss.item()
    return step


def slower_norm(twin):
    def norm(channels):
        layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.39)
        layer.weight.requires_grad = False
        return layer
    return norm


def unmirrored(twin):
    known = twin.augment
    return lambda x, flipped, moved: known(x, ~flipped, moved)


FAULTS = {
    "velocity of steps": lambda twin: ("step", keras_step(twin)),
    "momentum": lambda twin: ("MOMENTUM", 0.84),
    "decay": lambda twin: ("DECAY", 0.0085),
    "label smoothing": lambda twin: ("SMOOTHING", 0.201),
    "rate of beta": lambda twin: ("BETAS", 63),
    "warm-up": lambda twin: ("WARMUP", 1),
    "running statistics": lambda twin: ("norm", slower_norm(twin)),
    "mirrored": lambda twin: ("augment", unmirrored(twin)),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clade")
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ran = train_clade(options.clade, pathlib.Path(folder))
    twin, failed = load_twin(), 0
    errors = compare(twin, ran)
    for kind, error in errors.items():
        print(f"{kind:16} {error:.1e}  bound {BOUNDS[kind]:.0e}")
    failed += bool(wrong(errors))
    for name, plant in FAULTS.items() if options.faults else ():
        twin = load_twin()
        setattr(twin, *plant(twin))
        errors = compare(twin, ran)
        print(f"{name:20} {', '.join(f'{kind} {errors[kind]:.1e}' for kind in wrong(errors)) or 'NOT SEEN'}")
        failed += not wrong(errors)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
