#!/usr/bin/env python3
"""Writes a small unigram vocabulary for the tests: tests/golden/unigram.json.

  PYTHONPATH=.parts/reference tools/tokens_unigram.py TEXT...

Trained on the given files by Hugging Face's tokenizers; a character that is in no token is told by
its bytes.
"""
import json
import pathlib
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "unigram.json"
PIECES = 3000


def main():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=PIECES, unk_token="<unk>",
                                      special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    lines = (line for path in sys.argv[1:]
             for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines())
    tokenizer.train_from_iterator(lines, trainer)
    written = json.loads(tokenizer.to_str())
    model = written["model"]
    model["vocab"] += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    model["byte_fallback"] = True
    TARGET.write_text(json.dumps(written, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
