/// tiktoken's files: a line `base64 rank` a token. How text is cut into words, and which tokens there are besides, they
/// do not say; it belongs to the encoding, which is known by the file's hash or its name.

import RunnelFiles

enum TiktokenFile {
  struct Encoding: Sendable {
    let name: String
    /// Of its file.
    let sha256: String
    let pattern: String
    let specials: [(text: String, id: Int32)]
    var isComposed = false

    /// The name under which a folder holds its file.
    var fileName: String { name + ".tiktoken" }
  }

  static let encodings: [Encoding] = {
    let end = "<|endoftext|>"
    let r50k = #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#
    let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    return [
      Encoding(
        name: "r50k_base", sha256: "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        pattern: r50k, specials: [(end, 50_256)]),
      Encoding(
        name: "p50k_base", sha256: "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        pattern: r50k, specials: [(end, 50_256)]),
      Encoding(
        name: "cl100k_base", sha256: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern:
          #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"#
          + #"\s*[\r\n]|\s+(?!\S)|\s"#,
        specials: [
          (end, 100_257), ("<|fim_prefix|>", 100_258), ("<|fim_middle|>", 100_259),
          ("<|fim_suffix|>", 100_260),
          ("<|endofprompt|>", 100_276),
        ]),
      Encoding(
        name: "o200k_base", sha256: "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern:
          #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(contraction)|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*"#
          + contraction + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
        specials: [(end, 199_999), ("<|endofprompt|>", 200_018)]),
      Encoding(
        name: "qwen", sha256: "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186",
        pattern: WordScanner.cl100kPattern(digits: ""),
        specials: ([end, "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }).enumerated()
          .map { ($1, 151_643 + Int32($0)) },
        isComposed: true),
    ]
  }()

  /// Whether bytes look like the beginning of such a file.
  static func recognizes(_ bytes: [UInt8]) -> Bool {
    let line = bytes.prefix(2_048).prefix { $0 != 0x0A && $0 != 0x0D }
    guard let space = line.firstIndex(of: 0x20), space > line.startIndex, space + 1 < line.endIndex else {
      return false
    }
    return Base64.bytes(of: line[..<space]) != nil
      && line[(space + 1)...].allSatisfy { (0x30...0x39).contains($0) }
  }

  /// The encoding of a file; nil if neither its content nor its name tells.
  static func encoding(of file: TokenizerFile) -> Encoding? {
    encodings.first { $0.sha256 == file.sha256 }
      ?? encodings.first { file.name == $0.name || file.name.hasPrefix($0.name + ".") }
  }

  static func plan(_ file: TokenizerFile, path: String) throws(FileError) -> BPEPlan {
    guard let encoding = encoding(of: file) else {
      throw FileError(
        path, at: "content", expected: "the tokens of \(encodings.map(\.name).joined(separator: ", "))",
        found: "those of an encoding that is not known, which do not say how text is cut into words",
        remedy:
          "use its tokenizer.json, or give the file the name of its encoding, as in cl100k_base.tiktoken")
    }
    var vocabulary = RankedVocabulary(path: path)
    for (index, line) in file.bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty { continue }
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 2, let token = Base64.bytes(of: parts[0]),
        let rank = Int(String(decoding: parts[1], as: UTF8.self))
      else {
        throw FileError(
          path, at: "line \(index + 1)", expected: "a token in base64, a space and its rank",
          found: quoted(String(decoding: line.prefix(80), as: UTF8.self)), remedy: FileError.damaged)
      }
      try vocabulary.insert(token, rank: rank) { "line \(index + 1)" }
    }
    if let special = encoding.specials.first(where: { vocabulary.tokens.token(of: $0.id) != nil }) {
      throw FileError(
        path, at: "rank \(special.id)", expected: "none: it is \(special.text) of \(encoding.name)",
        found: "a token", remedy: "give the file the name of its encoding")
    }
    return try vocabulary.plan(
      words: encoding.pattern, normalizer: encoding.isComposed ? [.form(NormalForm(composes: true))] : [],
      found: encoding.specials.map { AddedToken(content: Array($0.text.utf8), id: $0.id, isSpecial: true) })
  }
}
