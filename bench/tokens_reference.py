#!/usr/bin/env python3
"""The reference beside bench/tokens.cc for a tokenizer.json: Hugging Face's tokenizers, one thread,
on the same files, in parts of 20,000 characters. A line of JSON for each file.

  bench/tokens_reference.py TOKENIZER_JSON FILE...
"""
import json
import pathlib
import sys
import time

import tokenizers

PART = 20_000


def main():
    path, *files = sys.argv[1:]
    reference = tokenizers.Tokenizer.from_file(path)
    reference.encode_special_tokens = True

    def counted(text):
        before = time.process_time()
        tokens = sum(len(reference.encode(text[at:at + PART], add_special_tokens=False).ids)
                     for at in range(0, len(text), PART))
        return tokens, time.process_time() - before

    counted("Warm up. " * 5_000)
    for file in files:
        text = pathlib.Path(file).read_text(encoding="utf-8")
        tokens, seconds = counted(text)
        print(json.dumps({"file": file, "tokens": tokens,
                          "rate": len(text.encode()) / 1e6 / seconds}))


if __name__ == "__main__":
    main()
