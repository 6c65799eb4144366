#!/usr/bin/env python3
"""Leads an instrumented build along its usual ways: whole answers and streams, on a route with
nothing more to do and on one that is guarded, and texts of many kinds past the content rules.

Its requests are not those of the benchmark: another seed draws them, and other texts of the corpus
are read. See `./dev profile`.
"""
import json
import os
import pathlib
import subprocess
import tempfile

import content_corpus
import rig
import workload

SEED = 11
SECONDS = 20
STREAMS = 64
BUILT = rig.ROOT / "build" / "profile" / "bin"
PACKS = "secrets, pii, unicode, special_tokens"
GUARDED = f"""content:
      request: [{PACKS}, injection]
      response: [{PACKS}, links]
      on_match: flag
    anomalies: {{}}"""
# One text in so many, of the second half of each kind: the figures of speed are of the first.
ONE_IN = 10


def answer(folder, upstream, name, route, seconds):
    whole, streamed = folder / "whole.jsonl", folder / "streamed.jsonl"
    gateway = rig.start_tollgate(folder, upstream, binary=BUILT / "tollgate", name=name,
                                 route=route)
    print(f"{name}, whole:", rig.wrk(gateway, whole, seconds)["requests"], "requests")
    done = rig.load(gateway, streamed, "--connections", STREAMS, "--seconds", seconds // 2)
    print(f"{name}, streamed:", done["requests"], "requests")
    gateway.stop()


def scan(folder):
    _, texts, _ = content_corpus.read()
    some = []
    for kind in dict.fromkeys(text["kind"] for text in texts):
        of_kind = [text for text in texts if text["kind"] == kind]
        some += of_kind[len(of_kind) // 2::ONE_IN]
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in some), encoding="utf-8")
    packs = subprocess.run([BUILT / "bench_content", "packs"], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    # By itself, as it counts for more where profiles are merged: it is brief.
    counted = {**os.environ, "LLVM_PROFILE_FILE": os.environ["LLVM_PROFILE_OF_SCAN"]}
    subprocess.run([BUILT / "bench_content", "scan", ",".join(map(json.loads, packs)), path],
                   check=True, stdout=subprocess.DEVNULL, env=counted)
    print(f"scanned: {len(some):,} texts")


def main():
    with tempfile.TemporaryDirectory(prefix="tollgate-train-") as name:
        folder = pathlib.Path(name)
        workload.write_bodies(folder / "whole.jsonl", seed=SEED)
        workload.write_bodies(folder / "streamed.jsonl", stream=True, seed=SEED)
        upstream = rig.start_upstream()
        answer(folder, upstream, "plain", "", SECONDS)
        answer(folder, upstream, "guarded", GUARDED, SECONDS // 2)
        upstream.stop()
        scan(folder)


if __name__ == "__main__":
    main()
