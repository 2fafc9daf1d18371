#!/usr/bin/env python3
"""How much is learnt in how little time: `runnel train --minutes M` with the defaults, beside nanoGPT's CPU recipe.

Every row is one command; rows run one behind the other, seed by seed, and each result is kept at once, so that a run that was stopped
goes on. Prints the median over the seeds.
"""

import argparse
import hashlib
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

WINDOW = 256


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runnel", default=".build/release/runnel")
    parser.add_argument("--text", required=True, help="ASCII text, of which the first 90 %% is for training")
    parser.add_argument("--validation", help="text to be measured on; then all of --text is for training")
    parser.add_argument("--folder", required=True, help="receives corpora, models and results.json")
    parser.add_argument(
        "--rows", default="nanogpt,nanogpt/8,nanogpt/1,1,3",
        help="nanogpt, the recipe; nanogpt/N, runnel in its time divided by N; a number, runnel in so many minutes")
    parser.add_argument("--mixer", default="mamba2", help="one or more, with + between; a pattern keeps its commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train-options", default="", help="further options of `runnel train`, in one string")
    return parser.parse_args()


def run(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.decode().strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else None


class Sitting:
    def __init__(self, options):
        self.options, self.folder = options, pathlib.Path(options.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = pathlib.Path(options.text).read_bytes()
        cut = len(text) if options.validation else len(text) * 9 // 10
        held = pathlib.Path(options.validation).read_bytes() if options.validation else text[cut:]
        self.train, self.held = self.folder / "train.txt", self.folder / "validation.txt"
        self.train.write_bytes(text[:cut])
        self.held.write_bytes(held)
        self.corpus = self.folder / "train.tokens.zst"
        run([options.runnel, "corpus", "build", self.corpus, self.train, "--validation", 0, "--force", "--json"])
        ids = np.frombuffer(held, np.uint8).astype(np.int32)
        count = (len(ids) - 1) // WINDOW
        self.inputs = ids[: count * WINDOW].reshape(count, WINDOW)
        self.targets = ids[1 : count * WINDOW + 1].reshape(count, WINDOW)
        self.windows = self.folder / "windows.safetensors"
        save_file({"ids": self.inputs}, self.windows)
        self.path = self.folder / "results.json"
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        # What results of one folder have in common.
        self.setting = dict(
            text=hashlib.sha256(text[:cut] + held).hexdigest(), threads=options.threads, train_options=options.train_options)
        if kept and kept["setting"] != self.setting:
            sys.exit(f"{self.path} has results of another text, other threads or train options; take another --folder")
        self.results = kept.get("results", {})

    def nanogpt(self, seed):
        script = pathlib.Path(__file__).with_name("nanogpt.py")
        return run([
            sys.executable, script, "--train", self.train, "--validation", self.held, "--seed", seed,
            "--threads", self.options.threads])

    def runnel(self, minutes, mixer, seed):
        out = self.folder / "model"
        shutil.rmtree(out, ignore_errors=True)
        summary = run([
            self.options.runnel, "train", "--corpus", self.corpus, "--mixer", mixer, "--minutes", minutes, "--seed", seed,
            "--threads", self.options.threads, "--out", out, "--json", *self.options.train_options.split()])
        with open(self.held, "rb") as text:
            carried = run([self.options.runnel, "score", out, "--json"], stdin=text)
        return dict(
            seconds=summary["seconds"], tokens=summary["tokens"], parameters=run([self.options.runnel, "info", out, "--json"])["parameters"],
            carried=carried["loss"], windows=self.separate(out), window=WINDOW)

    def separate(self, model):
        """Mean nats of all windows, each from the model's initial state."""
        logits = self.folder / "logits.safetensors"
        run([self.options.runnel, "score", model, "--ids", self.windows, "--logits", logits, "--force", "--json"])
        z = load_file(logits)["logits"]
        total = 0.0
        for scores, target in zip(z, self.targets):
            scores = scores.astype(np.float64)
            most = scores.max(axis=-1)
            log = most + np.log(np.exp(scores - most[:, None]).sum(axis=-1))
            total += (log - scores[np.arange(WINDOW), target]).mean()
        logits.unlink()
        return total / len(self.targets)

    def all(self):
        mixers = self.options.mixer.split("+")
        for seed in range(1, self.options.seeds + 1):
            for row in self.options.rows.split(","):
                for mixer in [None] if row == "nanogpt" else mixers:
                    key = row if mixer is None else f"{mixer} {row}"
                    done = self.results.setdefault(key, [])
                    if len(done) >= seed:
                        continue
                    if mixer is None:
                        result = self.nanogpt(seed)
                    elif row.startswith("nanogpt/"):
                        recipe = self.results["nanogpt"][seed - 1]["seconds"]
                        result = self.runnel(recipe / float(row.split("/")[1]) / 60, mixer, seed)
                    else:
                        result = self.runnel(float(row), mixer, seed)
                    done.append(result)
                    self.path.write_text(json.dumps(dict(setting=self.setting, results=self.results), indent=1))
                    print(f"{key}, seed {seed}: {json.dumps(result)}", file=sys.stderr, flush=True)

    def table(self):
        print("| row | parameters | seconds | tokens | nats per character, carried | in windows | of | bits per byte, carried |")
        print("|---|---|---|---|---|---|---|---|")
        for key, runs in self.results.items():
            def median(name):
                return statistics.median(r[name] for r in runs)
            carried = median("carried") if "carried" in runs[0] else None
            cells = [
                key, f"{median('parameters'):,.0f}", f"{median('seconds'):.1f}", f"{median('tokens'):,.0f}",
                "" if carried is None else f"{carried:.3f}", f"{median('windows'):.3f}", str(runs[0]["window"]),
                "" if carried is None else f"{carried / math.log(2):.3f}"]
            print("| " + " | ".join(cells) + " |")


sitting = Sitting(parse())
sitting.all()
sitting.table()
