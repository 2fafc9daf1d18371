#!/usr/bin/env python3
"""Reads a corpus file with nothing but docs/corpus-format.md and PyPI's zstandard.

  read_corpus.py CORPUS                 prints the header
  read_corpus.py CORPUS --tokens A:B    prints the ids of tokens A to B, decoding only the frames that hold them
  read_corpus.py CORPUS --document N    prints the ids of a document
  read_corpus.py CORPUS --tokenizer     prints the tokenizer's file
"""

import argparse, json, struct, sys

import zstandard


class Corpus:
    def __init__(self, path):
        self.file = open(path, "rb")
        size = self.file.seek(0, 2)
        count, descriptor, magic = struct.unpack("<IBI", self.read(size - 9, 9))
        assert magic == 0x8F92EAB1 and descriptor == 0x80, "no seek table with checksums at the end"
        start = size - (12 * count + 17)
        table = self.read(start, 12 * count + 17)
        assert struct.unpack("<II", table[:8]) == (0x184D2A5E, 12 * count + 9), "a damaged seek table"
        self.tokenizer = None
        self.frames, self.starts, offset = [], [], 0  # data frames: (offset, size, bytes of ids)
        for packed, content, _ in struct.iter_unpack("<III", table[8:-9]):
            if content:
                self.frames.append((offset, packed, content))
            else:
                self.block(self.read(offset, packed))
            offset += packed
        assert offset == start, "the frames do not fill the file"
        self.width = {"u8": 1, "u16": 2, "u32": 4}[self.header["dtype"]]

    def read(self, offset, count):
        self.file.seek(offset)
        return self.file.read(count)

    def block(self, frame):
        if struct.unpack_from("<I", frame)[0] != 0x184D2A52:
            return
        tag, body = frame[8:12], frame[16:-8]
        if tag == b"RNLH":
            self.header = json.loads(body)
        elif tag == b"RNLT":
            length, size = struct.unpack_from("<IQ", body)
            self.tokenizer = zstandard.ZstdDecompressor().decompress(body[12 + length :])
            assert len(self.tokenizer) == size, "a damaged tokenizer"
        elif tag == b"RNLD":
            start, at = 0, 16
            while at < len(body):
                value = shift = 0
                while True:
                    byte, at = body[at], at + 1
                    value |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                start += value
                self.starts.append(start)

    def tokens(self, first, end):
        ids, position = [], 0
        for offset, packed, content in self.frames:
            a, b = max(first, position), min(end, position + content // self.width)
            if a < b:
                data = zstandard.ZstdDecompressor().decompress(self.read(offset, packed))
                part = data[(a - position) * self.width : (b - position) * self.width]
                ids += struct.unpack(f"<{b - a}{' BH I'[self.width]}", part)
            position += content // self.width
        return ids

    def document(self, n):
        ends = self.starts[1:] + [self.header["tokens"]]
        return self.tokens(self.starts[n], ends[n])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--tokens", metavar="A:B")
    parser.add_argument("--document", type=int, metavar="N")
    parser.add_argument("--tokenizer", action="store_true")
    options = parser.parse_args()
    corpus = Corpus(options.corpus)
    if options.tokens:
        print(*corpus.tokens(*map(int, options.tokens.split(":"))))
    elif options.document is not None:
        print(*corpus.document(options.document))
    elif options.tokenizer:
        if corpus.tokenizer is None:
            sys.exit(f"{options.corpus} keeps no tokenizer")
        sys.stdout.buffer.write(corpus.tokenizer)
    else:
        json.dump(corpus.header, sys.stdout, indent=2)
        print()
