#!/usr/bin/env python3
"""Makes the golden audio files and their fingerprints.

Needs Python 3.11+ with numpy, librosa 0.11, soundfile, iscc-core 1.5.0, and the programs ffmpeg 5.1 and fpcalc 1.5.1
(Debian 12: ffmpeg, libchromaprint-tools):

    venv/bin/python golden/make_audio.py            # writes golden/audio.json and golden/audio/
    venv/bin/python golden/make_audio.py --check    # only compares with golden/audio.json

Sound without loss is made by the test itself from the same integer formulas (see `synth`), so that only lossy files are
kept. The fingerprints are those of fpcalc over the whole length, the spectral numbers those of librosa as the original
calls it, the content codes those of iscc-core over what iscc-sdk asks fpcalc for.
"""

import json
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import iscc_core
import librosa
import numpy as np

warnings.filterwarnings("ignore")
HERE = Path(__file__).parent
MEDIA = HERE / "audio"
NOTES = [220, 277, 330, 440, 523, 392, 349, 294, 587, 698, 247, 660]
SECONDS = 8


def noise(n, channel):
    """32 pseudo-random bits for each sample number."""
    mask = np.uint64(0xFFFFFFFF)
    x = (n * np.uint64(2654435761) + np.uint64(977 * channel + 1)) & mask
    for factor in (0x45D9F3B, 0x119DE1F3):
        x ^= x >> np.uint64(16)
        x = (x * np.uint64(factor)) & mask
    return x ^ (x >> np.uint64(16))


def synth(rate, channels, seconds=SECONDS):
    """24-bit samples, shape (frames, channels): three triangle waves that change their notes, and noise."""
    n = np.arange(rate * seconds, dtype=np.uint64)
    out = np.zeros((len(n), channels), dtype=np.int64)
    for channel in range(channels):
        total = np.zeros(len(n), dtype=np.int64)
        for voice in range(3):
            beat = n * np.uint64(2 + voice + channel) // np.uint64(rate)
            index = (beat * np.uint64(voice + 5) + np.uint64(channel + 3 * voice)) % np.uint64(len(NOTES))
            step = np.array([(hz << 32) // rate for hz in NOTES], dtype=np.uint64)[index.astype(int)]
            phase = np.cumsum(step, dtype=np.uint64) & np.uint64(0xFFFFFFFF)
            ramp = (phase >> np.uint64(8)).astype(np.int64)  # 0 .. 2^24 - 1
            triangle = np.abs(ramp - (1 << 23)) * 2 - (1 << 23)
            total += triangle // (4 + voice)
        total += (noise(n, channel) >> np.uint64(8)).astype(np.int64) // 40 - (1 << 24) // 80
        out[:, channel] = np.clip(total, -(1 << 23), (1 << 23) - 1)
    return out


def wav(path, samples, rate, bits):
    """A plain WAVE file; extensible, with a mask, for more than two channels."""
    frames, channels = samples.shape
    if bits == 8:
        data = ((samples >> 16) + 128).astype(np.uint8).tobytes()
    elif bits == 16:
        data = (samples >> 8).astype("<i2").tobytes()
    elif bits == 24:
        data = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    elif bits == 32:
        data = (samples << 8).astype("<i4").tobytes()
    else:
        data = (samples.astype(np.float64) / (1 << 23)).astype("<f4").tobytes()
    tag, width = (3, 32) if bits == -32 else (1, bits)
    block = channels * width // 8
    if channels > 2:
        mask = {6: 0x3F, 8: 0x63F}[channels]
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        fmt = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * block, block, width, 22, width, mask) + guid
    else:
        fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, width)
    data += b"\0" * (len(data) % 2)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def fpcalc(path):
    def run(*more):
        done = subprocess.run(["fpcalc", "-length", "0", *more, path], capture_output=True)
        # 3: a fingerprint, although the decoder had complaints; FFmpeg 5.1 has them at the end of many whole files.
        assert done.returncode in (0, 3), done.stderr
        return done.stdout

    raw = json.loads(run("-raw", "-json"))["fingerprint"]
    signed = json.loads(run("-raw", "-json", "-signed"))["fingerprint"]
    return {
        "raw": raw,
        "fingerprint": run("-plain").decode().strip(),
        "iscc": iscc_core.gen_audio_code_v0(signed, bits=64)["iscc"],
    }


