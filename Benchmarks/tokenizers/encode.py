"""Speed of encoding: Runnel against the library that each tokenizer comes from, one thread.

    python encode.py TEXT --tokenizer tokenizer.json      # tokenizers
    python encode.py TEXT --tokenizer tokenizer.model     # sentencepiece
    python encode.py TEXT --tokenizer rwkv_vocab.txt      # rwkv
"""

import argparse
import json
import os
import sys
import tempfile
import time

import common


def peer(options):
    """One timed encoding, in a process of its own."""
    with open(options.text, encoding="utf-8") as file:
        documents = [json.loads(line)["text"] for line in file]
    path = options.tokenizer
    if path.endswith(".json"):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(path)
        encode = lambda: sum(len(e.ids) for e in tokenizer.encode_batch_fast(documents, add_special_tokens=False))
    elif path.endswith(".model"):
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=path)
        encode = lambda: sum(len(ids) for ids in processor.encode(documents, num_threads=1))
    else:
        from rwkv.rwkv_tokenizer import TRIE_TOKENIZER

        tokenizer = TRIE_TOKENIZER(path)
        encode = lambda: sum(len(tokenizer.encode(document)) for document in documents)
    start = time.perf_counter()
    tokens = encode()
    print(json.dumps({"seconds": time.perf_counter() - start, "tokens": tokens}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runnel", default=common.RUNNEL)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options)
    documents = common.documents(options.text, options.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        lines = os.path.join(folder, "text.jsonl")
        common.write_lines(lines, documents)

        def runnel():
            with open(lines, "rb") as stdin:
                command = [options.runnel, "tokenizer", "info", options.tokenizer, "--measure", "--jsonl", "--json"]
                return common.run_json(command, 1, stdin)

        def original():
            return common.run_json([sys.executable, __file__, lines, "--tokenizer", options.tokenizer, "--peer"], 1)

        kinds = {".json": "tokenizers", ".model": "sentencepiece"}
        name = kinds.get(os.path.splitext(options.tokenizer)[1], "rwkv")
        results = common.in_turns(options.rounds, {"runnel": runnel, name: original})
        megabytes = sum(len(document.encode()) for document in documents) / 1e6
        common.report(results, megabytes, 1, options.json)
        if results["runnel"][0]["tokens"] != results[name][0]["tokens"]:
            sys.exit("the numbers of tokens differ")


if __name__ == "__main__":
    main()
