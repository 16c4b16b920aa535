#!/usr/bin/env python3
"""Makes the golden videos and what the references say of them.

Needs ffmpeg and ffprobe 5.1 on the search path and Python 3.11+ with pillow 12, imagehash 4.3.2, pdqhash 0.2.8,
iscc-sdk 0.9.7:

    venv/bin/python golden/make_video.py            # writes golden/video and golden/video.json
    venv/bin/python golden/make_video.py --check    # only compares the references with golden/video.json
    venv/bin/python golden/make_video.py --of FILE  # prints what the references say of other files

The videos come from ffmpeg's own test sources. Frames are those of `ffmpeg -i FILE -pix_fmt rgb24`, one every
max(1, floor(fps)) from the first; each is hashed by imagehash (256x256 Lanczos by Pillow, phash of size 16) and by
pdqhash at its full size. Times and metadata are those of ffprobe, the ISCC is that of iscc-sdk, which is pointed to the
installed ffmpeg.
"""

import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import imagehash
import iscc_lib
import iscc_sdk as idk
import numpy as np
import pdqhash
from PIL import Image

HERE = Path(__file__).parent
VIDEOS = HERE / "video"


def run(*arguments):
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, check=True)


idk.run_ffmpeg = lambda arguments: run("ffmpeg", "-v", "error", "-y", *arguments)


def encode(name, source, *options):
    """From a source of lavfi; bit-exact, so that the same ffmpeg gives the same file."""
    options = ["-pix_fmt", "yuv420p", *options] if "-pix_fmt" not in options else options
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-threads", "1", "-fflags", "+bitexact",
        "-flags:v", "+bitexact", *options, VIDEOS / name)  # fmt: skip


