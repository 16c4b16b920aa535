#!/usr/bin/env python3
"""Makes the golden vectors of digests, texts and ISCC codes.

Needs Python 3.11+, iscc-core 1.5.0, iscc-sdk 0.9.7, blake3:

    venv/bin/pip install 'iscc-core==1.5.0' 'iscc-sdk==0.9.7' blake3
    venv/bin/python golden/make_text.py            # writes golden/text.json and golden/text
    venv/bin/python golden/make_text.py --check    # only compares with golden/text.json

The files come from formulas and word lists. The normal form and the shingles of texts are computed by a second
implementation here, after their description in fingerprint/src/text/{words,shingles}.rs. iscc-core is the reference implementation of ISO 24138:2024 in Python, independent of the
library in use here.
"""

import hashlib
import io
import json
import sys
import unicodedata
from pathlib import Path

import blake3
import iscc_core as ic
import iscc_sdk as idk
import xxhash

HERE = Path(__file__).parent
FILES = HERE / "text"

# Kind and length; the test makes the same bytes.
STREAMS = [
    ("noise", 0), ("noise", 1), ("noise", 255), ("noise", 256), ("noise", 1025), ("noise", 8191),
    ("noise", 131071), ("noise", 131072), ("noise", 131073), ("noise", 1_000_003), ("noise", 3_333_333),
    ("zeros", 1), ("zeros", 131072), ("zeros", 1_000_000), ("steps", 700_001),
]


def stream(kind, length):
    if kind == "zeros":
        return bytes(length)
    if kind == "steps":
        return bytes(i // 1000 % 256 for i in range(length))
    state, out = 1, bytearray(length)
    for i in range(length):
        state = state * 1_664_525 + 1_013_904_223 & 0xFFFFFFFF
        out[i] = state >> 24
    return bytes(out)


def digests(data):
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "blake3": blake3.blake3(data).hexdigest(),
        "iscc_data": ic.gen_data_code_v0(io.BytesIO(data), bits=64)["iscc"],
        "iscc_instance": ic.gen_instance_code_v0(io.BytesIO(data), bits=64)["iscc"],
    }


def conformance():
    """The conformance vectors of ISO 24138:2024 that iscc-core carries, with what it computes itself checked first."""
    vectors = json.loads(Path(ic.__file__).with_name("data.json").read_text())
    vectors.pop("_metadata", None)
    assert ic.conformance_selftest()
    return [
        {"function": function, "name": name, "inputs": test["inputs"], "outputs": test["outputs"]}
        for function, tests in vectors.items()
        for name, test in tests.items()
    ]


WORDS = {
    "en": "the of and to in a is that it was for on are with as his they at be this from have or by one had not but what "
    "all were when we there can an your which their said if do will each about how up out them then she many some so "
    "these would other into has more her two like him see time could no make than first been its who now people my made "
    "over did down only way find use may water long little very after words called just where most know river mountain "
    "evening letter window garden silence station morning harbour copper lantern winter orchard shadow",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
    "daß sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr "
    "durch man größer schön Straße Mädchen Übung Öl Ärger Fluß Gespräch Fenster Garten Abend Brief Höhe müßig",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se le ce il sont été à mais "
    "même où élève très bientôt naïf cœur façon forêt âge fenêtre jardin soir lettre rivière montagne silence",
    "ru": "и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой что весь год от так для ты "
    "же все тот мочь вы человек такой его сказать только или ещё бы себя один как уже до время если сам когда другой",
    "el": "και το να του η της με που την από για είναι στο θα τον των σε ο οι ένα τα δεν μια αυτό ότι στην αλλά οδός λόγος",
    "ar": "في من على أن إلى كان هذا التي الذي عن ما لا هو مع كل بعد قد بين قال حتى كما أو يوم وقد لم ثم عند كانت غير",
    "ko": "그 이 것 수 나 사람 우리 일 때 말 집 하나 물 길 손 눈 시간 한국어 문장 단어 오늘 내일 학교 친구 바다 하늘",
    "hi": "के में है की से को और का एक पर यह भी हैं था कि ने नहीं कर तो लिए वह साथ अपने हो जो कहा या दिन हिन्दी भाषा",
}
CHARACTERS = {
    "zh": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实",
    "ja": "日本語の文章はひらがなとカタカナと漢字でできている。吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ",
    "th": "กขคงจฉชซญดตถทธนบปผพฟภมยรลวศสหอฮเแโใไ",
}


