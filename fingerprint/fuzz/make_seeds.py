#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets: fingerprint/fuzz/make_seeds.py

Small files from formulas; ffmpeg encodes the sound and the picture. The inputs beside them whose names are 40 hex
digits once broke something, or are what the fuzzer found worth keeping.
"""

import math
import pathlib
import struct
import subprocess
import zlib

corpus = pathlib.Path(__file__).parent / "corpus"


def seed(target, name, data):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def ffmpeg(*arguments):
    command = ["ffmpeg", "-v", "error", "-bitexact", *arguments, "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def pdf(objects, *, streams=False):
    """A document of `objects` (number to bytes), with a table or with object and cross-reference streams."""
    out = b"%PDF-1.7\n"
    offsets = {}
    if not streams:
        for number, body in objects.items():
            offsets[number] = len(out)
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (max(objects) + 1)
        for number in range(1, max(objects) + 1):
            out += b"%010d 00000 n \n" % offsets[number]
        return out + b"trailer\n<</Root 1 0 R/Info 5 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (max(objects) + 1, start)
    plain = {n: body for n, body in objects.items() if b"stream" not in body}
    index, bodies = b"", b""
    for number, body in plain.items():
        index += b"%d %d " % (number, len(bodies))
        bodies += body + b" "
    packed = zlib.compress(index + bodies)
    objects = {n: body for n, body in objects.items() if n not in plain}
    holder = max([*objects, *plain]) + 1
    head = b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>" % (len(plain), len(index), len(packed))
    objects[holder] = head + b"stream\n" + packed + b"\nendstream"
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    rows = b""
    for number in range(holder + 2):
        if number in plain:
            rows += struct.pack(">BHB", 2, holder, list(plain).index(number))
        elif number in offsets or number == holder + 1:
            rows += struct.pack(">BHB", 1, offsets.get(number, start), 0)
        else:
            rows += struct.pack(">BHB", 0, 0, 0)
    rows = zlib.compress(rows)
    head = b"<</Type/XRef/W[1 2 1]/Root 1 0 R/Info 5 0 R/Size %d/Filter/FlateDecode/Length %d>>" % (holder + 2, len(rows))
    out += b"%d 0 obj\n%sstream\n%s\nendstream\nendobj\n" % (holder + 1, head, rows)
    return out + b"startxref\n%d\n%%%%EOF" % start


def pdfs():
    text = b"BT /F1 12 Tf 10 10 Td (Hello \\(world\\) \\101) Tj [(a) -200 (b) <4142>] TJ T* <00410042> Tj ET"
    cmap = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <0000> <ffff>"
        b" endcodespacerange 1 beginbfchar <0041> <00e4> endbfchar 1 beginbfrange <0042> <0044> <0042> endbfrange"
        b" endcmap end end"
    )
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 100 100]>>",
        3: b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 6 0 R>>>>>>",
        4: b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        5: b"<</Title(A \\344 title)/Author<feff00e4>/CreationDate(D:20240102030405+01'00')>>",
        6: b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 7 0 R>>",
        7: b"<</Length %d>>stream\n%s\nendstream" % (len(cmap), cmap),
    }
    seed("pdf", "table.pdf", pdf(objects))
    seed("pdf", "streams.pdf", pdf(objects, streams=True))
    packed = zlib.compress(text)
    objects[4] = b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed)
    objects[6] = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    seed("pdf", "flate.pdf", pdf(objects))
    seed("pdf", "loop.pdf", pdf({**objects, 2: b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2/Parent 2 0 R>>"}))


def exifs():
    for name, order in (("little", "<"), ("big", ">")):
        texts = {0x010F: b"Maker\0", 0x0110: b"Model\0", 0x9003: b"2024:01:02 03:04:05\0"}
        entries, data = b"", b""
        at = 8 + 2 + 12 * (len(texts) + 2) + 4
        for tag, value in texts.items():
            entries += struct.pack(order + "HHII", tag, 2, len(value), at + len(data))
            data += value
        entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
        gps = at + len(data)
        entries += struct.pack(order + "HHII", 0x8825, 4, 1, gps)
        data += struct.pack(order + "H", 2)
        data += struct.pack(order + "HHI", 1, 2, 2) + b"N\0\0\0"
        data += struct.pack(order + "HHII", 2, 5, 3, gps + 2 + 24 + 4) + struct.pack(order + "I", 0)
        data += struct.pack(order + "6I", 47, 1, 30, 1, 59, 7)
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
        head += struct.pack(order + "H", len(texts) + 2)
        seed("exif", name, head + entries + struct.pack(order + "I", 0) + data)
    picture = ffmpeg("-f", "lavfi", "-i", "gradients=s=8x8:seed=1", "-frames:v", "1", "-f", "mjpeg")
    (corpus / "exif.jpg").write_bytes(picture)


def pictures():
    """Beside the golden images: what lies about itself."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width, height, *chunks):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        rows = chunk(b"IDAT", zlib.compress(b"\0" * (4 * 4 * 3 + 4)))
        return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + rows + chunk(b"IEND", b"")

    seed("image", "wide.png", png(50_000, 1))
    seed("image", "bomb.png", png(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 3_000_000)[:3000])))
    seed("image", "profile.png", png(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 500))))
    picture = ffmpeg("-f", "lavfi", "-i", "gradients=s=24x16:seed=1", "-frames:v", "1", "-f", "mjpeg")
    seed("image", "small.jpg", picture)
    seed("image", "truncated.jpg", picture[:-40])


