"""make_heif.py FOLDER: writes the small HEIC and AVIF files of tests/data/heif_test.c, which are seeds of the fuzz target
"image" too. Needs Pillow, NumPy, heif-enc (libheif-examples) and avifenc (libavif-bin). What heif-enc does not write, tiles,
turns and several images in one file, is put together here of what it has encoded; ISO/IEC 23008-12 names the boxes."""
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

folder, scratch = pathlib.Path(sys.argv[1]), tempfile.TemporaryDirectory()
inside = pathlib.Path(scratch.name)


def picture(height, width, dtype=np.uint8):
    """Red grows to the right, green downwards, blue not at all."""
    most = np.iinfo(dtype).max
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns * most // (width - 1), rows * most // (height - 1), 0 * rows + most // 2], -1).astype(dtype)


def png(pixels):
    """Pillow writes no 16-bit RGB."""
    path = inside / "in.png"
    if pixels.dtype == np.uint8:
        Image.fromarray(pixels).save(path)
        return path
    import zlib
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *pixels.shape[1::-1], 16, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))
    return path


def encoded(pixels, *options, kind="heic"):
    out = inside / ("out." + kind)
    subprocess.run(["heif-enc", "-q", "90", *options, "-o", out, png(pixels)], check=True, stdout=subprocess.DEVNULL)
    return out.read_bytes()


def boxes(data):
    at = 0
    while at < len(data):
        size = struct.unpack_from(">I", data, at)[0]
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def box(name, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + name + data


def item(file):
    """A file's only image: its type, its bytes, those of the properties that are its own."""
    top = dict(boxes(file))
    held = dict(boxes(dict(boxes(top[b"meta"][4:]))[b"iprp"]))
    every = [box(*p) for p in boxes(held[b"ipco"])]
    properties = [every[(link & 0x7F) - 1] for link in held[b"ipma"][11:]]
    return b"av01" if any(p[4:8] == b"av1C" for p in properties) else b"hvc1", top[b"mdat"], properties


def size(height, width):
    return box(b"ispe", struct.pack(">III", 0, width, height))


def file(items, primary, references=(), brand=b"heic"):
    """Items are numbered from 1; references: (kind, from, to...)."""
    full = bytes(4)
    infos = [box(b"infe", b"\2\0\0" + bytes([type_ == b"hvc1" and i != primary]), struct.pack(">HH", i, 0), type_, b"\0")
             for i, (type_, _, _) in enumerate(items, 1)]
    refs = [box(kind, struct.pack(">HH", start, len(to)), *(struct.pack(">H", t) for t in to)) for kind, start, *to in references]
    every = [p for _, _, properties in items for p in properties]
    links, n = b"", 0
    for i, (_, _, properties) in enumerate(items, 1):
        links += struct.pack(">HB", i, len(properties)) + bytes(0x80 | n + k + 1 for k in range(len(properties)))
        n += len(properties)

    def meta(start):
        places = b""
        for i, (_, data, _) in enumerate(items, 1):
            places += struct.pack(">HHHII", i, 0, 1, start, len(data))
            start += len(data)
        return box(b"meta", full, box(b"hdlr", full, bytes(4), b"pict", bytes(13)), box(b"pitm", full, struct.pack(">H", primary)),
                   box(b"iinf", full, struct.pack(">H", len(items)), *infos), *([box(b"iref", full, *refs)] if refs else []),
                   box(b"iprp", box(b"ipco", *every), box(b"ipma", full, struct.pack(">I", len(items)), links)),
                   box(b"iloc", full, b"\x44\0", struct.pack(">H", len(items)), places))

    head = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", *(data for _, data, _ in items))


def tiles():
    """A phone's: 2×2 tiles that go beyond the image, after a thumbnail of another colour."""
    whole = picture(90, 100)
    wide = np.pad(whole, ((0, 38), (0, 28), (0, 0)), "edge")
    parts = [item(encoded(wide[y : y + 64, x : x + 64], "-p", "chroma=444")) for y in (0, 64) for x in (0, 64)]
    thumbnail = item(encoded(np.full((32, 32, 3), (255, 0, 0), np.uint8)))
    grid = b"grid", struct.pack(">BBBBHH", 0, 0, 1, 1, 100, 90), [size(90, 100)]
    return file([thumbnail, *parts, grid], 6, [(b"dimg", 6, 2, 3, 4, 5), (b"thmb", 1, 6)])


def turned():
    """A quarter counter-clockwise, of which Exif speaks, too; then mirrored."""
    type_, data, properties = item(encoded(picture(64, 96)))
    exif = Image.Exif()
    exif[0x112] = 8
    return file([(type_, data, [*properties, box(b"irot", b"\1")]), (b"Exif", bytes(4) + exif.tobytes()[6:], [])], 1,
                [(b"cdsc", 2, 1)])


def mirrored():
    type_, data, properties = item(encoded(picture(64, 96)))
    return file([(type_, data, [*properties, box(b"imir", b"\0")])], 1)


def sequence():
    out = inside / "out.avif"
    first = png(picture(48, 64)).rename(inside / "first.png")
    second = png(picture(48, 64)[:, ::-1])
    subprocess.run(["avifenc", "--min", "5", "--max", "5", first, second, out], check=True, stdout=subprocess.DEVNULL)
    return out.read_bytes()


plain, fine = picture(48, 64), picture(48, 64, np.uint16)
grey = np.ascontiguousarray(plain[:, :, 0])
alpha = np.concatenate([plain, plain[:, :, 1:2]], -1)
images = {
    "heic": encoded(plain), "heic_10": encoded(fine, "-b", "10"), "heic_grey": encoded(grey), "heic_alpha": encoded(alpha),
    "heic_odd": encoded(picture(37, 51)), "heic_tiles": tiles(), "heic_turned": turned(), "heic_mirrored": mirrored(),
    "avif": encoded(plain, kind="avif"), "avif_12": encoded(fine, "-b", "12", kind="avif"), "avif_grey": encoded(grey, kind="avif"),
    "avif_alpha": encoded(alpha, kind="avif"), "avif_odd": encoded(picture(37, 51), kind="avif"), "avif_sequence": sequence(),
}
for name, data in images.items():
    (folder / name).write_bytes(data)
