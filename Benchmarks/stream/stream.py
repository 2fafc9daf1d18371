#!/usr/bin/env python3
"""Time and memory of one stream of many tokens: is the last million as cheap as the first?

Feeds random text to `runnel score MODEL --form step`, and reads as much from `runnel generate MODEL`, for a model whose
tokens are bytes. One row per million tokens: seconds on the clock and of the processor, and the process's resident
memory behind them (Linux). On a machine with other work, the processor's seconds are the ones to compare.
"""
import argparse, os, random, subprocess, time


class Table:
    """Prints a row whenever another million has passed."""

    def __init__(self, verb, process):
        self.verb, self.process, self.last = verb, process, (time.monotonic(), 0)

    def row(self, tokens):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        resident = int(fields[21]) * os.sysconf("SC_PAGESIZE")
        now = (time.monotonic(), used)
        clock, processor = (new - old for new, old in zip(now, self.last))
        self.last = now
        print(f"{self.verb:8} {tokens:11,}  {clock:7.1f} s  {processor:7.1f} s of processor  "
              f"{resident / 1e6:8.2f} MB", flush=True)


def score(command, tokens, row_length):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    words = "the of and to in that was his he it with is for as had you not be her on at by which have or from".split()
    generator = random.Random(1)
    table, written = Table("score", process), 0
    while written < tokens:
        # The pipe holds 64 kB, so what has been written has been scored, but for that much.
        line = " ".join(generator.choices(words, k=500))[:1999] + "\n"
        line = line[: min(tokens, (written // row_length + 1) * row_length) - written].encode()
        process.stdin.write(line)
        written += len(line)
        if written % row_length == 0:
            process.stdin.flush()
            table.row(written)
    process.stdin.close()
    print(process.stdout.read().decode().strip())
    return process.wait()


def generate(command, tokens, row_length):
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    table, read = Table("generate", process), 0
    while True:
        piece = process.stdout.read1(1 << 16)
        if not piece:
            break
        before, read = read // row_length, read + len(piece)
        if read // row_length > before and read < tokens:
            table.row(read // row_length * row_length)
    print(f"generate: {read:,} bytes")
    return process.wait()


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("runnel", help="the binary")
options.add_argument("model", help="a model folder whose tokens are bytes")
options.add_argument("--tokens", type=int, default=10_000_000)
options.add_argument("--row", type=int, default=1_000_000, help="tokens per row")
options.add_argument("--threads", default="1")
arguments = options.parse_args()
common = ["--threads", arguments.threads]
code = score(
    [arguments.runnel, "score", arguments.model, "--form", "step"] + common, arguments.tokens, arguments.row)
code |= generate(
    [arguments.runnel, "generate", arguments.model, "--prompt", "the ", "--max-tokens", str(arguments.tokens)]
    + common, arguments.tokens, arguments.row)
raise SystemExit(code)
