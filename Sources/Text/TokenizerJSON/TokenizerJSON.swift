/// Reads a `tokenizer.json` whose model is BPE; what it asks for and is not supported is refused by name.
///
/// The vocabulary and the merges, nearly all of such a file, are read straight into tables; only the rest becomes a
/// tree.

import RunnelFiles

struct TokenizerJSON {
  let path: String
  private var scanner: JSONScanner

  /// Ids are below it.
  static let largestVocabulary = 1 << 22
  private static let largestRest = 200_000
  private static let mostSteps = 1_000
  private static let largestGrowth = 1_024.0

  init(_ bytes: [UInt8], path: String) {
    self.path = path
    scanner = JSONScanner(bytes, file: path, name: "JSON")
  }

  private var vocabulary: TokenTable?
  /// The two halves of each merge, one after the other, and where each ends.
  private var halves: [UInt8] = []
  private var halfEnds: [Int] = []
  private var hasMerges = false
  private var model: [(name: String, value: JSONValue)] = []
  private var rest: [(name: String, value: JSONValue)] = []

  func refusal(_ field: String, expected: String, found: String) -> FileError {
    FileError(
      path, at: field, expected: expected, found: found,
      remedy: "this tokenizer cannot be read exactly: use another, or encode with its own library")
  }
  func refusal(_ field: String, expected: String, found: JSONValue) -> FileError {
    refusal(field, expected: expected, found: found.description)
  }

