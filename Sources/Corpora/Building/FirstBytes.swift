// What the first bytes of an input say that it is: text, text in another encoding, or something that is no text.

import RunnelFiles

/// What a stream of bytes begins as.
enum FirstBytes: Equatable {
  /// Text as it is, behind a byte order mark of so many bytes.
  case text(mark: Int)
  /// Text in wider units, with a byte order mark.
  case wide(WideText.Unit)
  case zstd
  case other(Signature)

  /// Bytes that tell everything that is told here, tar's place for its name included.
  static let enough = 262

  /// Nil where more bytes may tell another kind.
  ///
  /// - Parameter isAll: nothing follows `head`.
  init?(_ head: [UInt8], isAll: Bool) {
    let marks: [(bytes: [UInt8], kind: FirstBytes)] =
      [([0xEF, 0xBB, 0xBF], .text(mark: 3)), ([0x28, 0xB5, 0x2F, 0xFD], .zstd)]
      // The longest first: UTF-32's mark begins with that of UTF-16.
      + WideText.Unit.all.map { ($0.mark, .wide($0)) }
    var isOpen = false
    for signature in Signature.all where !signature.magic.isEmpty {
      switch signature.compare(head) {
      case .differs: continue
      case .agrees:
        self = .other(signature)
        return
      case .isCutShort: isOpen = isOpen || !isAll
      }
    }
    // A skippable frame may begin any zstd stream; one of ours begins a corpus, which has been looked for above.
    let isSkippable = head.count >= 4 && head[0] & 0xF0 == 0x50 && head[1..<4] == [0x2A, 0x4D, 0x18]
    for mark in marks {
      if head.starts(with: mark.bytes), !isOpen {
        self = mark.kind
        return
      }
      if head.count < mark.bytes.count, mark.bytes.starts(with: head) { isOpen = isOpen || !isAll }
    }
    if head.count < 4, !head.isEmpty, head[0] & 0xF0 == 0x50, [0x2A, 0x4D].starts(with: head.dropFirst()) {
      isOpen = isOpen || !isAll
    }
    if isOpen || head.isEmpty && !isAll { return nil }
    if isSkippable {
      self = .zstd
    } else if let unmarked = UnmarkedText(head).signature {
      self = .other(unmarked)
    } else {
      self = .text(mark: 0)
    }
  }
}

/// A kind of file that is no text: how it begins, how it is called, and how text comes out of it.
struct Signature: Equatable {
  let what: String
  /// Where its first bytes lie; nil stands for any byte.
  var magic: [UInt8?] = []
  var offset = 0
  /// How its name ends.
  var suffixes: [String] = []
  /// A command that prints its text, or what else to do.
  var command: String?
  var remedy: String?

  enum Comparison { case agrees, differs, isCutShort }

  func compare(_ head: [UInt8]) -> Comparison {
    let part = head.dropFirst(offset)
    guard zip(part, magic).allSatisfy({ $1 == nil || $0 == $1 }) else { return .differs }
    if part.count >= magic.count { return .agrees }
    // Whoever reads as text comes is not kept waiting for the middle of a file.
    return offset > 0 ? .differs : .isCutShort
  }

  /// What to do, for who reads text with `reader`, such as `runnel corpus build OUT -`.
  func advice(for reader: String) -> String {
    command.map { "print its text into a pipe: \($0) | \(reader)" } ?? remedy ?? "make text of it first"
  }

  /// What to do, for who reads bare token ids.
  var adviceForIds: String {
    if self == Self.array { return "write them bare with tofile()" }
    if let command { return "print its ids into a file: \(command) > ids.bin" }
    return self == Self.corpus ? remedy ?? "" : "name the file of ids"
  }

  /// The kind that a file's name says.
  static func named(_ path: String) -> Signature? {
    let name = path.lowercased()
    return all.first { $0.suffixes.contains { name.hasSuffix($0) } }
  }

  private static func ascii(_ text: String) -> [UInt8?] { text.utf8.map { $0 } }
  private static let toLines =
    "write its text as .jsonl first, as pandas does with to_json(orient=\"records\", lines=True)"
  private static let isImported = "`runnel corpus import` reads token ids"

