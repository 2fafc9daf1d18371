"""Runnel's tokenizers against PyPI tokenizers: random Unicode and random bytes, and speed.

    env/bin/pip install tokenizers==0.23.3
    compare_tokenizers.py compare RUNNEL FILE [COUNT]     random Unicode strings: ids, and the text they decode to;
                                                          random bytes: whether what is decoded is what went in (it is
                                                  not where the file normalises, or lacks tokens for some bytes)
    compare_tokenizers.py parts RUNNEL [COUNT]            the same over COUNT small tokenizers put together at random
    compare_tokenizers.py speed RUNNEL FILE TEXT          one thread each, best of three

FILE is a tokenizer.json, or a folder with GPT-2's encoder.json and vocab.bpe; RUNNEL the built tool.
"""

import json, os, random, subprocess, sys, tempfile, time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import AddedToken, ByteLevelBPETokenizer, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

CHARACTERS = [chr(c) for c in range(0x250)] + list(
    "\u0301\u0327\u0323\u030a\u0344\u0345\u0f73\u2adc\u0958\ufb1d\u1100\u1161\u11a8\uac00\uac01\ud55c\u5b57\u304b\u30ab"
    "\U0001f600\U0001f469\u200d\ufe0f\u00a0\u2003\u3000\u0085\u2028\u1680\u180e\u200b\u0663\u00b2\u2167\u00bd\u0967\u0938"
    "\u094d\u0915\u0905\u0639\u064e\u05e2\u05b4\u0e44\u0e17\u0391\u03a3\u0130\u1e9e\u017f\u212a\u212b\u2126")
PIECES = ["<|endoftext|>", "<|padding|>", "<|endof", "'s", "'T", "'re", "'ll", "'\u017f", " ", "  ", "   ", "\n", "\r\n", "\t",
          "the", " and", "ing", "1234567", "...", "!!!\n\n", "e\u0301", "A\u030a", "\u1112\u1161\u11ab", "<s>", "</s>",
          "\u2581", "<0x0A>", "[MASK]", " [MASK] "]


def text(r):
    out = []
    for _ in range(r.randint(0, 14)):
        kind = r.random()
        if kind < 0.3:
            out.append(r.choice(PIECES))
        elif kind < 0.6:
            out.append(r.choice(CHARACTERS))
        elif kind < 0.8:
            out.append(chr(r.randint(32, 126)))
        else:
            code = r.randint(0, 0xFFFF if r.random() < 0.7 else 0x10FFFF)
            out.append(" " if 0xD800 <= code < 0xE000 else chr(code))
    return "".join(out)


def load(path):
    if os.path.isdir(path) and not os.path.exists(path + "/tokenizer.json"):
        return ByteLevelBPETokenizer(path + "/encoder.json", path + "/vocab.bpe")
    return Tokenizer.from_file(path + "/tokenizer.json" if os.path.isdir(path) else path)


def run(runnel, verb, path, lines, *options):
    result = subprocess.run([runnel, "tokenizer", verb, path, *options], input="".join(line + "\n" for line in lines).encode(),
                            capture_output=True)
    if result.returncode:
        sys.exit(result.stderr.decode())
    return result.stdout.decode(errors="replace")


def ours(runnel, path, documents):
    lines = [json.dumps({"text": d} if isinstance(d, str) else {"bytes": d.hex()}) for d in documents]
    return [json.loads(line)["ids"] for line in run(runnel, "encode", path, lines, "--jsonl").split("\n") if line]


def decoded(runnel, path, ids):
    return run(runnel, "decode", path, [" ".join(map(str, i)) for i in ids], "--lines")


