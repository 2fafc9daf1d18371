"""Writes Tests/TextTests/RankedGolden.swift: what PyPI tiktoken makes of a small vocabulary in each of its encodings, and
mistral-common of a small tekken.json.

    env/bin/pip install tiktoken==0.14.0 mistral-common==1.13.1
    env/bin/python tools/golden/ranked_tokenizers.py Tests/TextTests/RankedGolden.swift
"""
import base64, json, os, random, sys, tempfile, unicodedata
import tiktoken, tiktoken_ext.openai_public as public
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

# Tokens beyond the 256 bytes, in the order of their ranks; halves, overlaps and runs among them.
MORE = ["th", "he", "the", " the", "in", "ing", "aa", "aaa", "aaaaa", "  ", "   ", "      ", "\n\n", " \n", "12", "23", "123",
        "'s", "'S", "é", "字", " a", "ab", "bc", "abc", "!!", "..", "...", "ſ", "Th", "THE", "s t", "\r\n", "//", "/\n", "<|"]
RANKS = {bytes([b]): b for b in range(256)} | {t.encode(): 256 + i for i, t in enumerate(MORE)}
PIECES = MORE + ["'ſ", "a", "b", " ", "\n", "\r", "\t", "E", "T", "h", "1", "२", "\u3000", "e\u0301", "ß", "<|endoftext|>",
                 "<|endof", "<|im_end|>", "?", "-", "Ⅷ", "한", "ab'll", "x've", "\u200d", "\u0e01\u0e33"]
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

public.load_tiktoken_bpe = lambda *a, **k: RANKS
encodings = {}
for name in ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"]:
    given = getattr(public, name)()
    encodings[name] = tiktoken.Encoding(name, pat_str=given["pat_str"], mergeable_ranks=RANKS, special_tokens=given["special_tokens"])
extras = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]
encodings["qwen"] = tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=RANKS,
                                      special_tokens={t: 151643 + i for i, t in enumerate(extras)})

O200K = encodings["o200k_base"]._pat_str
tekken = {"config": {"pattern": O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}"),
                     "num_vocab_tokens": len(RANKS), "default_vocab_size": 30 + len(RANKS) - 4, "default_num_special_tokens": 30,
                     "version": "v3"},
          "vocab": [{"rank": r, "token_bytes": base64.b64encode(t).decode(), "token_str": None} for t, r in RANKS.items()]}
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "tekken.json")
    json.dump(tekken, open(path, "w"))
    mistral = Tekkenizer.from_file(path)

r = random.Random(7)
texts = ["", "the <|endoftext|>the", "  \n  ", "a  \n  \n the", "aaaaaaaa", "       x", "12345", "'S'ſthe'LL"]
texts += ["".join(r.choice(PIECES) for _ in range(r.randint(1, 12))) for _ in range(40)]


def literal(s):
    return '"' + "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\' else "\\u{%X}" % ord(c) for c in s) + '"'


out = ["""/// What PyPI tiktoken 0.14.0 and mistral-common 1.13.1 make of some texts with a small vocabulary: written by
/// `tools/golden/ranked_tokenizers.py`.

enum RankedGolden {
  /// The tokens beyond the 256 bytes, in the order of their ranks.
  static let more = ["""]
out += [f"    {literal(t)}," for t in MORE]
out += ["  ]", "", '  static let tekken = #"' + json.dumps(tekken["config"]) + '"#', "",
        "  static let texts: [String] = ["] + [f"    {literal(t)}," for t in texts] + ["  ]", "",
        "  /// Per encoding and text.", "  static let ids: [(encoding: String, ids: [[Int32]])] = ["]
for name, encoding in encodings.items():
    out.append(f'    ("{name}", [')
    for t in texts:
        given = unicodedata.normalize("NFC", t) if name == "qwen" else t
        out.append(f"      {encoding.encode(given, allowed_special='all')},")
    out.append("    ]),")
out.append('    ("tekken", [')
out += [f"      {mistral.encode(t, bos=False, eos=False)}," for t in texts] + ["    ]),", "  ]", "}", ""]
open(sys.argv[1], "w").write("\n".join(out))
