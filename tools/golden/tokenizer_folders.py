"""Folders of small tokenizers as transformers' classes read them: writes Tests/TextTests/TokenizerFolders.swift.

    env/bin/pip install 'transformers==4.57.6' 'tokenizers==0.22.2'
    env/bin/python tools/golden/tokenizer_folders.py Tests/TextTests/TokenizerFolders.swift
    env/bin/python tools/golden/tokenizer_folders.py compare RUNNEL [COUNT]    random texts in every folder

The vocabulary is made here: the letters for bytes and a few merges.
"""

import json, logging, os, random, subprocess, sys, tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
logging.disable(logging.WARNING)
from transformers import AutoTokenizer, GPT2TokenizerFast
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

LETTERS = list(bytes_to_unicode().values())
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "Ġ"), ("ĠĠ", "ĠĠ"), ("'", "s"), ("'", "S"), ("1", "1"), ("Ã", "©"),
          ("<", "|"), ("Ċ", "Ċ"), ("Ġ", "a")]
TOKENS = LETTERS + [a + b for a, b in MERGES]
N = len(TOKENS)
TEXTS = ["", "the a", " the  a\n\n  b", "a<|endoftext|>the", "x <|im_start|>the<|im_end|> y", "e\u0301\u00e9 THE'S 'tIs", "112 1",
         "a    <s> b</s>\t\tc", "<mask> <pad><x> <tool>11<tool>"]


def vocabulary(extra):
    return {token: i for i, token in enumerate(TOKENS + extra)}


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True, **flags}


def pair(extra, **files):
    merges = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES)
    return {"vocab.json": json.dumps(vocabulary(extra)), "merges.txt": merges, **{n.replace("__", ".") : json.dumps(c) for n, c in files.items()}}


def one(extra, added, post=None, prefix=False, **files):
    """A tokenizer.json of GPT-2's kind."""
    ids = vocabulary(extra + [t["content"] for t in added if t["content"] not in extra])
    level = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True}
    content = {"version": "1.0", "truncation": None, "padding": None,
               "added_tokens": [{"id": ids[t["content"]], **t} for t in added],
               "normalizer": None, "pre_tokenizer": level, "post_processor": post, "decoder": level,
               "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                         "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                         "vocab": vocabulary(extra), "merges": [f"{a} {b}" for a, b in MERGES]}}
    return {"tokenizer.json": json.dumps(content), **{n.replace("__", ".") : json.dumps(c) for n, c in files.items()}}


def config(name, **members):
    return {"tokenizer_class": name, **members}


END = "<|endoftext|>"
CHAT = {str(N): token(END), str(N + 1): token("<|im_start|>"), str(N + 2): token("<|im_end|>"), str(N + 3): token("<tool>", special=False)}
MARKS = ["<s>", "</s>", "<unk>"]
CASES = {
    "GPT-2's class adds its end": pair([], tokenizer_config__json=config("GPT2Tokenizer")),
    "no class is GPT-2's": pair([END], special_tokens_map__json={"eos_token": END}),
    "GPT-2 with a beginning, a space before each text and more tokens": pair(
        [END], tokenizer_config__json=config("GPT2Tokenizer", add_bos_token=True, add_prefix_space=True, pad_token="<pad>",
                                             additional_special_tokens=["<x>"])),
    "GPT-2 with an end that takes the space before it": pair(
        [END], tokenizer_config__json=config("GPT2TokenizerFast", eos_token={"__type": "AddedToken", **token("<tool>", lstrip=True, normalized=True)})),
    "tokens of an older folder": pair(
        [END], tokenizer_config__json=config("GPT2Tokenizer"), special_tokens_map__json={"eos_token": token("<x>", normalized=True), "pad_token": "<pad>"},
        added_tokens__json={"<pad>": N + 1, "<tool>": N + 2, "<x>": N + 3}),
    "special tokens are text where the folder says so": pair([END], tokenizer_config__json=config("GPT2Tokenizer", split_special_tokens=True)),
    "tokens with names of the model's own": pair([END], tokenizer_config__json=config("GPT2Tokenizer", extra_special_tokens={"tool_token": "<tool>"})),
    "Qwen2: NFC, its own words, tokens that follow the vocabulary": pair(
        [], tokenizer_config__json=config("Qwen2Tokenizer", bos_token=None, unk_token=None, eos_token="<|im_end|>", pad_token=END,
                                          additional_special_tokens=["<|im_start|>", "<|im_end|>"], add_prefix_space=False,
                                          added_tokens_decoder=CHAT)),
    "Qwen2 alone": pair([], tokenizer_config__json=config("Qwen2Tokenizer")),
    "CodeGen: runs of spaces": pair([END], tokenizer_config__json=config("CodeGenTokenizer"), added_tokens__json={"  ": N + 2, "\t\t": N + 1, "    ": N + 3}),
    "RoBERTa: every text between two tokens": pair(MARKS + ["<pad>", "<mask>"], tokenizer_config__json=config("RobertaTokenizer")),
    "a tokenizer.json to which the folder adds": one(
        [END], [token(END)], tokenizer_config__json=config("PreTrainedTokenizerFast", eos_token="<|im_end|>", added_tokens_decoder={
            str(N): token(END), str(N + 1): token("<|im_start|>"), str(N + 2): token("<|im_end|>")})),
    "a tokenizer.json and an end that it lacks": one([], [token("<tool>", special=False)], tokenizer_config__json=config("PreTrainedTokenizerFast", eos_token=END)),
    "a tokenizer.json whose token the folder has otherwise": one(
        [END], [token(END), token("<tool>", special=False)], tokenizer_config__json=config("PreTrainedTokenizerFast", added_tokens_decoder={
            str(N): token(END), str(N + 1): token("<tool>", special=False, lstrip=True)})),
    "a tokenizer.json and a space before each text": one([END], [token(END)], tokenizer_config__json=config("GPT2Tokenizer", add_prefix_space=True)),
    "a tokenizer.json without the space that the file asks for": one([END], [token(END)], prefix=True, tokenizer_config__json=config("GPT2Tokenizer", add_prefix_space=False)),
    "Llama's class makes the template": one(MARKS, [token(t) for t in MARKS], tokenizer_config__json=config("LlamaTokenizer")),
    "Llama's class with an end and no beginning": one(MARKS, [token(t) for t in MARKS], tokenizer_config__json=config("LlamaTokenizerFast", add_bos_token=False, add_eos_token=True)),
    "GPT-NeoX with both": one([END], [token(END)], tokenizer_config__json=config("GPTNeoXTokenizer", add_bos_token=True, add_eos_token=True)),
    "GPT-NeoX takes a template away": one(
        [END], [token(END)], post={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                                   "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                                   "special_tokens": {END: {"id": END, "ids": [N], "tokens": [END]}}},
        tokenizer_config__json=config("GPTNeoXTokenizerFast")),
}
REFUSED = {
    "CLIPTokenizer": pair([], tokenizer_config__json=config("CLIPTokenizer")),
    "PreTrainedTokenizer": pair([], tokenizer_config__json=config("PreTrainedTokenizerFast")),
    "HerbertTokenizer": pair([], tokenizer_config__json=config("HerbertTokenizerFast")),
}


def write(folder, files):
    for name, content in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)


