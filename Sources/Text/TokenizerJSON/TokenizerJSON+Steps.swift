/// The normalizers, pre-tokenizers and decoders of a `tokenizer.json`.

import RunnelFiles

extension TokenizerJSON {
  // MARK: Normalizers

  func normalizerSteps(_ value: JSONValue, _ field: String) throws(FileError) -> [NormalizerStep] {
    if value == .null { return [] }
    switch value["type"] {
    case .string("Sequence"):
      var steps: [NormalizerStep] = []
      for (index, part) in try Fields(value, field, self, names: ["type", "normalizers"]).array("normalizers")
        .enumerated()
      {
        steps += try normalizerSteps(part, "\(field).normalizers[\(index)]")
      }
      return steps
    case .string("NFC"): return [.form(NormalForm(composes: true))]
    case .string("NFD"): return [.form(NormalForm(composes: false))]
    case .string("NFKC"): return [.form(NormalForm(composes: true, isCompatible: true))]
    case .string("NFKD"): return [.form(NormalForm(composes: false, isCompatible: true))]
    case .string("Lowercase"): return [.lowercase]
    case .string("StripAccents"): return [.characters([(CharacterSets.accents, .removed)])]
    case .string("Nmt"):
      return [.characters([(CharacterSets.nmtControls, .removed), (CharacterSets.nmtSpaces, .space)])]
    case .string("ByteLevel"): return [.spellBytes]
    case .string("BertNormalizer"): return try bertSteps(value, field)
    case .string("Prepend"):
      return [
        .prepend(Array(try Fields(value, field, self, names: ["type", "prepend"]).string("prepend").utf8))
      ]
    case .string("Strip"):
      let fields = try Fields(value, field, self, names: ["type", "strip_left", "strip_right"])
      return [.strip(left: try fields.boolean("strip_left"), right: try fields.boolean("strip_right"))]
    case .string("Replace"):
      let fields = try Fields(value, field, self, names: ["type", "pattern", "content"])
      let content = Array(try fields.string("content").utf8)
      switch try pattern(value["pattern"], "\(field).pattern") {
      case .literal(let text): return [.replaceLiteral(Array(text.utf8), with: content)]
      case .expression(_, let pattern): return [.replace(pattern, with: content)]
      }
    default:
      throw refusal(
        "\(field).type",
        expected:
          "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, BertNormalizer, ByteLevel, Prepend, Replace, "
          + "Strip or Sequence", found: value["type"])
    }
  }

