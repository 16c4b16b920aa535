"""A video the way of the original: frames by OpenCV, hashes by imagehash. video.py [FILE]

One frame a second is decoded to a picture; those between are decoded, which can't be spared, but not converted.
"""

import sys

import cv2
import imagehash
from PIL import Image

if len(sys.argv) > 1:
    video = cv2.VideoCapture(sys.argv[1])
    rate = video.get(cv2.CAP_PROP_FPS) or 30
    interval = max(1, int(rate))
    hashes, index = [], 0
    while len(hashes) < 300 and video.grab():
        if index % interval == 0:
            _, frame = video.retrieve()
            picture = Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            hashes.append(str(imagehash.phash(picture.resize((256, 256), Image.Resampling.LANCZOS), 16)))
        index += 1
    mean = sum(int(one, 16) for one in hashes) // max(1, len(hashes))
    print(len(hashes), f"{mean:064x}")