def answer(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return {"text": text, "ids": ids, "special": tokenizer(text)["input_ids"],
            "split": tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"],
            "decoded": tokenizer.decode(ids, clean_up_tokenization_spaces=False)}


def original(files):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, files)
        maker = AutoTokenizer if "tokenizer_config.json" in files else GPT2TokenizerFast
        return maker.from_pretrained(folder)


def lines_of(items, begin="", end=""):
    """Items of JSON on lines that are not too long."""
    lines = [begin]
    for i, item in enumerate(items):
        word = item + (", " if i < len(items) - 1 else end)
        lines[-1:] = [lines[-1], word] if len(lines[-1] + word) > 100 else [lines[-1] + word]
    return "\n".join("    " + line.rstrip() for line in lines)


def swift(path):
    lines = []
    for name, files in CASES.items():
        tokenizer = original(files)
        # The vocabulary stands in every folder; the test puts it in.
        shared = {n: c.replace(json.dumps(vocabulary([]))[1:-1], "VOCABULARY").replace(
            json.dumps([f"{a} {b}" for a, b in MERGES]), "MERGES") for n, c in files.items() if n != "merges.txt"}
        lines.append(json.dumps({"name": name, "files": shared, "begin": tokenizer.bos_token_id, "end": tokenizer.eos_token_id,
                                 "texts": [answer(tokenizer, t) for t in TEXTS]}))
    for name, files in REFUSED.items():
        lines.append(json.dumps({"name": name, "files": {n: c.replace(json.dumps(vocabulary([]))[1:-1], "VOCABULARY")
                                                         for n, c in files.items() if n != "merges.txt"}, "texts": []}))
    head = '''/// Folders of small tokenizers, and what transformers 4.57.6 makes of some texts in them: without special tokens around
/// them, with them, and with special tokens as text. Written by `tools/golden/tokenizer_folders.py`.

enum TokenizerFolders {
  /// VOCABULARY and MERGES in the files.
  static let vocabulary = ##"""
%s
    """##
  static let merges = ##"""
%s
    """##

  /// A folder in JSON on every line. Those without texts are refused.
  static let folders = ##"""
''' % (lines_of([json.dumps({t: i})[1:-1] for t, i in vocabulary([]).items()]),
       lines_of([json.dumps(f"{a} {b}") for a, b in MERGES], "[", "]"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + "".join("    " + line + "\n" for line in lines) + '    """##\n}\n')


def compare(runnel, count):
    r = random.Random(3)
    pieces = [t.strip() or t for t in " ".join(TEXTS).split(" ")] + [END, "<|im_start|>", "<tool>", "<s>", "</s>", "<x>", "<pad>", "<mask>",
              " ", "  ", "   ", "\n", "\r\n", "\t", "the", "'s", "11", "e\u0301", "\u00e9", "\u5b57", "A\u030a", "<|", "|>", "a"]
    for name, files in CASES.items():
        tokenizer, different = original(files), 0
        texts = ["".join(r.choice(pieces) for _ in range(r.randint(0, 12))) for _ in range(count)]
        with tempfile.TemporaryDirectory() as folder:
            write(folder, files)
            for option, field in [([], "ids"), (["--add-special-tokens"], "special"), (["--split-special-tokens"], "split")]:
                run = subprocess.run([runnel, "tokenizer", "encode", folder, "--jsonl", *option], capture_output=True, text=True,
                                     input="".join(json.dumps({"text": t}) + "\n" for t in texts))
                if run.returncode:
                    sys.exit(f"{name}: {run.stderr}")
                for text, line in zip(texts, run.stdout.splitlines(), strict=True):
                    if json.loads(line)["ids"] != answer(tokenizer, text)[field]:
                        different += 1
                        print("  ", field, ascii(text), json.loads(line)["ids"], answer(tokenizer, text)[field])
        print(f"{name}: {count} texts, {different} differ")


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 500)
    else:
        swift(sys.argv[1])
