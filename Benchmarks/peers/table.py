"""Runnel beside PyTorch: training throughput and peak memory of every mixer that has a PyTorch form, as a Markdown table.

    python table.py --runnel RUNNEL --json results.json

For each size and mixer, `runnel bench train` (f32, bf16) and its peer (eager, compiled, bf16 autocast, bf16 compiled) run one
behind the other, each in a process of its own, and all of that --rounds times; the table has the medians. Every run is written
to the JSON file at once, and what it already has is not run again: start the same command to go on.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The most important first, so that a run that is stopped has them. The first peer runs in every form, others as they are.
PEERS = {
    "retnet": ["retnet"], "linear-attention": ["linear-attention"], "gla": ["gla"], "mamba2": ["mamba2-chunkwise", "mamba2"],
    "attention": ["attention"], "deltanet": ["deltanet"], "rwkv6": ["rwkv6"], "rwkv7": ["rwkv7"], "lru": ["lru"], "s4d": ["s4d"],
    "mamba": ["mambapy"], "gated-deltanet": ["gated-deltanet"],
}  # fmt: skip
SIZES = {
    "256x4": dict(width=256, layers=4, batch=8, segment=512, vocabulary=256),
    "512x8": dict(width=512, layers=8, batch=4, segment=1024, vocabulary=4096),
}
OURS = {"f32": [], "bf16": ["--precision", "bf16"]}
FORMS = {
    "eager": [], "compiled": ["--compile"], "bf16": ["--precision", "bf16"],
    "bf16-compiled": ["--precision", "bf16", "--compile"],
}  # fmt: skip


def run(command, limit):
    """The JSON that a command prints, with the peak memory of its process where it has none itself; or {"error": …}."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
        deadline = time.monotonic() + limit
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if not pid:
            os.killpg(process.pid, 9)
            os.wait4(process.pid, 0)
            return {"error": f"not done after {limit:.0f} seconds"}
        for file in (out, err):
            file.seek(0)
        output, errors = out.read().decode(), err.read().decode().strip()
    if status != 0:
        return {"error": (errors.splitlines() or [f"status {status}"])[-1]}
    result = json.loads(output)
    scale = 1 if sys.platform == "darwin" else 1024
    return {"peak_memory_bytes": usage.ru_maxrss * scale} | result


def machine(o):
    cpu = {}
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    names = ("vendor_id", "model name", "cpu family", "model")
    return {name: cpu[name] for name in names if name in cpu} | {
        "system": platform.platform(), "cores": os.cpu_count(), "threads": o.threads,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "date": datetime.date.today().isoformat(),
        "runnel": subprocess.run([o.runnel, "--version"], capture_output=True, text=True).stdout.strip(),
    }  # fmt: skip


def runs(o, size, mixer):
    """(name, command) of what is compared, in the order in which it runs."""
    shape = [word for name, value in SIZES[size].items() for word in (f"--{name}", str(value))]
    common = shape + ["--seconds", str(o.seconds), "--threads", str(o.threads), "--json"]
    for form in OURS:
        yield f"runnel/{form}", [o.runnel, "bench", "train", "--mixer", mixer, *common, *OURS[form]]
    script = [sys.executable, str(Path(__file__).with_name("train.py")), "--warmup", str(o.warmup), "--steps", str(o.steps)]
    for i, peer in enumerate(PEERS[mixer]):
        for form in o.forms if i == 0 else ["eager"]:
            yield f"{peer}/{form}", [*script, "--model", peer, *common, *FORMS[form]]


def measure(o, results):
    started = time.monotonic()
    for round_ in range(o.rounds):
        for size in o.sizes:
            for mixer in o.mixers:
                for name, command in runs(o, size, mixer):
                    done = results["runs"].setdefault(f"{size}/{mixer}/{name}", [])
                    if len(done) > round_:
                        continue
                    if o.minutes and time.monotonic() - started > o.minutes * 60:
                        return
                    done.append(run(command, o.limit))
                    o.json.with_suffix(".part").write_text(json.dumps(results, indent=1))
                    o.json.with_suffix(".part").replace(o.json)
                    found = done[-1].get("error") or f"{done[-1]['tokens_per_second']:,.0f} tokens/s"
                    print(f"{size} {mixer:17} {name:26} {found}", file=sys.stderr)


def median(done, key):
    values = [r[key] for r in done if key in r]
    return statistics.median(values) if values else None


