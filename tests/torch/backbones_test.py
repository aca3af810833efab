"""The named backbones against the same nets in PyTorch, with the same weights through a .safetensors file.

    backbones_test.py --runner net_runner --device cpu [--net NAME] [--faults]

For each: the count of parameters; inference; and one training step's loss and gradients with batch
normalisation by its statistics (by the batch a gradient can be 0 but for rounding: net_test.py). An error
is max |a - b| / max |b| of a tensor, b being PyTorch's in float64. It may be
1e-5, or four times what PyTorch itself errs in float32. Decisions of relu that are closer than rounding may
fall either way, and one that does moves gradients by more than rounding: of several images one must agree
within that bound, where PyTorch's own error is below 1e-3. With --faults mistakes are planted on PyTorch's
side, and inference must show each. Exit status: 77 without PyTorch, NumPy or the device."""
import argparse
import copy
import json
import os
import struct
import sys
import tempfile

try:
    import numpy as np
    import torch
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

sys.dont_write_bytecode = True  # beside the sources
from backbones import BACKBONES, ConvnextBlock, Vgg16, Vit
from runner import NetError, NoDevice, Runner

BOUND = 1e-5
TRIES = 8
MOST = 1e-3  # of PyTorch's own error
BATCH, CLASSES = 1, 5
SIZES = {"vgg16": 32, "squeezenet1_1": 62,  # so that a pool rounds up
         "vit_s_16": 48}
COUNTED = {"vit_b_16"}  # no more than that: vit_s_16 has the same layers, tests/nn/backbones.txt its numbers
RECIPE = """
input: {size: %d}
backbone: {name: %s, weights: %s, freeze: none, pooling: avg, preprocessing: input%s}
model:
  - dense: {units: classes, activation: softmax}
train: {loss: categorical_crossentropy}
"""


def write_safetensors(path, tensors):
    """name -> float32 array; the container as its makers describe it."""
    header, end = {}, 0
    for name, array in tensors.items():
        dtype = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def relative(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return np.inf
    size = np.abs(b).max()
    error = np.abs(a - b).max() / size if size else np.abs(a).max()
    return error if np.isfinite(error) else np.inf


def own_name(name, module):
    """torchvision's name of a tensor as ours."""
    layer, _, word = name.rpartition(".")
    norm = isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm))
    if word == "layer_scale":
        return name + "/scale"
    if word == "class_token":
        return "class_token/token"
    if word == "pos_embedding":
        return name + "/position"
    if word.startswith("in_proj_"):
        return layer + ".in_proj/" + ("kernel" if word.endswith("weight") else "bias")
    if word == "weight" and isinstance(module, torch.nn.Conv2d) and module.groups == module.in_channels:
        return layer + "/depthwise_kernel"
    return layer + "/" + {"weight": "gamma" if norm else "kernel", "bias": "beta" if norm else "bias",
                          "running_mean": "moving_mean", "running_var": "moving_variance"}[word]


def own_layout(array, ours):
    """OIHW as HWIO, and the 1×1 convolutions that are dense layers of ours, or the other way round, as [in, out]."""
    array = np.asarray(array)
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif array.ndim == 2:
        array = array.T
    return array.reshape(ours.shape)


