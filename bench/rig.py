"""The processes of a measurement: what runs on which core, and what it cost.

Core 0 has the proxy under test alone; core 1 has the load and the upstream.
"""
import atexit
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = ROOT / "build" / "release" / "bin"
PROXY_CORE, LOAD_CORE = 0, 1

TOLLGATE_YAML = """
listeners:
  public: {{ address: "127.0.0.1:0", exposure: public }}
admin: {{ address: "127.0.0.1:0", token: bench-admin-token-of-32-characters }}
store: {{ ledger: "sqlite://{folder}/tollgate.db" }}
authentication: {{ api_keys: {{}} }}
upstreams:
  bench: {{ url: "http://127.0.0.1:{upstream}/v1", speaks: openai, concurrent_requests: 10000 }}
models:
  small:
    upstream: bench
    tokenizer: o200k_base
    context_tokens: 131072
    price_per_million: {{ input: 0.05, output: 0.10 }}
tenants:
  bench: {{ roles: [engineer], budget: {{ usd: 1000000, per: month, when_exhausted: refuse }} }}
limits:
  tenant_id:
    requests_per_minute: 1000000000
    input_tokens_per_minute: 100000000000
    output_tokens_per_minute: 100000000000
    concurrent_requests: 1000000
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{{ tenants: [bench], roles: [engineer] }}]
    prompt:
      {{ body: 1MiB, input_tokens: 32000, output_tokens: 4096, choices: 1,
         count_input: {count_input} }}
    {route}
edge: {{ workers: 1, connections_per_address: 100000 }}
"""

NGINX_CONF = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream bench {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {buffering}
    }}
  }}
}}
"""


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def descendants(pid):
    found = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += descendants(int(child))
    return found


class Target:
    """A server under measurement."""

    def __init__(self, name, process, port, key="none", folder=None):
        self.name, self.process, self.port, self.key = name, process, port, key
        self.folder = folder
        # What is still there when a measurement fails must not outlive it.
        atexit.register(process.kill)

    def pids(self):
        return descendants(self.process.pid)

    def worker(self):
        """The process that does the work: nginx's master does none."""
        return self.pids()[-1]

    def cpu_ns(self):
        """CPU spent so far, user and system, by all its threads."""
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def rss_mb(self, field="VmRSS"):
        kib = 0
        for pid in self.pids():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            kib += int(re.search(field + r":\s+(\d+)", status).group(1))
        return kib / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_upstream(*arguments):
    process = subprocess.Popen([BIN / "bench_upstream", *arguments], stdout=subprocess.PIPE,
                               text=True, preexec_fn=pinned(LOAD_CORE))
    return Target("direct", process, int(process.stdout.readline().split()[-1]))


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_nginx(folder, upstream, prefix=(), buffering="", environment=None):
    folder = folder / "nginx"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # The worker drops root for a user that must be able to write the bodies it buffers.
    folder.chmod(0o777)
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, upstream=upstream.port, port=port,
                                      buffering=buffering))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    # A worker that gave root up cannot be told by callgrind_control to begin.
    orders = "daemon off; user root;" if prefix else "daemon off;"
    process = subprocess.Popen(
        [*prefix, nginx, "-c", str(conf), "-p", str(folder), "-g", orders],
        preexec_fn=pinned(PROXY_CORE), stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})})
    target = Target("nginx", process, port, folder=folder)
    wait_for(lambda: answers(port))
    return target


def start_tollgate(folder, upstream, prefix=(), environment=None, binary=None,
                   count_input="near_limits", name="tollgate", route=""):
    """`route`: further lines of its route, indented by four."""
    binary = binary or BIN / "tollgate"
    folder = folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    conf = folder / "tollgate.yaml"
    conf.write_text(TOLLGATE_YAML.format(folder=folder, upstream=upstream.port,
                                          count_input=count_input, route=route))
    log = (folder / "stderr.log").open("w")
    process = subprocess.Popen([*prefix, binary, "serve", "-c", conf],
                               stdout=subprocess.PIPE, stderr=log, text=True,
                               preexec_fn=pinned(PROXY_CORE),
                               env={**os.environ, **(environment or {})})
    port = None
    for line in process.stdout:
        found = re.search(r"tollgate: listening on http://[^:]+:(\d+) \(public\)", line)
        port = int(found.group(1)) if found else port
        if re.match(r"(tollgate: )?ready\b", line):
            break
    else:
        raise SystemExit(f"tollgate did not start:\n{(folder / 'stderr.log').read_text()}")
    made = subprocess.run([binary, "keys", "create", "--tenant", "bench", "--json",
                           "-c", conf], check=True, capture_output=True, text=True)
    key = json.loads(made.stdout)["secret"]
    wait_for(lambda: answers(port, key, (200, 400)))
    return Target(name, process, port, key=key, folder=folder)


def answers(port, key="none", statuses=range(600)):
    """Whether it answers at all, and with one of the statuses: 400 says that the key is known."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", data=b"{}",
                                   headers={"Authorization": f"Bearer {key}"}, method="POST")
    try:
        return urllib.request.urlopen(asked, timeout=1).status in statuses
    except urllib.error.HTTPError as error:
        return error.code in statuses
    except OSError:
        return False


def wait_for(condition, seconds=20):
    import time
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("gave up waiting for a server to start")
        time.sleep(0.02)


# ---- Load ------------------------------------------------------------------------------------

def wrk(target, bodies, seconds, connections=64):
    """A closed loop of wrk; its figures and the target's CPU meanwhile."""
    before = target.cpu_ns()
    ran = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(ROOT / "bench" / "wrk.lua"),
         f"http://127.0.0.1:{target.port}"],
        env={**os.environ, "BODIES": str(bodies), "KEY": target.key}, check=True,
        capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE))
    return judged(target, json.loads(re.search(r"RESULT (.*)", ran.stdout).group(1)), before)


def load_command(target, bodies, *arguments):
    return [BIN / "bench_load", "--port", str(target.port), "--bodies", str(bodies), "--key",
            target.key, *map(str, arguments)]


def load(target, bodies, *arguments):
    """bench_load to its end; its figures and the target's CPU meanwhile."""
    before = target.cpu_ns()
    ran = subprocess.run(load_command(target, bodies, *arguments), check=True,
                         capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE))
    return judged(target, json.loads(ran.stdout.splitlines()[-1]), before)


def judged(target, result, cpu_before):
    result["cpu_ns"] = target.cpu_ns() - cpu_before
    if result["errors"] or result["not_ok"] or not result["requests"]:
        raise SystemExit(f"{target.name}: not every request was answered with 200: {result}")
    result["cpu_us"] = result["cpu_ns"] / 1000 / result["requests"]
    return result
