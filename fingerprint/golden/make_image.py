#!/usr/bin/env python3
"""Makes the golden codes of images: the trio of imagehash, PDQ with its turned forms, ISCC Image-Code.

Needs Python 3.11+ and what make.py needs, and further pdqhash 0.2.8, iscc-core 1.5.0, iscc-sdk 0.9.7:

    venv/bin/python golden/make_image.py            # writes golden/image and golden/image_codes.json
    venv/bin/python golden/make_image.py --check    # only compares the codes with golden/image_codes.json
    venv/bin/python golden/make_image.py --all DIR  # a larger set, with photos of scikit-image 0.26, and its codes

`image_codes.json` covers the images of make.py (golden/images) and those made here (golden/image): borders of all
kinds, all Exif orientations, odd JPEG files, sizes at which an algorithm takes another way. All come from formulas and
fixed seeds. 16-bit greyscale is scaled with >> 8 first, as make.py explains.
"""

import io
import json
import sys
from pathlib import Path

import imagehash
import iscc_core
import iscc_sdk
import numpy as np
import pdqhash
from PIL import Image

from make import noise, scene

HERE = Path(__file__).parent


def bordered(width, height, seed, colour, left, top, right, bottom, jitter=0):
    rng = np.random.default_rng(seed)
    out = np.clip(np.array(colour) + rng.integers(-jitter, jitter + 1, (height + top + bottom, width + left + right, 3)), 0, 255)
    out[top : top + height, left : left + width] = scene(width, height, seed)
    return Image.fromarray(out.astype(np.uint8))


def oriented(image, value):
    exif = Image.Exif()
    exif[0x0112] = value
    return {"exif": exif}


