"""The named backbones in PyTorch, with the modules' names and the numbers of torchvision."""
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


def conv_norm(inputs, outputs, kernel, stride, groups, activation):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs)]
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
    def __init__(self, channels, squeeze):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeeze, 1), nn.Conv2d(squeeze, channels, 1)

    def forward(self, x):
        y = nn.functional.silu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(y))


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


class EfficientnetB0(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [conv_norm(3, 32, 3, 2, 1, nn.SiLU)], 32
        for expand, kernel, stride, outputs, count in ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2),
                                                       (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
                                                       (6, 3, 1, 320, 1)):
            stage = []
            for i in range(count):
                stage.append(MbConv(inputs, outputs, kernel, 1 if i else stride, expand))
                inputs = outputs
            layers.append(nn.Sequential(*stage))
        layers.append(conv_norm(inputs, 1280, 1, 1, 1, nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x):
        return self.features(x)

    def whole(self, x):
        return self.classifier(self(x).mean((2, 3)))


# name: the class, parameters as torchvision counts them, the same without the classifier
BACKBONES = {
    "vgg16": (Vgg16, 138357544, 14714688),
    "resnet18": (lambda: Resnet([2, 2, 2, 2], False), 11689512, 11176512),
    "resnet50": (lambda: Resnet([3, 4, 6, 3], True), 25557032, 23508032),
    "mobilenet_v2": (MobilenetV2, 3504872, 2223872),
    "squeezenet1_1": (Squeezenet11, 1235496, 722496),
    "efficientnet_b0": (EfficientnetB0, 5288548, 4007548),
}
