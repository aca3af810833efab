"""make_formats.py FOLDER: writes the small images of tests/data/formats_test.c, which are seeds of the fuzz target
"image" too, and prints the test's table of them: size and CRC-32 of what Pillow's convert('RGB') gives. Needs Pillow
and NumPy; what neither writes is put together here."""
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

HEIGHT, WIDTH = 9, 11
random = np.random.default_rng(1)
noise = random.integers(0, 256, 4096, dtype=np.uint8).tobytes()
rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
rgb = Image.fromarray(np.stack([columns * 25, rows * 31, (rows * 5 + columns * 3) % 256], -1).astype(np.uint8))
rgba = rgb.copy()
rgba.putalpha(Image.fromarray((rows * 11 + columns * 13).astype(np.uint8)))
palette = rgb.quantize(16)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bmp(bits, compression=0, after=b"", header=40, down=False, colours=0):
    """`after`: masks or palette."""
    pixels = noise[: (WIDTH * bits + 31) // 32 * 4 * HEIGHT]
    if header == 12:
        fields = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        height = -HEIGHT if down else HEIGHT
        fields = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, len(pixels), 0, 0, colours, 0)
    start = 14 + len(fields) + len(after)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + fields + after + pixels


def gif(screen, left, top, transparent):
    """A frame of 4 colours that does not fill its canvas, or goes beyond it."""
    data = saved(rgb.quantize(4), "GIF", interlace=0)
    frame = data.index(b",", 13 + 3 * 4)
    local = 3 << (data[frame + 9] & 7) + 1 if data[frame + 9] & 0x80 else 0
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x81, 0, 0) + noise[:12]
    if transparent is not None:
        head += b"\x21\xf9\x04\x01\0\0" + bytes([transparent, 0])
    return head + b"," + struct.pack("<HHHHB", left, top, WIDTH, HEIGHT, 0) + data[frame + 10 + local :]


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def animation(canvas, left, top, frame):
    """An animated WebP of one frame: the chunks of a still one."""
    def three(value):
        return struct.pack("<I", value)[:3]
    frame = chunk(b"ANMF", three(left // 2) + three(top // 2) + three(WIDTH - 1) + three(HEIGHT - 1) + three(9) + b"\0"
                  + frame[12:])
    data = chunk(b"VP8X", b"\2\0\0\0" + three(canvas[0] - 1) + three(canvas[1] - 1)) + chunk(b"ANIM", bytes(6)) + frame
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def tiff(samples, bits, photometric, order="<", tile=None, planes=False, extra=None, kind=0, float_=False):
    """Not compressed. Returns the file and the samples, whose upper 8 bits Pillow would take."""
    pixels = np.frombuffer(noise[: HEIGHT * WIDTH * samples * bits // 8], order + ("u2" if bits == 16 else "u1"))
    pixels = pixels.reshape(HEIGHT, WIDTH, samples)
    blocks = []
    for plane in range(samples) if planes else [slice(None)]:
        part = pixels[:, :, plane].reshape(HEIGHT, WIDTH, -1)
        if not tile:
            blocks.append(part.tobytes())
        for y in range(0, HEIGHT if tile else 0, tile or 1):
            for x in range(0, WIDTH, tile):
                block = np.zeros((tile, tile, part.shape[2]), part.dtype)
                cut = part[y : y + tile, x : x + tile]
                block[: cut.shape[0], : cut.shape[1]] = cut
                blocks.append(block.tobytes())
    tags = [(254, 4, [kind]), (256, 4, [WIDTH]), (257, 4, [HEIGHT]), (258, 3, [bits] * samples), (259, 3, [1]),
            (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [2 if planes else 1])]
    if extra is not None:
        tags.append((338, 3, [extra]))
    if float_:
        tags.append((339, 3, [3] * samples))
    sizes = [len(block) for block in blocks]
    places = [8 + sum(sizes[:i]) for i in range(len(blocks))]
    tags += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, places), (325, 4, sizes)] if tile else \
        [(273, 4, places), (278, 4, [HEIGHT]), (279, 4, sizes)]
    at = 8 + sum(sizes)
    end = at + 6 + 12 * len(tags)
    fields, outside = struct.pack(order + "H", len(tags)), b""
    for tag, type_, values in sorted(tags):
        data = struct.pack(order + str(len(values)) + ("H" if type_ == 3 else "I"), *values)
        if len(data) > 4:
            data, outside = struct.pack(order + "I", end + len(outside)), outside + data
        fields += struct.pack(order + "HHI", tag, type_, len(values)) + data.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", at) + b"".join(blocks) + fields + bytes(4) + outside, pixels


def exif(orientation):
    data = Image.Exif()
    data[0x112] = orientation
    return data.tobytes()


wide = np.arange(3500)  # more than 256 colours, or libwebp packs the pixels
large = np.broadcast_to(np.stack([wide % 256, wide // 256, 0 * wide + 99], -1).astype(np.uint8), (3500, 3500, 3))
images = {
    "bmp_1": bmp(1, after=noise[:8]), "bmp_4": bmp(4, after=noise[:64]), "bmp_8": bmp(8, after=noise[:1024]),
    "bmp_16": bmp(16), "bmp_16_masks": bmp(16, 3, struct.pack("<III", 0xF800, 0x7E0, 0x1F)), "bmp_24": bmp(24),
    "bmp_32_down": bmp(32, 3, struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00), down=True),
    "bmp_core": bmp(8, after=noise[:768], header=12),
    "gif_plain": saved(palette, "GIF", interlace=0),
    "gif_interlaced": saved(palette.resize((19, 17)), "GIF", interlace=1),  # Pillow does not interlace smaller ones
    "gif_animated": saved(palette, "GIF", save_all=True, append_images=[rgba.rotate(90).quantize(4)]),
    "gif_offset": gif((20, 14), 3, 4, None), "gif_transparent": gif((20, 14), 3, 4, 2), "gif_beyond": gif((5, 5), 3, 4, 1),
    "webp_lossy": saved(rgb, "WEBP", quality=70), "webp_alpha": saved(rgba, "WEBP", quality=70),
    "webp_lossless": saved(rgba, "WEBP", lossless=True, exact=True), "webp_turned": saved(rgb, "WEBP", exif=exif(6)),
    "webp_animated": animation((20, 14), 4, 2, saved(rgb, "WEBP", quality=70)),
    "tiff_lzw": saved(rgb, "TIFF", compression="tiff_lzw"), "tiff_palette": saved(palette, "TIFF"),
    "tiff_deflate": saved(rgb.convert("L"), "TIFF", compression="tiff_adobe_deflate"),
    "tiff_packbits": saved(rgb.convert("CMYK"), "TIFF", compression="packbits"),
    "tiff_fax": saved(rgb.convert("1"), "TIFF", compression="group4"),
    "tiff_turned": saved(rgb, "TIFF", tiffinfo={274: 8}), "tiff_white": tiff(1, 8, 0)[0],
    "tiff_big_endian": tiff(3, 8, 2, ">")[0], "tiff_multiplied": tiff(4, 8, 2, extra=1)[0],
    "tiff_tiles": tiff(3, 8, 2, tile=16)[0], "tiff_planes": tiff(3, 8, 2, planes=True)[0],
}
sixteens = {"tiff_16": tiff(3, 16, 2), "tiff_16_tiles_of_planes": tiff(3, 16, 2, ">", tile=16, planes=True)}
others = {  # too large, or refused
    "webp_large": saved(Image.fromarray(large), "WEBP", lossless=True),
    "bmp_run_length": bmp(8, 1, after=noise[:1024]), "tiff_jpeg": saved(rgb, "TIFF", compression="jpeg"),
    "tiff_preview": tiff(3, 8, 2, kind=1)[0], "tiff_float": tiff(1, 16, 1, float_=True)[0],
    "webp_outside": animation((12, 12), 4, 2, saved(rgb, "WEBP", quality=70)),
}

folder = pathlib.Path(sys.argv[1])
for name, data in sorted(images.items()):
    (folder / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    image.load()
    image = (image if name.startswith("tiff") else ImageOps.exif_transpose(image)).convert("RGB")
    print(f'    {{"{name}", {image.height}, {image.width}, 0x{zlib.crc32(image.tobytes()):08x}}},')
for name, (data, pixels) in sorted(sixteens.items()):
    (folder / name).write_bytes(data)
    print(f'    {{"{name}", {HEIGHT}, {WIDTH}, 0x{zlib.crc32((pixels >> 8).astype("u1").tobytes()):08x}}},')
for name, data in others.items():
    (folder / name).write_bytes(data)