def sky(width, height):
    """A smooth ramp above, shapes below: no border, though the top is nearly one colour."""
    out = scene(width, height, 77)
    ramp = np.linspace(200, 236, height // 2)[:, None, None] * np.ones((1, width, 3))
    out[: height // 2] = ramp
    return Image.fromarray(out.astype(np.uint8))


def alpha_ring(width, height, seed):
    image = Image.fromarray(scene(width, height, seed)).convert("RGBA")
    y, x = np.mgrid[0:height, 0:width]
    far = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    image.putalpha(Image.fromarray(np.clip(510 - far * 1200, 0, 255).astype(np.uint8)))
    return image


def small_set():
    """Name, image, options of save."""
    base = Image.fromarray(scene(100, 70, 40))
    for value in range(1, 9):
        yield f"orientation_{value}.jpg", base, {"quality": 80, **oriented(base, value)}
    yield "orientation_6.png", base.resize((40, 30)), oriented(base, 6)
    yield "orientation_8.webp", base.resize((60, 44)), {"quality": 80, **oriented(base, 8)}
    yield "orientation_odd.jpg", base, {"quality": 70, **oriented(base, 200)}
    yield "orientation_border.jpg", bordered(90, 60, 41, (250, 250, 250), 3, 20, 30, 5), {"quality": 85, **oriented(base, 7)}
    yield "border_flat.png", bordered(80, 60, 42, (255, 255, 255), 10, 20, 12, 8), {}
    yield "border_noisy.png", bordered(60, 50, 43, (20, 20, 20), 9, 9, 9, 9, 6), {}
    yield "border_too_noisy.png", bordered(40, 30, 44, (128, 128, 128), 9, 9, 9, 9, 20), {}
    yield "border_one_side.png", bordered(80, 60, 45, (0, 0, 0), 0, 20, 0, 0), {}
    yield "border_one_side_noisy.png", bordered(60, 40, 46, (100, 100, 100), 0, 0, 0, 12, 7), {}
    nested = bordered(50, 40, 47, (255, 255, 255), 6, 6, 6, 6)
    for width, colour in ((4, (0, 0, 0)), (5, (200, 0, 0)), (3, (255, 255, 255))):
        whole = Image.new("RGB", (nested.width + 2 * width, nested.height + 2 * width), colour)
        whole.paste(nested, (width, width))
        nested = whole
    yield "border_nested.png", nested, {}
    yield "border_jpeg.jpg", bordered(200, 150, 48, (0, 0, 0), 0, 40, 0, 40), {"quality": 75}
    yield "border_tiny_inside.png", bordered(3, 4, 49, (255, 255, 255), 20, 20, 20, 20), {}
    yield "sky.png", sky(90, 80), {}
    yield "alpha_ring.png", alpha_ring(90, 70, 50), {}
    yield "alpha_ring.webp", alpha_ring(80, 80, 51), {"lossless": True}
    grey_alpha = alpha_ring(60, 60, 52).convert("LA")
    yield "alpha_grey.png", grey_alpha, {}
    yield "side_64.png", Image.fromarray(scene(64, 64, 53)), {}
    yield "side_64_noise.png", Image.fromarray(noise(64, 64, 54)), {}
    yield "side_4.png", Image.fromarray(scene(4, 50, 55)), {}
    yield "side_5.png", Image.fromarray(scene(5, 5, 56)), {}
    yield "side_127_129.png", Image.fromarray(scene(127, 129, 57)).quantize(48), {}
    yield "wide.png", Image.fromarray(scene(3000, 5, 58)), {}
    yield "tall.png", Image.fromarray(scene(5, 3000, 59)), {}
    big = Image.fromarray(scene(240, 180, 60))
    yield "jpeg_440.jpg", big, {"quality": 80, "subsampling": "4:2:2"}
    yield "jpeg_411.jpg", Image.fromarray(scene(131, 97, 61)), {"quality": 80, "subsampling": "4:1:1"}
    yield "jpeg_q5.jpg", big, {"quality": 5}
    yield "jpeg_q100.jpg", Image.fromarray(scene(90, 67, 62)), {"quality": 100}
    yield "jpeg_1x1.jpg", Image.new("RGB", (1, 1), (9, 99, 199)), {"quality": 90}
    yield "jpeg_grey_progressive.jpg", big.convert("L"), {"quality": 70, "progressive": True}
    yield "jpeg_restart.jpg", big, {"quality": 70, "restart_marker_blocks": 4}
    yield "jpeg_cmyk_noise.jpg", Image.fromarray(np.dstack([noise(40, 40, 63), noise(40, 40, 64)[..., :1]]), "CMYK"), {"quality": 90}
    yield "jpeg_keep_rgb.jpg", big.resize((90, 60)), {"quality": 80, "keep_rgb": True}


def all_set():
    """The same and what is too large to keep: many sizes and modes of photos, patterns and noise."""
    yield from small_set()
    import skimage.data as data

    names = "astronaut camera coffee chelsea rocket coins page text brick grass gravel hubble_deep_field moon immunohistochemistry retina clock colorwheel horse logo".split()
    photos = []
    for name in names:
        try:
            array = getattr(data, name)()
        except Exception:  # not in the package and no network
            continue
        photos.append((name, Image.fromarray(array if array.dtype == np.uint8 else (array * 255).astype(np.uint8))))
    rng = np.random.default_rng(1)
    for name, photo in photos:
        yield f"{name}.png", photo, {}
        rgb = photo.convert("RGB")
        yield f"{name}_grey.png", rgb.convert("L"), {}
        yield f"{name}_palette.png", rgb.quantize(64), {}
        width, height = (int(value) for value in rng.integers(20, 900, 2))
        yield f"{name}_sized.png", rgb.resize((width, height)), {}
        yield f"{name}_q{width % 90 + 5}.jpg", rgb, {"quality": width % 90 + 5}
        yield f"{name}_grey.jpg", rgb.convert("L"), {"quality": 85}
        yield f"{name}_444.jpg", rgb.resize((height, width)), {"quality": 92, "subsampling": 0}
        yield f"{name}_422.jpg", rgb, {"quality": 77, "subsampling": 1, "progressive": width % 2 == 0}
        yield f"{name}_{width % 8 + 1}.jpg", rgb.resize((300, 200)), {"quality": 80, **oriented(rgb, width % 8 + 1)}
        yield f"{name}.webp", rgb, {"quality": 80}
        alpha = rgb.convert("RGBA")
        alpha.putalpha(Image.effect_noise(rgb.size, 90))
        yield f"{name}_alpha.png", alpha, {}
        yield f"{name}_mirror.png", Image.fromarray(np.hstack([np.asarray(rgb), np.asarray(rgb)[:, ::-1]])), {}
        bits = rgb.convert("1")
        yield f"{name}_bits.png", bits, {}
    for index in range(30):
        width, height = (int(value) for value in rng.integers(1, 400, 2))
        kind = index % 5
        y, x = np.mgrid[0:height, 0:width]
        if kind == 0:
            image = Image.fromarray(noise(width, height, index))
        elif kind == 1:
            image = Image.fromarray(((x // (index + 1) + y // (index + 2)) % 2 * 255).astype(np.uint8))
        elif kind == 2:
            image = Image.new("RGB", (width, height), tuple(int(value) for value in rng.integers(0, 256, 3)))
        elif kind == 3:
            image = Image.fromarray((x * 255 // max(width - 1, 1)).astype(np.uint8))
        else:
            ring = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
            image = Image.fromarray((127 + 120 * np.sin(ring / 5)).astype(np.uint8)).convert("RGB")
        yield f"pattern_{index:02}.png", image, {}
    yield "wide_20000.png", Image.fromarray(scene(20000, 12, 90)), {}
    yield "wide_50000.png", Image.fromarray(scene(50000, 3, 91)), {}
    yield "tall_20000.png", Image.fromarray(scene(12, 20000, 92)), {}
    yield "large.jpg", Image.fromarray(scene(4000, 3000, 93)), {"quality": 85}
    yield "large.png", Image.fromarray(scene(2500, 1700, 94)), {"compress_level": 1}


def make(directory, items):
    directory.mkdir(exist_ok=True, parents=True)
    for old in directory.iterdir():
        old.unlink()
    for name, image, options in items:
        if name == "jpeg_440.jpg":
            # Pillow can't write 4:4:0: 4:2:2 with its sampling factors swapped is a valid file of another picture.
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", **options)
            data = bytearray(buffer.getvalue())
            frame = data.index(b"\xff\xc0")
            assert data[frame + 11] == 0x21
            data[frame + 11] = 0x12
            (directory / name).write_bytes(data)
        else:
            image.save(directory / name, **options)


def hexed(bits):
    return np.packbits(bits.astype(np.uint8)).tobytes().hex()


def pdq(image):
    array = np.ascontiguousarray(np.asarray(image.convert("RGB")))
    bits, quality = pdqhash.compute(array)
    dihedral, _ = pdqhash.compute_dihedral(array)
    return {"hash": hexed(bits), "quality": int(quality), "dihedral": [hexed(form) for form in dihedral]}


def on_white(image):
    """The three hashes over white of a picture that is transparent somewhere."""
    if not image.has_transparency_data:
        return None
    layer = image.convert("RGBA")
    alpha = layer.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return None
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(layer, mask=alpha)
    normal = white.resize((256, 256), Image.Resampling.LANCZOS)
    functions = (("phash", imagehash.phash), ("ahash", imagehash.average_hash), ("dhash", imagehash.dhash))
    return {name: str(function(normal, hash_size=16)) for name, function in functions}


def codes(path):
    image = Image.open(path)
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    entry = {"file": f"{path.parent.name}/{path.name}"}
    plain = image if image.mode in ("RGB", "L") else image.convert("RGB")
    normal = plain.resize((256, 256), Image.Resampling.LANCZOS)
    for name, function in (("phash", imagehash.phash), ("ahash", imagehash.average_hash), ("dhash", imagehash.dhash)):
        entry[name] = str(function(normal, hash_size=16))
    entry["on_white"] = on_white(image)
    entry["pdq"] = pdq(plain)
    trimmed = iscc_sdk.image_trim_tolerant(plain)
    if trimmed.size != plain.size and min(trimmed.size) >= 5:
        entry["pdq"]["trimmed"] = {"size": list(trimmed.size), **pdq(trimmed)}
    entry["iscc"] = iscc_core.gen_image_code_v0(iscc_sdk.image_normalize(image), 64)["iscc"]
    return entry


def all_codes(*directories):
    return [codes(path) for directory in directories for path in sorted(directory.iterdir())]


def write(target, entries):
    target.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")


def main():
    target = HERE / "image_codes.json"
    if "--all" in sys.argv:
        directory = Path(sys.argv[sys.argv.index("--all") + 1])
        make(directory / "all", all_set())
        write(directory / "image_codes.json", all_codes(directory / "all"))
    elif "--check" in sys.argv:
        if json.loads(target.read_text()) != all_codes(HERE / "images", HERE / "image"):
            sys.exit("image_codes.json differs")
    else:
        make(HERE / "image", small_set())
        write(target, all_codes(HERE / "images", HERE / "image"))


if __name__ == "__main__":
    main()
