"""What PyPI's tokenizers learns from a text of made-up words: the merges of Tests/TextTests/BPEGoldenTests.swift.

    env/bin/pip install tokenizers==0.23.3
    env/bin/python tools/golden/bpe.py
"""

import hashlib
import json
import os
import tempfile

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SYLLABLES = ["ra", "lo", "the", "min", "sé", "kor", "un", "'t", "Va", "ß", "語", "x", "ing", "aa"]
SEPARATORS = [" ", " ", " ", " ", ", ", ". ", "\n", "  ", "\n\n ", " 12", "'s ", "—", "\u3000", "aaa"]


def text(count=3000, state=1):
    parts = []

    def draw(limit):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % limit

    for _ in range(count):
        parts += [SYLLABLES[draw(len(SYLLABLES))] for _ in range(1 + draw(3))]
        parts.append(SEPARATORS[draw(len(SEPARATORS))])
    return "".join(parts)


def train(vocabulary):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=["<|endoftext|>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    tokenizer.train_from_iterator([text()], trainer)
    return tokenizer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        train(400).save(path)
        content = open(path, "rb").read()
    print("sha256 of the text:", hashlib.sha256(text().encode()).hexdigest())
    print("sha256 of tokenizer.json:", hashlib.sha256(content).hexdigest())
    merges = [" ".join(pair) for pair in json.loads(content)["model"]["merges"]]
    line = ""
    for merge in merges:
        if len(line) + len(merge) > 100:
            print(line)
            line = ""
        line += ("|" if line else "") + merge
    print(line)