  mutating func read() throws(FileError) -> BPEPlan {
    var room = Self.largestRest
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      if name == "model" {
        try readModel(&room)
      } else {
        rest.append((name, try JSONValue(&scanner, room: &room)))
      }
    }
    try scanner.finish()
    return try plan()
  }

  // MARK: The model

  private mutating func readModel(_ room: inout Int) throws(FileError) {
    guard scanner.kind() == .object else {
      throw refusal("model", expected: "an object", found: "\(scanner.kind())")
    }
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      switch name {
      case "vocab": try readVocabulary()
      case "merges": try readMerges()
      default:
        let value = try JSONValue(&scanner, room: &room)
        if name == "type", value != .string("BPE") {
          throw refusal("model.type", expected: "\"BPE\"", found: value)
        }
        model.append((name, value))
      }
    }
  }

  private mutating func readVocabulary() throws(FileError) {
    guard scanner.kind() == .object else {
      throw refusal("model.vocab", expected: "an object of tokens and ids", found: "\(scanner.kind())")
    }
    guard vocabulary == nil else { throw refusal("model.vocab", expected: "one", found: "two") }
    var table = TokenTable(capacity: 1 << 16)
    var token: [UInt8] = []
    try scanner.beginObject()
    while try scanner.nextKey(into: &token) {
      let id = try scanner.integer()
      guard (0..<Self.largestVocabulary).contains(id) else {
        throw refusal("model.vocab", expected: "ids from 0 below \(Self.largestVocabulary)", found: "\(id)")
      }
      guard table.insert(token, id: Int32(id)) else {
        throw refusal(
          "model.vocab", expected: "every token and every id once",
          found: "\(quoted(String(decoding: token, as: UTF8.self))) with id \(id) again")
      }
    }
    vocabulary = table
  }

  private mutating func readMerges() throws(FileError) {
    guard scanner.kind() == .array else {
      throw refusal("model.merges", expected: "a list", found: "\(scanner.kind())")
    }
    hasMerges = true
    try scanner.beginArray()
    while try scanner.nextElement() {
      let start = halves.count
      if scanner.kind() == .string {
        try scanner.string(into: &halves)
        let space = halves[start...].firstIndex(of: 0x20)
        guard let space, !halves[(space + 1)...].contains(0x20) else {
          throw refusal(
            "model.merges[\(halfEnds.count / 2)]", expected: "two tokens with a space between",
            found: quoted(String(decoding: halves[start...], as: UTF8.self)))
        }
        halves.remove(at: space)
        halfEnds += [space, halves.count]
      } else {
        var count = 0
        try scanner.beginArray()
        while try scanner.nextElement() {
          count += 1
          try scanner.string(into: &halves)
          halfEnds.append(halves.count)
        }
        guard count == 2 else {
          throw refusal("model.merges[\(halfEnds.count / 2)]", expected: "two tokens", found: "\(count)")
        }
      }
    }
  }

  // MARK: The parts together

  private func plan() throws(FileError) -> BPEPlan {
    for (name, value) in rest {
      switch name {
      case "version", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder": break
      // Settings of calls, which are left in the file after one.
      case "truncation", "padding": break
      default: throw refusal(name, expected: "nothing of that name", found: value)
      }
    }
    guard let vocabulary else {
      throw refusal("model.vocab", expected: "an object of tokens and ids", found: "none")
    }
    guard hasMerges else { throw refusal("model.merges", expected: "a list", found: "none") }
    let root = JSONValue.object(rest)
    let options = try ModelOptions(.object(model), self)
    let added = try addedTokens(root["added_tokens"], vocabulary)
    let normalizer = try normalizerSteps(root["normalizer"], "normalizer")
    var steps = try preTokenizerSteps(root["pre_tokenizer"], "pre_tokenizer")
    try checkGrowth(normalizer, steps)
    for token in added where !(1...AddedTokens.longest).contains(token.found(after: normalizer).count) {
      throw refusal(
        "added_tokens",
        expected: "tokens that normalising leaves something of, at most \(AddedTokens.longest) bytes",
        found: quoted(String(decoding: token.content, as: UTF8.self)))
    }

    // Words of bytes need not be spelled, unless a byte without its token is to be spelled by its character's bytes.
    let bytes = ByteSpelling.scalars.map { vocabulary.id(of: String($0).utf8) ?? -1 }
    var isOfBytes = false
    if case .spellBytes = steps.last, options.wordEnd.isEmpty,
      !options.hasByteFallback || bytes.allSatisfy({ $0 >= 0 })
    {
      isOfBytes = true
      steps.removeLast()
    }
    let unknown = try unknownID(vocabulary, options)
    let alphabet =
      isOfBytes
      ? Alphabet(bytes: bytes, unknown: unknown, fusesUnknown: options.fusesUnknown)
      : characters(vocabulary, options, unknown)
    let merges = try mergeTable(vocabulary)
    if !isOfBytes, steps.isEmpty, !options.ignoresMerges, options.wordEnd.isEmpty,
      let cut = cut(vocabulary, merges.produced, alphabet)
    {
      steps.append(cut)
    }
    var wholeWords: TokenTable?
    if options.ignoresMerges {
      wholeWords = isOfBytes ? spelled(vocabulary) : vocabulary
    }
    let (prefix, suffix) = try template(root["post_processor"], "post_processor")
    return BPEPlan(
      vocabulary: vocabulary, added: added, normalizer: normalizer, steps: steps,
      words: WordEncoder(alphabet: alphabet, engine: MergeEngine(merges.table), wholeWords: wholeWords),
      template: TokenTemplate(before: prefix, after: suffix),
      decoding: try decoding(root["decoder"], vocabulary, added, normalizer))
  }

  /// Bounds what few bytes of text can become, and how often they are looked at.
  private func checkGrowth(_ normalizer: [NormalizerStep], _ steps: [PreTokenizerStep]) throws(FileError) {
    guard normalizer.count + steps.count <= Self.mostSteps else {
      throw refusal(
        "normalizer and pre_tokenizer", expected: "at most \(Self.mostSteps) steps",
        found: "\(normalizer.count + steps.count)")
    }
    let growth = StepGrowth.most(normalizer, steps)
    guard growth <= Self.largestGrowth else {
      throw refusal(
        "normalizer and pre_tokenizer",
        expected: "steps that make at most \(Int(Self.largestGrowth)) bytes of one",
        found: growth < 1e15
          ? "some that may make \(Int(growth.rounded(.up)))" : "some that multiply without bound")
    }
  }

  private func unknownID(_ vocabulary: TokenTable, _ options: ModelOptions) throws(FileError) -> Int32? {
    guard let name = options.unknown else { return nil }
    guard let id = vocabulary.id(of: name.utf8) else {
      throw refusal("model.unk_token", expected: "a token of the vocabulary", found: quoted(name))
    }
    return id
  }

  private func characters(_ vocabulary: TokenTable, _ options: ModelOptions, _ unknown: Int32?) -> Alphabet {
    var characters: [(Unicode.Scalar, Int32)] = []
    var lasts: [UInt32: Int32] = [:]
    let end = options.wordEnd
    for id in 0..<Int32(vocabulary.bound) {
      guard let token = vocabulary.token(of: id) else { continue }
      if let scalar = Self.only(token) { characters.append((scalar, id)) }
      if !end.isEmpty, token.count > end.count, token.suffix(end.count).elementsEqual(end),
        let scalar = Self.only(token.dropLast(end.count))
      {
        lasts[scalar.value] = id
      }
    }
    let fallback = (0..<256).map { byte in
      vocabulary.id(of: ByteTokenizer().token(of: Int32(byte))?.utf8 ?? "".utf8) ?? -1
    }
    return Alphabet(
      characters: characters, byteFallback: options.hasByteFallback ? fallback : [], unknown: unknown,
      fusesUnknown: options.fusesUnknown, wordEnd: end, lasts: lasts)
  }

  /// The character that a token is, if it is one.
  private static func only(_ token: some Collection<UInt8>) -> Unicode.Scalar? {
    guard (1...4).contains(token.count) else { return nil }
    let text = String(decoding: token, as: UTF8.self).unicodeScalars
    return text.count == 1 ? text.first : nil
  }

  private func mergeTable(
    _ vocabulary: TokenTable
  ) throws(FileError) -> (table: MergeTable, produced: [Int32]) {
    var table = MergeTable(capacity: halfEnds.count / 2)
    var produced: [Int32] = []
    produced.reserveCapacity(halfEnds.count / 2)
    var start = 0
    for index in 0..<halfEnds.count / 2 {
      let (middle, end) = (halfEnds[2 * index], halfEnds[2 * index + 1])
      let (left, right, merged) = halves.withUnsafeBufferPointer { halves in
        func id(_ range: Range<Int>) -> Int32? {
          vocabulary.id(of: UnsafeBufferPointer(rebasing: halves[range]))
        }
        return (id(start..<middle), id(middle..<end), id(start..<end))
      }
      guard let left, let right, let merged else {
        throw refusal(
          "model.merges[\(index)]", expected: "both tokens and their union in the vocabulary",
          found: quoted(String(decoding: halves[start..<middle], as: UTF8.self)) + " and "
            + quoted(String(decoding: halves[middle..<end], as: UTF8.self)))
      }
      table.insert(left: left, right: right, rank: Int32(index), merged: merged)
      produced.append(merged)
      start = end
    }
    return (table, produced)
  }

  /// The vocabulary by the bytes that its tokens spell.
  private func spelled(_ vocabulary: TokenTable) -> TokenTable {
    var table = TokenTable(capacity: vocabulary.count)
    for id in 0..<Int32(vocabulary.bound) {
      if let token = vocabulary.token(of: id), let bytes = ByteSpelling.bytes(of: token) {
        _ = table.insert(bytes, id: id)
      }
    }
    return table
  }

  /// Where text that is one word may be cut: before the sign for a space, after the characters of the vocabulary
  /// that no token has before one.
  private func cut(_ vocabulary: TokenTable, _ produced: [Int32], _ alphabet: Alphabet) -> PreTokenizerStep? {
    let sign: UInt32 = 0x2581
    var after = alphabet.known
    guard after.contains(sign) else { return nil }
    for id in produced {
      var previous: UInt32?
      for scalar in String(decoding: vocabulary.token(of: id) ?? [], as: UTF8.self).unicodeScalars {
        if scalar.value == sign, let previous { after.remove(previous) }
        previous = scalar.value
      }
    }
    return after.isEmpty ? nil : .cut(before: sign, after: after)
  }

  // MARK: Added tokens

  /// What a folder may change of a file, and where it stands in it.
  struct Parts {
    var added: [AddedToken] = []
    var addedPlace: Range<Int>?
    var templatePlace: Range<Int>?
    /// The pre-tokenizer, if it is one of bytes alone.
    var byteLevel: (place: Range<Int>, addsPrefixSpace: Bool, splits: Bool)?
  }

  static func parts(of bytes: [UInt8], path: String) throws(FileError) -> Parts {
    var reader = TokenizerJSON(bytes, path: path), parts = Parts(), room = largestRest
    try reader.scanner.beginObject()
    while let name = try reader.scanner.nextKey() {
      guard ["added_tokens", "pre_tokenizer", "post_processor"].contains(name) else {
        try reader.scanner.skipValue()
        continue
      }
      let start = reader.scanner.position
      let value = try JSONValue(&reader.scanner, room: &room)
      let place = start..<reader.scanner.end
      if name == "post_processor" { parts.templatePlace = place }
      if name == "added_tokens", case .array(let elements) = value {
        parts.addedPlace = place
        parts.added = []
        for (index, element) in elements.enumerated() {
          parts.added.append(try reader.addedToken(element, "added_tokens[\(index)]"))
        }
      } else if value["type"] == .string("ByteLevel") {
        let fields = try Fields(
          value, name, reader, names: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
        parts.byteLevel = (
          place, try fields.boolean("add_prefix_space", default: true),
          try fields.boolean("use_regex", default: true)
        )
      }
    }
    return parts
  }

  private func addedToken(_ element: JSONValue, _ field: String) throws(FileError) -> AddedToken {
    let object = try Fields(
      element, field, self,
      names: ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    let content = Array(try object.string("content").utf8), id = try object.integer("id")
    guard content.count <= AddedTokens.longest else {
      throw refusal(field, expected: "at most \(AddedTokens.longest) bytes", found: "\(content.count)")
    }
    guard (0..<Self.largestVocabulary).contains(id) else {
      throw refusal("\(field).id", expected: "an id from 0 below \(Self.largestVocabulary)", found: "\(id)")
    }
    return AddedToken(
      content: content, id: Int32(id), isSpecial: try object.boolean("special"),
      isNormalized: try object.boolean("normalized"), stripsLeft: try object.boolean("lstrip"),
      stripsRight: try object.boolean("rstrip"), isSingleWord: try object.boolean("single_word"))
  }

  private func addedTokens(_ list: JSONValue, _ vocabulary: TokenTable) throws(FileError) -> [AddedToken] {
    if list == .null { return [] }
    guard case .array(let elements) = list else {
      throw refusal("added_tokens", expected: "a list", found: list)
    }
    var tokens: [AddedToken] = []
    var seen: [[UInt8]: Int] = [:]
    var next = Int32(vocabulary.count)
    for (index, element) in elements.enumerated() {
      let field = "added_tokens[\(index)]"
      let token = try addedToken(element, field), content = token.content
      if content.isEmpty { continue }
      // The original gives a new token the next id, whatever the file says.
      let expected = vocabulary.id(of: content) ?? seen[content].map { tokens[$0].id } ?? next
      guard token.id == expected else {
        throw refusal("\(field).id", expected: "\(expected), which comes next", found: "\(token.id)")
      }
      if token.id >= next { next = token.id + 1 }
      if let place = seen[content] {
        tokens[place] = token
      } else {
        seen[content] = tokens.count
        tokens.append(token)
      }
    }
    return tokens
  }
}
