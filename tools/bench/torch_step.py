#!/usr/bin/python3
"""Times training steps of a net in PyTorch, as `clade bench --model NET` does.

torch_step.py NET [--batch N] [--repeat N] [--threads N] [--channels-last]

NET is horses-or-humans, cats-dogs-64, cifar10 or cats-dogs-dropout: the recipe's layers, loss and
optimizer, at a learning rate of 0, on random pictures. Prints one line of JSON.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn


def convolutions(filters, channels=3):
    layers = []
    for k in filters:
        layers += [nn.Conv2d(channels, k, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = k
    return layers


def binary(parameters):
    return [nn.Linear(parameters, 1), nn.Sigmoid()]


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0, eps=1e-7)


def rmsprop(parameters):
    return torch.optim.RMSprop(parameters, lr=0, alpha=0.9, eps=1e-7)


# layers, side of the pictures, classes (1: one sigmoid output), optimizer
NETS = {
    "horses-or-humans": (
        lambda: convolutions([16, 32, 64, 64, 64])
        + [nn.Flatten(), nn.Linear(7 * 7 * 64, 512), nn.ReLU(), *binary(512)], 300, 1, rmsprop),
    "cats-dogs-64": (
        lambda: convolutions([32, 32])
        + [nn.Flatten(), nn.Linear(14 * 14 * 32, 128), nn.ReLU(), *binary(128)], 64, 1, adam),
    "cifar10": (
        lambda: [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
                 nn.MaxPool2d(2), nn.Flatten(), nn.Linear(15 * 15 * 32, 512), nn.ReLU(),
                 nn.Dropout(0.5), nn.Linear(512, 10)], 32, 10, adam),
    "cats-dogs-dropout": (
        lambda: convolutions([32, 64, 128, 128])
        + [nn.Dropout(0.5), nn.Flatten(), nn.Linear(7 * 7 * 128, 512), nn.ReLU(),
           nn.Linear(512, 2)], 150, 2, adam),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layers, side, classes, make_optimizer = NETS[args.net]
    net = nn.Sequential(*layers()).train()
    x = torch.rand(args.batch, 3, side, side)
    if classes == 1:
        loss, label = nn.BCELoss(), torch.randint(0, 2, (args.batch, 1)).float()
    else:
        loss, label = nn.CrossEntropyLoss(), torch.randint(0, classes, (args.batch,))
    if args.channels_last:
        net = net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(net.parameters())
    seconds = []
    for _ in range(args.repeat + 2):
        begun = time.perf_counter()
        optimizer.zero_grad()
        loss(net(x), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begun)
    seconds = seconds[2:]
    print(json.dumps({"ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds),
                      "torch": torch.__version__, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
