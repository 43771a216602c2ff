#!/usr/bin/env python3
"""The house lint: what clang-tidy cannot know. Usage: scripts/tidy.py [--root DIR]

Refuses: includes that reach up a layer or sideways, calls that pass a seam by, files without an
opening comment, lines over 100 columns, test files without a test, commented-out tests, leftover
work notes, documents that name paths that do not exist, options missing in conf/reference.yaml.
Warns (does not fail): files over 600 lines.
"""
import argparse
import pathlib
import re
import sys

RANK = {"base": 0, "engine": 1, "store": 2, "replica": 3, "resp": 4, "coord": 5, "gateway": 5,
        "node": 6}

# Outside src/base and src/engine: the call and what to use instead.
BANNED = {
    r"\btime\(": "Clock::wall_ms",
    r"\bs?rand\(": "Random",
    r"\brandom_device\b": "Random or secure_bytes",
    r"\b(system|steady|high_resolution)_clock\b": "Clock",
    r"\bclock_gettime\(": "Clock",
    r"\bgettimeofday\(": "Clock",
    r"\b(u|nano)?sleep(_for)?\(": "Reactor::run_after",
    r"\bstd::thread\b": "the reactor, or a helper thread inside src/engine",
    r"\bstd::mutex\b": "the reactor",
    r"(?<![\w>:])::(open|read|write|pread|pwrite|fsync|fdatasync)\(|\bfopen\(": "Disk",
    r"(?<![\w>:])::(socket|bind|accept4?|connect|send|recv)\(": "Net",
}
# Programs' entry points and tools that run without a reactor.
BANNED_EXEMPT = {"src/node/resp_client.cc": "a blocking client, not part of the server",
                 "src/replica/peer_conn.h": "the beacon's thread writes too"}

LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def layer_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def strip_comments_and_strings(line):
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def check_source(path, text, say):
    lines = text.splitlines()
    if not lines or not lines[0].startswith("//"):
        say(path, 1, "the file does not open with what it is for")
    layer = layer_of(path)
    for number, line in enumerate(lines, 1):
        if len(line) > 100:
            say(path, number, f"{len(line)} columns; 100 are allowed")
        if LEFTOVER.search(line):
            say(path, number, "a leftover work note: finish it, or write it into docs/LIMITS.md")
        if re.match(r"\s*#\s*if 0\b", line):
            say(path, number, "code switched off: delete it")
        included = re.match(r'#include "([a-z]+)/', line)
        if layer and included and included.group(1) in RANK:
            other = included.group(1)
            if RANK[other] > RANK[layer] or (RANK[other] == RANK[layer] and other != layer):
                say(path, number, f"layer {layer} may not include {other}/")
        if layer and layer not in ("base", "engine") and path not in BANNED_EXEMPT:
            code = strip_comments_and_strings(line)
            for pattern, instead in BANNED.items():
                if re.search(pattern, code):
                    say(path, number, f"passes a seam by: use {instead}")
    if path.startswith("src/") and path.endswith(".h") and "#pragma once" not in text:
        say(path, 1, "no #pragma once")


def check_test(path, text, say):
    if path.endswith("_test.cc") and "TEST_CASE" not in text:
        say(path, 1, "a test file without a test")
    if not path.endswith("_test.cc"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*//\s*(TEST_CASE|CHECK|REQUIRE)\b", line):
            say(path, number, "a commented-out test")


def check_document(root, path, text, say):
    for number, line in enumerate(text.splitlines(), 1):
        for named in re.findall(r"`((?:src|docs|conf|scripts|tests)/[\w./-]+\w)`", line):
            if not (root / named).exists():
                say(path, number, f"names {named}, which does not exist")


def run(root):
    problems, warnings = [], []

    def say(path, number, what):
        problems.append(f"{path}:{number}: {what}")

    for file in sorted(root.rglob("*")):
        path = str(file.relative_to(root))
        top = path.split("/")[0]
        if not file.is_file() or top in ("build", "data", ".git") or "node_modules" in path:
            continue
        if file.suffix in (".cc", ".h") and top in ("src", "tests"):
            text = file.read_text()
            check_source(path, text, say)
            check_test(path, text, say)
            if text.count("\n") > 600:
                warnings.append(f"{path}: {text.count(chr(10))} lines: is it one thing?")
        elif file.suffix == ".md":
            check_document(root, path, file.read_text(), say)
    return problems, warnings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    problems, warnings = run(parser.parse_args().root)
    for warning in warnings:
        print("warning:", warning)
    for problem in problems:
        print(problem)
    print(f"tidy: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
