"""A recipe's layers in numpy, forward and backward, in float64: those that toy nets are made of."""
import numpy as np

from rules import depth_mask, dropout_mask, initial, single, stored, whitening

EPSILON = 1e-3  # batchnorm's default
TRAINED = {"conv2d": ("kernel", "bias"), "dense": ("kernel", "bias"), "batchnorm": ("gamma", "beta")}


def spelled(entry):
    """(kind, options) of an entry of a recipe's list of layers."""
    if isinstance(entry, str):
        return entry, {}
    kind, options = next(iter(entry.items()))
    return kind, options if isinstance(options, dict) else {"": options}


class Layer:
    def __init__(self, kind, options, number):
        self.kind, self.o, self.number = kind, options, number
        self.name = options.get("name", "")
        self.frozen = not options.get("trainable", True)
        self.backbone = False

    def parameters(self):
        fixed = "kernel" if self.whitens() else "gamma" if not self.o.get("scale", True) else None
        return [part for part in TRAINED.get(self.kind, ()) if part != fixed]

    def whitens(self):
        return self.o.get("init") == "whitening"

    def slope(self):
        """That below 0, of an activation."""
        return {"relu": 0, "leaky_relu": single(self.o.get("alpha", 0))}.get(self.o.get("activation"), 1)

    def path(self, part):
        return f"{self.name}/{part}"


def windows(x, kh, kw):
    """[n, h - kh + 1, w - kw + 1, kh, kw, c]"""
    out = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (1, 2))
    return np.moveaxis(out, 3, -1)


BINARY = "binary_crossentropy", "binary_focal_crossentropy", "ordinal_crossentropy"
NUMBERS = "mse", "mae", "huber"


