/// Mistral's `tekken.json`: a pattern for words, tokens in the order of their ranks, and special tokens, whose ids come
/// first. Text never makes special tokens.

import RunnelFiles

struct TekkenFile {
  private let path: String
  private var scanner: JSONScanner
  private var pattern: String?
  private var size: Int?
  private var specialCount: Int?
  private var specials: [String]?
  private var tokens: [UInt8] = []
  private var ends: [Int] = []

  /// The special tokens of files that have none.
  private static let standard = [
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
  ]
  private static let mostSpecials = 1 << 16

  /// Whether an object has the members of such a file, and no model.
  static func recognizes(_ bytes: [UInt8]) -> Bool {
    var scanner = JSONScanner(bytes, file: "")
    var hasConfiguration = false
    do {
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        if name == "model" { return false }
        if name == "vocab", scanner.kind() == .array { return true }
        if name == "config", scanner.kind() == .object { hasConfiguration = true }
        try scanner.skipValue()
      }
    } catch {}
    return hasConfiguration
  }

  static func plan(_ file: TokenizerFile, path: String) throws(FileError) -> BPEPlan {
    var reader = TekkenFile(file, path)
    return try reader.read()
  }

  private init(_ file: TokenizerFile, _ path: String) {
    self.path = path
    scanner = JSONScanner(file.bytes, file: path)
  }

  private func refusal(_ field: String, expected: String, found: String) -> FileError {
    FileError(path, at: field, expected: expected, found: found, remedy: FileError.damaged)
  }

  private mutating func read() throws(FileError) -> BPEPlan {
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      switch name {
      case "config": try readConfiguration()
      case "vocab": try readVocabulary()
      case "special_tokens" where scanner.kind() == .array: try readSpecials()
      default: try scanner.skipValue()
      }
    }
    try scanner.finish()
    guard let pattern else { throw refusal("config.pattern", expected: "a pattern", found: "none") }
    guard let specialCount, (0...Self.mostSpecials).contains(specialCount) else {
      throw refusal(
        "config.default_num_special_tokens", expected: "a number from 0 to \(Self.mostSpecials)",
        found: specialCount.map(String.init) ?? "none")
    }
    guard let size, (specialCount...specialCount + ends.count).contains(size) else {
      throw refusal(
        "config.default_vocab_size",
        expected:
          "a number from \(specialCount) to \(specialCount + ends.count), the special and the other tokens",
        found: size.map(String.init) ?? "none")
    }
    let names = specials ?? Self.standard
    guard names.count <= specialCount else {
      throw refusal("special_tokens", expected: "at most \(specialCount)", found: "\(names.count)")
    }
    var vocabulary = RankedVocabulary(path: path, offset: Int32(specialCount))
    // What is beyond the size is left out.
    for rank in 0..<size - specialCount {
      try vocabulary.insert(Array(tokens[(rank == 0 ? 0 : ends[rank - 1])..<ends[rank]]), rank: rank) {
        "vocab[\(rank)]"
      }
    }
    let all = names + (names.count..<max(names.count, specialCount)).map { "<SPECIAL_\($0)>" }
    return try vocabulary.plan(
      words: pattern,
      template: TokenTemplate(before: names.firstIndex(of: "<s>").map { [Int32($0)] } ?? []),
      named: all.enumerated().map { AddedToken(content: Array($1.utf8), id: Int32($0), isSpecial: true) })
  }

  private mutating func readConfiguration() throws(FileError) {
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      switch name {
      case "pattern": pattern = try scanner.string()
      case "default_vocab_size": size = try scanner.integer()
      case "default_num_special_tokens": specialCount = try scanner.integer()
      default: try scanner.skipValue()
      }
    }
  }

  private mutating func readVocabulary() throws(FileError) {
    var text: [UInt8] = []
    try scanner.beginArray()
    while try scanner.nextElement() {
      var rank: Int?
      var token: [UInt8]?
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        switch name {
        case "rank": rank = try scanner.integer()
        case "token_bytes":
          text.removeAll(keepingCapacity: true)
          try scanner.string(into: &text)
          token = Base64.bytes(of: text)
        default: try scanner.skipValue()
        }
      }
      guard let token, rank == ends.count, ends.count < TokenizerJSON.largestVocabulary else {
        throw refusal(
          "vocab[\(ends.count)]", expected: "rank \(ends.count) and token_bytes in base64",
          found: "rank \(rank.map(String.init) ?? "missing"), \(token == nil ? "no such bytes" : "a token")")
      }
      tokens += token
      ends.append(tokens.count)
    }
  }

  private mutating func readSpecials() throws(FileError) {
    var names: [String] = []
    try scanner.beginArray()
    while try scanner.nextElement() {
      var rank: Int?
      var name: String?
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        switch key {
        case "rank": rank = try scanner.integer()
        case "token_str": name = try scanner.string()
        default: try scanner.skipValue()
        }
      }
      guard let name, rank == names.count, names.count < Self.mostSpecials else {
        throw refusal(
          "special_tokens[\(names.count)]", expected: "rank \(names.count) and token_str",
          found: "rank \(rank.map(String.init) ?? "missing"), \(name.map(quoted) ?? "no text")")
      }
      names.append(name)
    }
    specials = names
  }
}
