/// What `tokenizer info` prints.

import RunnelFiles

/// The kind of a tokenizer, the parts that its file names, and its special tokens.
public struct TokenizerSummary: Sendable, Equatable {
  /// `bytes`, `BPE`, `SentencePiece`, `RWKV World`, `tiktoken` or `tekken`.
  public var kind: String
  /// The `type` of a `tokenizer.json`'s normalizer, pre-tokenizer and decoder, of a sequence those of its parts; nil where it
  /// has none.
  public var normalizer, preTokenizer, decoder: String?
  /// The number of merges of a `tokenizer.json`; nil where it lists none.
  public var merges: Int?
  /// The tokens that stand for no text, by id.
  public var specialTokens: [(id: Int, token: String)] = []

  public static func == (a: Self, b: Self) -> Bool {
    a.kind == b.kind && a.normalizer == b.normalizer && a.preTokenizer == b.preTokenizer
      && a.decoder == b.decoder && a.merges == b.merges
      && a.specialTokens.elementsEqual(b.specialTokens, by: ==)
  }

  /// - Throws: where its JSON is not sound.
  public init(_ tokenizer: any Tokenizer) throws(FileError) {
    kind = "bytes"
    guard let file = tokenizer.file else { return }
    switch Tokenizers.Kind(file) {
    case .sentencePiece, nil:
      kind = "SentencePiece"
      return
    case .rwkv:
      kind = "RWKV World"
      return
    case .tiktoken, .tekken:
      kind = Tokenizers.Kind(file) == .tekken ? "tekken" : "tiktoken"
      // All that are not of the ranked vocabulary are special.
      specialTokens = (tokenizer as? BPETokenizer)?.addedTokens ?? []
      return
    case .tokenizerJSON: break
    }
    var scanner = JSONScanner(file.bytes, file: file.name)
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      switch key {
      case "normalizer": normalizer = try Self.type(&scanner, "normalizers")
      case "pre_tokenizer": preTokenizer = try Self.type(&scanner, "pretokenizers")
      case "decoder": decoder = try Self.type(&scanner, "decoders")
      case "added_tokens": try readAdded(&scanner)
      case "model": try readModel(&scanner)
      default: try scanner.skipValue()
      }
    }
    try scanner.finish()
    specialTokens.sort { $0.id < $1.id }
  }

  /// The type of a part; of a sequence the types of its parts, which stand under `list`.
  private static func type(_ scanner: inout JSONScanner, _ list: String) throws(FileError) -> String? {
    guard scanner.kind() == .object else {
      try scanner.skipValue()
      return nil
    }
    var name: String?
    var parts: [String] = []
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      if key == "type" && scanner.kind() == .string {
        name = try scanner.string()
      } else if key == list && scanner.kind() == .array {
        try scanner.beginArray()
        while try scanner.nextElement() {
          if let part = try type(&scanner, list) { parts.append(part) }
        }
      } else {
        try scanner.skipValue()
      }
    }
    return parts.isEmpty ? name : parts.joined(separator: ", ")
  }

  private mutating func readAdded(_ scanner: inout JSONScanner) throws(FileError) {
    guard scanner.kind() == .array else { return try scanner.skipValue() }
    try scanner.beginArray()
    while try scanner.nextElement() {
      var (id, token, isSpecial) = (0, "", false)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        switch key {
        case "id": id = try scanner.integer()
        case "content": token = try scanner.string()
        case "special": isSpecial = try scanner.boolean()
        default: try scanner.skipValue()
        }
      }
      if isSpecial { specialTokens.append((id, token)) }
    }
  }

  private mutating func readModel(_ scanner: inout JSONScanner) throws(FileError) {
    guard scanner.kind() == .object else { return try scanner.skipValue() }
    kind = "BPE"
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      if key == "type" && scanner.kind() == .string {
        kind = try scanner.string()
      } else if key == "merges" && scanner.kind() == .array {
        var count = 0
        try scanner.beginArray()
        while try scanner.nextElement() {
          try scanner.skipValue()
          count += 1
        }
        merges = count
      } else {
        try scanner.skipValue()
      }
    }
  }
}