class Net:
    """Weights by path, in the layers' order, and what a training step needs."""

    def __init__(self, recipe, seed):
        backbone = recipe.get("backbone", {})
        entries = [(e, True) for e in backbone.get("layers", [])] + [(e, False) for e in recipe["model"]]
        self.layers, self.weights, self.seed = [], {}, seed
        for number, (entry, own) in enumerate(entries, 1):
            layer = Layer(*spelled(entry), number)
            layer.backbone = own
            self.layers.append(layer)
        self.apply_freezing(backbone, False)
        self.store = stored(recipe["train"].get("precision", "float32"))
        for layer, after in zip(self.layers, self.layers[1:] + [None]):  # a convolution and its maxima are one op
            layer.stored = after is not None and not (layer.kind == "conv2d" and after.kind == "maxpool2d")
        size, channels = recipe["input"]["size"], recipe["input"]["channels"]
        self.smoothing = single(recipe["train"].get("label_smoothing", 0))
        loss = recipe["train"]["loss"]
        self.loss, options = next(iter(loss.items())) if isinstance(loss, dict) else (loss, {})
        self.gamma, self.delta = single(options.get("gamma", 2)), single(options.get("delta", 1))
        self.alpha = single(options.get("alpha", 0.25))
        self.balances = options.get("apply_class_balancing", False)
        self.label_weights = None  # of 0 and of 1, for each output, in training
        self.start(np.zeros((1, *size, channels)))

    def apply_freezing(self, backbone, unfrozen):
        """Which layers are trained: the section `backbone`, before and after its `unfreeze`."""
        own = [l for l in self.layers if l.backbone]
        names = [l.name for l in own]
        freeze, first = backbone.get("freeze", "all"), len(own)
        if freeze == "none":
            first = 0
        elif freeze.startswith("until "):
            first = names.index(freeze[6:])
        if unfrozen:
            start = backbone["unfreeze"].get("from")
            first = names.index(start) if start else 0
        for i, layer in enumerate(own):
            layer.frozen = i < first
            layer.still = layer.kind == "batchnorm" and backbone.get("bn", "frozen") == "frozen"
        for layer in self.layers:
            if not layer.backbone:
                layer.still = layer.o.get("frozen", False)

    def start(self, x):
        """Initial weights; the shapes come from a pass."""
        for layer in self.layers:
            if layer.kind == "conv2d":
                k, c = layer.o["kernel"], x.shape[3]
                self.make(layer, (k, k, c, layer.o["filters"]))
            elif layer.kind == "dense":
                self.make(layer, (x.shape[1], layer.o["units"]))
            elif layer.kind == "batchnorm":
                c = x.shape[-1]
                for part, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
                    self.weights[layer.path(part)] = np.full(c, float(value))
            x = self.forward_layer(layer, x, None)

    def make(self, layer, shape):
        path = layer.path("kernel")
        kind = "zeros" if layer.whitens() else layer.o.get("init", "glorot_uniform")
        self.weights[path] = initial(path, shape, self.seed, kind)
        self.weights[layer.path("bias")] = np.zeros(shape[-1])

    def whiten(self, images):
        """Kernels that are made of training images."""
        for l in self.layers:
            if l.whitens():
                self.weights[l.path("kernel")] = whitening(images, l.o["kernel"])

    def trained(self):
        return [l.path(p) for l in self.layers if not l.frozen for p in l.parameters()]

    def statistics(self, x, label, first, step):
        """What a shard's batch normalisations would move their statistics by: {path: values}."""
        own = [l for l in self.layers if l.kind == "batchnorm" and not l.frozen and not l.still]
        kept = dict(self.weights)
        for l in own:
            for part in ("moving_mean", "moving_variance"):
                self.weights[l.path(part)] = np.zeros_like(kept[l.path(part)])
        self.train(x, label, np.ones(len(x)), step, first)
        out = {l.path(part): self.weights[l.path(part)] / (1 - single(l.o.get("momentum", 0.99)))
               for l in own for part in ("moving_mean", "moving_variance")}
        self.weights.update(kept)
        return out

    def regularised(self, gradients):
        """The gradients with those of the layers' regularisers of kernels."""
        out = dict(gradients)
        for l in self.layers:
            factor = single(l.o.get("kernel_regularizer", {}).get("l2", 0)) if isinstance(l.o, dict) else 0
            if factor and l.path("kernel") in out:
                out[l.path("kernel")] = out[l.path("kernel")] + 2 * factor * self.weights[l.path("kernel")]
        return out

    def rates(self, lr, scale):
        return {l.path(p): lr * (scale if l.backbone else 1) for l in self.layers for p in l.parameters()}

    def kernel(self, layer):
        return self.store(self.weights[layer.path("kernel")])

    # --- forward; `tape` is a list to be filled, or None: inference ---

    def forward_layer(self, layer, x, tape, step=0, first=0):
        kind, o, w = layer.kind, layer.o, self.weights
        saved = None
        if kind == "conv2d":
            k = o["kernel"]
            if o.get("padding") == "same":
                x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
            saved = windows(x, k, k)
            y = np.tensordot(saved, self.kernel(layer), 3) + w[layer.path("bias")]
        elif kind == "dense":
            saved = x
            y = x @ self.kernel(layer) + w[layer.path("bias")]
        elif kind == "batchnorm":
            axes, momentum = tuple(range(x.ndim - 1)), single(o.get("momentum", 0.99))
            batch = tape is not None and not layer.frozen and not layer.still
            mean, var = w[layer.path("moving_mean")], w[layer.path("moving_variance")]
            if batch:
                m = x.size // x.shape[-1]
                mean, var = x.mean(axes), x.var(axes)
                kept = var * m / (m - 1) if m > 1 else var
                for part, value in (("moving_mean", mean), ("moving_variance", kept)):
                    w[layer.path(part)] = momentum * w[layer.path(part)] + (1 - momentum) * value
            rstd = 1 / np.sqrt(var + single(o.get("eps", EPSILON)))
            saved = (x - mean) * rstd, rstd, batch
            y = saved[0] * w[layer.path("gamma")] + w[layer.path("beta")]
        elif kind in ("dropout", "stochastic_depth"):
            mask = dropout_mask if kind == "dropout" else depth_mask
            rests = tape is None or kind == "stochastic_depth" and layer.backbone and layer.frozen
            saved = 1 if rests else mask(x.shape, o[""], self.seed, layer.number, step, first)
            y = x * saved
        elif kind == "maxpool2d":
            n, h, width, c = x.shape
            h, width = h // 2, width // 2
            cells = x[:, :2 * h, :2 * width].reshape(n, h, 2, width, 2, c).transpose(0, 1, 3, 5, 2, 4)
            cells = cells.reshape(n, h, width, c, 4)
            saved = x.shape, cells.argmax(-1)
            y = cells.max(-1)
        elif kind == "global_avgpool2d":
            saved = x.shape
            y = x.mean((1, 2))
        else:
            assert kind == "flatten", kind
            saved = x.shape
            y = x.reshape(len(x), -1)
        y = np.where(y > 0, y, layer.slope() * y)
        y = self.store(y) if layer.stored else y
        if tape is not None:
            tape.append((layer, saved, y))
        return y

    def backward_layer(self, layer, saved, y, dy, gradients):
        kind, o, w = layer.kind, layer.o, self.weights
        if layer.slope() != 1:
            below = layer.slope() * dy if layer.slope() else 0  # also of infinite ones
            dy = self.store(np.where(y > 0, dy, below))
        if kind == "conv2d":
            k, kernel = o["kernel"], self.kernel(layer)
            gradients[layer.path("kernel")] = np.tensordot(saved, dy, ((0, 1, 2), (0, 1, 2)))
            gradients[layer.path("bias")] = dy.sum((0, 1, 2))
            wide = np.pad(dy, ((0, 0), (k - 1, k - 1), (k - 1, k - 1), (0, 0)))
            dx = np.tensordot(windows(wide, k, k), kernel[::-1, ::-1].transpose(0, 1, 3, 2), 3)
            return dx[:, k // 2:-(k // 2), k // 2:-(k // 2)] if o.get("padding") == "same" else dx
        if kind == "dense":
            gradients[layer.path("kernel")] = saved.T @ dy
            gradients[layer.path("bias")] = dy.sum(0)
            return dy @ self.kernel(layer).T
        if kind == "batchnorm":
            normal, rstd, batch = saved
            axes = tuple(range(dy.ndim - 1))
            gradients[layer.path("gamma")] = (dy * normal).sum(axes)
            gradients[layer.path("beta")] = dy.sum(axes)
            dy = dy * w[layer.path("gamma")]
            return rstd * (dy - dy.mean(axes) - normal * (dy * normal).mean(axes)) if batch else rstd * dy
        if kind in ("dropout", "stochastic_depth"):
            return dy * saved
        if kind == "maxpool2d":
            shape, at = saved
            cells = np.where(np.arange(4) == at[..., None], dy[..., None], 0)
            n, h, width, c = dy.shape
            dx = np.zeros(shape)
            cells = cells.reshape(n, h, width, c, 2, 2).transpose(0, 1, 4, 2, 5, 3)
            dx[:, :2 * h, :2 * width] = cells.reshape(n, 2 * h, 2 * width, c)
            return dx
        if kind == "global_avgpool2d":
            return np.broadcast_to(dy[:, None, None] / (saved[1] * saved[2]), saved)
        return dy.reshape(saved)

    def outputs(self, z):
        """What is predicted from the last layer's scores."""
        if self.loss in BINARY:
            return 1 / (1 + np.exp(-z))
        if self.loss in NUMBERS:
            return z
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def binary(self, z, y, t, label_weights):
        """Each output's loss, and its gradient by the score."""
        loss, slope = np.logaddexp(0, z) - z * t, y - t
        if self.loss == "binary_focal_crossentropy":
            q, turn = t * (1 - y) + (1 - t) * y, y * (1 - y) * (1 - 2 * t)
            slope = self.gamma * q ** (self.gamma - 1) * turn * loss + q ** self.gamma * slope
            loss = q ** self.gamma * loss
            if self.balances:
                w = t * self.alpha + (1 - t) * (1 - self.alpha)
                loss, slope = w * loss, w * slope
        if label_weights is not None:
            w = t * label_weights[1] + (1 - t) * label_weights[0]
            loss, slope = w * loss, w * slope
        return loss, slope

    def losses(self, z, label, label_weights=None):
        """Each image's outputs, loss, and the loss's gradient by the scores; label: classes, or rows of labels, other
        ones, and the share of the first."""
        y, s = self.outputs(z), self.smoothing
        first, second, share = label
        classes = z.shape[1]
        if first.ndim == 2:
            t = (share * first + (1 - share) * second) * (1 - s) + s / 2
        elif self.loss == "ordinal_crossentropy":
            steps = np.tri(classes + 1, classes, -1)
            t = (share * steps[first] + (1 - share) * steps[second]) * (1 - s) + s / 2
        elif classes == 1:
            t = (share * first + (1 - share) * second)[:, None] * (1 - s) + s / 2
        else:
            one_hot = np.eye(classes)
            t = (share * one_hot[first] + (1 - share) * one_hot[second]) * (1 - s) + s / classes
        if self.loss in BINARY:
            loss, slope = self.binary(z, y, t, label_weights)
            return y, loss.mean(1), slope / classes
        if self.loss == "mse":
            return y, ((y - t) ** 2).mean(1), 2 * (y - t) / classes
        if self.loss == "mae":
            return y, abs(y - t).mean(1), np.sign(y - t) / classes
        if self.loss == "huber":
            d, near = abs(y - t), abs(y - t) <= self.delta
            loss = np.where(near, d ** 2 / 2, self.delta * d - self.delta ** 2 / 2)
            return y, loss.mean(1), np.clip(y - t, -self.delta, self.delta) / classes
        shifted = z - z.max(1, keepdims=True)
        if self.loss == "categorical_focal_crossentropy":
            q, log = 1 - y, shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
            by_y = self.alpha * t * (self.gamma * q ** (self.gamma - 1) * log - q ** self.gamma / y)
            slope = y * (by_y - (by_y * y).sum(1, keepdims=True))
            return y, -(self.alpha * t * q ** self.gamma * log).sum(1), slope
        return y, (t * (np.log(np.exp(shifted).sum(1, keepdims=True)) - shifted)).sum(1), y - t

    def infer(self, x, label):
        x = self.store(x)
        for layer in self.layers:
            x = self.forward_layer(layer, x, None)
        return self.losses(x, (label, label, 1))[:2]

    def train(self, x, label, weight, step, first):
        """Outputs, losses and gradients of a shard; weight: of each image."""
        tape, gradients = [], {}
        x = self.store(x)
        for layer in self.layers:
            x = self.forward_layer(layer, x, tape, step, first)
        y, loss, dz = self.losses(x, label, self.label_weights)
        dz = dz * weight[:, None]
        for layer, saved, out in reversed(tape):
            dz = self.store(self.backward_layer(layer, saved, out, dz, gradients))
        return y, loss, {name: gradients[name] for name in self.trained()}