  static let corpus = Signature(
    what: "a corpus", magic: [0x52, 0x2A, 0x4D, 0x18, nil, nil, nil, nil] + ascii("RNLB"),
    suffixes: [".tokens.zst"],
    remedy: "`runnel corpus merge` joins corpora, and `runnel corpus cat --jsonl` prints their documents")

  static let array = Signature(
    what: "a NumPy array", magic: [0x93] + ascii("NUMPY"), suffixes: [".npy"],
    remedy: isImported + ": write them bare with tofile()")

  /// Text comes out of it without a command.
  static let zstd = Signature(
    what: "zstd data", magic: [0x28, 0xB5, 0x2F, 0xFD], command: "zstd -dc FILE")

  static let all: [Signature] = [
    .init(what: "gzip data", magic: [0x1F, 0x8B], suffixes: [".gz", ".tgz"], command: "zcat < FILE"),
    .init(
      what: "xz data", magic: [0xFD] + ascii("7zXZ\0"), suffixes: [".xz", ".lzma"], command: "xz -dc < FILE"),
    .init(
      what: "bzip2 data", magic: ascii("BZh") + [nil, 0x31, 0x41, 0x59, 0x26], suffixes: [".bz2"],
      command: "bzip2 -dc < FILE"),
    .init(what: "lz4 data", magic: [0x04, 0x22, 0x4D, 0x18], suffixes: [".lz4"], command: "lz4 -dc < FILE"),
    .init(what: "a zip archive", magic: ascii("PK\u{3}\u{4}"), suffixes: [".zip"], command: "unzip -p FILE"),
    .init(
      what: "a 7z archive", magic: [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], suffixes: [".7z"],
      command: "7z x -so FILE"),
    .init(
      what: "a tar archive", magic: ascii("ustar"), offset: 257, suffixes: [".tar"],
      command: "tar -xOf FILE"),
    .init(what: "a PDF", magic: ascii("%PDF-"), suffixes: [".pdf"], command: "pdftotext FILE -"),
    .init(what: "a Parquet file", magic: ascii("PAR1"), suffixes: [".parquet"], remedy: toLines),
    .init(what: "an Arrow file", magic: ascii("ARROW1"), suffixes: [".arrow", ".feather"], remedy: toLines),
    .init(
      what: "an HDF5 file", magic: [0x89] + ascii("HDF\r\n"), suffixes: [".h5", ".hdf5"], remedy: toLines),
    .init(
      what: "a SQLite database", magic: ascii("SQLite format 3\0"), suffixes: [".sqlite"], remedy: toLines),
    array,
    .init(what: "a file of llm.c's token ids", magic: [0x88, 0xD8, 0x34, 0x01], remedy: isImported),
    .init(what: "a file of llm.c's token ids", magic: [0xA1, 0xD9, 0x34, 0x01], remedy: isImported),
    .init(what: "Megatron's index", magic: ascii("MMIDIDX\0"), suffixes: [".idx"], remedy: isImported),
    corpus,
    // With the version, as a text may begin with the word.
    .init(
      what: "a model", magic: ascii("GGUF") + [3, 0, 0, 0], suffixes: [".gguf", ".safetensors", ".pth"]),
    // safetensors: the size of its header, below 16 MiB, in eight bytes, and the header.
    .init(what: "a model", magic: [0, 0, 0, 0, 0] + ascii("{\""), offset: 3),
    .init(what: "a model", magic: ascii("GGUF") + [2, 0, 0, 0]),
    .init(what: "a model", magic: ascii("GGUF") + [1, 0, 0, 0]),
    .init(what: "a PNG image", magic: [0x89] + ascii("PNG\r\n"), suffixes: [".png"]),
    .init(what: "a JPEG image", magic: [0xFF, 0xD8, 0xFF], suffixes: [".jpg", ".jpeg"]),
    .init(what: "a GIF image", magic: ascii("GIF89a"), suffixes: [".gif"]),
    .init(what: "a program", magic: [0x7F] + ascii("ELF")),
  ]
}
