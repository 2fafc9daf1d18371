"""Asks PyPI tokenizers about every character, and writes what it knows of Unicode: Sources/Text/Unicode/Scripts.swift and
CompatibilityDecompositions.swift. `check` instead compares with PyPI tiktoken, whose expressions must know the same, and `words`
prints what Tests/TextTests/TokenizerJSONTests.swift has of the scripts that cut words.

    env/bin/pip install tokenizers==0.23.3 tiktoken==0.14.0
    env/bin/python tools/golden/unicode.py [check | words]
"""
import re, sys, textwrap
from tokenizers import Regex, normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, ALL))
FOLDER = "Sources/Text/Unicode/"
NAMES = re.findall(r"^ +([A-Z][A-Za-z_]+):", open(FOLDER + "Scripts.swift").read(), re.M)


def runs(pattern):
    """The ranges of characters that match, by the library behind tokenizer.json."""
    found = []
    for _, (start, end) in pre_tokenizers.Split(Regex(pattern + "+"), "removed", invert=True).pre_tokenize_str(TEXT):
        first = start
        for place in range(start + 1, end + 1):
            if place == end or ALL[place] != ALL[place - 1] + 1:
                found.append((ALL[first], ALL[place - 1]))
                first = place
    joined = []
    for first, last in found:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def wrapped(lines):
    """Words as lines of a Swift string, each line of which ends where the next begins."""
    out = []
    for line in lines:
        parts = textwrap.wrap(line, 112, break_long_words=False, break_on_hyphens=False)
        out += ["    " + part + (" \\" if part is not parts[-1] else "") for part in parts]
    return "\n".join(out)


def replace_text(file, text):
    source = open(FOLDER + file).read()
    head, rest = source.split('"""\n', 1)
    open(FOLDER + file, "w").write(head + '"""\n' + text + "\n    " + rest[rest.index('"""'):])


def scripts():
    lines = []
    for name in NAMES:
        above, words = 0, []
        for first, last in runs(r"\p{%s}" % name):
            words.append("%x" % (first - above) + (".%x" % (last - first + 1) if last > first else ""))
            above = last + 1
        lines.append(f"{name}: " + " ".join(words))
    replace_text("Scripts.swift", wrapped(lines))


def compatibility():
    canonical, compatible = normalizers.NFD(), normalizers.NFKD()
    parts = {}
    for code in ALL:
        text = chr(code)
        if canonical.normalize_str(text) == text and (other := compatible.normalize_str(text)) != text:
            parts[code] = [ord(c) for c in other]
    words, before, codes = [], 0, sorted(parts)
    while codes:
        code = codes[0]
        count = 1
        while count < len(codes) and codes[count] == code + count and parts[code + count] == parts[code][:-1] + [parts[code][-1] + count]:
            count += 1
        step = code - before
        words.append(("" if step == 1 else "%x" % step) + ("*%x" % count if count > 1 else "") + "=" + "+".join("%x" % p for p in parts[code]))
        before = code + count - 1
        codes = codes[count:]
    replace_text("CompatibilityDecompositions.swift", wrapped([" ".join(words)]))


def check():
    import tiktoken
    ranks = {bytes([b]): b for b in range(256)}
    categories = "L N M P S Z C Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
    for name in NAMES + categories:
        encoding = tiktoken.Encoding("x", pat_str=r"\p{%s}+" % name, mergeable_ranks=ranks, special_tokens={})
        theirs = "".join(bytes(encoding.encode_ordinary(TEXT[i:i + 20_000])).decode() for i in range(0, len(TEXT), 20_000))
        ours = "".join(chr(c) for first, last in runs(r"\p{%s}" % name) for c in range(first, last + 1) if not 0xD800 <= c < 0xE000)
        if theirs != ours:
            print(name, "differs")


def word_scripts():
    """Prints how UnicodeScripts cuts: a digest of the runs of characters that it tells from each other."""
    import hashlib
    cut = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    table = [0] * 0x110000
    firsts = []
    for code in ALL:
        if cut(chr(code)):
            same = next((i for i, first in enumerate(firsts) if len(cut(chr(first) + chr(code))) == 1), None)
            if same is None:
                same = len(firsts)
                firsts.append(code)
            table[code] = same + 1
    text = "".join(f"{i:x}:{table[i]} " for i in range(0x110000) if i == 0 or table[i] != table[i - 1])
    print(len(firsts), hashlib.sha256(text.encode()).hexdigest())


if sys.argv[1:] == ["check"]:
    check()
elif sys.argv[1:] == ["words"]:
    word_scripts()
else:
    scripts()
    compatibility()
