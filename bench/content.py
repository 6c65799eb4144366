#!/usr/bin/env python3
"""Measures the content rules: how many benign texts they refuse, what of known attacks they find in
which form, and what they cost.

The benign texts are always the same (content_corpus.py), so a rate is comparable from version to
version. Every match counts as false unless content_judged.tsv says why it is none.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import content_attacks
import content_corpus
import rig

BIN = pathlib.Path(os.environ.get("TOLLGATE_BENCH_BIN", rig.BIN))
JUDGED = content_corpus.ROOT / "bench" / "content_judged.tsv"
# This pack reads answers alone, so it reads each text as if a model had written it.
OF_ANSWERS = "links"
ALL = "all of requests"
# What the tables are held to: false refusals, µs for 2 KB, GB/s on 100 KB.
MUST = {"texts": 20_000, "false": 1 / 2_000, "body_us": 2.0, "gb_a_second": 1.5}


def ours(command, *arguments):
    done = subprocess.run([BIN / "bench_content", command, *arguments], capture_output=True,
                          text=True)
    if done.returncode:
        raise SystemExit(done.stderr or f"bench_content ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|---" + "|--:" * (len(head) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")


def mark(reached):
    return "reached" if reached else "**missed**"


# ---- Benign texts ----------------------------------------------------------------------------

def print_corpus(texts, sha256):
    kinds = collections.defaultdict(list)
    for text in texts:
        kinds[text["kind"]].append(text)
    rows = []
    for kind, of_kind in kinds.items():
        languages = collections.Counter(text["language"] for text in of_kind)
        most = ", ".join(f"{name} {count:,}" for name, count in languages.most_common(5))
        size = sum(len(text["text"].encode()) for text in of_kind)
        rows.append((kind, f"{len(of_kind):,}", f"{size / 1e6:.1f} MB", len(languages), most))
    table(("kind", "texts", "bytes", "languages", "most of"), rows)
    print(f"\nSHA-256 of the corpus: {sha256}"
          + ("" if sha256 == content_corpus.SHA256 else
             f"\n**not the one that is pinned**, {content_corpus.SHA256}: the lockfile or a source "
             "has changed, so rates are not those of the documentation"))


def judged():
    """{(rule, the text's sum or *): "true" or "false"}."""
    lines = [line.split("\t") for line in JUDGED.read_text().splitlines()
             if line and not line.startswith("#")]
    return {(rule, text): verdict for rule, text, verdict, _ in lines}


def is_true(verdicts, finding, text):
    """Whether it is what the rule is for: by what is said of this text, else of the rule."""
    sha256 = hashlib.sha256(text["text"].encode()).hexdigest()[:12]
    of_rule = verdicts.get((finding["rule"], "*"), "false")
    return verdicts.get((finding["rule"], sha256), of_rule) == "true"


def print_rates(packs, texts, findings):
    verdicts = judged()
    benign = sum(text["kind"] != "security" for text in texts)
    refused, wrongly, apart = (collections.defaultdict(set) for _ in range(3))
    for finding in findings:
        number = finding["text"]
        # What no request is refused for is not of those that refuse one.
        for name in (finding["pack"],) if finding["pack"] == OF_ANSWERS else (finding["pack"], ALL):
            if texts[number]["kind"] == "security":
                apart[name].add(number)
                continue
            refused[name].add(number)
            if not is_true(verdicts, finding, texts[number]):
                wrongly[name].add(number)
    rows = []
    for name in (*packs, ALL):
        wrong = len(wrongly[name])
        rate = f"1 in {benign // wrong:,}" if wrong else f"0 in {benign:,}"
        rows.append((name, f"{len(refused[name]):,}", f"{wrong:,}", rate,
                     f"≤ 1 in 2,000: {mark(wrong <= MUST['false'] * benign)}",
                     f"{len(apart[name]):,}"))
    print(f"\n{benign:,} benign texts (≥ {MUST['texts']:,}: {mark(benign >= MUST['texts'])}) and "
          f"{len(texts) - benign:,} about security, apart.")
    table(("pack", "texts that match", "falsely", "rate", "must reach", "about security"), rows)


def excerpt(finding, text):
    raw = text["text"].encode()
    begin, end = finding["offset"], finding["offset"] + finding["bytes"]
    around = raw[max(0, begin - 30):begin], raw[begin:min(end, begin + 60)], raw[end:end + 20]
    before, match, after = (part.decode(errors="ignore") for part in around)
    seen = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in
                   f"{before}[[{match}]]{after}")
    sha256 = hashlib.sha256(raw).hexdigest()[:12]
    return f"{sha256} {text['kind']}, {text['package']}, {text['language']}: `{seen}`"


def print_rules(texts, findings, most):
    """The rules that match the most benign texts, two of them each."""
    verdicts = judged()
    rules = collections.defaultdict(dict)
    for finding in findings:
        if texts[finding["text"]]["kind"] != "security":
            rules[finding["rule"]].setdefault(finding["text"], finding)
    rows = []
    for rule, matches in sorted(rules.items(), key=lambda it: (-len(it[1]), it[0]))[:most]:
        wrong = [number for number, finding in matches.items()
                 if not is_true(verdicts, finding, texts[number])]
        shown = (wrong or list(matches))[::max(1, len(wrong or matches) // 2)][:2]
        rows.append((rule, f"{len(matches):,}", f"{len(wrong):,}",
                     "<br>".join(excerpt(matches[number], texts[number]) for number in shown)))
    table(("rule", "texts", "falsely", "two of them"), rows)


# ---- Attacks ---------------------------------------------------------------------------------

def print_attacks(packs, folder):
    """Of each form: how many of the attacks in it any of the packs finds."""
    groups = content_attacks.groups()
    path = folder / "attacks.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n"
                            for _, _, texts in groups for text in texts), encoding="utf-8")
    found = {finding["text"] for finding in ours("scan", ",".join(packs), path)}
    shares, first = collections.defaultdict(dict), 0
    for kind, form, texts in groups:
        hits = sum(number in found for number in range(first, first + len(texts)))
        shares[form][kind] = f"{hits} of {len(texts)}"
        first += len(texts)
    kinds = list(dict.fromkeys(kind for kind, _, _ in groups))
    table(("form", *kinds), [(form, *(of_form.get(kind, "") for kind in kinds))
                             for form, of_form in shares.items()])


# ---- Speed -----------------------------------------------------------------------------------

def bodies(texts, kind, language, size, count):
    """As many texts of that size, of what the corpus has, each another one."""
    pieces = [text["text"] for text in texts
              if text["kind"] == kind and language in ("*", text["language"])]
    raw = "\n".join(pieces).encode()
    whole = raw * (size * count // len(raw) + 1)
    for number in range(count):
        yield whole[number * size:(number + 1) * size].decode(errors="ignore")


GROUPS = (("English", "chat", "en"), ("French", "interface", "fr"), ("Russian", "interface", "ru"),
          ("Chinese", "chat", "zh"), ("code", "code", "*"), ("JSON", "data", "JSON"))


def print_speed(packs, texts, folder):
    path = folder / "speed.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for name, kind, language in GROUPS:
            for size, count in ((2_048, 64), (100_000, 4)):
                for text in bodies(texts, kind, language, size, count):
                    print(json.dumps({"group": f"{name}, {size / 1000:.0f} kB", "text": text}),
                          file=file)
    rows = []
    for it in ours("speed", ",".join(packs), path):
        rows.append((it["group"], *reached(it, "us"), *reached(it, "known_us"),
                     f"{it['us'] / it['memcpy_us']:.0f} ×", f"{it['us'] / it['parse_us']:.1f} ×"))
    print("\nA text is known that came before, from the same owner.\n")
    table(("text", "new", f"≤ {MUST['body_us']} µs, ≥ {MUST['gb_a_second']} GB/s", "known",
           f"≤ {MUST['body_us']} µs, ≥ {MUST['gb_a_second']} GB/s", "new against memcpy",
           "new against simdjson's parse"), rows)


def reached(it, which):
    """Time and rate of a text, and whether that is what was asked."""
    took = it[which]
    rate = it["bytes"] / it["texts"] / took / 1000
    is_reached = (took <= MUST["body_us"] if it["group"].endswith(" 2 kB") else
                  rate >= MUST["gb_a_second"])
    return f"{took:.2f} µs, {rate:.2f} GB/s", mark(is_reached)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench content", description=__doc__)
    parser.add_argument("--pack", action="append", help="only these packs")
    parser.add_argument("--rules", type=int, default=20, help="of how many rules to show matches")
    arguments = parser.parse_args()
    known = ours("packs")
    packs = arguments.pack or known
    if set(packs) - set(known):
        parser.error(f"there is no pack {', '.join(sorted(set(packs) - set(known)))}; there are "
                     f"{', '.join(known)}")
    path, texts, sha256 = content_corpus.read()
    print_corpus(texts, sha256)
    findings = ours("scan", ",".join(packs), path)
    print_rates(packs, texts, findings)
    print_rules(texts, findings, arguments.rules)
    with tempfile.TemporaryDirectory(prefix="tollgate-content-") as name:
        print_attacks(packs, pathlib.Path(name))
        print_speed(packs, texts, pathlib.Path(name))


if __name__ == "__main__":
    main()
