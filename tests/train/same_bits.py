#!/usr/bin/env python3
"""Trains each net on devices and ranks in many ways, all of which must give the same weights; run by hand, in minutes.

usage: same_bits.py CLADE [--nets NET,...] [--json FILE]

Three epochs of two batches of 32 rendered images, in shards of 4; shown are the first digits of the SHA-256 of
last.safetensors. A way that this machine has no device or launcher for is left out; all OpenCL devices are tried, each
alone and all together with the processor, so that OCL_ICD_VENDORS may name a folder with the drivers of several."""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import launchers

NORMALIZED = """
name: normalized
input: {size: 32, rescale: 1/255}
augment: {rotation: 20, horizontal_flip: true, random_erasing: {}, color_jitter: {contrast: 0.4, hue: 0.2},
  mixup: {}, cutmix: {}}
model:
  - conv2d: {filters: 16, kernel: 3}
  - batchnorm: {momentum: 0.9}
  - activation: relu
  - maxpool2d: 2
  - flatten
  - dropout: 0.3
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {sgd: {lr: 0.01, momentum: 0.9}}}
"""
# side and classes of the images, settings beside the recipe's
NETS = {"horses-or-humans": (300, 2, []), "cats-dogs-64": (64, 2, []),
        "cifar10": (32, 8, ["--set", "model.6.dense.units=classes"]), "cats-dogs-dropout": (150, 2, []),
        "normalized": (32, 4, []), "normalized mixed_bfloat16": (32, 4, ["--precision", "mixed_bfloat16"]),
        "normalized mixed_float16": (32, 4, ["--precision", "mixed_float16"])}


class Way:
    """How a run is trained: parts of it, after each of which it pauses and is resumed: launcher's words, device."""

    def __init__(self, *parts):
        self.parts = parts

    def train(self, clade, images, recipe, settings, run):
        for i, (launcher, devices) in enumerate(self.parts):
            last = i + 1 == len(self.parts)
            what = ["--resume", run] if i else [recipe, "--data", images, "--out", run, "--batch", 32, "--shard", 4,
                                                "--epochs", 3, "--math", "exact", "--no-report", *settings]
            pause = [] if last else ["--pause", i + 1]
            ranks = [[clade, "train", *what, *pause, "--device", device] for device in devices]
            command = launcher and [*launcher] or []
            for count, rank in enumerate(ranks):
                command += ([":"] if count else []) + (["-n", 1] if len(ranks) > 1 else []) + rank
            ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if ended.returncode:
                return "failed: " + ended.stderr.strip().split("\n")[-1]
        return hashlib.sha256((run / "last.safetensors").read_bytes()).hexdigest()


def ways(clade):
    devices = json.loads(subprocess.run([clade, "devices", "--json"], check=True, capture_output=True).stdout)["devices"]
    every = [d["id"] for d in devices if d["id"].startswith("opencl:") and d["usable"]]
    opencl = every[0] if every else None
    result = {"cpu": Way(([], ["cpu"]))}
    together = [f"cpu,{opencl}", f"{opencl},cpu"] if opencl else []
    if len(every) > 1:
        together += [",".join(["cpu", *every]), ",".join(reversed(every))]
    for device in every + together:
        result[device] = Way(([], [device]))
    for name, launcher in launchers.there().items():
        for ranks in (1, 2, 3, 4, 8):
            result[f"{name}, {ranks}"] = Way(([*launcher, "-n", ranks], ["cpu"]))
        if opencl:
            result[f"{name}, cpu : {opencl}"] = Way((launcher, ["cpu", opencl]))
        four = ([*launcher, "-n", 4], ["cpu"])
        result[f"{name}, 4 → 1 → 4"] = Way(four, ([], ["cpu"]), four)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clade")
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--json", help="write the digests to this file")
    args = parser.parse_args()
    all_, digests = ways(args.clade), {}
    for net in args.nets.split(","):
        side, classes, settings = NETS[net]
        with tempfile.TemporaryDirectory(prefix="clade-bits-") as name:
            folder = pathlib.Path(name)
            (folder / "normalized.yaml").write_text(NORMALIZED)
            recipe = folder / "normalized.yaml" if net.startswith("normalized") else net
            subprocess.run([args.clade, "data", "make", folder / "images", "--classes", str(classes), "--train",
                            str(-(-64 // classes)), "--validation", "2", "--size", str(side)], check=True,
                           stdout=subprocess.DEVNULL)
            print(net)
            digests[net] = {}
            for i, (way, run) in enumerate(all_.items()):
                digests[net][way] = run.train(args.clade, folder / "images", recipe, settings, folder / str(i))
                print(f"  {way:28} {digests[net][way][:120 if ' ' in digests[net][way] else 16]}", flush=True)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(digests, indent=1) + "\n")
    different = [net for net, own in digests.items() if len(set(own.values())) > 1]
    print("different: " + ", ".join(different) if different else f"{len(all_)} ways, each net the same bits")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
