"""Image nets in plain torch, with random weights: what torchvision builds, written anew and small.

Each is a function without arguments that gives a module in evaluation mode, with running statistics
that are not the initial ones."""
import torch
from torch import nn


class ConvNorm(nn.Sequential):
    def __init__(self, i, o, kernel=3, stride=1, groups=1, act=nn.ReLU6):
        layers = [nn.Conv2d(i, o, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
        super().__init__(*layers + ([act()] if act else []))


class BasicBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU()
        self.down = None
        if stride != 1 or i != o:
            self.down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.down is None else self.down(x)))


class Bottleneck(nn.Module):
    def __init__(self, i, width, stride):
        super().__init__()
        o = 4 * width
        self.body = nn.Sequential(ConvNorm(i, width, 1, act=nn.ReLU), ConvNorm(width, width, 3, stride, act=nn.ReLU),
                                  ConvNorm(width, o, 1, act=None))
        self.down = ConvNorm(i, o, 1, stride, act=None) if stride != 1 or i != o else nn.Identity()

    def forward(self, x):
        return torch.relu(self.body(x) + self.down(x))


class ResNet(nn.Module):
    def __init__(self, block, counts, out):
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(3, 64, 7, 2, act=nn.ReLU), nn.MaxPool2d(3, 2, 1))
        blocks, i = [], 64
        for stage, count in enumerate(counts):
            for k in range(count):
                blocks.append(block(i, 64 << stage, 2 if stage and not k else 1))
                i = (64 << stage) * out
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(i, 1000)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


class Inverted(nn.Module):
    """MobileNetV2's block; with `squeeze` and SiLU, EfficientNet's."""

    def __init__(self, i, o, stride, expand, kernel=3, act=nn.ReLU6, squeeze=0):
        super().__init__()
        wide = i * expand
        layers = [ConvNorm(i, wide, 1, act=act)] if expand != 1 else []
        layers.append(ConvNorm(wide, wide, kernel, stride, wide, act))
        if squeeze:
            layers.append(Squeeze(wide, squeeze))
        layers.append(ConvNorm(wide, o, 1, act=None))
        self.body, self.skip = nn.Sequential(*layers), stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class Squeeze(nn.Module):
    def __init__(self, channels, squeezed, act=nn.SiLU, gate=nn.Sigmoid):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.act, self.gate = act(), gate()

    def forward(self, x):
        return x * self.gate(self.fc2(self.act(self.fc1(self.pool(x)))))


class Fire(nn.Module):
    def __init__(self, i, s, e):
        super().__init__()
        self.squeeze, self.expand1, self.expand3 = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1(x)), torch.relu(self.expand3(x))], 1)


class View(nn.Module):
    """Flattens in the way that leaves Shape, Gather and Concat in an exported graph."""

    def forward(self, x):
        return x.view(x.size(0), -1)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean([2, 3])


class HandGelu(nn.Module):
    def forward(self, x):
        return x * 0.5 * (1.0 + torch.erf(x / 1.4142135623730951))


class Dense(nn.Module):
    """A dense block of more inputs than one Concat layer takes."""

    def __init__(self, i, growth, count):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(i + k * growth, growth, 3, padding=1) for k in range(count))

    def forward(self, x):
        all_ = [x]
        for conv in self.convs:
            all_.append(torch.relu(conv(torch.cat(all_, 1))))
        return torch.cat(all_, 1)


class Odd(nn.Module):
    """Broadcast, constants, padding, pools and activations that the others lack."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=4)
        self.register_buffer("scale", torch.rand(1, 8, 1, 1) + 0.5)
        self.fc, self.bn = nn.Linear(8 * 7 * 6, 12), nn.BatchNorm1d(8 * 7 * 6)
        self.fc2 = nn.Linear(12, 5)

    def forward(self, x):
        x = nn.functional.hardswish(self.a((x * 255 - 127.5) / 63))
        x = nn.functional.pad(x, (1, 2, 0, 1))
        x = nn.functional.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = nn.functional.gelu(self.b(x)) - self.scale
        x = nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        x = nn.functional.avg_pool2d(x, 2, 1, 1)
        gate = nn.functional.hardsigmoid(x.mean((2, 3), keepdim=True))
        x = nn.functional.leaky_relu(x * gate - x / 3, 0.1) * self.scale + 1
        x = nn.functional.dropout(self.bn(torch.flatten(x, 1)), 0.5, self.training)
        return torch.softmax(self.fc2(torch.tanh(self.fc(x)).unsqueeze(2).squeeze(2)), 1)


def resnet18():
    return ResNet(BasicBlock, (2, 2, 2, 2), 1)


def resnet50():
    return ResNet(Bottleneck, (3, 4, 6, 3), 4)


def mobilenet_v2():
    layers, i = [ConvNorm(3, 32, 3, 2)], 32
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for k in range(n):
            layers.append(Inverted(i, c, s if k == 0 else 1, t))
            i = c
    return nn.Sequential(*layers, ConvNorm(i, 1280, 1), Mean(), nn.Dropout(0.2), nn.Linear(1280, 1000))


def squeezenet1_1():
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(),
                         Fire(128, 32, 128), Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192),
                         Fire(384, 64, 256), Fire(512, 64, 256), nn.Dropout(0.5), nn.Conv2d(512, 1000, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())


def efficientnet_b0():
    layers, i = [ConvNorm(3, 32, 3, 2, act=nn.SiLU)], 32
    for t, c, n, s, k in ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
                          (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for j in range(n):
            layers.append(Inverted(i, c, s if j == 0 else 1, t, k, nn.SiLU, max(1, i // 4)))
            i = c
    return nn.Sequential(*layers, ConvNorm(i, 1280, 1, act=nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(1280, 1000))


def vgg16():
    layers, i = [], 3
    for c in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.Conv2d(i, c, 3, padding=1), nn.ReLU()] if c else [nn.MaxPool2d(2, 2)]
        i = c or i
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(),
                         nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000))


def odd():
    return Odd()


def dense():
    return nn.Sequential(nn.Conv2d(3, 4, 3), Dense(4, 2, 10), HandGelu(), nn.AvgPool2d(2, ceil_mode=True), nn.SiLU(),
                         Squeeze(24, 5, nn.ReLU, nn.Hardsigmoid), nn.Hardswish(), View(), nn.Linear(24 * 10 * 9, 7))


NETS = {"odd": (odd, (19, 16)), "dense": (dense, (22, 20)), "squeezenet1_1": (squeezenet1_1, (224, 224)),
        "mobilenet_v2": (mobilenet_v2, (224, 224)), "resnet18": (resnet18, (224, 224)),
        "efficientnet_b0": (efficientnet_b0, (224, 224)), "resnet50": (resnet50, (224, 224)), "vgg16": (vgg16, (224, 224))}


def make(name):
    """A module with weights by seed, statistics measured on one batch, and that batch's first two images."""
    torch.manual_seed(7)
    build, size = NETS[name]
    net, x = build(), torch.randn(4, 3, *size)
    norms = [m for m in net.modules() if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d))]
    for m in norms:
        m.momentum = 0.5
        nn.init.uniform_(m.weight, 0.5, 1.5)
        nn.init.uniform_(m.bias, -0.2, 0.2)
    if norms:
        net.train()
        with torch.no_grad():
            net(x)
    for m in norms:
        m.momentum = 0.1
    return net.eval(), x[:2]
