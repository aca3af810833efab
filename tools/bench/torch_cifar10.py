#!/usr/bin/python3
"""Trains the recipe cifar10-94 in PyTorch on the CPU: the same net, initial distributions, augmentation, schedule and
optimizer, written with PyTorch's own layers and SGD, so that its random numbers differ and its results should not.

torch_cifar10.py DATA [--epochs N] [--batch N] [--lr RATE] [--seed N] [--threads N] [--tta]

DATA is a .npz file with uint8 images [n, 32, 32, 3] as `train` and `test`, classes as `train_label` and `test_label`.
--tta: probabilities are the mean over an image and its mirror image. Prints one line of JSON: the accuracy on the test
images after the last epoch, the loss of the last training epoch, and the seconds of training."""
import argparse
import json
import math
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
MOMENTUM, DECAY, SMOOTHING, WARMUP, MOVED = 0.85, 0.0089, 0.2, 2, 2
BETAS = 64  # times the rate of the others


def conv(channels, filters):
    """Passes its channels on at first; filters beyond them begin as PyTorch begins them."""
    layer = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:channels])
    return layer


def norm(channels):
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


class Scale(nn.Module):
    def forward(self, x):
        return x * 0.111111


def make_net(images):
    whitening = nn.Conv2d(3, 24, 2)
    nn.init.zeros_(whitening.bias)
    whitening.weight.requires_grad = False
    whitening.weight.data = whitening_kernel(images)
    layers, channels = [whitening, nn.GELU()], 24
    for filters in (64, 256, 256):
        layers += [conv(channels, filters), nn.MaxPool2d(2), norm(filters), nn.GELU(), conv(filters, filters),
                   norm(filters), nn.GELU()]
        channels = filters
    head = nn.Linear(channels, 10, bias=False)
    nn.init.uniform_(head.weight, -math.sqrt(3 / channels), math.sqrt(3 / channels))
    net = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), head, Scale())
    return net.to(memory_format=torch.channels_last)


def whitening_kernel(images):
    """Eigenvectors of the covariance of patches over the roots of their eigenvalues, and their negatives."""
    count = min(len(images), 5000)
    x = images[torch.arange(count) * len(images) // count].double()
    patches = F.unfold(x, 2).transpose(1, 2).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T, correction=0))
    half = (vectors / torch.sqrt(values + 5e-4)).T.reshape(12, 3, 2, 2)
    return torch.cat((half, -half)).float()


def prepare(pixels):
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return x.contiguous(memory_format=torch.channels_last)


def augment(x, flipped, moved):
    """Mirrored where `flipped`, and moved by whole pixels: `moved` are rows and columns of each, [2, n, 1]. Beyond the
    edge stands the image's mirror image."""
    n, _, height, width = x.shape
    i, j = torch.arange(height) + moved[0], torch.arange(width) + moved[1]
    j = torch.where(flipped[:, None], width - 1 - j, j)
    i, j = (torch.where(k < 0, -1 - k, torch.where(k >= n, 2 * n - 1 - k, k)) for k, n in ((i, height), (j, width)))
    return x.permute(0, 2, 3, 1)[torch.arange(n)[:, None, None], i[:, :, None], j[:, None, :]].permute(0, 3, 1, 2)


def rate(base, step, steps, epochs):
    """Of a step from 0: up over the first epochs, then down to 0."""
    first = WARMUP * steps
    return base * ((step + 1) / first if step < first else 1 - (step - first) / ((epochs - WARMUP) * steps))


def make_optimizer(net):
    kernels = [p for p in net.parameters() if p.requires_grad and p.dim() > 1]
    groups = [{"params": kernels, "scale": 1, "decay": DECAY}, {"params": [net[0].bias], "scale": 1, "decay": 0},
              {"params": [m.bias for m in net if isinstance(m, nn.BatchNorm2d)], "scale": BETAS, "decay": 0}]
    return torch.optim.SGD(groups, lr=1, momentum=MOMENTUM, nesterov=True)


def step(net, optimizer, x, label, now):
    """One step at the rate `now`, whose decay is apart from the gradients; returns the loss before it."""
    loss = F.cross_entropy(net(x), label, label_smoothing=SMOOTHING)
    optimizer.zero_grad()
    loss.backward()
    with torch.no_grad():
        for group in optimizer.param_groups:
            group["lr"] = now * group["scale"]
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["decay"])
    optimizer.step()
    return loss.item()


def train(net, x, label, options):
    optimizer = make_optimizer(net)
    steps, done, total = -(-len(x) // options.batch), 0, 0.0
    flipped = torch.rand(len(x)) < 0.5
    net.train()
    for epoch in range(options.epochs):
        total = 0.0
        for places in torch.randperm(len(x)).split(options.batch):
            images = augment(x[places], flipped[places], torch.randint(-MOVED, MOVED + 1, (2, len(places), 1)))
            now = rate(options.lr, done, steps, options.epochs)
            total += step(net, optimizer, images, label[places], now) * len(places)
            done += 1
        flipped = ~flipped
    return total / len(x)


def predict(net, x, tta):
    """Probabilities, [n, 10]."""
    net.eval()
    out = []
    with torch.no_grad():
        for images in x.split(1000):
            views = [images, images.flip(3)] if tta else [images]
            out.append(sum(net(view).softmax(1) for view in views) / len(views))
    return torch.cat(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--lr", type=float, default=1.46)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--tta", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    data = numpy.load(options.data)
    x = prepare(data["train"])
    label, test_label = (torch.from_numpy(data[name].astype(numpy.int64)) for name in ("train_label", "test_label"))
    net = make_net(x)
    start = time.perf_counter()
    loss = train(net, x, label, options)
    seconds = time.perf_counter() - start
    right = predict(net, prepare(data["test"]), options.tta).argmax(1) == test_label
    print(json.dumps({"accuracy": right.double().mean().item(), "loss": loss, "seconds": seconds}))


if __name__ == "__main__":
    main()
