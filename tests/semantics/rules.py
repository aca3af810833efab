"""docs/training.md in numpy: random numbers, order, augmentation, learning-rate schedules, optimizers, metrics.

Written from that page, and not from the code in C. Numbers are float64; settings are rounded to float32 as the page
says. `recipe` is everywhere the recipe as a dict."""
import colorsys
import math

import numpy as np

INIT, SHUFFLE, SPLIT, AUGMENT, DROPOUT = 1, 2, 3, 4, 5  # the streams that training draws from
CROP, ERASE, COLOUR, MIX, POLICY, CHAINS = 11, 12, 13, 14, 15, 16


def single(value):
    """A setting as it is kept."""
    return float(np.float32(value))


FORMATS = {"mixed_bfloat16": (8, -125, 255 * 2.0 ** 120), "mixed_float16": (11, -13, 65504.0)}


def stored(precision):
    """What becomes of numbers that are stored: to the nearest of so many binary digits, of two to the even one."""
    if precision == "float32":
        return lambda x: x
    digits, least, most = FORMATS[precision]

    def to_nearest(x):
        unit = np.ldexp(1.0, np.maximum(np.frexp(x)[1], least) - digits)
        near = np.rint(x / unit) * unit
        return np.where(np.abs(near) > most, np.copysign(np.inf, near), near)

    return to_nearest


# --- random numbers ---

LOW_WORD = 0xFFFFFFFF
LOW = np.uint64(LOW_WORD)


def philox(key, c0, c1, c2, c3):
    """Philox 4x32-10 of whole arrays: [..., 4] words."""
    c0, c1, c2, c3 = np.broadcast_arrays(*[np.asarray(c, np.uint64) & LOW for c in (c0, c1, c2, c3)])
    k0, k1 = key & LOW_WORD, key >> 32
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        high_a, high_b = a >> np.uint64(32), b >> np.uint64(32)
        c0, c1, c2, c3 = high_b ^ c1 ^ np.uint64(k0), b & LOW, high_a ^ c3 ^ np.uint64(k1), a & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW_WORD, (k1 + 0xBB67AE85) & LOW_WORD
    return np.stack([c0, c1, c2, c3], -1)


def unit(word):
    return (np.asarray(word, np.uint64) >> np.uint64(8)).astype(np.float64) * 2.0 ** -24


class Generator:
    """The words of one (seed, stream, place), one after the other."""

    def __init__(self, seed, stream, place):
        self.seed, self.stream, self.place = seed, stream, place
        self.block, self.left = 0, []

    def word(self):
        if not self.left:
            four = philox(self.seed, self.place & LOW_WORD, self.place >> 32, self.block, self.stream)
            self.block, self.left = self.block + 1, [int(w) for w in four]
        return self.left.pop(0)

    def unit(self):
        return (self.word() >> 8) * 2.0 ** -24

    def below(self, n):
        while True:
            word = self.word()
            if word >= 2 ** 32 % n:
                return word % n


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2 ** 64
    return value


# --- initial weights, order, dropout ---