class Dice:
    def __init__(self, seed):
        self.state = seed

    def below(self, count):
        self.state = self.state * 1_664_525 + 1_013_904_223 & 0xFFFFFFFF
        return (self.state >> 8) % count


def prose(language, words, seed=1, end="\n"):
    """Sentences of random words, some punctuation, paragraphs."""
    dice, out = Dice(seed), []
    if language in CHARACTERS:
        pool = CHARACTERS[language]
        for i in range(words):
            out.append(pool[dice.below(len(pool))])
            if dice.below(17) == 0:
                out.append("。\n" if language != "th" else " ")
        return "".join(out).replace("\n", end)
    pool = WORDS[language].split()
    start = True
    for i in range(words):
        word = pool[dice.below(len(pool))]
        out.append(word.capitalize() if start else word)
        start = dice.below(12) == 0
        out.append((". " if dice.below(5) else "." + end + end) if start else (", " if dice.below(9) == 0 else " "))
    return "".join(out)


def files():
    emoji = " ".join(f"{word} {chr(0x1F600 + i % 60)}" for i, word in enumerate(WORDS["en"].split()))
    markdown = "# A title\n\nSome *emphasis*, `code_with_underscores`, a [link](https://example.org/a?b=c&d=e).\n\n"
    markdown += "".join(f"* item {i}: {prose('en', 12, i)}\n" for i in range(20)) + "\n| a | b |\n|---|---|\n| 1 | ~2~ |\n"
    odd = "ﬁne ﬀ ℡ Ⅻ ½ ① ﷺ Å e\u0301 ｆｕｌｌ ｶﾞ ｷﾞ Straße ΟΔΟΣ Σας İstanbul soft\u00adhyphen zero\u200bwidth don’t ½x "
    ascii_head = prose("en", 3_400, 5)[:17_000]
    yield "prose_en.txt", prose("en", 3_000).encode()
    yield "prose_crlf.txt", prose("en", 600, 2, "\r\n").encode()
    yield "My-first_text.txt", prose("en", 40, 3).encode()
    yield "short.txt", b"Only four words here."
    yield "one.txt", b"x"
    yield "marks.txt", b"!?! ... --- \n ***"
    yield "readme.md", markdown.encode()
    yield "emoji.txt", emoji.encode()
    yield "odd.txt", (odd * 12).encode()
    yield "controls.txt", ("form\x0cfeed bell\x07 escape\x1f delete\x7f tab\there vt\x0b c1\x85 é " * 20).encode()
    yield "late.txt", (ascii_head + prose("de", 300, 6)).encode()
    yield "late_crlf.txt", (ascii_head.replace(". ", ".\r\n") + prose("fr", 300, 6)).encode()
    yield "edge_whole.txt", b"a " * 8_191 + "éa später\n".encode()
    yield "edge_split.txt", b"a " * 8_191 + "bé später\n".encode()
    for language in ("de", "fr", "ru", "el", "ar", "ko", "hi"):
        yield f"prose_{language}.txt", prose(language, 500, 7).encode()
    for language in ("zh", "ja", "th"):
        yield f"prose_{language}.txt", prose(language, 1_500, 8).encode()
    yield "bom_utf8.txt", ("\ufeff" + prose("de", 200, 9)).encode()
    yield "bom_utf16le.txt", ("\ufeff" + prose("de", 200, 9)).encode("utf-16-le")
    yield "bom_utf16be.txt", ("\ufeff" + prose("ru", 200, 9)).encode("utf-16-be")
    yield "bom_utf32le.txt", ("\ufeff" + prose("fr", 200, 9)).encode("utf-32-le")
    yield "plain_utf16le.txt", prose("fr", 200, 9).encode("utf-16-le")
    yield "latin1_fr.txt", prose("fr", 400, 10).replace("œ", "oe").encode("latin-1")
    yield "latin1_de.txt", prose("de", 400, 10).encode("latin-1")
    yield "windows1251.txt", prose("ru", 400, 11).encode("windows-1251")
    yield "koi8r.txt", prose("ru", 400, 11).encode("koi8-r")
    yield "windows1253.txt", prose("el", 400, 11).encode("windows-1253")
    yield "shift_jis.txt", prose("ja", 900, 12).encode("shift_jis")
    yield "euc_jp.txt", prose("ja", 900, 12).encode("euc_jp")
    yield "iso2022jp.txt", prose("ja", 900, 12).encode("iso2022_jp")
    yield "gb18030.txt", prose("zh", 900, 12).encode("gb18030")
    yield "euc_kr.txt", prose("ko", 400, 12).encode("euc_kr")


