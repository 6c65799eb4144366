#!/usr/bin/env python3
"""Holds the sources to the rules of STYLE.md that a machine can check.

Every rule is a function from a tree (path -> text) to complaints, so that self_test.py can show
each of them a tree that breaks it.
"""
import pathlib
import re
import sys

LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
FOLDERS = ("src", "tests", "bench", "fuzz", "tools", "sim")
CODE = (".cc", ".h", ".c", ".py", ".mjs", ".lua")
SKIPPED = {"node_modules", "__pycache__", "golden", "fixtures", "corpus"}
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
# The rooms that implement the pipeline's ports see these headers of it and no more.
ADAPTERS = {"storage": {"pipeline/ports.h"}, "net": {"pipeline/ports.h"},
            "admin": {"pipeline/ports.h", "pipeline/refusals.h", "pipeline/strangers.h",
                      "pipeline/testing_caller.h"}}


def read_tree(root):
    tree = {}
    for name in ("CMakeLists.txt", "dev"):
        tree[name] = (root / name).read_text()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in CODE and not SKIPPED & set(relative.parts):
                tree[str(relative)] = path.read_text()
    return tree


def is_cpp(path):
    return path.endswith((".cc", ".h"))


def is_test(path):
    return path.endswith("_test.cc") or path.startswith("tests/")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


# ---- Rooms and arrows ------------------------------------------------------------------------

def rooms_of(cmake):
    """The rooms of CMakeLists.txt: name -> (folder, rooms it links)."""
    controls = re.search(r"set\(controls ([^)]*)\)", cmake).group(1).split()
    expanded = " ".join("tollgate_" + name for name in controls)
    cmake = cmake.replace("${control_libraries}", expanded)
    rooms = {}
    for match in re.finditer(r"^tollgate_room\((\w+) FOLDER (\S+)([^)]*)\)", cmake, re.M):
        links = re.search(r"LINKS\s+(.*?)(?:PRIVATE|$)", match.group(3), re.S)
        names = re.findall(r"tollgate_(\w+)", links.group(1)) if links else []
        rooms[match.group(1)] = (match.group(2), names)
    return rooms


def reachable(rooms, name, seen=None):
    """What a room links, and what that links in turn."""
    seen = set() if seen is None else seen
    for link in rooms[name][1]:
        if link not in seen:
            seen.add(link)
            reachable(rooms, link, seen)
    return seen


def room_of(rooms, path):
    found = [name for name, (folder, _) in rooms.items() if path.startswith(folder + "/")]
    return max(found, key=lambda name: len(rooms[name][0]), default=None)


def check_arrows(tree):
    rooms = rooms_of(tree["CMakeLists.txt"])
    for name in rooms:
        if name in reachable(rooms, name):
            yield f"CMakeLists.txt: room {name} links itself in a circle"
    for path, text in tree.items():
        if not path.startswith("src/") or path == "src/main.cc" or not is_cpp(path):
            continue
        here = room_of(rooms, path[4:])
        if here is None:
            yield f"{path}: lies in no room of CMakeLists.txt"
            continue
        for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            header, at = match.group(1), f"{path}:{line_of(text, match.start(1))}"
            there = room_of(rooms, header)
            if "src/" + header not in tree:
                yield f"{at}: \"{header}\" is no path from src/"
            elif there != here and there not in reachable(rooms, here):
                yield f"{at}: {here} may not include {header}; it does not link {there}"
            elif there == "pipeline" and header not in ADAPTERS.get(here, {header}):
                yield f"{at}: {here} may include of pipeline only its ports, not {header}"


def check_include_circles(tree):
    includes = {path: ["src/" + name for name in re.findall(r'^#include "([^"]+)"', text, re.M)]
                for path, text in tree.items() if path.startswith("src/") and is_cpp(path)}
    done = set()

    def visit(path, trail):
        if path in trail:
            yield f"{path}: included in a circle: {' -> '.join(trail[trail.index(path):])}"
        elif path not in done:
            for header in includes.get(path, []):
                yield from visit(header, trail + [path])
            done.add(path)

    for path in includes:
        yield from visit(path, [])


# ---- Size ------------------------------------------------------------------------------------

BLANKED = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
    r"|^[ ]*#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)


def without_literals(text):
    """The text without the words of its literals: a wire sample reads best on one line."""
    def kept(match):
        found = match.group(0)
        return "\n" * found.count("\n") if found[0] in "\"'R" else found

    return BLANKED.sub(kept, text)