def table(results, size):
    """One row a mixer; an empty cell is a form that was not run, or could not."""
    out = [
        "| | parameters | Runnel f32 | of the FMA peak | PyTorch eager | compiled | Runnel / fastest | Runnel bf16 | its f32 "
        "| PyTorch bf16 | bf16 compiled | Runnel / fastest | Runnel MiB | PyTorch MiB | share |",
        "|" + "---|" * 15,
    ]
    number = lambda x: "" if x is None else f"{x:,.0f}"
    times = lambda a, b: "" if None in (a, b) else f"{a / b:.2f} ×"
    least = lambda values: min((x for x in values if x is not None), default=None)
    most = lambda values: max((x for x in values if x is not None), default=None)
    notes = []
    for mixer, (peer, *others) in PEERS.items():
        of = lambda name: results["runs"].get(f"{size}/{mixer}/{name}", [])
        ours = of("runnel/f32")
        if not ours:
            continue
        speed = {form: median(of(f"{peer}/{form}"), "tokens_per_second") for form in FORMS}
        f32, bf16 = (median(of(f"runnel/{form}"), "tokens_per_second") for form in OURS)
        others = {other: median(of(f"{other}/eager"), "tokens_per_second") for other in others}
        notes += [f"{mixer}: {other}, eager, {number(x)} tokens/s" for other, x in others.items() if x]
        fastest = most([speed["eager"], speed["compiled"], *others.values()])
        parameters = {median(of(name), "parameters") for name in ("runnel/f32", f"{peer}/eager")} - {None}
        if max(parameters) > 1.01 * min(parameters):
            notes.append(f"{mixer}: the peer has another size, {' and '.join(map(number, parameters))} parameters")
        # Older builds have the rate of sgemm alone, which is not the peak.
        share = median(ours, "share_of_peak") if any("sgemm_gflops" in r for r in ours) else None
        memory = median(ours, "peak_memory_bytes")
        theirs = least([median(of(f"{peer}/{form}"), "peak_memory_bytes") for form in ("eager", "compiled")])
        cells = [
            mixer, number(median(ours, "parameters")), number(f32), "" if share is None else f"{100 * share:.0f} %",
            number(speed["eager"]), number(speed["compiled"]), times(f32, fastest), number(bf16), times(bf16, f32),
            number(speed["bf16"]), number(speed["bf16-compiled"]), times(bf16, most([speed["bf16"], speed["bf16-compiled"]])),
            number(memory and memory / 2**20), number(theirs and theirs / 2**20),
            "" if None in (memory, theirs) else f"{100 * memory / theirs:.0f} %",
        ]  # fmt: skip
        out.append("| " + " | ".join(cells) + " |")
        for name, done in ((name, of(name)) for name in [*(f"runnel/{x}" for x in OURS), *(f"{peer}/{x}" for x in FORMS)]):
            errors = {r["error"] for r in done if "error" in r}
            notes += [f"{mixer}, {name}: {error}" for error in sorted(errors)]
    return "\n".join(out + [""] + [f"- {note}" for note in notes])


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runnel", required=True, help="the program, built for release")
    parser.add_argument("--json", type=Path, required=True, help="the file of all numbers, made or continued")
    parser.add_argument("--markdown", type=Path, help="where the table goes (default: standard output)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--mixers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="of the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--warmup", type=int, default=2, help="steps of a peer before the clock")
    parser.add_argument("--steps", type=int, default=3, help="of a peer at least")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a run is given up")
    parser.add_argument("--minutes", type=float, help="start nothing more after so many")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds and two steps: a look, not a result")
    o = parser.parse_args()
    if o.quick:
        o.rounds, o.seconds, o.warmup, o.steps = 1, 2, 1, 2
    return o


def main():
    o = options()
    results = json.loads(o.json.read_text()) if o.json.exists() else {"machine": machine(o), "runs": {}}
    measure(o, results)
    any_of = lambda key: next((r[key] for done in results["runs"].values() for r in done if key in r), "unknown")
    m = results["machine"]
    cpu = ", ".join(f"{k} {m[k]}" for k in ("vendor_id", "model name", "cpu family", "model") if k in m)
    text = (
        f"{cpu}; {any_of('instructions')}; {m['cores']} cores, {m['threads']} threads, {m['memory_bytes'] / 2**30:.0f} GiB; "
        f"{m['date']}; runnel {m['runnel']}, PyTorch {any_of('torch')}; tokens/s, the medians.\n"
    )
    for size in o.sizes:
        shape = SIZES[size]
        text += "\n**{width} × {layers}, {batch} × {segment}, vocabulary {vocabulary}**\n\n".format(**shape)
        text += table(results, size) + "\n"
    if o.markdown:
        o.markdown.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
