"""The named backbones in PyTorch, with the modules' names and the numbers of torchvision."""
import math

import torch
from torch import nn


class Vgg16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for outputs in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096),
                                        nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 7)
        return self.classifier(x.flatten(1))


class Residual(nn.Module):
    def __init__(self, inputs, filters, stride, wide):
        super().__init__()
        self.wide, outputs = wide, filters * (4 if wide else 1)
        if wide:
            self.conv1 = nn.Conv2d(inputs, filters, 1, bias=False)
            self.conv2 = nn.Conv2d(filters, filters, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(filters, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)
        else:
            self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                            nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.wide:
            y = self.bn3(self.conv3(torch.relu(y)))
        return torch.relu(y + (self.downsample(x) if self.downsample else x))


class Resnet(nn.Module):
    def __init__(self, blocks, wide):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for i, count in enumerate(blocks):
            stage = []
            for j in range(count):
                stage.append(Residual(inputs, 64 << i, 2 if i and not j else 1, wide))
                inputs = (64 << i) * (4 if wide else 1)
            setattr(self, "layer%d" % (i + 1), nn.Sequential(*stage))
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def whole(self, x):
        return self.fc(self(x).mean((2, 3)))


def conv_norm(inputs, outputs, kernel, stride, groups, activation, eps=1e-5):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs, eps)]
    return nn.Sequential(*layers + ([activation()] if activation else []))


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        wide = inputs * expand
        layers = [conv_norm(inputs, wide, 1, 1, 1, nn.ReLU6)] if expand > 1 else []
        layers += [conv_norm(wide, wide, 3, stride, wide, nn.ReLU6), nn.Conv2d(wide, outputs, 1, bias=False),
                   nn.BatchNorm2d(outputs)]
        self.conv, self.around = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.around else self.conv(x)


class MobilenetV2(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [conv_norm(3, 32, 3, 2, 1, nn.ReLU6)], 32
        for expand, outputs, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                               (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(count):
                layers.append(Inverted(inputs, outputs, 1 if i else stride, expand))
                inputs = outputs
        layers.append(conv_norm(inputs, 1280, 1, 1, 1, nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x).mean((2, 3)))


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class Squeezenet11(nn.Module):
    def __init__(self):
        super().__init__()

        def pool():
            return nn.MaxPool2d(3, 2, ceil_mode=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192),
            Fire(384, 64, 256), Fire(512, 64, 256))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU())

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x)).mean((2, 3))


