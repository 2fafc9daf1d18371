"""SentencePiece BPE models and RWKV's vocabulary: golden ids for the tests, differences, and speed.

    env/bin/pip install sentencepiece==0.2.3 rwkv==0.8.32
    sentencepiece_rwkv.py golden                        writes Tests/TextTests/SentencePieceGolden.swift
    sentencepiece_rwkv.py compare RUNNEL FILE [COUNT]   over random Unicode and random bytes
    sentencepiece_rwkv.py trained RUNNEL [COUNT]        the same over models of many settings, trained here
    sentencepiece_rwkv.py speed RUNNEL FILE TEXT        one thread each, best of three

FILE is a tokenizer.model or an rwkv_vocab_v20230424.txt; RUNNEL the built tool.
"""

import base64, json, os, random, struct, subprocess, sys, tempfile
from io import BytesIO

import sentencepiece

HERE = os.path.dirname(os.path.abspath(__file__))
SPACE = "\u2581"


# Protobuf, as far as a model needs it.

def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(pieces, trainer={}, normalizer={}):
    """A model from (text, score, type) and the fields of its two settings."""
    out = b""
    for text, score, kind in pieces:
        out += field(1, field(1, text.encode()) + field(2, float(score)) + (field(3, kind) if kind != 1 else b""))
    out += field(2, b"".join(field(n, v) for n, v in sorted({3: 2, **trainer}.items())))
    return out + field(3, b"".join(field(n, v) for n, v in sorted(normalizer.items())))


def train(lines, **settings):
    out = BytesIO()
    settings = {"model_type": "bpe", "num_threads": 1, "minloglevel": 2, **settings}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, **settings)
    return out.getvalue()


def text_lines(count, seed):
    """Sentences of made-up words in several scripts, frequent ones more often."""
    r = random.Random(seed)
    syllables = "ka lo mi ner ta shu ra el qui \u00f6 \u00e9 \u00f1a \ufb01 \u00df \u5c71 \u5ddd \u6c34 \uff21 \uff76\uff9e \ud55c \uad6d \u044f \u0436 \u03bb".split()
    words = ["".join(r.choice(syllables) for _ in range(r.randrange(1, 5))) for _ in range(600)]
    weights = [1 / (i + 1) for i in range(600)]
    return [" ".join(r.choices(words, weights, k=12)) + r.choice(".!?") + str(r.randrange(2000)) for _ in range(count)]


def golden_models():
    base = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    letters = [(c, -50 - i, 1) for i, c in enumerate("abcd" + SPACE)]
    merged = [("ab", -1, 1), ("bc", -1, 1), ("abc", -2, 1), ("cd", -2, 1), (SPACE + "a", -3, 1), ("dd", -3, 1),
              ("dddd", -4, 1), (SPACE * 2, -4, 1), ("xy", -5, 1), ("xyxy", -6, 1)]
    keep = {3: 0, 4: 0}
    octets = [(f"<0x{i:02X}>", 0, 6) for i in range(256)]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False) as rules:
        for source, target in [("\u00e9", "e\u0301"), ("\ufb01", "fi"), ("\uff21", "A"), ("\u00a0", " "), ("\t", " "),
                               ("\n", " "), ("\u00ad", ""), ("a\u0308", "\u00e4"), ("a\u0308\u0301", "\u01df"),
                               ("\u2026", "..."), ("\u00a8", " \u0308"), ("\u3000", " ")]:
            rules.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
    trained = train(text_lines(300, 1), vocab_size=120, character_coverage=0.99, normalization_rule_tsv=rules.name,
                    user_defined_symbols=["<a>", "<ab>", "lo", "\ufb01!"])
    os.unlink(rules.name)
    return {
        "trained with rules": trained.replace(rules.name.encode(), b"x" * len(rules.name)),
        "ties, unknown runs": model(base + letters + merged),
        "white space kept": model(base + letters + merged, normalizer=keep),
        "white space behind": model(base + letters + merged, {24: 1}),
        "no prefix, no escape": model(base + letters + merged, normalizer={3: 0, 5: 0}),
        "unused": model(base + letters + [(t, s, 5 if t in ("abc", "dddd", "c") else k) for t, s, k in merged]),
        "user-defined": model(base + letters + merged + [("da", 0, 4), (SPACE * 3, 0, 4), ("b b", 0, 4), ("dab", 0, 4)],
                              {44: "\u2049".encode()}, {4: 0}),
        "bytes": model(base + octets + letters + merged, {35: 1}, {4: 0}),
    }


