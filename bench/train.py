#!/usr/bin/env python3
"""Leads the request path of an instrumented build along its usual ways: whole answers and streams.

Its requests are not those of the benchmark: another seed draws them. See `./dev profile`.
"""
import pathlib
import tempfile

import rig
import workload

SEED = 11
SECONDS = 20
STREAMS = 64


def main():
    with tempfile.TemporaryDirectory(prefix="tollgate-train-") as name:
        folder = pathlib.Path(name)
        whole, streamed = folder / "whole.jsonl", folder / "streamed.jsonl"
        workload.write_bodies(whole, seed=SEED)
        workload.write_bodies(streamed, stream=True, seed=SEED)
        upstream = rig.start_upstream()
        instrumented = rig.ROOT / "build/profile/bin/tollgate"
        gateway = rig.start_tollgate(folder, upstream, binary=instrumented)
        print("whole:", rig.wrk(gateway, whole, SECONDS)["requests"], "requests")
        done = rig.load(gateway, streamed, "--connections", STREAMS, "--seconds", SECONDS // 2)
        print("streamed:", done["requests"], "requests")
        gateway.stop()
        upstream.stop()


if __name__ == "__main__":
    main()
