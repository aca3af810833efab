"""Makes tests/data/policies.txt: torchvision's operations of RandAugment, TrivialAugmentWide and AugMix, in their order, with
a value for each magnitude, for images of 100 rows and 60 columns.

    policy_vectors.py > policies.txt

A line: the policy (augmix-some: without all_ops), the operation, 1 where its sign is drawn, its values; none: it has none.
A threshold is a share of the largest value. Made with torchvision 0.29.1 and torch 2.15."""
from torchvision.transforms import v2

HEIGHT, WIDTH = 100, 60
SPACES = (("rand", v2.RandAugment._AUGMENTATION_SPACE, 31), ("trivial", v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
          ("augmix", v2.AugMix._AUGMENTATION_SPACE, 10), ("augmix-some", v2.AugMix._PARTIAL_AUGMENTATION_SPACE, 10))

for policy, space, bins in SPACES:
    for name, (values, signed) in space.items():
        of_each = values(bins, HEIGHT, WIDTH)
        print(policy, name, int(signed), *[f"{v:.7g}" for v in ([] if of_each is None else of_each.tolist())])