def check_lines(tree):
    for path, text in tree.items():
        lines = text.splitlines()
        if len(lines) > LINES_MAX:
            yield f"{path}: {len(lines)} lines, at most {LINES_MAX}"
        if is_cpp(path):
            lines = without_literals(text).splitlines()
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and path.endswith((".cc", ".h", ".c", ".py")):
                yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
            if "\t" in line:
                yield f"{path}:{number}: a tab"


def blank(text):
    """The text with comments, literals and directives as white space; its lines stay."""
    return BLANKED.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def opens_function(header):
    """Whether a brace after `header` opens the body of a function, outside of any other."""
    header = re.sub(r"operator\s*[^\s\w(]+", "operator", header)
    while re.search(r"\([^()]*\)", header):
        header = re.sub(r"\([^()]*\)", "@", header)
    named = r"\s*(template\s*<.*>\s*)?(namespace|class|struct|union|enum)\b[^@]*$"
    if re.match(named, header, re.S):
        return False
    return "@" in header and "=" not in header


def functions_of(text):
    """(first line, lines) of every function body, its signature included.

    A brace right behind a word or bracket initialises a value: as clang-format writes it, the
    brace of a body has a space before it.
    """
    code = blank(text)
    start, body, header_from, open_braces = 0, None, 0, []
    for match in re.finditer(r"[{};]", code):
        at, mark = match.start(), match.group(0)
        if mark == "{":
            value = at > 0 and not code[at - 1].isspace()
            if body is None and not value and opens_function(code[header_from:at]):
                header = code[header_from:at]
                start = line_of(code, header_from + len(header) - len(header.lstrip()))
                body = len(open_braces)
            open_braces.append(value)
            if value:
                continue
        elif mark == "}":
            value = open_braces.pop() if open_braces else False
            if body == len(open_braces):
                yield start, line_of(code, at) - start + 1
                body = None
            if value:
                continue
        header_from = at + 1


def check_functions(tree):
    for path, text in tree.items():
        if not is_cpp(path):
            continue
        for start, lines in functions_of(text):
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{start}: a function of {lines} lines, at most {FUNCTION_LINES_MAX}"


# ---- Words -----------------------------------------------------------------------------------

def check_names(tree):
    for path in tree:
        for part in pathlib.PurePath(path).parts:
            for word in re.split(r"[_.-]", part.lower()):
                if word in EMPTY_NAMES:
                    yield f"{path}: `{word}` says nothing; name it for what it offers"


def check_words(tree):
    unfinished = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    sleeping = re.compile(r"(?<![.>\w])(?:std::this_thread::)?(u|nano)?sleep(_for|_until)?\s*\(")
    for path, text in tree.items():
        for match in unfinished.finditer(text):
            yield f"{path}:{line_of(text, match.start())}: {match.group(0)}: finish it or file it"
        if not is_cpp(path):
            continue
        code = blank(text)
        for match in re.finditer(r"\bstd::w?regex\b", code):
            yield f"{path}:{line_of(code, match.start())}: std::regex is not linear in its input"
        if is_test(path):
            for match in sleeping.finditer(code):
                yield f"{path}:{line_of(code, match.start())}: a test that sleeps"
        if path.endswith(".h") and "#pragma once" not in text:
            yield f"{path}: no #pragma once"


def check_waits(tree):
    """Black-box tests wait for conditions; the one timer is in the harness's poll."""
    for path, text in tree.items():
        if path.endswith("_test.mjs"):
            for match in re.finditer(r"timers/promises|=> *setTimeout|sleep\(", text):
                yield f"{path}:{line_of(text, match.start())}: a test that sleeps"


def check_reasons(tree):
    header = blank(tree.get("src/base/refusal.h", ""))
    enum = re.search(r"enum class Reason[^{]*\{(.*?)\}", header, re.S)
    named = set()
    for path, text in tree.items():
        if is_test(path) and is_cpp(path):
            named |= set(re.findall(r"Reason::(k\w+)", text))
    for reason in re.findall(r"\bk\w+", enum.group(1)) if enum else []:
        if reason not in named:
            yield f"src/base/refusal.h: no test names Reason::{reason}"


CHECKS = (check_arrows, check_include_circles, check_lines, check_functions, check_names,
          check_words, check_waits, check_reasons)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    tree = read_tree(root)
    complaints = [complaint for check in CHECKS for complaint in check(tree)]
    for complaint in complaints:
        print(complaint)
    print(f"{len(tree)} files, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