GOLDEN_TEXTS = [
    b"", b" ", b"   ", b"a", b" a ", b"abcd", b"abcabc ddddd", b"xyxyx zz\xc3\xa9zz q", b"a  b   c    d", b"\xe2\x96\x81a\xe2\x96\x81\xe2\x96\x81",
    "ka\u00e9lo \ufb01n \uff21\u00a0\tna\u0308\u0301 \u00ad\u2026 \u00a8".encode(), "<ab><a>kalo\ufb01!lolo".encode(), b"dab da  b b daba   b",
    "\u5c71\u5ddd \ud55c\uad6d \u044f\u0436\u03bb \U0001f680".encode(), b"a\xffb\xe2\x96 \xf0\x9f\x9a", b"\xed\xa0\x80ab\x00cd", b"dddddddddd abababab bcbcbc cdcd\n\r\nabc",
]


def golden():
    lines = ["// SentencePiece models and what sentencepiece 0.2.3 makes of texts with them, by",
             "// tools/golden/sentencepiece_rwkv.py.", "", "// swift-format-ignore-file", "", "import Testing", "",
             "struct SentencePieceGolden: Sendable, CustomTestStringConvertible {", "  let name: String", "  let model: String",
             "  /// Text in base64, ids, decoded text in base64.", "  let texts: [(String, [Int32], String)]",
             "  var testDescription: String { name }", "", "  static let all: [SentencePieceGolden] = ["]
    for name, content in golden_models().items():
        peer = sentencepiece.SentencePieceProcessor(model_proto=content)
        lines += ["    SentencePieceGolden(", f'      name: "{name}",', '      model: """']
        encoded = base64.b64encode(content).decode()
        rows = ["        " + encoded[i:i + 100] for i in range(0, len(encoded), 100)]
        lines += ["\\\n".join(rows), '        """,', "      texts: ["]
        for text in GOLDEN_TEXTS:
            ids = peer.encode(text)
            decoded = base64.b64encode(peer.decode(ids).encode()).decode()
            lines.append(f'        ("{base64.b64encode(text).decode()}", {ids}, "{decoded}"),')
        lines.append("      ]),")
    lines += ["  ]", "}", ""]
    with open(os.path.join(HERE, "../../Tests/TextTests/SentencePieceGolden.swift"), "w") as file:
        file.write("\n".join(lines))


# Comparing.

class SentencePiecePeer:
    def __init__(self, content):
        self.peer = sentencepiece.SentencePieceProcessor(model_proto=content)

    def encode(self, text):
        return self.peer.encode(text)

    def decode(self, ids):
        return self.peer.decode(ids).encode()


class RWKVPeer:
    def __init__(self, path):
        from rwkv.rwkv_tokenizer import TRIE_TOKENIZER
        self.peer = TRIE_TOKENIZER(path)

    def encode(self, text):
        return self.peer.encodeBytes(text)

    def decode(self, ids):
        return self.peer.decodeBytes(ids)


def peer_of(path):
    with open(path, "rb") as file:
        content = file.read()
    return SentencePiecePeer(content) if content[:1] == b"\n" else RWKVPeer(path)


def strings(count, seed, pieces=()):
    """Half random Unicode, half random bytes."""
    r = random.Random(seed)

    def character():
        x = r.random()
        if pieces and x < 0.1:
            return r.choice(pieces)
        if x < 0.4:
            return chr(r.randrange(32, 127))
        if x < 0.45:
            return r.choice("\u2581\u3000\u00a0\u00a8\u0301\u0308\uff21\ufb01\ufdfa\u200b\u00ad\x00")
        if x < 0.6:
            return r.choice(" \n\t\r  aei")
        if x < 0.8:
            return chr(r.randrange(0x80, 0x3000))
        if x < 0.95:
            return chr(r.choice([r.randrange(0x3000, 0xD800), r.randrange(0xE000, 0x10000)]))
        return chr(r.randrange(0x10000, 0x110000))

    for i in range(count):
        if i % 2:
            yield r.randbytes(r.randrange(60))
        else:
            yield "".join(character() for _ in range(r.randrange(60))).encode()


