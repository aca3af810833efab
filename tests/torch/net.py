"""A recipe's model in PyTorch, built from the recipe's text alone.

Weights are leaf tensors in the library's layout (HWIO, [in, out]), so that their gradients are in it too;
inside, PyTorch's own layout is used. An image is [n, c, h, w] here, a vector [n, c]."""
import numpy as np
import torch
import torch.nn.functional as F

ALIASES = {"kernel_size": "kernel", "strides": "stride", "dilation_rate": "dilation",
           "pool_size": "window", "kernel_initializer": "init", "epsilon": "eps",
           "target_shape": "shape", "depth_multiplier": "multiplier"}
MAIN_KEYS = {"depthwise_conv2d": "kernel", "dense": "units", "maxpool2d": "window",
             "avgpool2d": "window", "activation": "function", "dropout": "rate", "stochastic_depth": "rate", "layer_scale": "value", "reshape": "shape",
             "attention": "heads", "multi_head_attention": "heads",
             "add": "inputs", "multiply": "inputs", "concat": "inputs", "zero_padding2d": "padding",
             "lrn": "size", "upsample2d": "size", "group_norm": "groups", "layer_norm": "axis"}
# Keras' names of layers that have none
BASE_NAMES = {"maxpool2d": "max_pooling2d", "avgpool2d": "average_pooling2d",
              "global_avgpool2d": "global_average_pooling2d", "global_maxpool2d": "global_max_pooling2d",
              "batchnorm": "batch_normalization", "group_norm": "group_normalization",
              "layer_norm": "layer_normalization", "prelu": "p_re_lu", "concat": "concatenate",
              "upsample2d": "up_sampling2d"}
CLOSE = 3e-6  # a decision by less than this, relative to the layer's values, may fall either way
DROPOUT_STREAM = 5  # of the library's random numbers: see the op's entry in ops.def


def activation(name, x, alpha):
    return {
        None: lambda: x,
        "linear": lambda: x,
        "leaky_relu": lambda: F.leaky_relu(x, alpha or 0.3),
        "relu6": lambda: F.relu6(x),
        "sigmoid": lambda: torch.sigmoid(x),
        "tanh": lambda: torch.tanh(x),
        "hard_sigmoid": lambda: F.hardsigmoid(x),
        "silu": lambda: F.silu(x),
        "swish": lambda: F.silu(x),
        "hard_swish": lambda: F.hardswish(x),
        "gelu": lambda: F.gelu(x),
        "elu": lambda: F.elu(x, alpha or 1.0),
        "softplus": lambda: F.softplus(x),
        "mish": lambda: F.mish(x),
        "softmax": lambda: torch.softmax(x, 1),
    }[name]()


def pair(value, default):
    value = default if value is None else value
    return list(value) if isinstance(value, (list, tuple)) else [value, value]


