"""Makes tests/op/torchvision.txt: what torchvision makes of two small images with given parameters.

    torchvision_vectors.py > torchvision.txt

The images, 4 rows of 5 pixels of 3 channels, are bytes of x ← 1664525 x + 1013904223 mod 2^32, x ÷ 2^24, from x = 1. A case
is a line of parameters and one of the values, 0 to 255, [row, column, channel]:
    adjust STEPS KIND FACTOR …    of clade_adjustment
    image ROWS COLUMNS STEPS KIND FACTOR …    likewise of a larger and darker one: bytes b of the same sequence as b b ÷ 256
    crop TOP LEFT HEIGHT WIDTH    resized to the images' size
    move                          by a step of RandAugment of magnitude 30: shear, rotate or translate; 0 beyond the edge
    pad DOWN RIGHT FILL           moved by padding and cropping; FILL: reflect, or constant
    erase TOP LEFT BOTTOM RIGHT VALUE
    mix BLEND TOP LEFT BOTTOM RIGHT    the second image with the first
Made with torchvision 0.29.1 and torch 2.15."""
import math

import torch
from torchvision.transforms import functional as f
from torchvision.transforms import v2

HEIGHT, WIDTH, CHANNELS = 4, 5, 3
ADJUST = {1: f.adjust_brightness, 2: f.adjust_contrast, 3: f.adjust_saturation, 4: f.adjust_hue,
          5: lambda image, _: f.rgb_to_grayscale(image, 3), 6: lambda image, bits: of_bytes(f.posterize, image, bits),
          7: lambda image, limit: of_bytes(f.solarize, image, limit), 8: lambda image, _: f.autocontrast(image),
          9: f.adjust_sharpness, 10: lambda image, _: of_bytes(lambda bytes, _: f.equalize(bytes), image, 0)}
STEPS = [[(1, 0.6)], [(1, 1.7)], [(2, 0.3)], [(2, 1.9)], [(3, 0.2)], [(3, 2.5)], [(4, 0.5)], [(4, -0.23)], [(4, 0.1)],
         [(5, 0)], [(3, 1.4), (2, 1.3), (4, 0.3), (1, 0.8)], [(2, 0.7), (4, -0.4), (1, 1.2), (3, 0.4), (5, 0)],
         [(4, 0.01), (2, 1.5), (2, 0.5)], [(6, 3)], [(6, 7)], [(7, 128)], [(7, 40), (6, 4)], [(8, 0)],
         [(2, 0.4), (8, 0), (3, 0.5)], [(9, 0.1)], [(9, 1.9)], [(9, 1.4), (2, 0.7), (9, 0.3), (1, 1.2)]]
LARGE = [(18, 15, [(10, 0)]), (24, 32, [(10, 0)]), (18, 15, [(10, 0), (9, 1.6)]), (17, 16, [(7, 128), (10, 0), (3, 0.5)])]


def of_bytes(change, image, value):
    return change((image * 255).round().to(torch.uint8), value) / 255


def images(count, height, width):
    """As bytes, in floats."""
    state, values = 1, []
    for _ in range(count * height * width * CHANNELS):
        state = (1664525 * state + 1013904223) % 2 ** 32
        values.append(state >> 24)
    return torch.tensor(values, dtype=torch.float32).reshape(count, height, width, CHANNELS).permute(0, 3, 1, 2)


def change(image, steps):
    for kind, factor in steps:
        image = ADJUST[kind](image, factor)
    return image


def show(words, image):
    print(*words)
    print(*[f"{v:.6g}" for v in (image.permute(1, 2, 0) * 255).flatten().tolist()])


both = images(2, HEIGHT, WIDTH) / 255
first = both[0]
for steps in STEPS:
    show(["adjust", len(steps), *[v for step in steps for v in step]], change(first, steps))
for rows, columns, steps in LARGE:
    dark = (images(1, rows, columns)[0] ** 2 / 256).floor() / 255
    show(["image", rows, columns, len(steps), *[v for step in steps for v in step]], change(dark, steps))
for top, left, height, width in ((0, 0, 4, 5), (1, 1, 2, 3), (0, 2, 3, 3), (2, 0, 1, 5)):
    show(["crop", top, left, height, width],
         f.resized_crop(first, top, left, height, width, [HEIGHT, WIDTH], antialias=False))
for down, right, mode in ((-2, 1, "constant"), (1, -2, "constant"), (2, 2, "reflect"), (-1, 0, "reflect")):
    padded = f.pad(first, [2], padding_mode={"reflect": "symmetric"}.get(mode, mode))
    show(["pad", down, right, mode], f.crop(padded, 2 + down, 2 + right, HEIGHT, WIDTH))
for sign in (1, -1):
    shear = sign * math.degrees(math.atan(0.3))
    for matrix in ({"shear": [shear, 0], "center": [0, 0]}, {"shear": [0, shear], "center": [0, 0]},
                   {"angle": sign * 30}, {"translate": [sign * 2, 0]}, {"translate": [0, sign]}):
        values = {"angle": 0, "translate": [0, 0], "scale": 1, "shear": [0, 0], **matrix}
        show(["move"], f.affine(first, **values, interpolation=f.InterpolationMode.BILINEAR))
for top, left, bottom, right, value in ((1, 2, 3, 5, 0), (0, 0, 4, 1, -0.5)):
    show(["erase", top, left, bottom, right, value], f.erase(first, top, left, bottom - top, right - left, value))
mixup, cutmix = v2.MixUp(num_classes=2), v2.CutMix(num_classes=2)
for share in (0.3, 0.85):
    show(["mix", share, 0, 0, 0, 0], mixup.transform(both, {"labels": None, "batch_size": 2, "lam": share})[1])
for top, left, bottom, right in ((1, 0, 3, 4), (0, 3, 4, 5)):
    box = {"labels": None, "batch_size": 2, "box": (left, top, right, bottom), "lam_adjusted": 0}
    show(["mix", 1, top, left, bottom, right], cutmix.transform(both, box)[1])
