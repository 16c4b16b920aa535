"""A sound the way of the original: librosa at 22,050 Hz. audio.py [FILE]"""

import hashlib
import sys

import librosa
import numpy
import soundfile

if len(sys.argv) > 1:
    samples, rate = librosa.load(sys.argv[1], sr=22050, mono=True)
    mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=128, fmax=8000)
    decibels = librosa.power_to_db(mel, ref=numpy.max)
    chroma = librosa.feature.chroma_stft(y=samples, sr=rate)
    centroid = librosa.feature.spectral_centroid(y=samples, sr=rate)
    hashes = [hashlib.sha256(array.tobytes()).hexdigest() for array in (decibels, chroma)]
    native = soundfile.info(sys.argv[1])
    print(hashes, centroid.mean(), centroid.std(), len(samples) / rate, native.samplerate, native.channels)
else:
    # librosa imports its parts when they are first used: that is not the sound's cost
    silence = numpy.zeros(22050, dtype=numpy.float32)
    librosa.power_to_db(librosa.feature.melspectrogram(y=silence, sr=22050, n_mels=128, fmax=8000), ref=numpy.max)
    librosa.feature.chroma_stft(y=silence + numpy.float32(1e-3), sr=22050)
    librosa.feature.spectral_centroid(y=silence, sr=22050)