def spectral(path):
    """As the original measures it."""
    y, sr = librosa.load(path, sr=22050, mono=True)
    mel = librosa.feature.melspectrogram(y=y, sr=sr, n_mels=128, fmax=8000, n_fft=2048, hop_length=512)
    decibels = librosa.power_to_db(mel, ref=np.max)
    chroma = librosa.feature.chroma_stft(y=y, sr=sr, n_chroma=12, n_fft=2048, hop_length=512)
    centroid = librosa.feature.spectral_centroid(y=y, sr=sr, n_fft=2048, hop_length=512)
    bandwidth = librosa.feature.spectral_bandwidth(y=y, sr=sr, n_fft=2048, hop_length=512)
    return {
        "mel_shape": list(decibels.shape),
        "chroma_shape": list(chroma.shape),
        "centroid_mean": round(float(centroid.mean()), 4),
        "centroid_std": round(float(centroid.std()), 4),
        "bandwidth_mean": round(float(bandwidth.mean()), 4),
        "duration": round(len(y) / sr, 3),
        "tuning": round(float(librosa.estimate_tuning(S=np.abs(librosa.stft(y)) ** 2, sr=sr)), 2),
        # some frames, for the unit tests
        "mel": [[round(float(x), 4) for x in decibels[:, t]] for t in range(0, decibels.shape[1], 67)],
        "chroma": [[round(float(x), 5) for x in chroma[:, t]] for t in range(0, chroma.shape[1], 67)],
    }


def lossless():
    cases = [(rate, channels, bits) for rate in (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000)
             for channels in (1, 2) for bits in (8, 16, 24)]
    return cases + [(44100, 2, 32), (44100, 2, -32), (48000, 6, 16), (44100, 8, 16), (44100, 8, 24)]


LOSSY = {
    "stereo.mp3": (44100, 2, ["-b:a", "96k", "-metadata", "title=Golden", "-metadata", "artist=Make Audio",
                              "-metadata", "album=Vectors"]),
    "mono.mp3": (22050, 1, ["-b:a", "32k"]),
    "vbr.mp3": (48000, 2, ["-q:a", "7"]),
    "stereo.aac": (44100, 2, ["-b:a", "96k"]),
    "mono.aac": (48000, 1, ["-b:a", "48k"]),
    "stereo.m4a": (44100, 2, ["-b:a", "96k", "-metadata", "title=Golden"]),
    "stereo.ogg": (44100, 2, ["-c:a", "libvorbis", "-q:a", "1"]),
    "mono.opus": (48000, 1, ["-c:a", "libopus", "-b:a", "32k"]),
}


def main():
    check = "--check" in sys.argv
    golden = {"lossless": [], "lossy": {}}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory) / "x.wav"
        for rate, channels, bits in lossless():
            wav(scratch, synth(rate, channels), rate, bits)
            case = {"rate": rate, "channels": channels, "bits": bits, **fpcalc(scratch)}
            if bits == 16:
                case["spectral"] = spectral(scratch)
                if rate != 22050:
                    del case["spectral"]["mel"], case["spectral"]["chroma"]
            golden["lossless"].append(case)
        MEDIA.mkdir(exist_ok=True)
        for name, (rate, channels, options) in LOSSY.items():
            path = MEDIA / name
            if not check:
                wav(scratch, synth(rate, channels), rate, 24)
                exact = ["-fflags", "+bitexact", "-flags:a", "+bitexact"]
                subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", scratch, *options, *exact, path], check=True)
            golden["lossy"][name] = {"rate": rate, "channels": channels, **fpcalc(path)}
    file = HERE / "audio.json"
    if check:
        same = json.loads(file.read_text()) == golden
        print("equal" if same else "different")
        sys.exit(not same)
    file.write_text(json.dumps(golden, separators=(",", ":")).replace('{"rate"', '\n{"rate"') + "\n")


main()