def differences(tool, path, peer, texts):
    lines = "".join('{"bytes": "%s"}\n' % text.hex() for text in texts)
    out = subprocess.run([tool, "tokenizer", "encode", path, "--jsonl"], input=lines.encode(), capture_output=True, check=True)
    answers = [json.loads(line)["ids"] for line in out.stdout.splitlines()]
    assert len(answers) == len(texts), (len(answers), len(texts))
    wrong = 0
    for text, ids in zip(texts, answers):
        expected = peer.encode(text)
        if ids != expected:
            wrong += 1
            if wrong <= 3:
                print("  ", text, ids, expected)
    return wrong


def compare(tool, path, count=200_000):
    peer = peer_of(path)
    texts = list(strings(count, 11))
    print(f"{os.path.basename(path)}: {len(texts)} strings, {differences(tool, path, peer, texts)} differ")


def trained(tool, count=4000):
    settings = {
        "default (nmt_nfkc)": {}, "nmt_nfkc_cf": dict(normalization_rule_name="nmt_nfkc_cf"),
        "byte_fallback": dict(byte_fallback=True, vocab_size=700),
        "identity, white space kept": dict(normalization_rule_name="identity", remove_extra_whitespaces=False),
        "identity": dict(normalization_rule_name="identity"), "white space kept": dict(remove_extra_whitespaces=False),
        "no prefix": dict(add_dummy_prefix=False), "no prefix, kept": dict(add_dummy_prefix=False, remove_extra_whitespaces=False),
        "suffix": dict(treat_whitespace_as_suffix=True),
        "user-defined": dict(user_defined_symbols=["<a>", "<ab>", "kal", "lo", SPACE * 2, "\u5c71\u5ddd", "x y", "\n", SPACE + "mi", "\uff21", SPACE]),
        "user-defined, kept": dict(user_defined_symbols=["<a>", "<ab>", "a", "b b", SPACE * 2, SPACE * 4, "\ufb01"], remove_extra_whitespaces=False, byte_fallback=True, vocab_size=700),
        "white space alone": dict(allow_whitespace_only_pieces=True, remove_extra_whitespaces=False, split_by_whitespace=False, byte_fallback=True, vocab_size=900),
        "over white space": dict(split_by_whitespace=False, split_by_unicode_script=False, split_by_number=False, max_sentencepiece_length=30, vocab_size=800),
    }
    pieces = ["ka", "lo", "mi", "ner ", "<a>", "<ab", "kal", "x y", "b b", "a", "  ", "\u5c71\u5ddd", SPACE, SPACE + "mi"]
    for name, setting in settings.items():
        content = train(text_lines(4000, 3), **{"vocab_size": 500, "character_coverage": 0.998, **setting})
        with tempfile.NamedTemporaryFile(suffix=".model") as file:
            file.write(content)
            file.flush()
            texts = list(strings(count, 5, pieces)) + [line.encode() for line in text_lines(500, 9)]
            peer = SentencePiecePeer(content)
            print(f"{name}: {len(texts)} strings, {differences(tool, file.name, peer, texts)} differ")


def speed(tool, path, text):
    """Processor time of the tool's run, less that of an empty input, against the peer's call on every line."""
    peer = peer_of(path)
    with open(text, "rb") as file:
        content = file.read()
    lines = content.splitlines(keepends=True)

    def best(work):
        times = []
        for _ in range(3):
            start = sum(os.times()[:4])
            work()
            times.append(sum(os.times()[:4]) - start)
        return min(times)

    def encode(data):
        subprocess.run([tool, "tokenizer", "encode", path], input=data, stdout=subprocess.DEVNULL, check=True)

    ours = best(lambda: encode(content)) - best(lambda: encode(b""))
    theirs = best(lambda: [peer.encode(line) for line in lines])
    print(f"{os.path.basename(path)}: {len(content) / 1e6:.1f} MB, runnel {len(content) / ours / 1e6:.1f} MB/s, "
          f"peer {len(content) / theirs / 1e6:.2f} MB/s, ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    verbs = {"golden": golden, "compare": compare, "trained": trained, "speed": speed}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*[int(a) if a.isdigit() else a for a in sys.argv[2:]])
