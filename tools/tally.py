#!/usr/bin/env python3
"""Counts what every step of `./dev test` left under a folder of results.

A program of GoogleTest counts as its cases; any other test of ctest as one; a black-box test as
one. What failed is told with its first words. Ends with `N passed, N failed, N skipped` and exits 1
where anything failed or nothing ran.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


WORDS_MAX = 1200


def case_result(case):
    """The result of a case, and why it is that."""
    for fault in (*case.findall("failure"), *case.findall("error")):
        said = f"{fault.get('message') or ''}\n{fault.text or ''}".strip()
        return "failed", said[:WORDS_MAX]
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped", ""
    return "passed", ""


def cases_of(root):
    """(name, result, why) of every test case, nested suites included."""
    for case in root.iter("testcase"):
        yield f"{case.get('classname', '')}.{case.get('name')}", *case_result(case)


def unit_results(folder):
    for case in xml.parse(folder / "ctest.junit").getroot().iter("testcase"):
        name, (result, why) = case.get("name"), case_result(case)
        detail = folder / f"{name}_test.xml"
        if not detail.exists():
            yield name, result, why
            continue
        results = list(cases_of(xml.parse(detail).getroot()))
        yield from results
        # Every case passed and the program still failed: a sanitizer spoke at its end.
        if result == "failed" and not any(it == "failed" for _, it, _ in results):
            yield name, "failed", why


def main():
    results = []
    for folder in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir()):
        if (folder / "ctest.junit").exists():
            results += [(folder.name, *it) for it in unit_results(folder)]
        if (folder / "black-box.junit").exists():
            black_box = xml.parse(folder / "black-box.junit").getroot()
            results += [(folder.name, *it) for it in cases_of(black_box)]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for preset, name, result, why in results:
        count[result] += 1
        if result != "passed":
            print(f"{result}: {preset}: {name}")
        if why:
            print("\n".join(f"  | {line}" for line in why.splitlines()))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 0 if count["passed"] and not count["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