def compare(runnel, path, count, seed=1):
    theirs = load(path)
    r = random.Random(seed)
    texts, ids = [], []
    panics = 0
    for _ in range(count):
        candidate = text(r)
        try:
            encoding = theirs.encode(candidate, add_special_tokens=False)
        except BaseException as error:  # it panics where stripped added tokens overlap
            if isinstance(error, KeyboardInterrupt):
                raise
            panics += 1
            continue
        texts.append(candidate)
        ids.append(encoding.ids)
    mine = ours(runnel, path, texts)
    different = [(t, a, b) for t, a, b in zip(texts, ids, mine) if a != b]
    if len(mine) != len(texts):
        sys.exit(f"{len(mine)} answers to {len(texts)} texts")
    expected = "".join(theirs.decode(i, skip_special_tokens=False) + "\n" for i in ids)
    same = expected == decoded(runnel, path, ids)
    print(f"{path}: {len(texts)} texts, {len(different)} differ in ids; decoded "
          f"{'the same' if same else 'otherwise'}" + (f"; the original failed on {panics}" if panics else ""))
    for t, a, b in different[:5]:
        print("  ", ascii(t), a, b)
    return len(different)


def random_bytes(runnel, path, count, seed=2):
    r = random.Random(seed)
    documents = [bytes(r.choice((r.randrange(256), r.randrange(0x20, 0x7F), 0xE2)) for _ in range(r.randint(0, 20)))
                 for _ in range(count)]
    ids = ours(runnel, path, documents)
    result = subprocess.run([runnel, "tokenizer", "decode", path, "--lines"], capture_output=True,
                            input="".join(" ".join(map(str, i)) + "\n" for i in ids).encode())
    same = result.stdout == b"".join(d + b"\n" for d in documents)
    print(f"{path}: {count} strings of random bytes come back {'as they were' if same else 'changed'}")


def random_tokenizer(r, corpus):
    def splitter():
        pattern = r.choice([" ", "a", "-", "\n", "th"]) if r.random() < 0.3 else Regex(r.choice([
            r"\p{N}{1,3}", r"\s+", r"\s+(?!\S)", r"[\r\n]", r"\p{L}++", r"[^\S\n]+", r"e(?=[\p{M} ])", r"\d", r"\w+|[^\w\s]+",
            r"(?:ab|the|a)n?", r".", r"\p{P}|\p{S}", r"[\p{Han}]+|[\p{L}&&[^\p{Han}]]+", r"(?i:[a-n]+|'[sdmt])", r"(?<=\p{L})\p{N}",
            r"(?:\p{L}\p{M}*)+", r"\b\w|\s$", r"(?>\s+)\S??", r"\p{Hiragana}|\p{Latin}{2,3}", r"\d{1,3}(?=(?:\d{3})*\b)",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]))
        behavior = r.choice(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"])
        return pre_tokenizers.Split(pattern, behavior, r.random() < 0.3)

    def cutter():
        return r.choice([
            lambda: pre_tokenizers.Digits(r.random() < 0.5), pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit, splitter,
            splitter, lambda: pre_tokenizers.Punctuation(r.choice(["removed", "isolated", "merged_with_previous", "contiguous"])),
            pre_tokenizers.BertPreTokenizer, lambda: pre_tokenizers.CharDelimiterSplit(r.choice("e \n")),
            lambda: pre_tokenizers.FixedLength(r.randint(1, 6)), lambda: pre_tokenizers.Metaspace(prepend_scheme=r.choice(["always", "first", "never"]), split=r.random() < 0.6)])()

    def normalizer():
        return r.choice([
            normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.StripAccents, normalizers.Nmt,
            lambda: normalizers.Strip(r.random() < 0.5, r.random() < 0.5), normalizers.Lowercase,
            lambda: normalizers.BertNormalizer(*(r.choice([True, False]) for _ in range(2)), r.choice([None, True, False]), r.random() < 0.5), lambda: normalizers.Prepend("\u2581"),
            lambda: normalizers.Replace(" ", "\u2581"), lambda: normalizers.Replace(Regex(r"\s+"), " "),
            lambda: normalizers.Replace("th", "zz")])()

    is_bytes = r.random() < 0.5
    has_fallback = not is_bytes and r.random() < 0.5
    tokenizer = Tokenizer(models.BPE(unk_token=r.choice([None, "<unk>"]), fuse_unk=r.random() < 0.5, byte_fallback=has_fallback))
    steps = [normalizer() for _ in range(r.randint(0, 3))]
    if steps:
        tokenizer.normalizer = normalizers.Sequence(steps)
    steps = [cutter() for _ in range(r.randint(0, 2))]
    if is_bytes:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=r.random() < 0.4, use_regex=r.random() < 0.6))
    if steps:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    special = ["<unk>"] + ([f"<0x{b:02X}>" for b in range(256) if r.random() < 0.97] if has_fallback else [])
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=r.choice([400, 800, 1500]), special_tokens=special, show_progress=False, limit_alphabet=r.choice([60, 300]),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if is_bytes and r.random() < 0.8 else []))
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = []
    file["model"]["ignore_merges"] = r.random() < 0.25
    tokenizer = Tokenizer.from_str(json.dumps(file))
    for content in ["[MASK]", "<|endoftext|>", "  ", "ing", "</s>", "the", "\u00e9", "\u2581", "'s"]:
        if r.random() < 0.45:
            flags = {name: r.random() < 0.3 for name in ("single_word", "lstrip", "rstrip")}
            tokenizer.add_tokens([AddedToken(content, normalized=r.random() < 0.5, **flags)])
    tokenizer.add_special_tokens(["<s>"])
    decoder = r.choice([None, decoders.ByteLevel(), decoders.Metaspace(prepend_scheme=r.choice(["always", "first", "never"]))])
    if decoder:
        tokenizer.decoder = decoder
    return tokenizer