ENCODINGS = {
    "bom_utf8": "utf-8-sig", "bom_utf16le": "utf-16", "bom_utf16be": "utf-16", "bom_utf32le": "utf-32",
    "plain_utf16le": "utf-16-le", "latin1_fr": "latin-1", "latin1_de": "latin-1", "windows1251": "windows-1251",
    "koi8r": "koi8-r", "windows1253": "windows-1253", "shift_jis": "shift_jis", "euc_jp": "euc_jp",
    "iso2022jp": "iso2022_jp", "gb18030": "gb18030", "euc_kr": "euc_kr",
}
IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3041, 0x3096), (0x309D, 0x309F),
    (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x3105, 0x312F), (0x31F0, 0x31FF), (0xF900, 0xFAFF), (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
UNSPACED = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF))


def words_of(text):
    """Words in normal form with their weight."""
    def within(c, ranges):
        return any(low <= ord(c) <= high for low, high in ranges)

    words, alone = [], None  # alone: None without an open word, False in a plain one, True in a single character
    for c in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(c)
        lower = c.lower().replace("ς", "σ")
        if within(c, IDEOGRAPHS):
            words.append([lower, 2])
            alone = True
        elif category[0] == "L" and within(c, UNSPACED):
            words.append([lower, 1])
            alone = True
        elif category == "So" and c != "\ufffd":
            words.append([lower, 4])
            alone = True
        elif category[0] in "LN":
            if alone is not False:
                words.append(["", 4])
                alone = False
            words[-1][0] += lower
        elif category[0] == "M":
            if alone is None:
                words.append(["", 4])
                alone = False
            words[-1][0] += lower
        elif category != "Cf":
            alone = None
    return words


def shingles_of(words):
    """Hashes of the winnowed shingles, in rising order."""
    hashes, start, weight = [], 0, 0
    for end, (_, size) in enumerate(words):
        weight += size
        while weight - words[start][1] >= 20:
            weight -= words[start][1]
            start += 1
        if weight >= 20:
            hashes.append(xxhash.xxh3_64_intdigest(" ".join(word for word, _ in words[start:end + 1]).encode()))
    if not hashes and words:
        hashes.append(xxhash.xxh3_64_intdigest(" ".join(word for word, _ in words).encode()))
    if len(hashes) < 4:
        return sorted({min(hashes)} if hashes else set())
    kept, selected = set(), None
    for first in range(len(hashes) - 3):
        window = hashes[first:first + 4]
        least = min(window)
        if selected is None or selected < first or hashes[selected] != least:
            selected = first + 3 - window[::-1].index(least)
            kept.add(least)
    return sorted(kept)


def text_vector(path):
    data = path.read_bytes()
    text = data.decode(ENCODINGS.get(path.stem, "utf-8"))
    words = words_of(text)
    hashes = shingles_of(words)
    vector = {
        "file": path.name,
        "normalized_hash": hashlib.sha256(" ".join(word for word, _ in words).encode()).hexdigest(),
        "shingles": len(hashes),
        "shingles_sha256": hashlib.sha256(b"".join(h.to_bytes(8, "little") for h in hashes)).hexdigest(),
        "text_code": ic.gen_text_code_v0(ic.text_clean(text), bits=64)["iscc"],
    }
    units = idk.code_iscc(path, add_units=True, create_thumb=False)
    return vector | {"iscc": units.iscc, "units": units.units}


def main():
    if "--check" not in sys.argv:
        FILES.mkdir(exist_ok=True)
        for name, data in files():
            (FILES / name).write_bytes(data)
    vectors = {"texts": [text_vector(path) for path in sorted(FILES.iterdir())]}
    vectors |= {"conformance": conformance()}
    vectors |= {"digests": [{"kind": kind, "length": length} | digests(stream(kind, length)) for kind, length in STREAMS]}
    target = HERE / "text.json"
    if "--check" in sys.argv:
        if json.loads(target.read_text()) != vectors:
            sys.exit("text.json differs")
    else:
        target.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
