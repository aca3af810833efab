"""Makes tests/data/policies.txt: torchvision's operations of RandAugment, TrivialAugmentWide and AugMix, in their order, with
a value for each magnitude, for images of 100 rows and 60 columns.

    policy_vectors.py > policies.txt

A line: the policy (augmix-some: without all_ops), the operation, 1 where its sign is drawn, its values; none: it has none.
A threshold is a share of the largest value. Of "up" and "down" the values are rand's at magnitude 9, with this sign, and
where a pixel of the result is read: its column, then its row, each as factors of column and row and a rest. Made with
torchvision 0.29 and torch 2.15."""
import torch
from torchvision.transforms import InterpolationMode, v2

HEIGHT, WIDTH = 100, 60
SPACES = (("rand", v2.RandAugment._AUGMENTATION_SPACE, 31), ("trivial", v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
          ("augmix", v2.AugMix._AUGMENTATION_SPACE, 10), ("augmix-some", v2.AugMix._PARTIAL_AUGMENTATION_SPACE, 10))

for policy, space, bins in SPACES:
    for name, (values, signed) in space.items():
        of_each = values(bins, HEIGHT, WIDTH)
        print(policy, name, int(signed), *[f"{v:.7g}" for v in ([] if of_each is None else of_each.tolist())])


def read_from(name, value):
    """An image of its own coordinates shows where it is read; near the centre nothing comes from beyond the edge."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    image = torch.stack([columns, rows]).to(torch.float64)
    moved = v2.RandAugment()._apply_image_or_video_transform(image, name, value, InterpolationMode.BILINEAR, {torch.Tensor: None})
    row, column = HEIGHT // 2, WIDTH // 2
    for part in moved:
        at, right, down = (part[row, column].item(), part[row, column + 4].item(), part[row + 4, column].item())
        x, y = (right - at) / 4, (down - at) / 4
        yield from (x, y, at - x * column - y * row)


for policy, sign in (("up", 1), ("down", -1)):
    for name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"):
        value = sign * v2.RandAugment._AUGMENTATION_SPACE[name][0](31, HEIGHT, WIDTH)[9].item()
        print(policy, name, 1, *[f"{v:.7g}" for v in (value, *(round(v, 5) + 0.0 for v in read_from(name, value)))])