class Case:
    def __init__(self, options, name, fault=None):
        self.name = name
        torch.manual_seed(7)
        self.size, self.random = SIZES.get(name, 40), np.random.default_rng(3)
        make = BACKBONES[name][0]
        self.net = make(self.size) if name.startswith("vit") else make()
        if isinstance(self.net, Vgg16):
            del self.net.classifier  # half a gigabyte
        self.spread()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name + ".safetensors")
            rename = getattr(self.net, "rename", lambda name: name)
            write_safetensors(path, {rename(k): v.numpy() for k, v in self.net.state_dict().items()})
            recipe = os.path.join(folder, "net.yaml")
            with open(recipe, "w") as file:
                file.write(RECIPE % (self.size, name, path, ""))
            self.runner = Runner([options.runner, "--batch", str(BATCH), "--classes", str(CLASSES),
                                  options.device, recipe])
        self.label = np.arange(BATCH).astype(np.int32)
        self.runner.write("label", self.label)
        self.runner.write("weight", np.full(BATCH, 1 / BATCH, np.float32))
        self.modules = dict(self.net.named_modules())
        values = self.runner.ask("values")
        self.head = values["dense/kernel"], values["dense/bias"]
        self.ours = values
        if fault:
            fault(self.net)

    def spread(self):
        """What begins as 0 or 1 is drawn."""
        for name, module in self.net.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                last = name.endswith(".bn3")  # of a block: a sum of many would magnify what is rounded
                torch.nn.init.uniform_(module.weight, *(0.1, 0.5) if last else (0.5, 3))  # 3: some reach relu6's 6
                torch.nn.init.normal_(module.bias, 0, 0.1)
                module.momentum = None  # of all images
            elif isinstance(module, torch.nn.LayerNorm):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.normal_(module.bias, 0, 0.1)
            elif isinstance(module, ConvnextBlock):
                torch.nn.init.uniform_(module.layer_scale, 0.1, 0.5)
            elif isinstance(module, Vit):
                torch.nn.init.normal_(module.class_token)
                torch.nn.init.normal_(module.encoder.pos_embedding)
            elif isinstance(module, torch.nn.MultiheadAttention):
                torch.nn.init.normal_(module.in_proj_weight, 0, 0.1)
                torch.nn.init.normal_(module.in_proj_bias, 0, 0.1)
            elif isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                torch.nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    torch.nn.init.normal_(module.bias, 0, 0.1)
        with torch.no_grad():  # statistics that suit the weights
            self.net.train()
            self.net(torch.randn(16, 3, self.size, self.size))
            for module in self.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_var += 0.1  # of channels that are nearly constant there

    def torch_side(self, dtype):
        """Outputs to infer, then the loss and gradients of a training step, by our names."""
        net = copy.deepcopy(self.net).to(dtype)
        w, b = (torch.tensor(t, dtype=dtype, requires_grad=True) for t in self.head)
        x = torch.tensor(self.x, dtype=dtype).permute(0, 3, 1, 2)
        net.eval()
        with torch.no_grad():
            inferred = torch.softmax(net(x).mean((2, 3)) @ w + b, 1)
        loss = torch.nn.functional.cross_entropy(net(x).mean((2, 3)) @ w + b,
                                                 torch.tensor(self.label, dtype=torch.long))
        loss.backward()
        gradients = {"dense/kernel": w.grad.numpy(), "dense/bias": b.grad.numpy()}
        for name, parameter in net.named_parameters():
            if parameter.grad is not None:
                own = own_name(name, self.modules[name.rpartition(".")[0]])
                gradients[own] = own_layout(parameter.grad.numpy(), self.ours[own])
        return {"inferred": inferred.numpy(), "loss": loss.detach().numpy().reshape(1)}, gradients

    def our_side(self):
        self.runner.ask("infer %d" % BATCH)
        inferred = self.runner.ask("outputs")["output"]
        self.runner.ask("gradient 0 %d" % BATCH)
        loss = self.runner.ask("outputs")["loss"].mean().reshape(1)
        return {"inferred": inferred, "loss": loss}, self.runner.ask("gradients")

    def try_image(self):
        """The largest errors: (what, error, PyTorch's own, bound) and whether all is well."""
        self.x = self.random.normal(0, 1, (BATCH, self.size, self.size, 3)).astype(np.float32)
        self.runner.write("input", self.x)
        exact, single, own = self.torch_side(torch.float64), self.torch_side(torch.float32), self.our_side()
        rows, good = [], set(own[1]) == set(exact[1])
        for what, index in (("inferred", 0), ("loss", 0), ("gradients", 1)):
            names = exact[1] if index else [what]
            errors = [(relative(own[index][n], exact[index][n]), relative(single[index][n], exact[index][n]))
                      for n in names if n in own[index]]
            error, torch_error = max(e for e, _ in errors), max(t for _, t in errors)
            bound = max(BOUND, 4 * torch_error)
            rows.append((what, error, torch_error, bound))
            good = good and error <= bound and torch_error < MOST
        return rows, good

    def run(self, tries):
        for _ in range(tries):
            rows, good = self.try_image()
            if good:
                break
        return rows, good

    def close(self):
        self.runner.close()


def first(net, kind):
    return next(m for m in net.modules() if isinstance(m, kind))


def change_eps(net):
    first(net, torch.nn.BatchNorm2d).eps = 1e-3


def change_stride(net):
    block = net.layer2[0]
    block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)


def change_pool(net):
    first(net, torch.nn.MaxPool2d).ceil_mode = False


def change_activation(net):
    net.features[1].conv[0][2] = torch.nn.ReLU()


def change_gate(net):
    next(m for m in net.modules() if hasattr(m, "gate")).gate = torch.sigmoid


def change_scale(net):
    net.features[1][0].layer_scale.data[3] *= 1.001


def change_block_stride(net):
    block = net.trunk_output[1][0].f
    block.a[0].stride, block.b[0].stride = (2, 2), (1, 1)


def change_token(net):
    net.encoder.pos_embedding.data[0, 0, 5] += 0.01


def change_heads(net):
    attention = net.encoder.layers[3].self_attention
    attention.num_heads, attention.head_dim = attention.num_heads // 2, 2 * attention.head_dim


FAULTS = [("vit_s_16", change_token), ("vit_s_16", change_heads), ("resnet18", change_eps), ("mobilenet_v3_small", change_gate), ("convnext_tiny", change_scale),
          ("regnet_y_400mf", change_block_stride), ("resnet50", change_stride), ("squeezenet1_1", change_pool),
          ("mobilenet_v2", change_activation)]


def check_counts():
    """Of what this file builds, against torchvision's."""
    good = True
    for name, (make, whole, bare) in BACKBONES.items():
        net = make()
        total = sum(p.numel() for p in net.parameters())
        heads = [m for n, m in net.named_children() if n in ("classifier", "fc", "heads")]
        head = sum(p.numel() for m in heads for p in m.parameters())
        good = good and (total, total - head) == (whole, bare)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--net")
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    failed = 0 if options.faults or check_counts() else 1
    cases = FAULTS if options.faults else [(name, None) for name in BACKBONES]
    print("%-16s %-10s %9s %9s %9s" % ("net", "what", "error", "torch's", "bound"))
    for name, fault in cases:
        if (options.net and name != options.net) or name in COUNTED:
            continue
        try:
            case = Case(options, name, fault)
        except NoDevice as error:
            print("skipped: %s" % error)
            return 77
        rows, good = case.run(1 if fault else TRIES)
        parameters = sum(v.size for n, v in case.ours.items() if "moving" not in n and not n.startswith("dense/"))
        places = case.net.encoder.pos_embedding if isinstance(case.net, Vit) else None  # as many as the image has
        expected = BACKBONES[name][2] - (places is not None and (197 - places.shape[1]) * places.shape[2])
        good = good and parameters == expected
        case.close()
        for what, error, own, bound in rows:
            print("%-16s %-10s %9.1e %9.1e %9.1e" % (name, what, error, own, bound))
        wrong = rows[0][1] <= rows[0][3] if fault else not good
        if wrong:
            print("%s: %s" % (name, "%s was not seen" % fault.__name__ if fault else "FAILED"))
        failed += wrong
    print("failed" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NetError as error:
        print(error)
        sys.exit(1)
