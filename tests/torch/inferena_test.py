"""The ResNet-50 of the inferena table: logits and loss of tools/bench/inferena against PyTorch, whose weights and
images are made by the same formula.

    inferena_test.py --runner inferena [--faults]

With --faults PyTorch's first normalisation does nothing, like the others, which must be seen. Exit status: 77 without
PyTorch."""
import argparse
import json
import subprocess
import sys

try:
    import torch
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

sys.dont_write_bytecode = True  # beside the sources
from backbones import BACKBONES

# Of the largest logit: the bias is a sine that may be an ulp off, and is added last, 1.2e-7 each; the features, whose
# sums are rounded to 1e-4 of them, are 1e-4 of it.
BOUND = 5e-7


def seed_of(name):
    value = 0
    for byte in name.encode():
        value = (value * 31 + byte) % 2**32
    return float(value % 10000)


def wave(count, name):
    return torch.sin(torch.arange(count, dtype=torch.float32) * 0.01 + seed_of(name)) * 0.01


def make_net(faults):
    net = BACKBONES["resnet50"][0]()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if ".bn" in name or ".downsample.1." in name:
                p.fill_(float("weight" in name))
            elif name == "fc.weight":
                p.copy_(wave(p.numel(), name).view(p.shape[::-1]).T)
            else:
                p.copy_(wave(p.numel(), name).view_as(p))
        if faults:
            net.bn1.weight.fill_(1)
            net.bn1.bias.fill_(0)
    return net.eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    text = subprocess.run([options.runner, "--device", "cpu", "--math", "exact", "--repeat", "1", "ResNet-50"],
                          check=True, stdout=subprocess.PIPE).stdout
    ours = json.loads(text)["outputs"]
    net = make_net(options.faults)
    images = torch.sin(torch.arange(4 * 3 * 224 * 224, dtype=torch.float64) * 0.001).float().reshape(4, 3, 224, 224)
    with torch.no_grad():
        logits = net.whole(images)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(4)).item()
    theirs = logits.flatten()[:16]
    error = ((torch.tensor(ours["logits_sample"]) - theirs).abs().max() / theirs.abs().max()).item()
    print("logits: error %.1e; loss %.6f, PyTorch's %.6f" % (error, ours["loss"], loss))
    good = error < BOUND and abs(ours["loss"] - loss) < 1e-5
    return good if options.faults else not good


if __name__ == "__main__":
    sys.exit(main())
