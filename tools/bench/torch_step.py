#!/usr/bin/python3
"""Times training steps of a net in PyTorch, as `clade bench --model NET` does.

torch_step.py NET [--batch N] [--repeat N] [--threads N] [--best] [--train] [--cuda float32|tf32|mixed]

NET is horses-or-humans, cats-dogs-64, cifar10 or cats-dogs-dropout: the recipe's layers, loss and
optimizer, at a learning rate of 0, on random images; or resnet50 or mobilenet_v2, of which inference
is timed, with --train a training step too. --best: channels_last, and inference with a frozen trace;
on a GPU (--cuda: in float32, with TF32 for its products, or with autocast to bfloat16) a CUDA graph.
Prints one line of JSON.
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


def adam(parameters, **more):
    return torch.optim.Adam(parameters, lr=0, eps=1e-7, **more)


def rmsprop(parameters, **more):
    return torch.optim.RMSprop(parameters, lr=0, alpha=0.9, eps=1e-7, **more)


def conv(channels, filters, kernel, stride=1, groups=1):
    return [nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(filters)]


class Residual(nn.Module):
    """after(block(x) + around(x))"""

    def __init__(self, block, around=(), after=()):
        super().__init__()
        self.block, self.around, self.after = (nn.Sequential(*part) for part in (block, around, after))

    def forward(self, x):
        return self.after(self.block(x) + self.around(x))


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2), nn.Softmax(1)]


def resnet50():
    layers, channels = [*conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        filters = 64 << stage
        for i in range(blocks):
            stride = 2 if stage and not i else 1
            block = [*conv(channels, filters, 1), nn.ReLU(), *conv(filters, filters, 3, stride), nn.ReLU(),
                     *conv(filters, 4 * filters, 1)]
            around = [] if i else conv(channels, 4 * filters, 1, stride)
            layers.append(Residual(block, around, [nn.ReLU()]))
            channels = 4 * filters
    return layers + head(channels)


def mobilenet_v2():
    layers, channels = [*conv(3, 32, 3, 2), nn.ReLU6()], 32
    for expand, filters, blocks, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(blocks):
            stride, wide = 1 if i else first, channels * expand
            block = [*conv(channels, wide, 1), nn.ReLU6()] if expand > 1 else []
            block += [*conv(wide, wide, 3, stride, wide), nn.ReLU6(), *conv(wide, filters, 1)]
            layers += [Residual(block)] if stride == 1 and channels == filters else block
            channels = filters
    return [*layers, *conv(channels, 1280, 1), nn.ReLU6()] + head(1280)


def time_inference(layers, args):
    """Seconds of each batch, after two that do not count."""
    net, x = nn.Sequential(*layers).eval().to(args.device), torch.rand(args.batch or 16, 3, 224, 224, device=args.device)
    if args.best:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        if args.best and args.device == "cpu":
            net = torch.jit.freeze(torch.jit.trace(net, x))

        def step():
            with cast(args):
                net(x)

        return repeated(as_graph(step, args), args.repeat)


def cast(args):
    return torch.autocast(args.device, torch.bfloat16, enabled=args.cuda == "mixed")


def as_graph(step, args):
    """What does the same as `step`, on a GPU as one launch of its kernels: captured after some steps that warm up."""
    if args.device == "cpu" or not args.best:
        return step
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def repeated(step, count):
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    seconds = []
    for _ in range(count + 2):
        begun = time.perf_counter()
        step()
        wait()
        seconds.append(time.perf_counter() - begun)
    return seconds[2:]


BACKBONES = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}
# layers, side of the images, classes (1: one sigmoid output), optimizer
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


def time_training(net, args, wrap=lambda net: net):
    """Seconds of each step of what `wrap` makes of the net."""
    layers, side, classes, make_optimizer = NETS.get(net) or (BACKBONES[net], 224, 2, adam)
    net, batch = nn.Sequential(*layers()).train().to(args.device), args.batch or 32
    x = torch.rand(batch, 3, side, side, device=args.device)
    if classes == 1:
        loss, label = nn.BCELoss(), torch.randint(0, 2, (batch, 1), device=args.device).float()
    else:
        loss, label = nn.CrossEntropyLoss(), torch.randint(0, classes, (batch,), device=args.device)
    if args.best:
        net = net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    net = wrap(net)
    graph = args.best and args.device != "cpu"  # whose kernels read the step's number from the GPU
    optimizer = make_optimizer(net.parameters(), **({"capturable": True} if graph else {}))

    def step():
        optimizer.zero_grad()
        with cast(args):
            y = net(x)
        loss(y.float(), label).backward()
        optimizer.step()

    return repeated(as_graph(step, args), args.repeat)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=[*NETS, *BACKBONES])
    parser.add_argument("--batch", type=int, default=0, help="default: 32, of inference 16")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--cuda", choices=["float32", "tf32", "mixed"])
    args = parser.parse_args()
    args.device = "cuda" if args.cuda else "cpu"
    if args.cuda:
        torch.cuda.init()
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.cuda != "float32"
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.net in BACKBONES and not args.train:
        seconds = time_inference(BACKBONES[args.net](), args)
    else:
        seconds = time_training(args.net, args)
    print(json.dumps({"ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds),
                      "torch": torch.__version__, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
