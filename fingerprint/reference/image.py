"""A picture the way of the original: Pillow and imagehash. image.py [FILE]"""

import sys

import imagehash
from PIL import ExifTags, Image

if len(sys.argv) > 1:
    with Image.open(sys.argv[1]) as picture:
        metadata = {"width": picture.width, "height": picture.height, "format": picture.format, "mode": picture.mode}
        metadata["exif"] = {ExifTags.TAGS.get(tag, tag): str(value) for tag, value in picture.getexif().items()}
        if picture.mode not in ("RGB", "L"):
            picture = picture.convert("RGB")
        picture = picture.resize((256, 256), Image.Resampling.LANCZOS)
        hashes = [imagehash.phash(picture, 16), imagehash.average_hash(picture, 16), imagehash.dhash(picture, 16)]
        print(metadata, *hashes)