def make():
    VIDEOS.mkdir(exist_ok=True)
    x264 = ["-c:v", "libx264", "-crf", "30", "-preset", "fast"]
    encode("h264.mp4", "testsrc2=s=320x180:r=25:d=6[out0];aevalsrc='0.3*sin(2*PI*(300+200*t)*t)':s=44100:d=6[out1]",
           *x264, "-c:a", "aac", "-b:a", "32k", "-flags:a", "+bitexact", "-metadata", "title=Test picture")  # fmt: skip
    encode("ntsc.mov", "mandelbrot=s=256x144:r=30000/1001,trim=duration=5", *x264, "-color_primaries", "bt709",
           "-color_trc", "bt709", "-colorspace", "bt709")  # fmt: skip
    encode("xvid.avi", "testsrc=s=176x144:r=15:d=5", "-c:v", "mpeg4", "-vtag", "XVID", "-q:v", "8")
    encode("mjpeg.avi", "testsrc2=s=160x120:r=10:d=3", "-c:v", "mjpeg", "-q:v", "10", "-pix_fmt", "yuvj420p")
    encode("vfr.mp4", "testsrc2=s=192x108:r=30:d=6,select='lt(n,40)+not(mod(n,7))'", "-fps_mode", "vfr", *x264)
    encode("bframes.mp4", "life=s=160x120:r=24:seed=7:mold=10:ratio=0.1:death_color=#c83232:life_color=#00ff00,"
           "trim=duration=3", *x264, "-bf", "3")  # fmt: skip
    encode("ten_bit.mp4", "testsrc2=s=160x120:r=12:d=4", "-c:v", "libx265", "-crf", "32", "-pix_fmt", "yuv420p10le",
           "-tag:v", "hvc1", "-x265-params", "log-level=none:pools=none:frame-threads=1")  # fmt: skip
    encode("full_colour.mp4", "rgbtestsrc=s=130x98:r=5:d=3,hue=H=t", *x264, "-pix_fmt", "yuv444p")
    encode("odd.mov", "testsrc2=s=175x101:r=20:d=3", "-c:v", "png", "-pix_fmt", "rgb24")
    encode("alpha.mov", "testsrc2=s=96x64:r=4:d=2:alpha=128", "-c:v", "png", "-pix_fmt", "rgba")
    encode("vp9.mp4", "testsrc2=s=160x90:r=24:d=3", "-c:v", "libvpx-vp9", "-b:v", "60k", "-deadline", "realtime")
    encode("av1.mp4", "testsrc2=s=160x90:r=24:d=2", "-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "45")
    encode("slow.mp4", "testsrc2=s=160x120:r=1/2:d=12", *x264)
    encode("one_frame.mp4", "testsrc2=s=160x120:r=25:d=0.04", *x264)
    encode("anamorphic.mp4", "testsrc2=s=180x144:r=25:d=2,setsar=16/11", *x264)
    encode("black.mp4", "color=black:s=160x120:r=25:d=3", *x264)
    encode("interlaced.avi", "testsrc2=s=176x144:r=50:d=2,interlace", "-c:v", "mpeg4", "-flags", "+ildct+ilme",
           "-q:v", "9")  # fmt: skip
    encode("long_gop.mp4", "testsrc2=s=160x120:r=25:d=12", *x264, "-g", "1000", "-sc_threshold", "0")
    encode("plain.mp4", "testsrc2=s=200x120:r=25:d=3", *x264)
    for name, angle in (("rotated.mp4", "90"), ("upside_down.mp4", "180")):
        run("ffmpeg", "-v", "error", "-y", "-i", VIDEOS / "plain.mp4", "-c", "copy", "-fflags", "+bitexact",
            "-metadata:s:v", f"rotate={angle}", VIDEOS / name)  # fmt: skip
    (VIDEOS / "plain.mp4").unlink()
    # A cover picture and two tracks, of which the larger is the second.
    encode("two_tracks.mp4", "testsrc2=s=96x64:r=10:d=2[out0];mandelbrot=s=192x128:r=10,trim=duration=2[out1]",
           "-map", "0:0", "-map", "0:1", *x264)  # fmt: skip
    encode("late_start.mp4", "testsrc2=s=96x64:r=10:d=4,setpts=PTS+0.5/TB[out0];sine=440:d=4[out1]", *x264,
           "-c:a", "aac", "-b:a", "16k", "-flags:a", "+bitexact")  # fmt: skip


def probe(path):
    streams = json.loads(run("ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", path).stdout)
    return streams["streams"], streams["format"]


def rational(text):
    above, below = text.split("/")
    return Fraction(int(above), int(below)) if int(below) else Fraction(0)


def vector(path):
    streams, container = probe(path)
    videos = [s for s in streams if s["codec_type"] == "video" and not s["disposition"]["attached_pic"]]
    video = max(videos, key=lambda s: s["width"] * s["height"] + 5_000_000 * s["disposition"]["default"])
    index = video["index"]
    rotation = next((int(d["rotation"]) for d in video.get("side_data_list", []) if "rotation" in d), 0)
    width, height = video["width"], video["height"]
    if rotation % 180:
        width, height = height, width
    fps = rational(video["avg_frame_rate"]) or Fraction(30)
    step = max(1, math.floor(fps))
    times = run("ffprobe", "-v", "error", "-select_streams", index, "-show_entries", "frame=best_effort_timestamp_time",
                "-of", "csv=p=0", path).stdout.decode().split()  # fmt: skip
    start = float(container["start_time"])
    times = [round(float(time.rstrip(",")) - start, 6) for time in times]
    decoder = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-i", path, "-map", f"0:{index}", "-fps_mode", "passthrough", "-pix_fmt", "rgb24",
         "-f", "rawvideo", "-"], stdout=subprocess.PIPE)  # fmt: skip
    size = width * height * 3
    hashes, pdq, number = [], [], 0
    while len(raw := decoder.stdout.read(size)) == size:
        if number % step == 0:
            pixels = np.frombuffer(raw, np.uint8).reshape(height, width, 3)
            normal = Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS)
            hashes.append(str(imagehash.phash(normal, hash_size=16)))
            bits, quality = pdqhash.compute(pixels)
            pdq.append([np.packbits(bits).tobytes().hex(), quality])
        number += 1
    decoder.wait()
    mean = sum(int(value, 16) for value in hashes) // len(hashes)
    try:
        signature = idk.video_mp7sig_extract(path)
        frames = [tuple(frame.vector.tolist()) for frame in idk.read_mp7_signature(signature)]
        iscc = iscc_lib.gen_video_code_v0(frames, bits=64)["iscc"]
    except subprocess.CalledProcessError:
        # ffmpeg's signature filter crashes when the video is too short for a frame at five a second.
        iscc = None
    return {
        "file": path.name,
        "frames": number,
        "frame_hashes": hashes,
        "frame_pdq": pdq,
        "frame_timestamps": times[::step],
        "average_hash": f"{mean:064x}",
        "iscc": iscc,
        "metadata": {
            "width": video["width"],
            "height": video["height"],
            "rotation": rotation,
            "frame_rate": round(float(fps), 3),
            "frame_count": int(video["nb_frames"]) if "nb_frames" in video else None,
            "duration": round(float(container["duration"]), 3),
            "codec": video["codec_tag_string"],
            "video_codec": video["codec_name"],
            "pixel_format": video["pix_fmt"],
            "has_audio": any(s["codec_type"] == "audio" for s in streams),
        },
    }


def main():
    if "--of" in sys.argv:
        paths = [Path(name) for name in sys.argv[sys.argv.index("--of") + 1 :]]
    else:
        if "--check" not in sys.argv:
            make()
        paths = sorted(VIDEOS.iterdir())
    vectors = [vector(path) for path in paths]
    target = HERE / "video.json"
    text = "[\n" + ",\n".join(json.dumps(entry) for entry in vectors) + "\n]\n"
    if "--of" in sys.argv:
        print(text)
    elif "--check" not in sys.argv:
        target.write_text(text)
    elif json.loads(target.read_text()) != json.loads(text):
        sys.exit("video.json differs")


if __name__ == "__main__":
    main()
