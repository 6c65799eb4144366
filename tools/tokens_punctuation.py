#!/usr/bin/env python3
"""Writes src/tokens/punctuation_ranges.h: \\p{P} and \\p{S} as Hugging Face's tokenizers see them.

  PYTHONPATH=.parts/reference tools/tokens_punctuation.py

Every code point is put through the reference. A range runs on over what unicode_ranges.h tells of
another class, since nobody asks this table about it.
"""
import pathlib

from tokenizers import Regex, pre_tokenizers

TOKENS = pathlib.Path(__file__).resolve().parent.parent / "src" / "tokens"
POINTS = 0x110000
HEAD, TAIL = "inline constexpr PunctuationRange kPunctuation[] = {\n", "};\n"


def members(pattern):
    """The code points that the pattern matches."""
    found = set()
    splitter = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    points = [point for point in range(POINTS) if not 0xD800 <= point < 0xE000]
    for begin in range(0, len(points), 4096):
        part = "".join(map(chr, points[begin:begin + 4096]))
        for piece, _ in splitter.pre_tokenize_str(part):
            found.update(map(ord, piece))
    return found


def ranges(punctuation, others):
    made = []
    for point in sorted(punctuation):
        if made and all(gap in others for gap in range(made[-1][1], point)):
            made[-1][1] = point + 1
        else:
            made.append([point, point + 1])
    return made


def main():
    punctuation = members(r"[\p{P}\p{S}]")
    others = members(r"[\p{L}\p{M}\p{N}\s]")
    lines, line = [], "   "
    for first, end in ranges(punctuation, others):
        entry = f" {{{first:#x}, {end:#x}}},"
        if len(line) + len(entry) > 100:
            lines.append(line)
            line = "   "
        line += entry
    lines.append(line)
    path = TOKENS / "punctuation_ranges.h"
    before, rest = path.read_text().split(HEAD)
    path.write_text(before + HEAD + "\n".join(lines) + "\n" + rest[rest.index(TAIL):])


if __name__ == "__main__":
    main()
