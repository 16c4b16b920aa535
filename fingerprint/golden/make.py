#!/usr/bin/env python3
"""Makes the golden images and their hashes.

Needs Python 3.11+, pillow 12.2.0 (12.0 resizes tall pictures otherwise, and 13 portraits), imagehash 4.3.2:

    python3 -m venv venv && venv/bin/pip install 'pillow==12.2.0' 'imagehash==4.3.2'
    venv/bin/python golden/make.py            # writes golden/images and golden/image.json
    venv/bin/python golden/make.py --check    # only compares the hashes with golden/image.json

The images come from formulas and a fixed random seed. The hashes are those of the pipeline that the
crate reproduces: convert to RGB unless RGB or L, resize to 256x256 with Lanczos, imagehash with
hash_size 16. One departure is wanted: 16-bit greyscale is scaled with >> 8 first, because Pillow's
own conversion clips at 255 and turns such images white.
"""

import json
import sys
from pathlib import Path

import imagehash
import numpy as np
import PIL
from PIL import Image, TiffImagePlugin

assert PIL.__version__ == "12.2.0", "the reference is Pillow 12.2.0"

HERE = Path(__file__).parent
IMAGES = HERE / "images"


def scene(width, height, seed=1):
    """Smooth shapes with some texture, uint8 RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    out = np.zeros((height, width, 3))
    for channel in range(3):
        a, b, c, d = rng.uniform(0.5, 4, 4)
        out[..., channel] = 127 + 60 * np.sin(a * x / width * 6 + b) + 60 * np.cos(c * y / height * 6 + d)
    for _ in range(6):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.05, 0.25) * width
        out[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(0, 255, 3)
    return np.clip(out, 0, 255).astype(np.uint8)


def noise(width, height, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def with_exif():
    exif = Image.Exif()
    exif[0x010F] = "Pinhole"
    exif[0x0110] = "Pinhole Zero"
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({
        0x9003: "2024:02:29 12:34:56",
        0x9011: "+02:00",
        0x829A: TiffImagePlugin.IFDRational(1, 250),
        0x8827: 200,
    })
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 1.0)})
    return exif


def make():
    IMAGES.mkdir(exist_ok=True)
    for old in IMAGES.iterdir():
        old.unlink()

    def save(name, image, **options):
        image.save(IMAGES / name, **options)

    rgb = Image.fromarray(scene(120, 90))
    save("rgb.png", rgb)
    save("rgb_exif.png", rgb.resize((60, 45)), exif=with_exif())
    save("rgb_large.png", Image.fromarray(np.repeat(np.repeat(scene(80, 60, 2), 8, 0), 8, 1)))
    save("rgb_256.png", Image.fromarray(scene(256, 256, 3)).quantize(32).convert("RGB"))
    save("rgb_wide.png", Image.fromarray(scene(700, 9, 4)))
    save("rgb_tall.png", Image.fromarray(scene(5, 600, 5)))
    # Pillow shrinks vertically first above 1:100.
    save("tall_100.png", Image.fromarray(scene(6, 600, 30)))
    save("tall_101.png", Image.fromarray(scene(6, 601, 30)))
    save("portrait.png", Image.fromarray(scene(90, 300, 31)).quantize(32))
    save("portrait.jpg", Image.fromarray(scene(200, 300, 32)), quality=85)
    save("rgb_1x1.png", Image.new("RGB", (1, 1), (12, 200, 99)))
    save("rgb_noise.png", Image.fromarray(noise(70, 50, 6)))
    save("rgb_colour_key.png", Image.fromarray(scene(50, 40, 7)), transparency=(0, 0, 0))
    save("flat_grey.png", Image.new("L", (64, 64), 128))
    save("flat_black.png", Image.new("RGB", (300, 200)))
    y, x = np.mgrid[0:128, 0:128]
    save("symmetric.png", Image.fromarray((np.hypot(x - 63.5, y - 63.5) * 2).clip(0, 255).astype(np.uint8)))
    save("checkers.png", Image.fromarray((((x // 16 + y // 16) % 2) * 255).astype(np.uint8)))
    save("ramp.png", Image.fromarray((x * 2).astype(np.uint8)))
    # Most coefficients of these are zero: rounding of the DCT decides their bits of pHash.
    half = noise(32, 64, 22)[..., 0]
    save("mirror.png", Image.fromarray(np.hstack([half, half[:, ::-1]])))
    quarter = np.hstack([half[:32], half[:32, ::-1]])
    save("mirror_both.png", Image.fromarray(np.vstack([quarter, quarter[::-1]])))
    save("stripes.png", Image.fromarray(np.repeat(noise(64, 1, 23)[..., 0], 64, 0)))
    save("box.png", Image.fromarray(np.where((abs(x - 40) < 12) & (abs(y - 80) < 12), 230, 30).astype(np.uint8)))
    for index, size in enumerate([(1, 7), (2, 2), (3, 5), (8, 1), (6, 4)]):
        save(f"thin_{index}.png", Image.fromarray(noise(*size, 24 + index)[..., 0]))
    save("grey.png", rgb.convert("L"))
    save("grey_256.png", Image.fromarray(scene(256, 256, 8)).convert("L").quantize(16).convert("L"))
    save("grey_alpha.png", Image.merge("LA", (rgb.convert("L"), Image.fromarray((x[:90, :120] * 2).astype(np.uint8)))))
    alpha = Image.fromarray(scene(100, 75, 9)).convert("RGBA")
    alpha.putalpha(Image.fromarray((np.mgrid[0:75, 0:100][0] * 3).astype(np.uint8)))
    save("rgba.png", alpha)
    save("palette.png", Image.fromarray(scene(110, 80, 10)).quantize(40))
    save("palette_4.png", Image.fromarray(scene(90, 90, 11)).quantize(4), bits=2)
    save("palette_alpha.png", Image.fromarray(scene(60, 60, 12)).quantize(20), transparency=3)
    save("bilevel.png", rgb.convert("1"))
    deep = (np.sin(x / 20.0) * np.cos(y / 15.0) * 32000 + 32768).astype(np.uint16)
    save("grey_16.png", Image.fromarray(deep))
    write_png_16(IMAGES / "rgb_16.png", np.dstack([deep, deep.T, 65535 - deep])[:60, :80], 2)
    write_png_16(IMAGES / "rgba_16.png", np.dstack([deep, deep.T, deep // 2, deep])[:60, :80], 6)
    write_png_16(IMAGES / "grey_alpha_16.png", np.dstack([deep, deep.T])[:60, :80], 4)
    big = Image.fromarray(scene(320, 240, 13))
    save("rgb_420.jpg", big, quality=85)
    save("rgb_444.jpg", big.resize((200, 150)), quality=90, subsampling=0)
    save("rgb_422.jpg", Image.fromarray(scene(161, 121, 14)), quality=75, subsampling=1)
    save("rgb_odd.jpg", Image.fromarray(scene(333, 177, 15)), quality=60)
    save("rgb_progressive.jpg", Image.fromarray(scene(300, 200, 16)), quality=80, progressive=True)
    save("rgb_low_quality.jpg", Image.fromarray(scene(400, 300, 17)), quality=15)
    save("rgb_noise.jpg", Image.fromarray(noise(64, 64, 18)), quality=80)
    save("rgb_exif.jpg", big.resize((160, 120)), quality=80, exif=with_exif())
    save("grey.jpg", big.convert("L"), quality=80)
    save("cmyk.jpg", big.resize((120, 90)).convert("CMYK"), quality=85)
    save("lossless.webp", big.resize((150, 110)), lossless=True)
    save("lossless_alpha.webp", alpha, lossless=True)
    save("lossy.webp", big, quality=80)
    save("lossy_odd.webp", Image.fromarray(scene(173, 91, 19)), quality=60)
    save("lossy_alpha.webp", alpha, quality=75)
    save("exif.webp", big.resize((80, 60)), quality=80, exif=with_exif())
    frames = [Image.fromarray(scene(64, 48, 20)), Image.fromarray(scene(64, 48, 21))]
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)


def write_png_16(path, samples, colour_type):
    """Pillow can't write 16-bit colour."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )


def vector(path):
    image = Image.open(path)
    entry = {"file": path.name, "format": image.format, "mode": image.mode, "width": image.width, "height": image.height}
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    image = image.resize((256, 256), Image.Resampling.LANCZOS)
    for name, function in (("phash", imagehash.phash), ("ahash", imagehash.average_hash), ("dhash", imagehash.dhash)):
        entry[name] = str(function(image, hash_size=16))
    return entry


def main():
    check = "--check" in sys.argv
    if not check:
        make()
    vectors = [vector(path) for path in sorted(IMAGES.iterdir())]
    target = HERE / "image.json"
    if check:
        if json.loads(target.read_text()) != vectors:
            sys.exit("image.json differs")
    else:
        target.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in vectors) + "\n]\n")


if __name__ == "__main__":
    main()
