#!/usr/bin/env python3
"""Measures the code: scripts/measure.py [--against REF] [--bench] [TREE]

  --against REF  a commit to print beside the tree as it is
  --bench        also what a request costs, with the release binary of each (built before: target/release/metastamp,
                 or METASTAMP_BIN and METASTAMP_BIN_BEFORE)
  TREE           a checkout (this one)

Prints lines per crate; median and 90th percentile of files and functions, tests left out; functions over 70 lines; the
places that name one route, and the files that name one algorithm of fingerprints.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROUTE = re.compile(r"\bWalletStatement\b|wallet/statement|\[\"wallet\", \"statement\"|wallet::statement|^mod statement|use statement::")
ALGORITHM = re.compile(r"shingles", re.IGNORECASE)
LONG = 70


def stripped(text):
    """Rust source with comments and the insides of strings blanked, lines kept."""
    out, i, n = [], 0, len(text)
    while i < n:
        if text.startswith("//", i):
            while i < n and text[i] != "\n":
                i += 1
        elif text.startswith("/*", i):
            depth = 0
            while i < n:
                if text.startswith("/*", i):
                    depth, i = depth + 1, i + 2
                elif text.startswith("*/", i):
                    depth, i = depth - 1, i + 2
                    if depth == 0:
                        break
                else:
                    out.append("\n" if text[i] == "\n" else "")
                    i += 1
        elif match := re.compile(r'b?r(#*)"').match(text, i):
            end = text.find('"' + match[1], match.end())
            end = n if end < 0 else end + 1 + len(match[1])
            out.append('""' + "\n" * text.count("\n", i, end))
            i = end
        elif text[i] == '"':
            begin, i = i, i + 1
            while i < n and text[i] != '"':
                i += 2 if text[i] == "\\" else 1
            i += 1
            out.append('""' + "\n" * text.count("\n", begin, i))
        elif match := re.compile(r"'(\\.[^']*|[^'\\])'").match(text, i):
            out.append("' '")
            i = match.end()
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def block_end(code, begin):
    """The index behind the block whose first brace is at or after `begin`; None where a `;` comes first."""
    depth, i = 0, begin
    while i < len(code):
        if code[i] in "([":
            depth += 1
        elif code[i] in ")]":
            depth -= 1
        elif code[i] == ";" and depth == 0:
            return None
        elif code[i] == "{" and depth == 0:
            break
        i += 1
    level = 0
    while i < len(code):
        level += {"{": 1, "}": -1}.get(code[i], 0)
        i += 1
        if level == 0:
            return i
    return None


def without_tests(code):
    """Source without its test modules."""
    while match := re.search(r"#\[cfg\(test\)\]\s*(pub )?mod \w+\s*\{", code):
        end = block_end(code, match.start() + len("#[cfg(test)]"))
        code = code[: match.start()] + code[end or len(code) :]
    return code


def is_test(path):
    parts = path.parts
    return parts[0] == "tests" or "tests" in parts[1:] or path.stem in ("tests",) or "benches" in parts or path.stem.endswith("_test")


def crates(tree):
    """The folder of each crate, deepest first."""
    found = [path.parent.relative_to(tree) for path in tree.rglob("Cargo.toml") if "target" not in path.parts]
    return sorted((path for path in found if path != pathlib.Path(".")), key=lambda path: -len(path.parts))


def measure(tree):
    tree = pathlib.Path(tree).resolve()
    listed = subprocess.run(["git", "-C", tree, "ls-files", "*.rs"], capture_output=True, text=True, check=True).stdout
    folders = crates(tree)
    per_crate, files, functions, handed = {}, [], [], 0
    for name in listed.splitlines():
        path = pathlib.Path(name)
        full = tree / path
        if full.is_symlink() or not full.exists():
            continue
        text = full.read_text()
        crate = next((folder for folder in folders if folder in path.parents), pathlib.Path("?"))
        per_crate[str(crate)] = per_crate.get(str(crate), 0) + text.count("\n")
        if is_test(path):
            continue
        code = without_tests(stripped(text))
        files.append(code.count("\n"))
        for match in re.finditer(r"\bfn\s+\w+", code):
            end = block_end(code, match.end())
            if end is not None:
                functions.append(code.count("\n", match.start(), end) + 1)
        if name.startswith("node/src/http"):
            handed += len(re.findall(r"\.(?:documents|cache|objects|stores)\b(?:\s*\.)", code))
    named = [path for path in listed.splitlines() if not is_test(pathlib.Path(path))] + ["docs/openapi.yaml"]
    route = sum(bool(ROUTE.search(line)) for path in named if (tree / path).exists() for line in (tree / path).read_text().splitlines())
    algorithm = sum(bool(ALGORITHM.search((tree / path).read_text())) for path in named if (tree / path).exists())
    p90 = lambda numbers: sorted(numbers)[int(len(numbers) * 0.9)]
    rows = [(f"lines: {crate}", lines) for crate, lines in sorted(per_crate.items())]
    rows += [
        ("lines: all", sum(per_crate.values())),
        ("files without tests: median", statistics.median(files)),
        ("files without tests: p90", p90(files)),
        ("functions without tests: median", statistics.median(functions)),
        ("functions without tests: p90", p90(functions)),
        (f"functions over {LONG} lines", sum(lines > LONG for lines in functions)),
        ("calls of stores in node/src/http", handed),
        ("places that name the route of statements", route),
        ("files that name the shingles of texts", algorithm),
    ]
    return dict(rows)


def bench(binary):
    """Rows of the requests bench: CPU milliseconds each, and requests a second."""
    command = ["cargo", "bench", "--quiet", "--package", "metastamp-node", "--bench", "requests"]
    environment = {**os.environ, "METASTAMP_BIN": str(binary)}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    rows = {}
    for line in printed.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 5 and re.match(r"(GET|POST) ", cells[0]):
            rows[f"{cells[0]}: CPU ms"] = float(cells[4])
            rows[f"{cells[0]}: per second"] = float(cells[1].replace(",", ""))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="REF")
    parser.add_argument("--bench", action="store_true")
    parser.add_argument("tree", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    tree = pathlib.Path(arguments.tree).resolve()
    now, before = measure(tree), {}
    if arguments.against:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "-C", tree, "worktree", "add", "--quiet", "--detach", folder, arguments.against], check=True)
            try:
                before = measure(folder)
            finally:
                subprocess.run(["git", "-C", tree, "worktree", "remove", "--force", folder], check=True)
    if arguments.bench:
        os.chdir(tree)
        binary = os.environ.get("METASTAMP_BIN", tree / "target/release/metastamp")
        if old := os.environ.get("METASTAMP_BIN_BEFORE"):
            before.update(bench(old))
        now.update(bench(binary))
    width = max(map(len, {**before, **now}))
    show = lambda value: "-" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
    print(f"{'':{width}}  {'before':>10}  {'now':>10}" if before else f"{'':{width}}  {'now':>10}")
    for name in sorted({**before, **now}, key=list({**before, **now}).index):
        columns = [show(before.get(name))] if before else []
        print(f"{name:{width}}  " + "  ".join(f"{column:>10}" for column in [*columns, show(now.get(name))]))


if __name__ == "__main__":
    sys.exit(main())