def sounds():
    tone = ["-f", "lavfi", "-i", "sine=440:duration=0.3:sample_rate=11025", "-map_metadata", "-1", "-metadata", "title=t"]
    for name, arguments in {
        "u8.wav": ["-c:a", "pcm_u8", "-f", "wav"],
        "float.wav": ["-c:a", "pcm_f32le", "-ac", "2", "-f", "wav"],
        "adpcm.wav": ["-c:a", "adpcm_ms", "-f", "wav"],
        "tone.mp3": ["-c:a", "libmp3lame", "-b:a", "16k", "-f", "mp3"],
        "tone.aac": ["-c:a", "aac", "-b:a", "16k", "-f", "adts"],
        "tone.flac": ["-c:a", "flac", "-f", "flac"],
        "tone.ogg": ["-c:a", "libvorbis", "-b:a", "16k", "-f", "ogg"],
        "tone.m4a": ["-c:a", "aac", "-b:a", "16k", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
    }.items():
        seed("audio", name, ffmpeg(*tone, *arguments))
    samples = b"".join(struct.pack("<h", int(9000 * math.sin(i / 9))) for i in range(2000))
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    for name, size in (("lying.wav", 0xFFFFFFF0), ("zero.wav", 0)):
        seed("audio", name, b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt \x10\0\0\0" + form + b"data"
             + struct.pack("<I", size) + samples)
    bad = struct.pack("<4f", float("nan"), float("inf"), 1e38, -1e-40)
    form = struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32)
    seed("audio", "nan.wav", b"RIFF" + struct.pack("<I", 52) + b"WAVEfmt \x10\0\0\0" + form + b"data"
         + struct.pack("<I", 16) + bad)


def texts():
    words = "Ein Text, größer als \u6f22\u5b57, \u0e20\u0e32\u0e29\u0e32 \u0645\u0631\u062d\u0628\u0627, \ufb01 \ufdfa e\u0301 \U0001f600.\r\n"
    for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "cp1251", "latin-1"):
        seed("text", name, b"\x02" + (words * 3).encode(name, "ignore"))
    seed("text", "broken", b"\x00" + bytes(range(256)) + b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80")
    seed("text", "empty", b"\x05 \t\r\n\x1f\xe2\x80\xa8")


def bytes_of_digests():
    seed("digest", "short", bytes([1, 2, 3, 0, 255, 64, 7, 9]) + bytes(range(256)))
    seed("digest", "long", bytes([255, 254, 1, 128, 64, 3, 200, 17]) + bytes((i * i >> 3) & 255 for i in range(9000)))


if __name__ == "__main__":
    pdfs()
    exifs()
    pictures()
    sounds()
    texts()
    bytes_of_digests()