  private func bertSteps(_ value: JSONValue, _ field: String) throws(FileError) -> [NormalizerStep] {
    let fields = try Fields(
      value, field, self, names: ["type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])
    var steps: [NormalizerStep] = []
    if try fields.boolean("clean_text") {
      steps.append(.characters([(CharacterSets.controls, .removed), (CharacterSets.spaces, .space)]))
    }
    if try fields.boolean("handle_chinese_chars") {
      steps.append(.characters([(CharacterSets.ideographs, .betweenSpaces)]))
    }
    let lowers = try fields.boolean("lowercase")
    if try fields.boolean("strip_accents", default: lowers) {
      steps += [
        .form(NormalForm(composes: false)), .characters([(CharacterSets.nonspacingMarks, .removed)]),
      ]
    }
    return lowers ? steps + [.lowercase] : steps
  }

  private enum WrittenPattern {
    case literal(String)
    case expression(String, Pattern)
  }

  private func pattern(_ value: JSONValue, _ field: String) throws(FileError) -> WrittenPattern {
    if case .string(let text) = value["String"], !text.isEmpty { return .literal(text) }
    guard case .string(let text) = value["Regex"] else {
      throw refusal(field, expected: "a String that is not empty, or a Regex", found: value)
    }
    do {
      return .expression(text, try Pattern(text))
    } catch {
      throw refusal(field, expected: "a supported pattern", found: "\(error.found) in \(quoted(text))")
    }
  }

  // MARK: Pre-tokenizers

  func preTokenizerSteps(_ value: JSONValue, _ field: String) throws(FileError) -> [PreTokenizerStep] {
    if value == .null { return [] }
    switch value["type"] {
    case .string("Sequence"):
      var steps: [PreTokenizerStep] = []
      let fields = try Fields(value, field, self, names: ["type", "pretokenizers"])
      for (index, part) in try fields.array("pretokenizers").enumerated() {
        steps += try preTokenizerSteps(part, "\(field).pretokenizers[\(index)]")
      }
      return steps
    case .string("ByteLevel"):
      let fields = try Fields(
        value, field, self, names: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
      return try (fields.boolean("add_prefix_space", default: true) ? [.spacePrefix] : [])
        + (fields.boolean("use_regex", default: true) ? [.words(.gpt2)] : []) + [.spellBytes]
    case .string("Split"):
      let fields = try Fields(value, field, self, names: ["type", "pattern", "behavior", "invert"])
      let behavior = try fields.choice("behavior", default: SplitBehavior.removed)
      guard value["behavior"] != .null else {
        throw refusal("\(field).behavior", expected: "one", found: "none")
      }
      let isInverted = try fields.boolean("invert")
      switch try pattern(value["pattern"], "\(field).pattern") {
      case .literal(let text): return [.split(Pattern(literal: text), behavior, isInverted: isInverted)]
      case .expression(let text, let pattern):
        // These leave nothing between their matches, so a match is a piece.
        if behavior == .isolated || behavior == .removed && isInverted,
          let scanner = WordScanner(pattern: text)
        {
          return [.words(scanner)]
        }
        return [.split(pattern, behavior, isInverted: isInverted)]
      }
    case .string("Digits"):
      let fields = try Fields(value, field, self, names: ["type", "individual_digits"])
      let isIndividual = try fields.boolean("individual_digits")
      return [
        .split(Pattern(CharacterSets.numbers), isIndividual ? .isolated : .contiguous, isInverted: false)
      ]
    case .string("Punctuation"):
      let behavior = try Fields(value, field, self, names: ["type", "behavior"])
        .choice("behavior", default: SplitBehavior.isolated)
      return [.split(Pattern(CharacterSets.punctuation), behavior, isInverted: false)]
    case .string("CharDelimiterSplit"):
      let delimiter = try Fields(value, field, self, names: ["type", "delimiter"]).string("delimiter")
      guard delimiter.unicodeScalars.count == 1 else {
        throw refusal("\(field).delimiter", expected: "one character", found: quoted(delimiter))
      }
      return [.split(Pattern(literal: delimiter), .removed, isInverted: false)]
    case .string("FixedLength"):
      let length = try Fields(value, field, self, names: ["type", "length"]).integer("length", default: 5)
      guard (1...1 << 16).contains(length) else {
        throw refusal("\(field).length", expected: "a length from 1 to \(1 << 16)", found: "\(length)")
      }
      return [.lengths(length)]
    case .string("UnicodeScripts"): return [.scripts]
    case .string("WhitespaceSplit"):
      return [.split(Pattern(CharacterSets.spaces), .removed, isInverted: false)]
    case .string("BertPreTokenizer"):
      return [
        .split(Pattern(CharacterSets.spaces), .removed, isInverted: false),
        .split(Pattern(CharacterSets.punctuation), .isolated, isInverted: false),
      ]
    case .string("Whitespace"):
      guard let pattern = try? Pattern(#"\w+|[^\w\s]+"#, dialect: .rust)
      else { return [] }
      return [.split(pattern, .removed, isInverted: true)]
    case .string("Metaspace"): return try metaspaceSteps(value, field)
    default:
      throw refusal(
        "\(field).type",
        expected:
          "ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, UnicodeScripts, CharDelimiterSplit, FixedLength, "
          + "BertPreTokenizer, Metaspace or Sequence",
        found: value["type"])
    }
  }

  private func metaspaceSteps(_ value: JSONValue, _ field: String) throws(FileError) -> [PreTokenizerStep] {
    let fields = try Fields(
      value, field, self, names: ["type", "replacement", "prepend_scheme", "split", "add_prefix_space"])
    let sign = try replacement(fields)
    // Older files say true or false.
    guard
      value["add_prefix_space"] == .null || value["prepend_scheme"] != .null
        || value["add_prefix_space"] == .boolean(true)
    else {
      throw refusal(
        "\(field).add_prefix_space", expected: "true, or a prepend_scheme", found: value["add_prefix_space"])
    }
    let scheme = try fields.choice("prepend_scheme", default: PrependScheme.always)
    let split: [PreTokenizerStep] =
      try fields.boolean("split", default: true)
      ? [.split(Pattern(literal: sign), .mergedWithNext, isInverted: false)] : []
    return [.metaspace(Array(sign.utf8), scheme)] + split
  }

  private func replacement(_ fields: Fields) throws(FileError) -> String {
    let sign = try fields.string("replacement")
    guard sign.unicodeScalars.count == 1 else {
      throw refusal("\(fields.field).replacement", expected: "one character", found: quoted(sign))
    }
    return sign
  }

  // MARK: Decoders

  private static let longestText = 1 << 20
  private static let largestTexts = 1 << 30

  /// How a chain of decoders makes a token's text, read from the file.
  private struct TextRules {
    var isByteLevel = false
    var replacements: [(wanted: [UInt8], content: [UInt8])] = []
    var hasByteFallback = false
    var isFused = false
    var metaspace: (sign: [UInt8], dropsFirst: Bool)?
    /// Becomes a space, and nothing in the last token.
    var wordEnd: [UInt8] = []
    var leading: (byte: UInt8, count: Int) = (0x20, 0)
  }

  func decoding(
    _ value: JSONValue, _ vocabulary: TokenTable, _ added: [AddedToken], _ normalizer: [NormalizerStep]
  ) throws(FileError) -> BPEDecoding {
    var rules = TextRules()
    var decoding = BPEDecoding()
    if value == .null { decoding.separator = [0x20] } else { try read(value, "decoder", into: &rules) }
    decoding.leading = rules.leading
    let contents = Dictionary(added.map { ($0.id, $0.found(after: normalizer)) }) { _, last in last }
    let bound = max(vocabulary.bound, (added.map { Int($0.id) + 1 }.max() ?? 0))
    var total = 0
    for id in 0..<Int32(bound) {
      let token = contents[id] ?? vocabulary.token(of: id).map(Array.init) ?? []
      let text = Self.text(token, rules)
      total += text.count
      guard text.count <= Self.longestText, total <= Self.largestTexts else {
        throw refusal(
          "decoder",
          expected: "texts of at most \(Self.longestText) bytes a token, \(Self.largestTexts) in all",
          found: "more")
      }
      decoding.append(text)
      if let metaspace = rules.metaspace, metaspace.dropsFirst {
        let first = Self.replace(token, metaspace.sign, [])
        if first != token { decoding.firsts[id] = first }
      }
      if !rules.wordEnd.isEmpty {
        let last = Self.replace(token, rules.wordEnd, [])
        if last != text { decoding.lasts[id] = last }
      }
    }
    return decoding
  }

  private func read(_ value: JSONValue, _ field: String, into rules: inout TextRules) throws(FileError) {
    switch value["type"] {
    case .string("BPEDecoder") where field == "decoder":
      rules.wordEnd = Array(try Fields(value, field, self, names: ["type", "suffix"]).string("suffix").utf8)
      guard !rules.wordEnd.isEmpty else {
        throw refusal("\(field).suffix", expected: "a text that is not empty", found: "none")
      }
    case .string("Sequence"):
      for (index, part) in try Fields(value, field, self, names: ["type", "decoders"]).array("decoders")
        .enumerated()
      {
        try read(part, "\(field).decoders[\(index)]", into: &rules)
      }
      return
    case .string("ByteLevel") where !rules.isFused && !rules.hasByteFallback: rules.isByteLevel = true
    case .string("Replace") where !rules.isFused && !rules.hasByteFallback && !rules.isByteLevel:
      let fields = try Fields(value, field, self, names: ["type", "pattern", "content"])
      guard case .literal(let text) = try pattern(value["pattern"], "\(field).pattern") else {
        throw refusal("\(field).pattern", expected: "a String", found: value["pattern"])
      }
      rules.replacements.append((Array(text.utf8), Array(try fields.string("content").utf8)))
    case .string("ByteFallback") where !rules.isFused && !rules.isByteLevel: rules.hasByteFallback = true
    case .string("Fuse"): rules.isFused = true
    case .string("Strip") where rules.isFused && rules.leading.count == 0:
      let fields = try Fields(value, field, self, names: ["type", "content", "start", "stop"])
      let content = Array(try fields.string("content").utf8)
      let count = try fields.integer("start")
      guard content.count == 1, (0...1_000).contains(count), try fields.integer("stop") == 0 else {
        throw refusal(field, expected: "a byte stripped at the start only", found: value)
      }
      rules.leading = (content[0], count)
    case .string("Metaspace")
    where rules.replacements.isEmpty && !rules.isByteLevel && !rules.isFused && !rules.hasByteFallback:
      let fields = try Fields(
        value, field, self, names: ["type", "replacement", "prepend_scheme", "split", "add_prefix_space"])
      let scheme = try fields.choice("prepend_scheme", default: PrependScheme.always)
      rules.metaspace = (Array(try replacement(fields).utf8), scheme != .never)
    default:
      throw refusal(
        "\(field).type",
        expected:
          "ByteLevel, Metaspace, BPEDecoder alone, or Replace, ByteFallback, Fuse, Strip in this order",
        found: value["type"])
    }
  }

  private static func text(_ token: [UInt8], _ rules: TextRules) -> [UInt8] {
    var text = token
    if rules.isByteLevel { return ByteSpelling.bytes(of: text) ?? text }
    if !rules.wordEnd.isEmpty { return replace(text, rules.wordEnd, [0x20]) }
    if let metaspace = rules.metaspace { text = replace(text, metaspace.sign, [0x20]) }
    for (wanted, content) in rules.replacements where text.count <= longestText {
      text = replace(text, wanted, content)
    }
    if rules.hasByteFallback, text.count == 6,
      let byte = ByteTokenizer().id(of: String(decoding: text, as: UTF8.self))
    {
      text = [UInt8(truncatingIfNeeded: byte)]
    }
    return text
  }

  private static func replace(_ text: [UInt8], _ wanted: [UInt8], _ content: [UInt8]) -> [UInt8] {
    guard text.contains(wanted[0]) else { return text }
    var replaced: [UInt8] = []
    var rest = text[...]
    while let first = rest.first {
      if rest.starts(with: wanted) {
        replaced += content
        rest = rest.dropFirst(wanted.count)
      } else {
        replaced.append(first)
        rest = rest.dropFirst()
      }
    }
    return replaced
  }
}