def initial(name, shape, seed, kind="glorot_uniform"):
    """A kernel [..., in, out] before training."""
    count = int(np.prod(shape))
    if kind in ("zeros", "ones"):
        return np.full(shape, float(kind == "ones"))
    area = int(np.prod(shape[:-2]))
    fan_in, fan_out = area * shape[-2], area * shape[-1]
    random = Generator(seed, INIT, fnv1a(name))
    if kind == "dirac":
        limit = single(math.sqrt(1 / fan_in))
        values = np.array([-limit + 2 * limit * random.unit() for _ in range(count)]).reshape(shape)
        some = min(shape[2:])
        values[..., :some] = 0
        values[shape[0] // 2, shape[1] // 2, range(some), range(some)] = 1
        return values
    family, law = kind.rsplit("_", 1)
    variance = 1 / {"glorot": (fan_in + fan_out) / 2, "he": fan_in / 2, "lecun": fan_in}[family]
    if law == "uniform":
        limit = single(math.sqrt(3 * variance))
        values = [-limit + 2 * limit * random.unit() for _ in range(count)]
    else:
        deviation, values = math.sqrt(variance) / 0.87962566103423978, []
        while len(values) < count:
            u, v = (random.word() + 1) / 2 ** 32, random.word() / 2 ** 32
            z = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
            if abs(z) <= 2:
                values.append(deviation * z)
    return np.array(values).reshape(shape)


def whitening(images, side):
    """The kernel [side, side, c, 2 n] that whitens these images' patches."""
    places = [i * len(images) // min(len(images), 5000) for i in range(min(len(images), 5000))]
    patches = np.lib.stride_tricks.sliding_window_view(images[places], (side, side), (1, 2))
    patches = np.moveaxis(patches, 3, -1).reshape(-1, side * side * images.shape[3])
    values, vectors = np.linalg.eigh(np.cov(patches.T, bias=True))
    vectors = vectors.T[::-1]
    vectors = vectors * np.sign([v[np.abs(v).argmax()] for v in vectors])[:, None]
    kernel = (vectors / np.sqrt(values[::-1] + 5e-4)[:, None]).T
    return np.hstack([kernel, -kernel]).reshape(side, side, images.shape[3], -1)


def order(count, seed, epoch, shuffle):
    """The images of an epoch (from 0), in their order."""
    places = list(range(count))
    random = Generator(seed, SHUFFLE, epoch)
    for i in range(count - 1, 0, -1) if shuffle else ():
        j = random.below(i + 1)
        places[i], places[j] = places[j], places[i]
    return places


def split(names, label, validation, test, seed):
    """The split of each image, named as CLASS/FILE: "train", "validation" or "test"."""
    def rank(i):
        words = philox(seed, fnv1a(names[i]) & LOW_WORD, fnv1a(names[i]) >> 32, 0, SPLIT)
        return int(words[0]) << 32 | int(words[1])

    def share(fraction, n):
        return max(math.floor(fraction * n + 0.5), 1) if fraction else 0

    out = ["train"] * len(names)
    for c in set(label):
        own = sorted((i for i in range(len(names)) if label[i] == c), key=rank)
        first, second = share(validation, len(own)), share(test, len(own))
        for i in own[:first]:
            out[i] = "validation"
        for i in own[first:first + second]:
            out[i] = "test"
    return np.array(out)


def dropout_mask(shape, rate, seed, layer, step, first):
    """What the values of a layer are multiplied by; `first`: the place in the batch of the first image."""
    rate, n = single(rate), int(np.prod(shape))
    i = np.arange(n) + first * (n // shape[0])
    words = philox(seed, i // 4, layer, step, DROPOUT)[np.arange(n), i % 4]
    return ((unit(words) >= rate) / (1 - rate)).reshape(shape)


def depth_mask(shape, rate, seed, layer, step, first):
    """The same, where whole images are dropped."""
    rate, i = single(rate), np.arange(shape[0]) + first
    words = philox(seed, i // 4, layer, step, DROPOUT)[np.arange(shape[0]), i % 4]
    return ((unit(words) >= rate) / (1 - rate)).reshape(-1, *[1] * (len(shape) - 1))


# --- augmentation ---

def span(value):
    """[low, high] of a range that may be one number around 1."""
    if isinstance(value, list):
        return single(value[0]), single(value[1])
    return (single(1 - value), single(1 + value)) if value else (1.0, 1.0)


def sides(area, ratio):
    """Height and width of a rectangle of this ratio of width to height, in whole pixels."""
    return math.floor(math.sqrt(area / ratio) + 0.5), math.floor(math.sqrt(area * ratio) + 0.5)


def between(random, low, high):
    return single(low) + (single(high) - single(low)) * random.unit()


def between_logs(random, low, high):
    low, high = math.log(single(low)), math.log(single(high))
    return math.exp(low + (high - low) * random.unit())


def resized_crop(random, settings, height, width):
    """Height, width, row and column."""
    scale, ratio = settings.get("scale", [0.08, 1]), settings.get("ratio", [3 / 4, 4 / 3])
    for _ in range(10):
        area = between(random, *scale) * height * width
        h, w = sides(area, between_logs(random, *ratio))
        if 0 < h <= height and 0 < w <= width:
            row = random.below(height - h + 1)
            return h, w, row, random.below(width - w + 1)
    h, w, own = height, width, width / height
    if own < single(ratio[0]):
        h = math.floor(width / single(ratio[0]) + 0.5)
    if own > single(ratio[1]):
        w = math.floor(height * single(ratio[1]) + 0.5)
    return h, w, (height - h) // 2, (width - w) // 2


def crops(augment, height, width, seed, epoch, place):
    """From places of the cropped image to those of the whole, (row, column, 1)."""
    random, pad = Generator(seed, CROP, epoch << 32 | place), augment.get("pad_crop", 0)
    down, right = random.below(2 * pad + 1) - pad, random.below(2 * pad + 1) - pad
    move = np.array([[1, 0, down], [0, 1, right], [0, 0, 1]])
    if "random_resized_crop" not in augment:
        return move
    h, w, row, column = resized_crop(random, augment["random_resized_crop"], height, width)
    rows, columns = h / height, w / width
    return np.array([[rows, 0, row + (rows - 1) / 2], [0, columns, column + (columns - 1) / 2], [0, 0, 1]]) @ move


OPERATIONS = ("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "saturation",
              "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize")


def value_of(name, share, sign, most):
    """Of an operation at a share of the largest magnitudes; a posterize has the bits to begin with and those to lose."""
    value = sign * share * most.get(name.split("_")[0], most["colour"])
    if name.startswith("translate"):
        value = int(sign * share * most[name])
    if name == "posterize":
        value = most["bits"][0] - math.floor(share * most["bits"][1] + 0.5)
    if name == "solarize":
        value = single(255 * (1 - share))
    return value


def policy(augment, height, width, seed, epoch, place):
    """The steps of RandAugment or TrivialAugment: [(name, value)]."""
    trivial, settings = augment.get("trivial_augment", False), augment.get("rand_augment")
    ops = augment.get("policy_ops", "all")
    ops = [name for name in OPERATIONS if ops == "all" or name in ops]
    random, out = Generator(seed, POLICY, epoch << 32 | place), []
    most = {"shear": 0.99, "translate_x": 32, "translate_y": 32, "rotate": 135, "colour": 0.99, "bits": (8, 6)} \
        if trivial else {"shear": 0.3, "translate_x": 150 / 331 * width, "translate_y": 150 / 331 * height, "rotate": 30,
                         "colour": 0.9, "bits": (8, 4)}
    for _ in range(1 if trivial else settings.get("num_ops", 2) if settings is not None else 0):
        name = ops[random.below(len(ops))]
        magnitude, sign = random.below(31), -1 if random.below(2) else 1
        share = (magnitude if trivial else settings.get("magnitude", 9)) / 30
        out.append((name, value_of(name, share, sign, most)))
    return out


def gamma(random, shape):
    """A gamma variate: exponentials, and Beta's share of one (Johnk)."""
    def uniform():
        return (random.word() + 1) / 2 ** 32
    out = sum(-math.log(uniform()) for _ in range(int(shape)))
    rest = shape % 1
    while rest:
        u, v = uniform() ** (1 / rest), uniform() ** (1 / (1 - rest))
        if u + v <= 1:
            return out + u / (u + v) * -math.log(uniform())
    return out


def chains(augment, height, width, seed, epoch, place):
    """AugMix's images of one: [(weight, steps)], itself first."""
    o = augment["augmix"]
    random, alpha = Generator(seed, CHAINS, epoch << 32 | place), single(o.get("alpha", 1))
    own, others = gamma(random, alpha), gamma(random, alpha)
    shares = [gamma(random, alpha) for _ in range(o.get("mixture_width", 3))]
    ops = [name for name in OPERATIONS[1:] if o.get("all_ops", True)
           or name not in ("brightness", "saturation", "contrast", "sharpness")]
    most = {"shear": 0.3, "translate_x": width / 3, "translate_y": height / 3, "rotate": 30, "colour": 0.9, "bits": (4, 4)}
    out = [(own / (own + others), [])]
    for share in shares:
        drawn, steps = 1 + random.below(3), []
        for _ in range(o["chain_depth"] if o.get("chain_depth", -1) > 0 else drawn):
            name, level = ops[random.below(len(ops))], random.below(o.get("severity", 3))
            steps.append((name, value_of(name, level / 9, -1 if random.below(2) else 1, most)))
        out.append((others / (own + others) * share / sum(shares), steps))
    return out


def moved(name, value, height, width):
    """From places of the image after a step to those before it."""
    if name == "shear_x":
        return np.array([[1, 0, 0], [value, 1, value / 2], [0, 0, 1]])
    if name == "shear_y":
        return np.array([[1, value, value / 2], [0, 1, 0], [0, 0, 1]])
    if name.startswith("translate"):
        return np.array([[1, 0, -value * (name == "translate_y")], [0, 1, -value * (name == "translate_x")], [0, 0, 1]])
    angle = math.radians(value if name == "rotate" else 0)
    centre = np.array([[1, 0, (height - 1) / 2], [0, 1, (width - 1) / 2], [0, 0, 1]])
    turn = np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    return centre @ turn @ np.linalg.inv(centre)


def matrix(augment, height, width, seed, epoch, place, chain=()):
    """The eight numbers for an image and one of its chains' steps: two rows of (column, row, 1), brightness, 0."""
    random = Generator(seed, AUGMENT, epoch << 32 | place)

    def around(key):
        size = single(augment.get(key, 0))
        return size * (2 * random.unit() - 1)

    def within(key):
        low, high = span(augment.get(key, 0))
        return low + (high - low) * random.unit()

    angle = math.radians(around("rotation"))
    down, right = around("height_shift") * height, around("width_shift") * width
    shear = math.radians(around("shear"))
    zoom_rows, zoom_columns = within("zoom"), within("zoom")
    mirror, overturn = random.unit() < 0.5, random.unit() < 0.5
    brightness = within("brightness")
    centre = np.array([[1, 0, (height - 1) / 2], [0, 1, (width - 1) / 2], [0, 0, 1]])
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    shift = np.array([[1, 0, down], [0, 1, right], [0, 0, 1]])
    slant = np.array([[1, -math.sin(shear), 0], [0, math.cos(shear), 0], [0, 0, 1]])
    zoom = np.diag([zoom_rows, zoom_columns, 1])
    t = crops(augment, height, width, seed, epoch, place) @ centre @ turn @ shift @ slant @ zoom @ np.linalg.inv(centre)
    if augment.get("alternating_flip"):
        first = Generator(seed, AUGMENT, place)
        mirror = ([first.unit() for _ in range(7)][6] < 0.5) != (epoch % 2 == 1)
    if mirror and (augment.get("horizontal_flip") or augment.get("alternating_flip")):
        t = t @ np.array([[1, 0, 0], [0, -1, width - 1], [0, 0, 1]])
    if overturn and augment.get("vertical_flip"):
        t = t @ np.array([[-1, 0, height - 1], [0, 1, 0], [0, 0, 1]])
    for step in [*policy(augment, height, width, seed, epoch, place), *chain]:
        t = t @ moved(*step, height, width)
    return np.array([t[1, 1], t[1, 0], t[1, 2], t[0, 1], t[0, 0], t[0, 2], brightness, 0])


def taps(t, n, fill):
    """Pixels for coordinates that may lie outside; -1: the fill value."""
    if fill == "constant":
        return np.where((t >= 0) & (t < n), t, -1)
    if fill == "nearest":
        return np.clip(t, 0, n - 1)
    if fill == "wrap":
        return t % n
    return np.where(t % (2 * n) < n, t % (2 * n), 2 * n - 1 - t % (2 * n))


def sample(pixels, m, augment):
    """An image [height, width, channels] of 0 to 255 through a matrix, bilinear."""
    height, width, _ = pixels.shape
    fill, value = augment.get("fill", "nearest"), augment.get("fill_value", 0)
    i, j = np.mgrid[0:height, 0:width]
    column, row = m[0] * j + m[1] * i + m[2], m[3] * j + m[4] * i + m[5]

    def at(r, c):
        r, c = taps(r, height, fill), taps(c, width, fill)
        return np.where(((r < 0) | (c < 0))[..., None], value, pixels[r, c].astype(np.float64))

    r, c = np.floor(row).astype(int), np.floor(column).astype(int)
    fr, fc = (row - r)[..., None], (column - c)[..., None]
    out = (at(r, c) * (1 - fc) + at(r, c + 1) * fc) * (1 - fr) + (at(r + 1, c) * (1 - fc) + at(r + 1, c + 1) * fc) * fr
    return np.clip(out * m[6], 0, 255)


def jitter(value, low=0.0):
    """[low, high] of a factor, or None."""
    if isinstance(value, list):
        return value
    return [max(1 - value, low), 1 + value] if value else None


def colours(operations):
    """What operations do to colours: [(kind, value)]."""
    names = "brightness", "contrast", "saturation", "posterize", "solarize", "autocontrast", "sharpness", "equalize"
    kinds = dict(zip(names, (0, 1, 2, 5, 6, 7, 8, 9)))
    return [(kinds[name], single(1 + value if kinds[name] in (0, 1, 2, 8) else value))
            for name, value in operations if name in kinds]


def steps(augment, seed, epoch, place):
    """What is done to an image's colours: [(kind, value)]."""
    random = Generator(seed, COLOUR, epoch << 32 | place)
    settings = augment.get("color_jitter")
    jitters = random.unit() < (single(settings.get("p", 1)) if settings else 0)
    order, settings = [0, 1, 2, 3], settings or {}
    for i in (3, 2, 1):
        j = random.below(i + 1)
        order[i], order[j] = order[j], order[i]
    hue = settings.get("hue", 0)
    ranges = [jitter(settings.get(key, 0)) for key in ("brightness", "contrast", "saturation")]
    ranges.append(hue if isinstance(hue, list) else [-hue, hue] if hue else None)
    drawn = []
    for r in ranges:
        drawn.append(between(random, *(r or [0, 0])))
    out = colours(policy(augment, 1, 1, seed, epoch, place))
    out += [(k, single(drawn[k])) for k in order if jitters and ranges[k]]
    return out + [(4, 0)] * (random.unit() < single(augment.get("grayscale", 0)))


def turned(pixels, turn):
    """Red, green and blue of another hue."""
    def change(rgb):
        h, s, v = colorsys.rgb_to_hsv(*rgb)
        return colorsys.hsv_to_rgb((h + turn) % 1, s, v)
    return np.apply_along_axis(change, -1, pixels)


def sharpened(pixels, factor):
    """But for the edge, blended with means of 3 x 3 pixels."""
    out, (height, width, _) = pixels.copy(), pixels.shape
    if height > 2 and width > 2:
        around = sum(pixels[i:height - 2 + i, j:width - 2 + j] for i in range(3) for j in range(3))
        own = pixels[1:-1, 1:-1]
        out[1:-1, 1:-1] = factor * own + (1 - factor) * (around + 4 * own) / 13
    return out


def equalized(channel):
    """As PIL."""
    level = channel.astype(int)
    count = np.bincount(level.ravel(), minlength=256)
    step = (count.sum() - count[count > 0][-1]) // 255
    to = np.minimum((np.cumsum(count) - count + step // 2) // max(step, 1), 255)
    return to[level].astype(np.float64) if step else channel


def adjusted(pixels, todo):
    """An image of 0 to 255 after the steps."""
    for kind, factor in todo:
        colours = pixels.shape[-1] == 3
        grey = pixels @ np.array([0.2989, 0.587, 0.114]) if colours else pixels[..., 0]
        if kind == 0:
            pixels = pixels * factor
        elif kind == 1:
            pixels = factor * pixels + (1 - factor) * grey.mean()
        elif kind == 2 and colours:
            pixels = factor * pixels + (1 - factor) * grey[..., None]
        elif kind == 3 and colours:
            pixels = turned(pixels / 255, factor) * 255
        elif kind == 4:
            pixels = np.repeat(grey[..., None], pixels.shape[-1], -1)
        elif kind == 5:
            pixels = pixels - pixels % 2 ** (8 - factor)
        elif kind == 6:
            pixels = np.where(pixels >= factor, 255 - pixels, pixels)
        elif kind == 7:
            low, high = pixels.min((0, 1)), pixels.max((0, 1))
            pixels = np.where(high > low, (pixels - low) * 255 / np.where(high > low, high - low, 1), pixels)
        elif kind == 8:
            pixels = sharpened(pixels, factor)
        elif kind == 9:
            pixels = np.stack([equalized(pixels[..., c]) for c in range(pixels.shape[-1])], -1)
        pixels = np.clip(pixels, 0, 255)
    return pixels


def rectangles(augment, height, width, seed, epoch, place):
    """What is erased of an image: [(top, left, bottom, right)]."""
    random, side = Generator(seed, ERASE, epoch << 32 | place), augment.get("cutout", 0)
    top, left = random.below(height) - side // 2, random.below(width) - side // 2
    out = [(max(top, 0), max(left, 0), min(top + side, height), min(left + side, width))] if side else []
    settings = augment.get("random_erasing")
    if settings is None or random.unit() >= single(settings.get("p", 0.5)):
        return out
    for _ in range(10):
        area = between(random, *settings.get("scale", [0.02, 0.33])) * height * width
        h, w = sides(area, 1 / between_logs(random, *settings.get("ratio", [0.3, 3.3])))
        if h < height and w < width:
            top = random.below(height - h + 1)
            left = random.below(width - w + 1)
            return out + [(top, left, top + h, left + w)]
    return out


def erased(image, where, augment):
    """A scaled image without the rectangles."""
    for top, left, bottom, right in where:
        image[top:bottom, left:right] = augment.get("random_erasing", {}).get("value", 0)
    return image


def mixing(augment, height, width, seed, epoch, batch):
    """(share of each image's own label, of its pixels, rectangle of the other image); None: not mixed."""
    alphas = [augment[key].get("alpha", 1) if key in augment else 0 for key in ("mixup", "cutmix")]
    if not any(alphas):
        return None
    random = Generator(seed, MIX, epoch << 32 | batch)
    second = random.unit() < 0.5
    cuts = alphas[1] and (not alphas[0] or second)
    while True:
        u, v = [((random.word() + 1) / 2 ** 32) ** (1 / single(alphas[bool(cuts)])) for _ in range(2)]
        if u + v <= 1:
            break
    share = u / (u + v)
    if not cuts:
        return share, share, (0, 0, 0, 0)
    column, row = random.below(width), random.below(height)
    down, right = int(math.sqrt(1 - share) / 2 * height), int(math.sqrt(1 - share) / 2 * width)
    top, left, bottom, right = max(row - down, 0), max(column - right, 0), min(row + down, height), \
        min(column + right, width)
    return 1 - (bottom - top) * (right - left) / (height * width), 1, (top, left, bottom, right)


def mixed(images, label, mix):
    """A batch's images, each with the one before, its labels and those with the smaller share."""
    if not mix:
        return images, label, label, 1
    share, blend, (top, left, bottom, right) = mix
    others, other = np.roll(images, 1, 0), np.roll(label, 1, 0)
    out = blend * images + (1 - blend) * others
    out[:, top:bottom, left:right] = others[:, top:bottom, left:right]
    return (out, label, other, share) if share >= 0.5 else (out, other, label, 1 - share)


def scaled(image, settings):
    """(rescale x - mean) / std, per channel."""
    mean, std = np.array(settings.get("mean", 0.0)), np.array(settings.get("std", 1.0))
    return image * np.float32(settings.get("rescale", 1.0) / std) - np.float32(mean / std)


# --- learning rate ---

class Schedule:
    def __init__(self, recipe, batches):
        train = recipe["train"]
        chosen = train.get("schedule", "constant")
        self.kind, o = (chosen, {}) if isinstance(chosen, str) else next(iter(chosen.items()))
        name, options = optimizer_of(recipe)
        self.base = single(options.get("lr", 0.01 if name == "sgd" else 0.001))
        self.epochs, self.batches = train["epochs"], batches
        self.factor, self.minimum = single(o.get("factor", 0.1)), single(o.get("minimum", 0))
        self.every, self.patience, self.warmup = o.get("epochs", 10), o.get("patience", 10), o.get("warmup", 0)
        self.power, self.cycle, self.growth = single(o.get("power", 1)), o.get("t_0", 10), o.get("t_mult", 1)
        self.pct_start, self.div_factor = single(o.get("pct_start", 0.3)), single(o.get("div_factor", 25))
        self.final_div_factor = single(o.get("final_div_factor", 1e4))
        self.lowered, self.best, self.wait = 1.0, math.inf, 0

    def one_cycle(self, step):
        """As PyTorch's OneCycleLR lists its phases: the step at which each ends, its first and last rate."""
        total, start = self.epochs * self.batches, self.base / self.div_factor
        ends = [(self.pct_start * total - 1, start, self.base),
                (total - 1, self.base, start / self.final_div_factor)]
        begin = 0
        for end, first, last in ends:
            if step <= end or end == total - 1:
                part = (step - begin) / (end - begin) if end > begin else 1
                return last + (first - last) / 2 * (1 + math.cos(math.pi * part))
            begin = end

    def cycled(self, step):
        """The share of its cycle that lies behind a step."""
        length = self.cycle * self.batches
        while step >= length:
            step, length = step - length, length * self.growth
        return step / length

    def rate(self, epoch, batch):
        """Of a batch of an epoch, both from 0."""
        if epoch < self.warmup:
            return self.base * (epoch * self.batches + batch + 1) / (self.warmup * self.batches)
        past, length = epoch - self.warmup, self.epochs - self.warmup
        if self.kind == "constant":
            return self.base
        if self.kind == "step":
            rate = self.base * self.factor ** (past // self.every)
        elif self.kind == "plateau":
            rate = self.base * self.lowered
        elif self.kind == "one_cycle":
            return self.one_cycle(past * self.batches + batch)
        elif self.kind in ("linear", "polynomial"):
            left = 1 - (past * self.batches + batch) / (length * self.batches)
            rate = self.minimum + (self.base - self.minimum) * left ** self.power
        elif self.kind == "exponential":
            rate = self.base * self.factor ** ((past + batch / self.batches) / self.every)
        elif self.kind == "cosine_restarts":
            part = self.cycled(past * self.batches + batch)
            rate = self.minimum + (self.base - self.minimum) * (1 + math.cos(math.pi * part)) / 2
        else:
            rate = self.minimum + (self.base - self.minimum) * (1 + math.cos(math.pi * past / length)) / 2
        return max(rate, self.minimum)

    def end_epoch(self, loss):
        if loss < self.best - 1e-4:
            self.best, self.wait = loss, 0
            return
        self.wait += 1
        if self.wait == self.patience:
            self.lowered, self.wait = self.lowered * self.factor, 0


# --- optimizers ---

def optimizer_of(recipe):
    chosen = recipe["train"].get("optimizer", "rmsprop")
    return (chosen, {}) if isinstance(chosen, str) else next(iter(chosen.items()))


def orthogonal(x):
    """Five Newton-Schulz iterations, on the matrix with more columns than rows."""
    wide = x if x.shape[0] <= x.shape[1] else x.T
    norm = np.linalg.norm(wide)
    wide = wide / norm if norm else wide
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.T


class Optimizer:
    """Moments of each parameter by name, and its count of steps."""

    def __init__(self, recipe):
        self.kind, o = optimizer_of(recipe)
        self.momentum = single(o.get("momentum", 0.95 if self.kind == "muon" else 0))
        self.rho = single(o.get("rho", 0.9))
        self.beta1, self.beta2 = single(o.get("beta1", 0.9)), single(o.get("beta2", 0.99 if self.kind == "lion" else 0.999))
        self.eps, self.nesterov = single(o.get("eps", 1e-7)), o.get("nesterov", False)
        self.of_gradients = o.get("velocity") == "gradients"
        self.weight_decay = single(o.get("weight_decay", {"adamw": 0.004, "muon": 0.1}.get(self.kind, 0)))
        self.scope, exclude, other = o.get("decay", "all"), o.get("exclude", []), o.get("exclude_layers", [])
        self.exclude = [exclude] if isinstance(exclude, str) else exclude
        self.no_muon = [other] if isinstance(other, str) else other
        self.scales = {word: single(scale) for word, scale in o.get("lr_scale", {}).items()}
        self.limit = single(recipe["train"].get("clip_norm", 0))
        self.first, self.second, self.steps = {}, {}, {}

    def moments(self):
        """As the state names them."""
        if self.kind == "sgd":
            return {"velocity": self.first} if self.momentum else {}
        if self.kind == "rmsprop":
            return {"mean_square": self.first, **({"velocity": self.second} if self.momentum else {})}
        if self.kind == "lion":
            return {"mean": self.first}
        return {"mean": self.first, "mean_square": self.second}

    def clip(self, gradients):
        norm = math.sqrt(sum(float((g ** 2).sum()) for g in gradients.values()))
        scale = self.limit / norm if self.limit and norm > self.limit else 1
        return {name: g * scale for name, g in gradients.items()}

    def is_matrix(self, name, w):
        """For Muon."""
        return (self.kind == "muon" and name.endswith("/kernel") and w.ndim >= 2
                and not any(part in name for part in self.no_muon))

    def decay_of(self, name, w):
        spared = self.kind == "muon" and not self.is_matrix(name, w)
        spared = spared or self.scope == "weights" and w.ndim < 2 or any(part in name for part in self.exclude)
        return 0 if spared else self.weight_decay

    def step(self, weights, gradients, rates):
        """Changes the weights; rates: of each parameter."""
        for name, g in self.clip(gradients).items():
            w, lr = weights[name], rates[name]
            lr *= math.prod(scale for word, scale in self.scales.items() if word in name)
            first = self.first.setdefault(name, np.zeros_like(w))
            second = self.second.setdefault(name, np.zeros_like(w))
            self.steps[name] = t = self.steps.get(name, 0) + 1
            decay = self.decay_of(name, w)
            decayed = w - lr * decay * w
            if self.kind == "sgd" and self.of_gradients:
                first[:] = self.momentum * first + g
                weights[name] = decayed - lr * (g + self.momentum * first if self.nesterov else first)
            elif self.kind == "sgd":
                first[:] = self.momentum * first - lr * g
                weights[name] = decayed + (self.momentum * first - lr * g if self.nesterov else first)
            elif self.kind == "rmsprop":
                first[:] = self.rho * first + (1 - self.rho) * g ** 2
                second[:] = self.momentum * second + lr * g / np.sqrt(first + self.eps)
                weights[name] = decayed - second
            elif self.kind == "lion":
                weights[name] = decayed - lr * np.sign(self.beta1 * first + (1 - self.beta1) * g)
                first[:] = self.beta2 * first + (1 - self.beta2) * g
            elif self.is_matrix(name, w):
                columns = w.shape[-1]
                first[:] = self.momentum * first + g
                towards = orthogonal((g + self.momentum * first).reshape(-1, columns))
                longer = max(towards.shape)
                weights[name] = decayed - lr * 0.2 * math.sqrt(longer) * towards.reshape(w.shape)
            elif self.kind == "lamb":
                first[:] = self.beta1 * first + (1 - self.beta1) * g
                second[:] = self.beta2 * second + (1 - self.beta2) * g ** 2
                r = first / (1 - self.beta1 ** t) / (np.sqrt(second / (1 - self.beta2 ** t)) + self.eps) + decay * w
                of_w, of_r = np.linalg.norm(w), np.linalg.norm(r)
                weights[name] = w - lr * (of_w / of_r if of_w and of_r else 1) * r
            else:
                first[:] = self.beta1 * first + (1 - self.beta1) * g
                second[:] = self.beta2 * second + (1 - self.beta2) * g ** 2
                corrected = lr * math.sqrt(1 - self.beta2 ** t) / (1 - self.beta1 ** t)
                weights[name] = decayed - corrected * first / (np.sqrt(second) + self.eps)


# --- metrics ---

def guesses(y):
    return (y[:, 0] > 0.5).astype(int) if y.shape[1] == 1 else y.argmax(1)


def accuracy(y, label):
    if label.ndim == 2:
        return float(((y > 0.5) == label).mean())
    return float((guesses(y) == label).mean())


def top(y, label, k):
    """The share of images whose class is among the k likeliest."""
    if y.shape[1] == 1:
        return accuracy(y, label)
    return float((np.argsort(-y, 1, kind="stable")[:, :k] == label[:, None]).any(1).mean())


def area(score, positive):
    """Under the ROC curve: the share of pairs in the right order, ties half; None without pairs."""
    a, b = score[positive], score[~positive]
    if not len(a) or not len(b):
        return None
    return float(((a[:, None] > b).sum() + (a[:, None] == b).sum() / 2) / (len(a) * len(b)))


def average_precision(score, there):
    """The sum over thresholds, from the highest score down, of the recall gained times the precision."""
    total = before = 0
    for threshold in np.unique(score)[::-1]:
        told = score >= threshold
        recall = (told & there).sum() / there.sum()
        total, before = total + (recall - before) * (told & there).sum() / told.sum(), recall
    return float(total)


def label_measures(y, label):
    """The same, of several labels for each image."""
    told, there = y > 0.5, label == 1
    hit, predicted, shown = (told & there).sum(0), told.sum(0), there.sum(0)
    known = [a for a in (area(y[:, c], there[:, c]) for c in range(y.shape[1])) if a is not None]
    confusion = [[[int((~told & ~there)[:, c].sum()), int((told & ~there)[:, c].sum())],
                  [int((~told & there)[:, c].sum()), int(hit[c])]] for c in range(y.shape[1])]
    return {"label_confusion": confusion, "precision": np.mean(hit / np.maximum(predicted, 1)),
            "recall": np.mean(hit / np.maximum(shown, 1)),
            "f1": np.mean(2 * hit / np.maximum(predicted + shown, 1)),
            "micro_f1": float(2 * hit.sum() / max((predicted + shown).sum(), 1)),
            "auc": np.mean(known) if known else None,
            "map": np.mean([average_precision(y[:, c], there[:, c]) for c in range(y.shape[1]) if shown[c]])}


def measures(y, label, classes):
    """confusion[true][predicted], precision, recall, f1, auc."""
    if label.ndim == 2:
        return label_measures(y, label)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (label, guesses(y)), 1)
    judged = [1] if classes == 2 else [c for c in range(classes) if confusion[c].sum()]
    precision, recall, f1, auc = [], [], [], []
    for c in judged:
        hit, predicted, there = confusion[c, c], confusion[:, c].sum(), confusion[c].sum()
        precision.append(hit / predicted if predicted else 0)
        recall.append(hit / there if there else 0)
        f1.append(2 * hit / (predicted + there) if predicted + there else 0)
        auc.append(area(y[:, -1] if classes == 2 else y[:, c], label == c))
    known = [a for a in auc if a is not None]
    return {"confusion": confusion.tolist(), "precision": np.mean(precision), "recall": np.mean(recall),
            "f1": np.mean(f1), "auc": np.mean(known) if known else None}
