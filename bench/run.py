#!/usr/bin/env python3
"""Measures tollgate with all its controls on against nginx that only forwards, on this machine.

Absolute times of a shared machine drift, so what is compared runs in the same round, in turning
order, and the ratio is taken inside each round; the table has the median and the range. A round
in which the upstream, asked directly, moves by more than 15 % from its median is void.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import rig
import workload

CANARY_SHARE_MAX = 0.15


def spread(values, digits=2):
    values = sorted(values)
    return (f"{statistics.median(values):.{digits}f} "
            f"({values[0]:.{digits}f} to {values[-1]:.{digits}f})")


def rounds_of(targets, measure, rounds, canary):
    """[{name: result}] of the rounds that hold."""
    kept = []
    for number in range(rounds):
        turn = number % len(targets)
        kept.append({target.name: measure(target) for target in targets[turn:] + targets[:turn]})
        print(f"  round {number + 1}: " + ", ".join(
            f"{name} {result['cpu_us']:.1f} us" for name, result in sorted(kept[-1].items())),
            file=sys.stderr)
    if canary not in kept[0]:
        return kept
    usual = statistics.median(it[canary]["cpu_us"] for it in kept)
    holds = [it for it in kept
             if abs(it[canary]["cpu_us"] - usual) <= CANARY_SHARE_MAX * usual]
    if len(holds) < len(kept):
        print(f"  {len(kept) - len(holds)} void rounds", file=sys.stderr)
    return holds


class Bench:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = folder
        self.rows = []
        self.facts = {}
        self.whole = folder / "whole.jsonl"
        self.streamed = folder / "streamed.jsonl"
        self.facts["body_bytes"] = workload.write_bodies(self.whole)
        workload.write_bodies(self.streamed, stream=True)

    def row(self, name, tollgate, nginx, note=""):
        self.rows.append((name, tollgate, nginx, note))

    def both(self, upstream, **options):
        return [rig.start_tollgate(self.folder, upstream, **options),
                rig.start_nginx(self.folder, upstream, **options)]

    # ---- One kind of measurement each --------------------------------------------------------

    def cpu(self):
        upstream = rig.start_upstream()
        counting = rig.start_tollgate(self.folder, upstream, count_input="always",
                                      name="counting")
        targets = [upstream, *self.both(upstream), counting]
        seconds = self.arguments.seconds
        for target in targets[1:]:
            rig.wrk(target, self.whole, 2)
        held = rounds_of(targets, lambda it: rig.wrk(it, self.whole, seconds),
                         self.arguments.rounds, "direct")
        if not held:
            raise SystemExit("every round was void: the machine is too noisy")
        cpu = {name: [it[name]["cpu_us"] for it in held] for name in held[0]}
        ratio = [it["tollgate"]["cpu_us"] / it["nginx"]["cpu_us"] for it in held]
        rps = {name: [it[name]["requests"] / it[name]["seconds"] for it in held]
               for name in held[0]}
        self.facts["ratio"] = statistics.median(ratio)
        self.facts["rate"] = int(statistics.median(rps["nginx"]))
        self.row("CPU a request, µs", spread(cpu["tollgate"], 1), spread(cpu["nginx"], 1))
        self.row("CPU a request, nginx = 1", spread(ratio), "1", f"{len(held)} rounds")
        always = [it["counting"]["cpu_us"] / it["nginx"]["cpu_us"] for it in held]
        self.row("the same, every input counted", spread(always), "1",
                 "`count_input: always`; else one in 16 is, as no limit is near")
        self.row("requests a second, one core", spread(rps["tollgate"], 0), spread(rps["nginx"], 0),
                 "64 connections")
        self.row("memory after the load, MB", f"{targets[1].rss_mb():.1f}",
                 f"{targets[2].rss_mb():.1f}", "vocabulary included")
        for target in targets[1:]:
            target.stop()
        upstream.stop()

    def rate(self):
        """CPU a request where both answer the same requests a second."""
        upstream = rig.start_upstream()
        targets = self.both(upstream)
        for rate in (6000, 12000):
            held = rounds_of(targets, lambda it: rig.load(
                it, self.whole, "--rate", rate, "--seconds", self.arguments.seconds,
                "--connections", 64), self.arguments.rounds, None)
            held = [it for it in held
                    if all(got["requests"] >= 0.95 * rate * self.arguments.seconds
                           for got in it.values())]
            if not held:
                self.row(f"CPU a request at {rate} requests/s", "-", "-", "not sustained")
                continue
            cpu = {name: [it[name]["cpu_us"] for it in held] for name in held[0]}
            ratio = [it["tollgate"]["cpu_us"] / it["nginx"]["cpu_us"] for it in held]
            self.row(f"CPU a request at {rate} requests/s each, µs", spread(cpu["tollgate"], 1),
                     spread(cpu["nginx"], 1))
            self.row("the same, nginx = 1", spread(ratio), "1",
                     f"{len(held)} rounds, 64 connections")
        for target in targets:
            target.stop()
        upstream.stop()

    def latency(self):
        upstream = rig.start_upstream()
        targets = self.both(upstream)
        full = self.facts.get("rate", 20000)
        for share in (0.2, 0.5):
            rate = int(full * share)
            held = rounds_of(targets, lambda it: rig.load(
                it, self.whole, "--rate", rate, "--seconds", self.arguments.seconds),
                max(3, self.arguments.rounds // 2), None)
            for figure in ("p50_us", "p99_us"):
                values = {name: [it[name][figure] for it in held] for name in held[0]}
                self.row(f"latency at {rate} requests/s, {figure[:3]}, µs",
                         spread(values["tollgate"], 0), spread(values["nginx"], 0),
                         "open loop, from the instant it was due")
        for target in targets:
            target.stop()
        upstream.stop()

    def sse(self):
        upstream = rig.start_upstream("--chunk-ms", "5")
        targets = [rig.start_tollgate(self.folder, upstream),
                   rig.start_nginx(self.folder, upstream, buffering="proxy_buffering off;")]

        def measure(target):
            result = rig.load(target, self.streamed, "--seconds", self.arguments.seconds)
            result["cpu_us"] = result["cpu_ns"] / 1000 / result["events"]
            return result

        held = rounds_of(targets, measure, self.arguments.rounds, None)
        cpu = {name: [it[name]["cpu_us"] for it in held] for name in held[0]}
        ratio = [it["tollgate"]["cpu_us"] / it["nginx"]["cpu_us"] for it in held]
        self.row("CPU a streamed event, µs", spread(cpu["tollgate"], 1), spread(cpu["nginx"], 1),
                 "64 streams, an event each 5 ms")
        self.row("CPU a streamed event, nginx = 1", spread(ratio), "1", f"{len(held)} rounds")
        for target in targets:
            target.stop()
        upstream.stop()

    def fleet(self):
        streams = 2000
        upstream = rig.start_upstream("--chunk-ms", "500", "--chunks", "20")
        memory = {}
        for target in (rig.start_tollgate(self.folder, upstream),
                       rig.start_nginx(self.folder, upstream, buffering="proxy_buffering off;")):
            command = rig.load_command(target, self.streamed, "--connections", streams, "--once",
                                       "--seconds", 60)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                       preexec_fn=rig.pinned(rig.LOAD_CORE))
            first = process.stdout.readline()
            memory[target.name] = target.rss_mb()
            result = json.loads((process.stdout.read() or first).splitlines()[-1])
            process.wait()
            if first != "open\n" or result["errors"] or result["not_ok"]:
                raise SystemExit(f"{target.name}: the fleet did not stand: {first} {result}")
            memory[target.name] = max(memory[target.name], target.rss_mb("VmHWM"))
            target.stop()
        upstream.stop()
        self.facts["fleet_mb"] = memory["tollgate"]
        self.row(f"memory with {streams} open streams, MB", f"{memory['tollgate']:.0f}",
                 f"{memory['nginx']:.0f}", "peak")

    def syscalls(self):
        requests = 20000
        upstream = rig.start_upstream()
        counted = {}
        for target in self.both(upstream):
            rig.load(target, self.whole, "--requests", 2000)
            out = self.folder / "strace.txt"
            tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out, "-p", str(target.worker())],
                                      stderr=subprocess.PIPE, text=True)
            tracer.stderr.readline()  # "attached": from here on calls are counted.
            result = rig.load(target, self.whole, "--requests", requests)
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            calls = {}
            for line in out.read_text().splitlines():
                match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
                if match and match.group(2) != "total":
                    calls[match.group(2)] = int(match.group(1)) / result["requests"]
            counted[target.name] = calls
            target.stop()
        upstream.stop()
        self.facts["syscalls"] = sum(counted["tollgate"].values())
        self.row("system calls a request", *(f"{sum(counted[it].values()):.2f}"
                                             for it in ("tollgate", "nginx")))
        for name, calls in counted.items():
            often = sorted(calls.items(), key=lambda it: -it[1])[:6]
            print(f"  {name}: " + ", ".join(f"{call} {count:.2f}" for call, count in often),
                  file=sys.stderr)

    def heap(self):
        requests = 200_000
        upstream = rig.start_upstream()
        shim = next((rig.BIN.parent / "bench").glob("libbench_malloc_count.so"))
        count = self.folder / "mallocs"
        target = rig.start_tollgate(self.folder, upstream, environment={
            "LD_PRELOAD": str(shim), "MALLOC_COUNT_FILE": str(count)})

        def calls():
            return int.from_bytes(count.read_bytes()[:8], "little")

        # Until what is kept for use again has its size, SQLite's cache of pages last.
        rig.load(target, self.whole, "--requests", 150_000, "--seconds", 120)
        memory, before = target.rss_mb(), calls()
        result = rig.load(target, self.whole, "--requests", requests, "--seconds", 120)
        each = (calls() - before) / result["requests"]
        grown = target.rss_mb() - memory
        target.stop()
        upstream.stop()
        self.facts["mallocs"] = each
        self.facts["grown_mb"] = grown
        self.row("heap allocations a request", f"{each:.2f}", "",
                 "all threads, the trail's writer too")
        self.row("memory grown over 200,000 requests, MB", f"{grown:.1f}", "")

    def instructions(self):
        requests = 2000
        upstream = rig.start_upstream()
        found = {}
        for start in (rig.start_tollgate, rig.start_nginx):
            out = self.folder / "callgrind"
            target = start(self.folder, upstream, prefix=(
                "valgrind", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no",
                f"--callgrind-out-file={out}.%p"))
            rig.load(target, self.whole, "--requests", 500, "--seconds", 60)
            pid = str(target.worker())
            control = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(["callgrind_control", "-i", "on", pid], **control)
            rig.load(target, self.whole, "--requests", 200, "--seconds", 60)
            subprocess.run(["callgrind_control", "-z", pid], **control)
            result = rig.load(target, self.whole, "--requests", requests, "--seconds", 120)
            subprocess.run(["callgrind_control", "-d", pid], **control)
            dump = max(self.folder.glob(f"callgrind.{pid}*"), key=os.path.getmtime)
            total = re.findall(r"^(?:totals|summary): (\d+)", dump.read_text(), re.M)[-1]
            found[target.name] = int(total) / result["requests"]
            target.stop()
        upstream.stop()
        self.row("user instructions a request",
                 *(f"{found[it]:,.0f}" for it in ("tollgate", "nginx")),
                 "callgrind, which has no SHA instructions: hashes in software")

    # ---- The books, which nginx does not keep ------------------------------------------------

    def books(self, *arguments):
        folder = self.folder / "books"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        done = subprocess.run([rig.BIN / "bench_books", arguments[0], folder, *arguments[1:]],
                              check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def tenants(self):
        found = self.books("tenants")
        note = f"{found['tenants']:,} subjects of one rule"
        self.row("memory a subject of a limit, bytes", f"{found['limit_bytes']}", "", note)
        self.row("memory a subject of a budget, bytes", f"{found['budget_bytes']}", "",
                 "with its lease")

    def leases(self):
        found = [self.books("leases") for _ in range(3)]
        self.row("durable leases a second", spread([it["per_second"] for it in found], 0), "",
                 f"first requests of {found[0]['leases']:,} tenants, {found[0]['at_once']} at once")

    def recovery(self):
        found = [self.books("recovery") for _ in range(3)]
        self.row("ready after kill -9, s", spread([it["ready_s"] for it in found]), "",
                 f"{found[0]['open']:,} holds were open")
        self.row("their ends are written after, s", spread([it["ended_s"] for it in found], 0), "",
                 "while it serves")

    # ---- Who asks, of which nginx knows nothing ------------------------------------------------

    def google_benchmark(self, binary, rounds=3):
        """CPU of each benchmark of a program, in each round, and what it counts."""
        found, counters = {}, {}
        for _ in range(rounds):
            done = subprocess.run([rig.BIN / binary, "--benchmark_format=json"], check=True,
                                  capture_output=True, text=True)
            for it in json.loads(done.stdout)["benchmarks"]:
                name = it["name"].split("/")[0]
                found.setdefault(name, []).append(it["cpu_time"] / 1000)
                counters[name] = it
        return found, counters

    def keys(self):
        found, counters = self.google_benchmark("stored_keys_bench")
        note = "among 1,000,000 keys"
        self.row("API key looked up and verified, µs", spread(found["look_up_and_verify"]), "",
                 note)
        self.row("memory a key, bytes", f"{counters['look_up_and_verify']['bytes_a_key']:.0f}", "",
                 note)

    def identities(self):
        found, _ = self.google_benchmark("token_bench")
        self.row("token verified before, µs", spread(found["cached"]), "", "of 1 KiB")
        pairs = zip(found["es256_verified_anew"], found["es256_openssl_alone"])
        self.row("ES256 verified anew, OpenSSL alone = 1", spread([a / b for a, b in pairs]), "")

    def table(self):
        print(f"\nChat bodies of {self.facts['body_bytes'] / 1000:.1f} kB, no two alike among "
              f"{workload.BODIES}; one core; tollgate with every control on (key, route, prompt "
              "caps, token count, limits, budget, audit in SQLite), nginx forwarding alone "
              "with keep-alive to the upstream and no log. Median (lowest to highest round).\n")
        print("| | tollgate | nginx | |\n|---|--:|--:|---|")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")


def main():
    kinds = ("cpu", "rate", "latency", "sse", "fleet", "syscalls", "heap", "instructions",
             "tenants", "leases", "recovery", "keys", "identities")
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("kind", nargs="*", help="any of: " + ", ".join(kinds) + " (all of them)")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2, help="of each run in a round")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows there too")
    arguments = parser.parse_args()
    unknown = set(arguments.kind) - set(kinds)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if os.cpu_count() < 2:
        raise SystemExit("needs two cores: one for the proxy, one for the load")
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        os.chmod(folder, 0o755)
        bench = Bench(arguments, pathlib.Path(folder))
        for kind in arguments.kind or kinds:
            print(f"== {kind}", file=sys.stderr)
            getattr(bench, kind)()
        bench.table()
        if arguments.json:
            arguments.json.write_text(json.dumps({"rows": bench.rows, "facts": bench.facts}))


if __name__ == "__main__":
    main()
