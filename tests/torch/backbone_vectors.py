"""Makes tests/nn/backbones.txt: what the named backbones are, by the libraries that they are taken from.

    backbone_vectors.py torchvision | keras  >> backbones.txt
    backbone_vectors.py --list LIBRARY NET HEIGHT WIDTH CHANNELS CLASSES

Each case is a net, its input's size and its classes (0: without classifier). Weights and the image are drawn by name and
index, so that the test draws the same; outputs are computed in float64. Lines of a case:
    NET LIBRARY HEIGHT WIDTH CHANNELS CLASSES
    weights COUNT SHA-256      of the lines that --list prints, sorted: a tensor's name and its sizes but for 1 × 1 windows
    outputs COUNT LARGEST      and the largest by amount; 0 0: too many weights to run it
    values, probes             outputs at equal distances; sums of all outputs, each times a number that is drawn too
Made with torchvision 0.29.2 and Keras 2.12."""
import argparse
import hashlib
import os
import sys

import numpy as np

VALUES, PROBES = 8, 4
TORCH = [("vgg16", 45, 70, 3, 0), ("vgg16", 33, 64, 1, 0), ("vgg16", 224, 224, 3, 10)]
for torch_net in ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "mobilenet_v3_small",
                  "mobilenet_v3_large", "squeezenet1_1", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2",
                  "efficientnet_b3", "convnext_tiny", "regnet_y_400mf"):
    TORCH += [(torch_net, 62, 75, 3, 0), (torch_net, 70, 49, 4, 10)]
TORCH += [("vit_b_16", 32, 32, 3, 10)]
KERAS = []
MAKERS = {"vgg16": "VGG16", "resnet50": "ResNet50", "resnet101": "ResNet101", "mobilenet_v2": "MobileNetV2",
          "mobilenet_v3_small": "MobileNetV3Small", "mobilenet_v3_large": "MobileNetV3Large", "squeezenet1_1": None,
          "efficientnet_b0": "EfficientNetB0", "efficientnet_b1": "EfficientNetB1", "efficientnet_b2": "EfficientNetB2",
          "efficientnet_b3": "EfficientNetB3", "convnext_tiny": "ConvNeXtTiny"}
for keras_net in MAKERS:
    KERAS += [(keras_net, 62, 75, 3, 0), (keras_net, 70, 49, 4, 10)]


def draw(name, count):
    """`count` numbers from 0 to 1: FNV-1a of the name begins a splitmix64 sequence."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def weight(name, kind, shape, inputs):
    """The tensor's values; `inputs`: what a kernel adds up for an output."""
    u = draw(name, int(np.prod(shape)))
    u = {"kernel": (2 * u - 1) * np.sqrt(6 / inputs), "scale": 0.5 + u, "shift": 0.4 * u - 0.2}[kind]
    return u.astype(np.float32).reshape(shape)


def image(height, width, channels):
    return (2 * draw("image", height * width * channels) - 1).astype(np.float32).reshape(1, height, width, channels)


def make_torch(name, height, width, channels, classes, run):
    import torch
    import torchvision

    size = {"image_size": height} if name.startswith("vit") else {}
    net = getattr(torchvision.models, name)(num_classes=classes or 1000, **size)
    first_name, first = next((n, m) for n, m in net.named_modules() if isinstance(m, torch.nn.Conv2d))
    if channels != first.in_channels:
        parent = net.get_submodule(first_name.rpartition(".")[0])
        setattr(parent, first_name.rpartition(".")[2], torch.nn.Conv2d(
            channels, first.out_channels, first.kernel_size, first.stride, first.padding, bias=first.bias is not None))
    if not classes:
        for head in "avgpool", "classifier", "fc":
            if hasattr(net, head):
                setattr(net, head, torch.nn.Identity())
    shapes, total = {}, sum(p.numel() for p in net.parameters())
    for key, tensor in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        shape, word = tuple(tensor.shape), key.rpartition(".")[2]
        shapes[key] = shape[:2] if shape[2:] == (1, 1) else shape
        kind = "kernel" if len(shape) > 1 else "scale" if word in ("weight", "running_var") else "shift"
        if word == "layer_scale":
            kind = "scale"
        elif word in ("class_token", "pos_embedding"):
            kind = "shift"
        if run:
            tensor.copy_(torch.from_numpy(weight(key, kind, shape, np.prod(shape[1:]))))
    if not run:
        return shapes, total, None
    net = net.double().eval()
    x = torch.from_numpy(image(height, width, channels).transpose(0, 3, 1, 2).astype(np.float64))
    with torch.no_grad():
        y = net(x) if classes else (net.features if hasattr(net, "features") else torch.nn.Sequential(
            *[m for n, m in net.named_children()]))(x)
    return shapes, total, y.numpy() if classes else y.numpy().transpose(0, 2, 3, 1)


