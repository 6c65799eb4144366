#!/usr/bin/env python3
"""Writes the ids that Hugging Face's tokenizers give the texts of a golden file.

  tools/tokens_golden.py TEXTS FOLDER NAME...

TEXTS is a file of tools/tokens_golden.mjs: a line is a text in base64, and ids that are not looked
at. For each NAME it reads .parts/vocabularies/NAME.json, or $TOLLGATE_VOCABULARIES/NAME.json, and
writes FOLDER/tokens_NAME.txt. Special tokens are text, and none is put around a text.
"""
import base64
import os
import pathlib
import sys

import tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent
FROM = pathlib.Path(os.environ.get("TOLLGATE_VOCABULARIES", ROOT / ".parts" / "vocabularies"))


def main():
    texts, folder, *names = sys.argv[1:]
    written = [line.split(" ")[0] for line in pathlib.Path(texts).read_text().splitlines()]
    decoded = [base64.b64decode(each).decode() for each in written]
    for name in names:
        file = FROM / f"{name}.json"
        reference = tokenizers.Tokenizer.from_file(str(file))
        reference.encode_special_tokens = True
        reference.no_truncation()
        encoded = reference.encode_batch(decoded, add_special_tokens=False)
        lines = [" ".join([text, *map(str, each.ids)]) for text, each in zip(written, encoded)]
        target = pathlib.Path(folder) / f"tokens_{name}.txt"
        target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
