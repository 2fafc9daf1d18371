"""Training of byte-level BPE: Runnel against PyPI's tokenizers, the same documents and threads.

    python train.py TEXT --megabytes 50 --vocabulary 8192 --threads 1 --rounds 3
"""

import argparse
import filecmp
import json
import os
import sys
import tempfile
import time

import common


def peer(options):
    """One timed training by tokenizers, in a process of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    with open(options.text, encoding="utf-8") as file:
        documents = [json.loads(line)["text"] for line in file]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocabulary, min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    start = time.perf_counter()
    tokenizer.train_from_iterator(documents, trainer)
    tokenizer.save(options.peer)
    print(json.dumps({"seconds": time.perf_counter() - start, "tokens": tokenizer.get_vocab_size()}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runnel", default=common.RUNNEL)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options)
    documents = common.documents(options.text, options.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        lines, ours, theirs = (os.path.join(folder, name) for name in ("text.jsonl", "ours.json", "theirs.json"))
        common.write_lines(lines, documents)

        def runnel():
            command = [options.runnel, "tokenizer", "train", ours, lines, "--vocabulary", str(options.vocabulary)]
            result = common.run_json(command + ["--threads", str(options.threads), "--json"], options.threads)
            return {"seconds": result["seconds"], "tokens": result["vocabulary"]}

        def tokenizers():
            command = [sys.executable, __file__, lines, "--vocabulary", str(options.vocabulary), "--peer", theirs]
            return common.run_json(command, options.threads)

        results = common.in_turns(options.rounds, {"runnel": runnel, "tokenizers": tokenizers})
        megabytes = sum(len(document.encode()) for document in documents) / 1e6
        common.report(results, megabytes, options.threads, options.json)
        if not filecmp.cmp(ours, theirs, shallow=False):
            sys.exit("the two tokenizer.json differ")
        if not options.json:
            print("both wrote the same tokenizer.json, byte for byte")


if __name__ == "__main__":
    main()