def sides(padding, shape, window, stride, dilation):
    """Zeros at the top, left, bottom and right."""
    if padding in (None, "valid"):
        return [0, 0, 0, 0]
    if padding == "same":  # as many outputs as ceil(size / stride), the odd zero at the end
        total = []
        for size, w, s, d in zip(shape, window, stride, dilation):
            total.append(max((-(-size // s) - 1) * s + (w - 1) * d + 1 - size, 0))
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
    padding = pair(padding, 0)
    return padding if len(padding) == 4 else padding * 2


def surround(x, pad, value=0.0):
    top, left, bottom, right = pad
    return F.pad(x, [left, right, top, bottom], value=value) if any(pad) else x


def philox(key, c0, c1, c2, c3):
    """Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011)."""
    low = np.uint64(0xFFFFFFFF)
    c = [np.asarray(v, np.uint64) for v in (c0, c1, c2, c3)]
    k0, k1 = np.uint64(key) & low, np.uint64(key) >> np.uint64(32)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ k0, b & low, (a >> np.uint64(32)) ^ c[3] ^ k1, a & low]
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.broadcast_arrays(*c)


class Net:
    """`recipe` is the recipe's YAML as Python data; `classes` sizes layers with units: classes.

    A `change` is a fault to plant: (layer name, option, value)."""

    def __init__(self, recipe, classes, change=None):
        self.size = tuple(pair(recipe["input"]["size"], None)) + (recipe["input"].get("channels", 3),)
        train = recipe.get("train", {})
        self.loss_name = train["loss"]
        self.smoothing = train.get("label_smoothing", 0.0)
        self.seed = train.get("seed", 0)
        self.turned = {}  # decisions to take the other way: layer -> flat positions
        self.close = None  # a list: note close decisions in it, as (margin, layer, position)
        self.layers = []
        names = {"input"}
        for entry in recipe["model"]:
            kind, options = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
            if not isinstance(options, dict):
                options = {} if options is None else {MAIN_KEYS[kind]: options}
            options = {ALIASES.get(key, key): value for key, value in options.items()}
            name = base = options.pop("name", BASE_NAMES.get(kind, kind))
            number = 0
            while name in names:
                number += 1
                name = "%s_%d" % (base, number)
            names.add(name)
            if change and change[0] == name:
                options[change[1]] = change[2]
            if options.get("units") == "classes":
                options["units"] = classes
            before = self.layers[-1][0] if self.layers else "input"
            inputs = options.get("inputs", before)
            self.layers.append((name, kind, options, inputs if isinstance(inputs, list) else [inputs]))

    def start(self, values, dtype):
        """Takes the weights, name -> array."""
        self.dtype = dtype
        self.weights = {name: torch.tensor(v, dtype=dtype) for name, v in values.items()}

    def frozen(self, name):
        layer, parameter = name.rsplit("/", 1)
        options = next((o for n, _, o, _ in self.layers if n == layer), {})  # of several layers in one: none
        return not options.get("trainable", True) or parameter.startswith("moving_")

    def trained(self):
        return [name for name in self.weights if not self.frozen(name)]

    def statistics(self):
        return [name for name in self.weights if "/moving_" in name]

    # ---- decisions: whether relu lets a value through, which value is a window's largest ----

    def note(self, margin, usable):
        """Notes decisions that rounding to float32 may turn: margins are relative to the layer's values."""
        if self.close is None:
            return
        margin = torch.where(usable, margin, torch.full_like(margin, np.inf)).flatten()
        for i in torch.nonzero(margin < CLOSE)[:, 0].tolist():
            self.close.append((float(margin[i]), self.layers[self.number - 1][0], i))

    def turn(self, chosen, other):
        """`chosen` with the elements of `other` where a decision is to be turned."""
        positions = self.turned.get(self.layers[self.number - 1][0])
        if positions:
            chosen = chosen.clone(memory_format=torch.contiguous_format)
            chosen.view(-1)[positions] = other.reshape(-1)[positions]
        return chosen

    def activate(self, name, x, alpha):
        if name != "relu":
            return activation(name, x, alpha)
        passes = x.detach() > 0
        self.note(x.detach().abs() / x.detach().square().mean().sqrt(), torch.ones_like(passes))
        turned = self.turn(passes, ~passes)
        # a value just below 0 that is let through counts as just above: a window may take it
        return torch.where(turned & ~passes, x - 2 * x.detach(), x * turned)

    def largest(self, x, window, stride):
        values = x.detach()
        best, first = F.max_pool2d(values, window, stride, return_indices=True)
        if self.close is None and self.layers[self.number - 1][0] not in self.turned:
            return F.max_pool2d(x, window, stride)
        rest = values.flatten(2).scatter(2, first.flatten(2), -np.inf).reshape(x.shape)
        next_best, second = F.max_pool2d(rest, window, stride, return_indices=True)
        size = values[values.isfinite()].square().mean().sqrt()
        self.note((best - next_best) / size, best != next_best)
        index = self.turn(first, second)
        return x.flatten(2).gather(2, index.flatten(2)).reshape(best.shape)

    # ---- layers: weights by their last name ----

    def conv2d(self, o, x, w, depthwise=False):
        kernel = w("depthwise_kernel" if depthwise else "kernel")
        stride, dilation = pair(o.get("stride"), 1), pair(o.get("dilation"), 1)
        pad = sides(o.get("padding"), x.shape[2:], kernel.shape[:2], stride, dilation)
        groups = x.shape[1] if depthwise else o.get("groups", 1)
        bias = w("bias") if o.get("use_bias", True) else None
        y = F.conv2d(surround(x, pad), kernel.permute(3, 2, 0, 1), bias, stride, 0, dilation, groups)
        return self.activate(o.get("activation"), y, o.get("alpha"))

    def depthwise_conv2d(self, o, x, w):
        return self.conv2d(o, x, w, depthwise=True)

    def dense(self, o, x, w):
        y = x @ w("kernel")
        if o.get("use_bias", True):
            y = y + w("bias")
        return self.activate(o.get("activation"), y, o.get("alpha"))

    def pool(self, o, x):
        window = pair(o.get("window"), 2)
        stride = pair(o.get("stride"), window)
        return window, stride, sides(o.get("padding"), x.shape[2:], window, stride, [1, 1])

    def maxpool2d(self, o, x, w):
        window, stride, pad = self.pool(o, x)
        return self.largest(surround(x, pad, -np.inf), window, stride)

    def avgpool2d(self, o, x, w):
        window, stride, pad = self.pool(o, x)
        total = F.avg_pool2d(surround(x, pad), window, stride, divisor_override=1)
        ones = torch.ones_like(x)
        ones = surround(ones, pad, 1.0 if o.get("count_pad") else 0.0)
        return total / F.avg_pool2d(ones, window, stride, divisor_override=1)

    def global_avgpool2d(self, o, x, w):
        return x.mean((2, 3))

    def global_maxpool2d(self, o, x, w):
        return self.largest(x, x.shape[2:], x.shape[2:])[:, :, 0, 0]

    def upsample2d(self, o, x, w):
        scale, mode = pair(o.get("size"), 2), o.get("interpolation", "nearest")
        corners = o.get("align_corners", False) if mode == "bilinear" else None
        return F.interpolate(x, scale_factor=scale, mode=mode, align_corners=corners)

    def batchnorm(self, o, x, w):
        batch = self.training and not o.get("frozen") and o.get("trainable", True)
        return F.batch_norm(x, w("moving_mean"), w("moving_variance"), w("gamma"), w("beta"), batch,
                            1 - o.get("momentum", 0.99), o.get("eps", 0.001))

    def group_norm(self, o, x, w):
        groups = o.get("groups", 32)
        return F.group_norm(x, x.shape[1] if groups == -1 else groups, w("gamma"), w("beta"), o.get("eps", 0.001))

    def layer_norm(self, o, x, w):
        last = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        y = F.layer_norm(last, w("gamma").shape, w("gamma"), w("beta"), o.get("eps", 0.001))
        return y.permute(0, 3, 1, 2) if y.ndim == 4 else y

    def activation(self, o, x, w):
        return self.activate(o["function"], x, o.get("alpha"))

    def prelu(self, o, x, w):
        alpha = w("alpha")
        return torch.where(x > 0, x, x * (alpha.permute(2, 0, 1) if x.ndim == 4 else alpha))

    def softmax(self, o, x, w):
        return torch.softmax(x, 1)

    def log_softmax(self, o, x, w):
        return torch.log_softmax(x, 1)

    def layer_scale(self, o, x, w):
        return x * (w("scale").reshape(-1, 1, 1) if x.ndim == 4 else w("scale"))

    def attention(self, o, x, w):
        n, c, heads = len(x), x.shape[1] // 3, o["heads"]
        q, k, v = x.reshape(n, 3, heads, c // heads, -1).unbind(1)
        weights = torch.softmax(q.transpose(2, 3) @ k / (c // heads) ** 0.5, 3)
        return (v @ weights.transpose(2, 3)).reshape(n, c, *x.shape[2:])

    def class_token(self, o, x, w):
        token = w("token").reshape(1, -1, 1, 1).expand(len(x), -1, -1, -1)
        return torch.cat([token, x.flatten(2).unsqueeze(2)], 3)

    def position_embedding(self, o, x, w):
        return x + w("position").permute(2, 0, 1)

    def multi_head_attention(self, o, x, w):
        """PyTorch's own, with the weights of the layers that it stands for."""
        shape, c = x.shape, x.shape[1]
        inner, outer = (w("kernel", part).reshape(c, -1).T for part in (".qkv", ""))
        x = x.flatten(2).permute(2, 0, 1)
        y, _ = F.multi_head_attention_forward(x, x, x, c, o["heads"], inner, w("bias", ".qkv"), None, None, False, 0,
                                              outer, w("bias"), need_weights=False)
        return y.permute(1, 2, 0).reshape(shape)

    def stochastic_depth(self, o, x, w):
        if not self.training or not o["rate"]:
            return x
        number = np.arange(len(x))
        words = np.stack(philox(self.seed, number // 4, self.number, self.step, DROPOUT_STREAM), -1)
        unit = (words[number, number % 4] >> np.uint64(8)).astype(np.float64) * 2.0**-24
        kept = torch.tensor(unit >= float(np.float32(o["rate"]))).reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(kept, x / (1 - o["rate"]), torch.zeros(()).to(x))

    def dropout(self, o, x, w):
        if not self.training or not o["rate"]:
            return x
        last = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        count = last.numel()
        words = philox(self.seed, np.arange((count + 3) // 4), self.number, self.step, DROPOUT_STREAM)
        unit = (np.stack(words, -1).reshape(-1)[:count] >> np.uint64(8)).astype(np.float64) * 2.0**-24
        kept = torch.tensor(unit >= o["rate"], dtype=self.dtype).reshape(last.shape)
        return x * (kept.permute(0, 3, 1, 2) if x.ndim == 4 else kept) / (1 - o["rate"])

    def flatten(self, o, x, w):
        return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x

    def reshape(self, o, x, w):
        flat = self.flatten(o, x, w)
        shape = o["shape"] if isinstance(o["shape"], list) else [o["shape"]]
        y = flat.reshape([len(x)] + shape)
        return y.permute(0, 3, 1, 2) if y.ndim == 4 else y

    def merge(self, xs, join):
        rank = max(x.ndim for x in xs)
        xs = [x[:, :, None, None] if x.ndim < rank else x for x in xs]
        y = xs[0]
        for x in xs[1:]:
            y = join(y, x)
        return y

    def add(self, o, xs, w):
        return self.merge(xs, torch.add)

    def multiply(self, o, xs, w):
        return self.merge(xs, torch.mul)

    def concat(self, o, xs, w):
        return torch.cat(xs, 1)

    def split(self, o, x, w):
        start = o.get("start", 0)
        return x[:, start:start + o["channels"] if "channels" in o else None]

    def zero_padding2d(self, o, x, w):
        return surround(x, sides(o["padding"], None, None, None, None))

    def lrn(self, o, x, w):
        size, half = o.get("size", 5), (o.get("size", 5) - 1) // 2
        squares = F.pad(x.square(), [0, 0] * (x.ndim - 2) + [half, size - 1 - half])
        sums = sum(squares[:, i:i + x.shape[1]] for i in range(size))
        return x * (o.get("k", 1.0) + o.get("alpha", 1e-4) / size * sums)**-o.get("beta", 0.75)

    # ---- the whole ----

    def forward(self, x, step, training):
        """x: [n, h, w, c]. Returns the last layer's output and what goes into its activation."""
        self.step, self.training = step, training
        known = {"input": torch.tensor(x, dtype=self.dtype).permute(0, 3, 1, 2)}
        last = self.layers[-1]
        for self.number, (name, kind, options, inputs) in enumerate(self.layers, 1):
            def weight(part, of=""):
                return self.weights["%s%s/%s" % (name, of, part)]
            xs = [known[i] for i in inputs]
            merges = kind in ("add", "multiply", "concat")
            if name == last[0] and self.loss_name not in ("mse", "mean_squared_error"):
                if kind == "dense":
                    options = dict(options, activation=None)
                    scores = self.dense(options, xs[0], weight)
                else:
                    scores = xs[0]
                one = scores.shape[1] == 1
                return torch.sigmoid(scores) if one else torch.softmax(scores, 1), scores
            known[name] = getattr(self, kind)(options, xs if merges else xs[0], weight)
        return known[name], known[name]

    def losses(self, scores, label):
        """Of each image."""
        s, count = self.smoothing, scores.shape[1]
        target = torch.tensor(label, dtype=torch.int64)
        if self.loss_name == "binary_crossentropy":
            t = target.to(self.dtype) * (1 - s) + s / 2
            return F.binary_cross_entropy_with_logits(scores[:, 0], t, reduction="none")
        target = (target[:, None] if count == 1 else F.one_hot(target, count)).to(self.dtype)
        if self.loss_name in ("mse", "mean_squared_error"):
            target = target * (1 - s) + s / max(count, 2)
            return (scores - target).square().mean(1)
        target = target * (1 - s) + s / count
        return -(target * F.log_softmax(scores, 1)).sum(1)

    def gradient(self, batch, step):
        """A training step's output, losses and gradients (name -> tensor); `batch` is images, labels
        and the weight of each image's loss. Running statistics are updated."""
        images, label, weight = batch
        names = self.trained()
        for name, w in self.weights.items():
            w.requires_grad_(name in names)
        y, scores = self.forward(images, step, True)
        losses = self.losses(scores, label)
        total = (losses * torch.tensor(weight, dtype=self.dtype)).sum()
        gradients = torch.autograd.grad(total, [self.weights[name] for name in names])
        for w in self.weights.values():
            w.requires_grad_(False)
        return y.detach(), losses.detach(), dict(zip(names, gradients))

    def infer(self, batch):
        with torch.no_grad():
            y, scores = self.forward(batch[0], 0, False)
            return y, self.losses(scores, batch[1])
