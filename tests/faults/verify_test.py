"""`clade train --verify` beside a driver that is wrong once: a layer between Clade and the driver changes a bit of one
number that a kernel has written. Each such fault must be found where all calls are verified; and nothing where there is
none, in exact and in fast math, and the weights must be those of a run that is not verified.

usage: verify_test.py CLADE LAYER.so"""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

EXIT_SKIP, WRONG, FAULTS = 77, 4, 12
HEAD = "input: {size: 16, rescale: 1/255}\n"
TAIL = "train: {loss: sparse_categorical_crossentropy, optimizer: %s, batch: 8, epochs: 1}\n"
NETS = {
    "pooled": HEAD + """model:
  - conv2d: {filters: 16, kernel: 3, padding: same, activation: relu}
  - maxpool2d: 2
  - conv2d: {filters: 16, kernel: 3, padding: same, activation: relu}
  - flatten
  - dropout: 0.5
  - dense: {units: 32, activation: relu}
  - dense: {units: classes, activation: softmax}
""" + TAIL % "adam",
    "normalized": HEAD + """augment: {rotation: 40, zoom: 0.2, shear: 10, horizontal_flip: true}
model:
  - conv2d: {filters: 16, kernel: 3, padding: same, use_bias: false}
  - batchnorm: {momentum: 0.9}
  - activation: relu
  - conv2d: {filters: 16, kernel: 3, strides: 2, use_bias: false}
  - batchnorm: {momentum: 0.9}
  - activation: leaky_relu
  - global_avgpool2d
  - dense: {units: classes, activation: softmax}
""" + TAIL % "{sgd: {lr: 0.05, momentum: 0.9}}",
    "frozen": """input: {size: 32, rescale: 1/255}
backbone: {name: squeezenet1_1, weights: random, pooling: avg, freeze: all}
model: [batchnorm, {dropout: 0.3}, {dense: {units: classes, activation: softmax}}]
""" + TAIL % "rmsprop",
}


class Bench:
    def __init__(self, clade, layer, folder):
        self.clade, self.folder, self.runs = clade, folder, 0
        self.environment = dict(os.environ, OPENCL_LAYERS=layer)  # with the driver's cache: building takes longest
        self.counts = folder / "counts"
        self.call("data", "make", folder / "images", "--classes", 4, "--train", 8, "--validation", 2, "--size", 16)
        for name, text in NETS.items():
            (folder / f"{name}.yaml").write_text(f"name: {name}\n" + text)

    def call(self, *words, **environment):
        return subprocess.run([self.clade, *map(str, words)], capture_output=True, text=True, cwd=self.folder,
                              env=dict(self.environment, **environment))

    def train(self, net, device, math, *words, fault=0):
        """How it ended, its weights, how many kernels there were, and how many were spoilt."""
        self.runs += 1
        run = self.folder / f"run{self.runs}"
        self.counts.write_bytes(bytes(16))
        ended = self.call("train", self.folder / f"{net}.yaml", "--data", self.folder / "images", "--device", device,
                          "--math", math, "--threads", 1, "--no-report", "--out", run, *words,
                          FAULT_COUNT=str(self.counts), FAULT_KIND="clEnqueueNDRangeKernel", FAULT_HOW="3",
                          FAULT_FIRST=str(fault))
        last = run / "last.safetensors"
        weights = hashlib.sha256(last.read_bytes()).hexdigest() if last.exists() else ended.stderr
        return ended, weights, run, *struct.unpack("QQ", self.counts.read_bytes())


def check_quiet(bench, opencl):
    """No alarm without a fault, and in exact math the weights of a run on the CPU that is not verified."""
    for net in NETS:
        _, plain, *_ = bench.train(net, "cpu", "exact")
        for device, math in ((opencl, "exact"), (opencl, "fast"), ("cpu", "fast")):
            ended, verified, *_ = bench.train(net, device, math, "--verify=1")
            check(ended.returncode == 0 and (math == "fast" or plain == verified),
                  f"{net} on {device}, {math}: {ended.stderr}")


def check_faults(bench, device):
    """Each fault within a step is found, and the run goes on to the weights that it has undisturbed."""
    for net, math in (("pooled", "exact"), ("normalized", "fast")):
        _, right, _, kernels, _ = bench.train(net, device, math, "--pause", 1)
        found = 0
        for i in range(FAULTS // 2):
            at = kernels * (2 + i) // (FAULTS // 2 + 3)
            ended, weights, run, _, spoilt = bench.train(net, device, math, "--verify=1", fault=at)
            while not spoilt and at < kernels:
                at += 1
                ended, weights, run, _, spoilt = bench.train(net, device, math, "--verify=1", fault=at)
            found += ended.returncode == WRONG
            check(ended.returncode == WRONG and ": step " in ended.stderr, f"{net}: kernel {at} of {kernels}: "
                  f"{ended.returncode}, the same weights: {weights == right}: {ended.stderr}")
            if i:
                continue
            again = bench.call("conform", "--device", device, "--math", math, "--repeat", run / "verify-failure")
            check(again.returncode == 0, f"{net}: the driver is right by itself: {again.stdout}{again.stderr}")
            bench.call("train", "--resume", run, "--device", device, "--math", math, "--threads", 1, "--no-report")
            check(hashlib.sha256((run / "last.safetensors").read_bytes()).hexdigest() == right, f"{net}: its resume")
        print(f"{net}, {math}: {found} of {FAULTS // 2} faults are found")


def check_words(bench):
    for words, part in ((["--verify=0"], "expected a share above 0, up to 1"), (["--verify=2"], "expected a share"),
                        (["--verify-action", "stop"], "--verify-action requires --verify")):
        ended = bench.call("train", *words)
        check(ended.returncode == 2 and part in ended.stderr, f"{words}: {ended.stderr}")


def main(clade, layer):
    listed = json.loads(subprocess.run([clade, "devices", "--json"], check=True, capture_output=True).stdout)
    opencl = next((d["id"] for d in listed["devices"] if d["id"].startswith("opencl:") and d["usable"]), None)
    if not opencl:
        return EXIT_SKIP
    with tempfile.TemporaryDirectory(prefix="clade-verify-") as name:
        clade, layer = (str(pathlib.Path(path).resolve()) for path in (clade, layer))
        bench = Bench(clade, layer, pathlib.Path(name))
        check_words(bench)
        check_faults(bench, opencl)
        check_quiet(bench, opencl)
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
