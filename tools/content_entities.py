#!/usr/bin/env python3
"""Writes src/controls/content/entities.h: the named character references of HTML.

  tools/content_entities.py

They are those of Python's standard library, which has them from the HTML Living Standard. Names
that the standard reads without a semicolon, too, are the same with one.
"""
import html.entities
import pathlib

PATH = pathlib.Path(__file__).resolve().parent.parent / "src/controls/content/entities.h"
HEAD = "inline constexpr std::string_view kEntities =\n"
TAIL = "    ;\n"
COLUMNS = 100


def main():
    names = {name[:-1]: text for name, text in html.entities.html5.items() if name.endswith(";")}
    lines, line = [], ""
    for name, text in sorted(names.items()):
        entry = name + "=" + "+".join(f"{ord(c):x}" for c in text) + " "
        if len(line) + len(entry) + len('    ""') > COLUMNS:
            lines.append(line)
            line = ""
        line += entry
    lines.append(line)
    before, rest = PATH.read_text().split(HEAD)
    body = "".join(f'    "{line}"\n' for line in lines)
    PATH.write_text(before + HEAD + body + rest[rest.index(TAIL):])


if __name__ == "__main__":
    main()
