"""Writes the files that pytorch_test.c reads, which are also the fuzz target's seeds, with PyTorch and without.

usage: make_pytorch.py FOLDER

Tensors count up by a quarter, each from a number of its own."""
import argparse
import collections
import io
import pathlib
import struct
import sys
import zipfile

import torch


def counting(first, *shape):
    return (first + 0.25 * torch.arange(torch.Size(shape).numel())).reshape(shape)


def tensors():
    base = counting(-3, 12)
    image = counting(5, 1, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    return collections.OrderedDict([
        ("plain", counting(1, 2, 3)), ("turned", counting(2, 3, 2).t().contiguous().t()), ("part", base[4:8].view(2, 2)),
        ("steps", base[1:12:5]), ("image", image), ("half", counting(3, 2).half()), ("brain", counting(4, 2).bfloat16()),
        ("wide", counting(6, 2).double()), ("one", counting(7)), ("none", torch.zeros(0, 2)),
        ("parameter", torch.nn.Parameter(counting(8, 2))), ("whole", torch.tensor([1, 2]))])


def string(text):
    """Python 2's."""
    return b"U" + bytes([len(text)]) + text.encode()


def old_tensor(key, count, name=b"torch._utils\n_rebuild_tensor\n"):
    storage = b"(" + string("storage") + b"ctorch\nFloatStorage\n" + string(key) + string("cpu") + b"K" + bytes([count]) + b"Nt"
    return b"c" + name + b"(" + storage + b"QK\0K" + bytes([count]) + b"\x85K\x01\x85tR"


def old_file(root, keys, counts):
    """The form before 1.6, of pickled `root`."""
    magic = b"\x80\2\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    system = b"\x80\2}(" + string("little_endian") + b"\x88u."
    listed = b"\x80\2](" + b"".join(string(key) for key in keys) + b"e."
    data = b"".join(struct.pack("<q", n) + struct.pack(f"<{n}f", *(first + i / 4 for i in range(n))) for first, n in counts)
    return magic + b"\x80\2M\xe9\3." + system + b"\x80\2" + root + b"." + listed + data


def python2(bias=2):
    """An OrderedDict of pairs in a list, with a tensor and a Parameter as PyTorch 0.1 has it, which is given its tensor."""
    parameter = (b"ctorch.nn.parameter\nParameter\n)\x81(" + old_tensor("8", 2) + b"\x88\x89Ntb")
    pairs = b"](](" + string("a.weight") + old_tensor("7", 3) + b"e](" + string("a.bias") + parameter + b"ee"
    return old_file(b"ccollections\nOrderedDict\n" + pairs + b"\x85R", ["7", "8"], [(1, 3), (2, bias)])


def packed(files, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return out.getvalue()


def by_hand():
    """name: bytes"""
    new = old_tensor("0", 2, b"torch._utils\n_rebuild_tensor_v2\n")
    pickled = b"\x80\2}(X\1\0\0\0a" + new + b"u."
    good = {"x/data.pkl": pickled, "x/byteorder": b"little", "x/data/0": struct.pack("<2f", 1, 1.25)}
    return {
        "python2.pth": python2(),
        "old_size.pth": python2(bias=1),
        "hand.pth": packed(good),
        "big_endian.pth": packed({**good, "x/byteorder": b"big"}),
        "outside.pth": packed({**good, "x/data.pkl": pickled.replace(b"QK\0K\2", b"QK\1K\2")}),
        "missing.pth": packed({"x/data.pkl": pickled}),
        "short.pth": packed({**good, "x/data/0": b"1234"}),
        "compressed.pth": packed(good, zipfile.ZIP_DEFLATED),
        "twice.pth": packed({**good, "x/data.pkl": b"\x80\2}(X\1\0\0\0a" + new + b"X\1\0\0\0a" + new + b"u."}),
        "no_pickle.pth": packed({"a.txt": b"text"}),
        "command.pth": packed({**good, "x/data.pkl": b"\x80\2cos\nsystem\nX\4\0\0\0true\x85R."}),
        "command_old.pth": old_file(b"cposix\nsystem\nX\4\0\0\0true\x85R", [], []),
        "command_4.pth": packed({**good, "x/data.pkl": b"\x80\4\x8c\2os\x8c\6system\x93\x8c\4true\x85R."}),
        "opcode.pth": packed({**good, "x/data.pkl": b"\x80\2Vtext\n."}),
        "itself.pth": packed({**good, "x/data.pkl": b"\x80\2}q\0(X\5\0\0\0modelh\0u."}),
    }


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)


def main(folder):
    folder = pathlib.Path(folder)
    state = tensors()
    old = {"_use_new_zipfile_serialization": False}
    torch.save(state, folder / "new.pth")
    torch.save(state, folder / "old.pth", **old)
    torch.save(state, folder / "protocol4.pth", pickle_protocol=4)
    parallel = {"module." + name: value for name, value in state.items()}
    checkpoint = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "model": parallel,
                  "optimizer": {"state": {0: {"step": 1, "exp_avg": counting(0, 2)}}, "param_groups": [{"lr": 0.1}]}}
    torch.save(checkpoint, folder / "checkpoint.pth")
    torch.save({"epoch": 3, "loss": [0.5]}, folder / "no_tensors.pth")
    torch.save(counting(0, 2), folder / "bare.pth")
    torch.save({"a": torch.zeros(1).expand(9)}, folder / "expanded.pth")
    sys.modules["__main__"].Net = Net
    torch.save(Net(), folder / "module.pth")
    for name, data in by_hand().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