class Excite(nn.Module):
    def __init__(self, channels, squeeze, activation=nn.functional.silu, gate=torch.sigmoid):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeeze, 1), nn.Conv2d(squeeze, channels, 1)
        self.activation, self.gate = activation, gate

    def forward(self, x):
        y = self.activation(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * self.gate(self.fc2(y))


def round_channels(x):
    n = max(8, int(x + 4) // 8 * 8)
    return n + 8 if n < 0.9 * x else n


class MbConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expand):
        super().__init__()
        wide = inputs * expand
        layers = [conv_norm(inputs, wide, 1, 1, 1, nn.SiLU)] if expand > 1 else []
        layers += [conv_norm(wide, wide, kernel, stride, wide, nn.SiLU), Excite(wide, inputs // 4),
                   conv_norm(wide, outputs, 1, 1, 1, None)]
        self.block, self.around = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.around else self.block(x)


class Efficientnet(nn.Module):
    def __init__(self, wide, deep, dropout):
        super().__init__()
        inputs = round_channels(wide * 32)
        layers = [conv_norm(3, inputs, 3, 2, 1, nn.SiLU)]
        for expand, kernel, stride, outputs, count in ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2),
                                                       (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
                                                       (6, 3, 1, 320, 1)):
            stage, outputs = [], round_channels(wide * outputs)
            for i in range(math.ceil(deep * count)):
                stage.append(MbConv(inputs, outputs, kernel, 1 if i else stride, expand))
                inputs = outputs
            layers.append(nn.Sequential(*stage))
        layers.append(conv_norm(inputs, 4 * inputs, 1, 1, 1, nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * inputs, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x).mean((2, 3)))


class Bottleneck3(nn.Module):
    def __init__(self, inputs, kernel, wide, outputs, excite, activation, stride):
        super().__init__()
        layers = [conv_norm(inputs, wide, 1, 1, 1, activation, 1e-3)] if wide != inputs else []
        layers.append(conv_norm(wide, wide, kernel, stride, wide, activation, 1e-3))
        if excite:
            layers.append(Excite(wide, round_channels(wide / 4), torch.relu, nn.functional.hardsigmoid))
        layers.append(conv_norm(wide, outputs, 1, 1, 1, None, 1e-3))
        self.block, self.around = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.around else self.block(x)


class MobilenetV3(nn.Module):
    """Rows: kernel, expanded, outputs, squeeze and excite, hard swish (else relu), stride."""
    SMALL = ((3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2),
             (5, 240, 40, 1, 1, 1), (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1),
             (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1), (5, 576, 96, 1, 1, 1))
    LARGE = ((3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
             (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
             (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
             (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1))

    def __init__(self, rows, units):
        super().__init__()
        layers, inputs = [conv_norm(3, 16, 3, 2, 1, nn.Hardswish, 1e-3)], 16
        for kernel, wide, outputs, excite, hard, stride in rows:
            layers.append(Bottleneck3(inputs, kernel, wide, outputs, excite, nn.Hardswish if hard else nn.ReLU, stride))
            inputs = outputs
        layers.append(conv_norm(inputs, 6 * inputs, 1, 1, 1, nn.Hardswish, 1e-3))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(6 * inputs, units), nn.Hardswish(), nn.Dropout(0.2),
                                        nn.Linear(units, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x).mean((2, 3)))


class ChannelNorm(nn.LayerNorm):
    """Over the channels of [n, c, h, w]."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Turn(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(*self.order)


class ConvnextBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))
        self.block = nn.Sequential(nn.Conv2d(channels, channels, 7, padding=3, groups=channels), Turn(0, 2, 3, 1),
                                   nn.LayerNorm(channels, 1e-6), nn.Linear(channels, 4 * channels), nn.GELU(),
                                   nn.Linear(4 * channels, channels), Turn(0, 3, 1, 2))

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


class ConvnextTiny(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [nn.Sequential(nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, 1e-6))], 96
        for channels, count in ((96, 3), (192, 3), (384, 9), (768, 3)):
            if channels != inputs:
                layers.append(nn.Sequential(ChannelNorm(inputs, 1e-6), nn.Conv2d(inputs, channels, 2, 2)))
            layers.append(nn.Sequential(*[ConvnextBlock(channels) for _ in range(count)]))
            inputs = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(ChannelNorm(768, 1e-6), nn.Flatten(1), nn.Linear(768, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x).mean((2, 3), keepdim=True))


class RegnetParts(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = conv_norm(inputs, outputs, 1, 1, 1, nn.ReLU)
        self.b = conv_norm(outputs, outputs, 3, stride, outputs // 8, nn.ReLU)
        self.se = Excite(outputs, inputs // 4, torch.relu)
        self.c = conv_norm(outputs, outputs, 1, 1, 1, None)

    def forward(self, x):
        return self.c(self.se(self.b(self.a(x))))


class RegnetBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.f, self.proj = RegnetParts(inputs, outputs, stride), None
        if stride > 1 or inputs != outputs:
            self.proj = conv_norm(inputs, outputs, 1, stride, 1, None)

    def forward(self, x):
        return torch.relu((self.proj(x) if self.proj else x) + self.f(x))


class RegnetY400(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.trunk_output, inputs = conv_norm(3, 32, 3, 2, 1, nn.ReLU), nn.Sequential(), 32
        for s, (outputs, count) in enumerate(((48, 1), (104, 3), (208, 6), (440, 6)), 1):
            stage = nn.Sequential()
            for i in range(count):
                stage.add_module("block%d-%d" % (s, i), RegnetBlock(inputs, outputs, 1 if i else 2))
                inputs = outputs
            self.trunk_output.add_module("block%d" % s, stage)
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, x):
        return self.trunk_output(self.stem(x))

    def whole(self, x):
        return self.fc(self(x).mean((2, 3)))


class VitMlp(nn.Sequential):
    def __init__(self, channels):
        super().__init__(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Dropout(0), nn.Linear(4 * channels, channels))


class VitBlock(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(channels, 1e-6), nn.LayerNorm(channels, 1e-6)
        self.self_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.mlp = VitMlp(channels)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VitEncoder(nn.Module):
    def __init__(self, channels, heads, tokens):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, tokens, channels))
        self.layers = nn.Sequential()
        for i in range(12):
            self.layers.add_module("encoder_layer_%d" % i, VitBlock(channels, heads))
        self.ln = nn.LayerNorm(channels, 1e-6)

    def forward(self, x):
        return self.ln(self.layers(x + self.pos_embedding))


class Vit(nn.Module):
    def __init__(self, channels, heads, size=224):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, channels, 16, 16)
        self.class_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.encoder = VitEncoder(channels, heads, (size // 16) ** 2 + 1)
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(channels, 1000))

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = self.encoder(torch.cat([self.class_token.expand(len(x), -1, -1), x], 1))
        return x[:, 0, :, None, None]

    def whole(self, x):
        return self.heads(self(x).flatten(1))


class TimmVit(Vit):
    """With timm's names in files of weights."""
    NAMES = (("conv_proj", "patch_embed.proj"), ("class_token", "cls_token"), ("encoder.pos_embedding", "pos_embed"),
             ("encoder.layers.encoder_layer_", "blocks."), ("self_attention.in_proj_", "attn.qkv."),
             ("self_attention.out_proj", "attn.proj"), ("ln_1", "norm1"), ("ln_2", "norm2"), ("mlp.0", "mlp.fc1"),
             ("mlp.3", "mlp.fc2"), ("encoder.ln", "norm"), ("heads.head", "head"))

    def rename(self, name):
        for torchvision, timm in self.NAMES:
            name = name.replace(torchvision, timm)
        return name


# name: the class, parameters as torchvision counts them, the same without the classifier
BACKBONES = {
    "vgg16": (Vgg16, 138357544, 14714688),
    "resnet18": (lambda: Resnet([2, 2, 2, 2], False), 11689512, 11176512),
    "resnet34": (lambda: Resnet([3, 4, 6, 3], False), 21797672, 21284672),
    "resnet50": (lambda: Resnet([3, 4, 6, 3], True), 25557032, 23508032),
    "resnet101": (lambda: Resnet([3, 4, 23, 3], True), 44549160, 42500160),
    "mobilenet_v2": (MobilenetV2, 3504872, 2223872),
    "mobilenet_v3_small": (lambda: MobilenetV3(MobilenetV3.SMALL, 1024), 2542856, 927008),
    "mobilenet_v3_large": (lambda: MobilenetV3(MobilenetV3.LARGE, 1280), 5483032, 2971952),
    "squeezenet1_1": (Squeezenet11, 1235496, 722496),
    "efficientnet_b0": (lambda: Efficientnet(1, 1, 0.2), 5288548, 4007548),
    "efficientnet_b1": (lambda: Efficientnet(1, 1.1, 0.2), 7794184, 6513184),
    "efficientnet_b2": (lambda: Efficientnet(1.1, 1.2, 0.3), 9109994, 7700994),
    "efficientnet_b3": (lambda: Efficientnet(1.2, 1.4, 0.3), 12233232, 10696232),
    "convnext_tiny": (ConvnextTiny, 28589128, 27818592),
    "regnet_y_400mf": (RegnetY400, 4344144, 3903144),
    "vit_b_16": (lambda size=224: Vit(768, 12, size), 86567656, 85798656),
    "vit_s_16": (lambda size=224: TimmVit(384, 6, size), 22050664, 21665664),
}
