"""What both benchmarks share: the text in documents, turns, medians."""

import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNEL = os.path.join(HERE, "..", "..", ".build", "release", "runnel")


def documents(path, megabytes):
    """The beginning of a text as whole documents, in order."""
    with open(path, "rb") as file:
        text = file.read(int(megabytes * 1e6)).decode("utf-8", "ignore")
    parts = text.split("<|endoftext|>\n")
    if len(parts) > 1:
        return [part for part in parts if part]
    parts = []
    start = 0
    while start < len(text):
        cut = text.find("\n\n", start + (1 << 16))
        end = len(text) if cut < 0 else cut + 2
        parts.append(text[start:end])
        start = end
    return parts


def write_lines(path, documents):
    with open(path, "w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps({"text": document}, ensure_ascii=False) + "\n")


def run_json(command, threads, stdin=None):
    """Runs a command that prints one JSON object."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def in_turns(rounds, programs):
    """Each program once a round; the results of each by name."""
    results = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            results[name].append(program())
    return results


def report(results, megabytes, threads, as_json):
    """Median seconds of each and their ratios to Runnel's."""
    medians = {name: statistics.median(run["seconds"] for run in runs) for name, runs in results.items()}
    ours = medians["runnel"]
    rows = {
        name: {
            "seconds": round(seconds, 3),
            "megabytes_per_second": round(megabytes / seconds, 2),
            "ratio": round(seconds / ours, 2),
            "tokens": runs[0]["tokens"],
        }
        for (name, seconds), runs in zip(medians.items(), results.values())
    }
    if as_json:
        print(json.dumps({"threads": threads, "megabytes": round(megabytes, 3), "programs": rows}))
        return
    print(f"{megabytes:.1f} MB, {threads} thread{'s' if threads > 1 else ''}, median of {len(results['runnel'])}")
    for name, row in rows.items():
        print(
            f"{name:14} {row['seconds']:9.3f} s {row['megabytes_per_second']:9.2f} MB/s"
            f"   Runnel is {row['ratio']:.2f} times as fast   {row['tokens']:,} tokens"
        )