def squeezenet(keras, shape, classes):
    """Keras has none; this is the layout of the weights that are around for it, by their names."""
    layers = keras.layers
    x = start = keras.Input(shape)
    x = layers.Conv2D(64, 3, 2, "valid", activation="relu", name="conv1")(x)
    for i, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        if i in (0, 2, 4):
            x = layers.MaxPooling2D(3, 2)(x)
        fire = f"fire{i + 2}/"
        x = layers.Conv2D(squeeze, 1, activation="relu", name=fire + "squeeze1x1")(x)
        x = layers.Concatenate()([
            layers.Conv2D(4 * squeeze, size, padding="same", activation="relu", name=f"{fire}expand{size}x{size}")(x)
            for size in (1, 3)])
    if classes:
        x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, x)


def make_keras(name, height, width, channels, classes, run):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tensorflow import keras

    keras.backend.clear_session()
    keras.backend.set_floatx("float32" if name == "convnext_tiny" else "float64")  # its LayerScale knows no other
    shape, options = (height, width, channels), {"weights": None, "include_top": classes > 0}
    if name == "squeezenet1_1":
        net = squeezenet(keras, shape, classes)
    else:
        if classes:
            options.update(classes=classes, classifier_activation=None)
        if name in ("mobilenet_v3_small", "mobilenet_v3_large", "convnext_tiny"):
            options.update(include_preprocessing=False)
        net = getattr(keras.applications, MAKERS[name])(input_shape=shape, **options)
    if name.startswith("efficientnet"):  # behind the preprocessing that is part of the net
        net = keras.Model(net.get_layer("stem_conv_pad").input, net.output)
    if name == "convnext_tiny" and not classes:  # before the normalisation of the classifier
        net = keras.Model(net.input, net.layers[-2].output)
    shapes = {}
    for layer in net.layers:
        for variable in layer.weights:
            word = variable.name.rpartition("/")[2].partition(":")[0]
            part = variable.name.rpartition("/")[0] + "/" if isinstance(layer, keras.Sequential) else ""
            key, shape = f"{layer.name}/{part}{word}", tuple(variable.shape)
            shapes[key] = shape[2:] if shape[:2] == (1, 1) else shape
            scales = word in ("gamma", "moving_variance", "Variable")
            kind = "kernel" if len(shape) > 1 else "scale" if scales else "shift"
            if run:
                inputs = np.prod(shape[:2] if word == "depthwise_kernel" else shape[:-1])
                variable.assign(weight(key, kind, shape, inputs).astype(np.float64))
    total = sum(int(np.prod(v.shape)) for v in net.trainable_weights)
    x = image(height, width, channels).astype(np.float64)
    return shapes, total, np.asarray(net(x, training=False)) if run else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("library", choices=["torchvision", "keras"])
    parser.add_argument("case", nargs="*")
    args = parser.parse_args()
    make = make_torch if args.library == "torchvision" else make_keras
    cases = TORCH if args.library == "torchvision" else KERAS
    if args.case:
        cases = [(args.case[0], *map(int, args.case[1:]))]
    for case in cases:
        run = not args.list and not (make is make_torch and case[0] == "vgg16" and case[4])
        shapes, total, y = make(*case, run)
        lines = sorted(" ".join([key, *map(str, shape)]) for key, shape in shapes.items())
        if args.list:
            print(*lines, sep="\n")
            continue
        digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
        y = np.zeros(0) if y is None else y.ravel()
        print(case[0], args.library, *case[1:])
        print("weights", total, digest)
        print("outputs", y.size, "%.6g" % np.abs(y).max(initial=0))
        if y.size:
            print("values", *["%.6g" % y[k * (y.size - 1) // (VALUES - 1)] for k in range(VALUES)])
            print("probes", *["%.6g" % (y @ (2 * draw(f"probe{k}", y.size) - 1)) for k in range(PROBES)])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