def parts(runnel, count):
    r = random.Random(3)
    words = ["the", "and", "thing", "ab", "'s", "12", "345", "e\u0301", "\u00e9t\u00e9", "\u5b57\u5e55", "\u2581", "---", "...", "running"]
    corpus = [" ".join(r.choice(words) + r.choice(["", "", "s", "ing"]) for _ in range(60)) for _ in range(100)]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            path = f"{folder}/{index}.json"
            random_tokenizer(r, corpus).save(path)
            bad += compare(runnel, path, 300, seed=index) > 0
    print(f"{bad} of {count} tokenizers differ")


def speed(runnel, path, source):
    theirs = load(path)
    data = open(source, encoding="utf-8", errors="ignore").read(4_000_000)
    documents = [data[i : i + 4096] for i in range(0, len(data), 4096)]

    def best(work):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    size = len(data.encode())
    batch = best(lambda: theirs.encode_batch(documents))
    whole = best(lambda: theirs.encode(data))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data.encode() * 10)
        file.flush()
        with open(os.devnull, "w") as sink:
            def once(times):
                start = os.times()
                with open(file.name if times else os.devnull) as text:
                    subprocess.run([runnel, "tokenizer", "encode", path], stdin=text, stdout=sink, check=True)
                return os.times().children_user - start.children_user
            loading = min(once(0) for _ in range(3))
            own = (min(once(1) for _ in range(3)) - loading) / 10
    print(f"{size / 1e6:.1f} MB: tokenizers {size / batch / 1e6:.2f} MB/s on documents of 4 kB, {size / whole / 1e6:.2f} on one;"
          f" runnel {size / own / 1e6:.2f} (writing ids as text included), {batch / own:.1f} times and {whole / own:.1f} times;"
          f" loading {loading * 1e3:.0f} ms")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["compare"]:
        count = int(arguments[3]) if len(arguments) > 3 else 100_000
        compare(arguments[1], arguments[2], count)
        random_bytes(arguments[1], arguments[2], count)
    elif arguments[:1] == ["parts"]:
        parts(arguments[1], int(arguments[2]) if len(arguments) > 2 else 50)
    elif arguments[:1] == ["speed"]:
        speed(*arguments[1:])
    else:
        sys.exit(__doc__)
