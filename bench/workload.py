"""The requests of the benchmarks: chat bodies of about 2 KB of English, no two alike.

A conversation brings its earlier turns again: what was said before the last answer repeats from
request to request, and the last answer and the new question do not. The load puts a running
number in the place of each FRESH, so that no request has these two from an earlier one.
"""
import json
import pathlib
import random

BODIES = 256
BODY_BYTES = 2048
FRESH = "Order 0000000"


def chat_body(random_source, sentences, stream):
    """A system prompt, a turn or two of talk, and a last question, near BODY_BYTES in all."""
    def text(count):
        return " ".join(random_source.sample(sentences, count))

    opening = "You are the assistant of a trading company. "
    messages = [{"role": "system", "content": opening + text(2)},
                {"role": "user", "content": text(4)},
                {"role": "assistant", "content": text(4) + f" {FRESH}."},
                {"role": "user", "content": text(3)}]
    body = {"model": "small", "messages": messages, "temperature": 0.2, "max_tokens": 400}
    if stream:
        body["stream"] = True
    while len(json.dumps(body)) < BODY_BYTES - 80:
        messages[-1]["content"] += " " + text(1)
    # Numbers and names that no cache has seen with the others: an order, an amount.
    messages[-1]["content"] += f" {FRESH}, " \
                               f"{random_source.randrange(100, 99999) / 100:.2f} euros."
    return json.dumps(body, separators=(",", ":"))


def write_bodies(path, stream=False, seed=7):
    sentences = (pathlib.Path(__file__).parent / "prose.txt").read_text().splitlines()
    random_source = random.Random(seed)
    bodies = [chat_body(random_source, sentences, stream) for _ in range(BODIES)]
    path.write_text("\n".join(bodies) + "\n")
    return sum(map(len, bodies)) / len(bodies)
