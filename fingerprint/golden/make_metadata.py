#!/usr/bin/env python3
"""Makes the golden pictures with metadata as odd writers leave them, and what is to be read of them.

Needs Python 3.11+, pillow 12.2.0, piexif 1.1.3, numpy and iscc-sdk 0.9.7:

    venv/bin/python golden/make_metadata.py            # writes golden/metadata and golden/metadata.json
    venv/bin/python golden/make_metadata.py --check    # only compares the values with golden/metadata.json

Title, description and Meta-Code are those of iscc-sdk (exiv2), orientation is Pillow's, camera, date and place are what
was written.
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import iscc_sdk
import numpy as np
import piexif
import PIL
from PIL import Image, ImageOps

from make import scene

HERE = Path(__file__).parent
TARGET = HERE / "metadata"
assert PIL.__version__ == "12.2.0", "the reference is Pillow 12.2.0"

PICTURE = Image.fromarray(scene(48, 30, 60)).quantize(16).convert("RGB")
TAKEN = "2024-02-29T12:34:56"
PLACE = {"latitude": 48.2083333, "longitude": -16.367}

RDF = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {attributes}>{elements}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>"
)


def xmp(elements="", attributes=""):
    return RDF.format(elements=elements, attributes=attributes).encode()


def alternatives(name, *texts):
    items = "".join(f'<rdf:li xml:lang="{lang}">{text}</rdf:li>' for lang, text in texts)
    return f"<{name}><rdf:Alt>{items}</rdf:Alt></{name}>"


def data_set(number, value, record=2):
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def resources(iptc):
    other = b"8BIM\x03\xed\x00\x00" + struct.pack(">I", 3) + b"abc\x00"
    return other + b"8BIM\x04\x04\x04name\x00" + struct.pack(">I", len(iptc)) + iptc + b"\x00" * (len(iptc) & 1)


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg(*segments):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", quality=80)
    data = buffer.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(before=b"", after=b""):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + before + data[33:-12] + after + data[-12:]


def webp(*chunks, flags=0):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "WEBP", lossless=True)
    body = buffer.getvalue()[12:]
    size = struct.pack("<I", PICTURE.width - 1)[:3] + struct.pack("<I", PICTURE.height - 1)[:3]
    extended = b"VP8X" + struct.pack("<IB3x", 10, flags) + size
    parts = b"".join(kind + struct.pack("<I", len(part)) + part + b"\x00" * (len(part) & 1) for kind, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(extended) + len(body) + len(parts)) + b"WEBP" + extended + body + parts


def profile(name, data):
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(data):8}\n{lines}\n".encode()


def by_piexif():
    """Without the pointers to a next directory that the standard wants."""
    zeroth = {piexif.ImageIFD.Make: "Pinhole", piexif.ImageIFD.Model: "Pinhole Zero", piexif.ImageIFD.Orientation: 6}
    camera = {piexif.ExifIFD.DateTimeOriginal: "2024:02:29 12:34:56"}
    place = {
        piexif.GPSIFD.GPSLatitudeRef: "N",
        piexif.GPSIFD.GPSLatitude: ((48, 1), (12, 1), (30, 1)),
        piexif.GPSIFD.GPSLongitudeRef: "W",
        piexif.GPSIFD.GPSLongitude: ((16, 1), (2202, 100), (0, 0)),
    }
    return piexif.dump({"0th": zeroth, "Exif": camera, "GPS": place})[6:]


class Tiff:
    """A block with a directory for the picture, one for the camera and one for the place, put together by hand."""

    def __init__(self, order="<"):
        self.order = order

    def entry(self, tag, kind, count, value):
        return struct.pack(self.order + "HHI", tag, kind, count) + value.ljust(4, b"\x00")

    def block(self, pointer_kind=4, camera_next=b"\x00" * 4, first_next=b"\x00" * 4, count=None, gap=0, orientation=None):
        order = self.order
        head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "I", 8 + gap) + b"\x00" * gap
        start = len(head)
        first = 2 + 4 * 12 + 4
        at_camera = start + first
        at_place = at_camera + 2 + 12 + len(camera_next)
        at_data = at_place + 2 + 4 * 12 + 4
        make, date = b"Pinhole Zero\x00", b"2024:02:29 12:34:56\x00"
        latitude = struct.pack(order + "6I", 48, 1, 12, 1, 30, 1)
        longitude = struct.pack(order + "4I", 16, 1, 2202, 100)
        places = [at_data]
        for data in (make, date, latitude, longitude):
            places.append(places[-1] + len(data))
        number = lambda value: struct.pack(order + "I", value)
        orientation = orientation or self.entry(0x0112, 3, 1, struct.pack(order + "H", 6))
        entries = [
            self.entry(0x0110, 2, len(make), number(places[0])),
            orientation,
            self.entry(0x8769, pointer_kind, 1, number(at_camera)),
            self.entry(0x8825, pointer_kind, 1, number(at_place)),
        ]
        out = head + struct.pack(order + "H", count or 4) + b"".join(entries) + first_next
        out += struct.pack(order + "H", 1) + self.entry(0x9003, 2, len(date), number(places[1])) + camera_next
        out += struct.pack(order + "H", 4)
        out += self.entry(1, 2, 2, b"N\x00") + self.entry(2, 5, 3, number(places[2]))
        out += self.entry(3, 2, 2, b"W\x00") + self.entry(4, 5, 2, number(places[3])) + b"\x00" * 4
        return out + make + date + latitude + longitude


def whole(bytes_, place=True):
    """Everything that the blocks above say."""
    return bytes_, {"camera": "Pinhole Zero", "date_taken": TAKEN, "gps": PLACE if place else None}


def files():
    """Name, bytes, what is told beside the title."""
    exif = b"Exif\x00\x00"
    odd = by_piexif()
    little, big = Tiff("<"), Tiff(">")
    yield "exif_piexif.jpg", *whole(jpeg(segment(0xE1, exif + odd)))
    yield "exif_piexif.png", *whole(png(before=chunk(b"eXIf", odd)))
    yield "exif_piexif.webp", *whole(webp((b"EXIF", odd), flags=8))
    yield "exif_prefix.webp", *whole(webp((b"EXIF", exif + odd), flags=8))
    yield "exif_little.jpg", *whole(jpeg(segment(0xE1, exif + little.block())))
    yield "exif_big.jpg", *whole(jpeg(segment(0xE1, exif + big.block())))
    yield "exif_big_no_next.jpg", *whole(jpeg(segment(0xE1, exif + big.block(camera_next=b"", first_next=b"\x00" * 4))))
    yield "exif_next_of_child.jpg", *whole(jpeg(segment(0xE1, exif + little.block(camera_next=b"\xff\xff\x00\x00"))))
    yield "exif_next_outside.jpg", *whole(jpeg(segment(0xE1, exif + big.block(first_next=b"\x00\x10\x00\x00"))))
    yield "exif_odd_offset.jpg", *whole(jpeg(segment(0xE1, exif + little.block(gap=5))))
    yield "exif_directory_type.jpg", *whole(jpeg(segment(0xE1, exif + little.block(pointer_kind=13))))
    yield "exif_long.jpg", *whole(
        jpeg(segment(0xE1, exif + big.block(orientation=big.entry(0x0112, 4, 1, struct.pack(">I", 6)))))
    )
    cut = little.block()
    yield "exif_cut_value.jpg", *whole(jpeg(segment(0xE1, exif + cut[:-4])), place=False)
    yield "exif_two_segments.jpg", *whole(jpeg(segment(0xE1, exif + cut[:90]), segment(0xE1, exif + cut[90:])))
    yield "exif_second.jpg", *whole(jpeg(segment(0xE1, exif + cut), segment(0xE1, exif + big.block())))
    yield "exif_after_picture.png", *whole(png(after=chunk(b"eXIf", odd)))
    packed = b"Raw profile type exif\x00\x00" + zlib.compress(profile("exif", exif + odd))
    yield "exif_raw_profile.png", *whole(png(before=chunk(b"zTXt", packed)))
    plain = b"Raw profile type exif\x00" + profile("generic", exif + odd)
    yield "exif_raw_text.png", *whole(png(before=chunk(b"tEXt", plain)))

    nothing = {"camera": None, "date_taken": None, "gps": None}
    start = b"http://ns.adobe.com/xap/1.0/\x00"
    title = alternatives("dc:title", ("x-default", "A picture of shapes"))
    yield "xmp_title.jpg", jpeg(segment(0xE1, start + xmp(title))), nothing
    several = alternatives("dc:title", ("de-at", "Formen"), ("x-default", "Shapes &amp; more"), ("fr", "Formes"))
    yield "xmp_languages.jpg", jpeg(segment(0xE1, start + xmp(several))), nothing
    yield "xmp_attribute.jpg", jpeg(segment(0xE1, start + xmp("", 'dc:title="Told by an attribute"'))), nothing
    yield "xmp_headline.jpg", jpeg(
        segment(0xE1, start + xmp("<photoshop:Headline>Headline</photoshop:Headline>", 'xmp:Nickname="Nickname"'))
    ), nothing
    described = title + alternatives("dc:description", ("x-default", "Circles on waves"))
    yield "xmp_description.png", png(before=chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp(described))), nothing
    packed = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(xmp(title))
    yield "xmp_packed.png", png(after=chunk(b"iTXt", packed)), nothing
    yield "xmp.webp", webp((b"XMP ", xmp(title)), flags=4), nothing
    yield "xmp_orientation.jpg", jpeg(segment(0xE1, start + xmp("", 'tiff:Orientation="8"'))), nothing

    utf8 = data_set(90, b"\x1b%G", record=1)
    named = data_set(5, "Zoë at the sea".encode())
    yield "iptc_utf8.jpg", jpeg(segment(0xED, b"Photoshop 3.0\x00" + resources(utf8 + named))), nothing
    yield "iptc_latin1.jpg", jpeg(
        segment(0xED, b"Photoshop 3.0\x00" + resources(data_set(5, "Käse für Zoë".encode("latin-1"))))
    ), nothing
    headline = named + data_set(105, b"The headline comes first")
    yield "iptc_headline.jpg", jpeg(segment(0xED, b"Photoshop 3.0\x00" + resources(utf8 + headline))), nothing
    yield "iptc_and_xmp.jpg", jpeg(
        segment(0xED, b"Photoshop 3.0\x00" + resources(utf8 + headline)), segment(0xE1, start + xmp(title))
    ), nothing
    packed = b"Raw profile type iptc\x00\x00" + zlib.compress(profile("iptc", utf8 + named))
    yield "iptc.png", png(before=chunk(b"zTXt", packed)), nothing
    windows = "Titel für Windows\x00".encode("utf-16-le")
    block = piexif.dump({"0th": {piexif.ImageIFD.XPTitle: tuple(windows)}})
    yield "exif_xptitle.jpg", jpeg(segment(0xE1, block)), nothing


def vector(path, told):
    meta = iscc_sdk.image_meta_extract(path)
    image = Image.open(path)
    upright = ImageOps.exif_transpose(image)
    return {
        "file": path.name,
        "title": meta.get("name"),
        "description": meta.get("description"),
        "meta": iscc_sdk.code_meta(path).iscc,
        "iscc": iscc_sdk.code_image(path).iscc,
        "orientation": image.getexif().get(0x0112, 1),
        "upright": list(upright.size),
        **told,
    }


def main():
    check = "--check" in sys.argv
    TARGET.mkdir(exist_ok=True)
    vectors = []
    for name, data, told in files():
        if not check:
            (TARGET / name).write_bytes(data)
        vectors.append(vector(TARGET / name, told))
    target = HERE / "metadata.json"
    if check:
        if json.loads(target.read_text()) != vectors:
            sys.exit("metadata.json differs")
    else:
        target.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in vectors) + "\n]\n")


if __name__ == "__main__":
    main()
