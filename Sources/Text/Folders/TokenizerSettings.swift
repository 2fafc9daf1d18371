/// What a folder says of its tokenizer beside the tokenizer's own file, in the files that transformers writes:
/// `tokenizer_config.json` and, where that does not list the added tokens, `special_tokens_map.json` and
/// `added_tokens.json`.

import RunnelFiles

struct TokenizerSettings {
  static let configurationName = "tokenizer_config.json"
  static let specialName = "special_tokens_map.json"
  static let addedName = "added_tokens.json"
  private static let largest = 16 << 20
  /// The parts that a special token may have, in the order in which transformers adds them.
  static let roles = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    "additional_special_tokens", "extra_special_tokens",
  ]

  /// A special token with a part: with flags of its own, or as a mere name.
  struct Special {
    let role: String
    let name: String
    let token: AddedToken?
  }

  let path: String
  /// A folder that says nothing leaves a tokenizer's file alone.
  private(set) var saysNothing = true
  /// transformers' name for it, without the ending Fast.
  private(set) var className: String?
  /// The tokens with ids, ascending.
  private(set) var declared: [AddedToken] = []
  /// Those with a part, in the order of the parts.
  private(set) var specials: [Special] = []
  /// Parts that are said to have no token.
  private(set) var absent: Set<String> = []
  private(set) var addsPrefixSpace: Bool?
  private(set) var addsBegin: Bool?
  private(set) var addsEnd: Bool?
  private(set) var splitsSpecialTokens = false

  /// Reads what a folder has of these files.
  init(in folder: String) throws(FileError) {
    path = folder + "/" + Self.configurationName
    let configuration = try Self.object(path)
    let hasDecoder = configuration?["added_tokens_decoder"].isObject ?? false
    // Older folders say it elsewhere; a newer one repeats it there.
    let map = hasDecoder ? nil : try Self.object(folder + "/" + Self.specialName)
    let added = hasDecoder ? nil : try Self.object(folder + "/" + Self.addedName)
    guard configuration != nil || map != nil || added != nil else { return }
    saysNothing = false
    let members = configuration ?? .object([])
    className = try text(members["tokenizer_class"], "tokenizer_class")
    if let name = className, name.hasSuffix("Fast") { className = String(name.dropLast(4)) }
    addsPrefixSpace = try flag(members, "add_prefix_space")
    addsBegin = try flag(members, "add_bos_token")
    addsEnd = try flag(members, "add_eos_token")
    splitsSpecialTokens = try flag(members, "split_special_tokens") ?? false
    for role in Self.roles {
      var value = members[role]
      if let replaced = map?[role], replaced != .null {
        if case .array(let more) = replaced, case .array(let own) = value {
          value = .array(own + more.filter { !own.contains($0) })
        } else {
          value = replaced
        }
      }
      if value == .null, members.has(role) { absent.insert(role) }
      specials += try special(value, role, isSpecial: map?[role].isObject ?? false)
    }
    try readDeclared(members["added_tokens_decoder"])
    try readAdded(added)
    declared.sort { $0.id < $1.id }
  }

  private func refusal(_ field: String, expected: String, found: JSONValue, in file: String? = nil)
    -> FileError
  {
    FileError(
      file ?? path, at: "field \"\(printable(field))\"", expected: expected, found: found.description,
      remedy: "save the tokenizer again with its own library")
  }

  static func object(_ path: String) throws(FileError) -> JSONValue? {
    guard fileExists(path) else { return nil }
    let file = try InputFile(path)
    guard file.size <= largest else {
      throw FileError(
        path, at: "size", expected: "at most \(largest) bytes", found: "\(file.size)",
        remedy: FileError.damaged)
    }
    var scanner = JSONScanner(try file.bytes(at: 0, count: file.size), file: path), room = 1_000_000
    let value = try JSONValue(&scanner, room: &room)
    try scanner.finish()
    guard value.isObject else { throw scanner.failure(expected: "an object") }
    return value
  }

  private func text(_ value: JSONValue, _ field: String) throws(FileError) -> String? {
    if value == .null { return nil }
    guard case .string(let text) = value else { throw refusal(field, expected: "a text", found: value) }
    return text
  }

  private func flag(_ members: JSONValue, _ field: String) throws(FileError) -> Bool? {
    if members[field] == .null { return nil }
    guard case .boolean(let flag) = members[field] else {
      throw refusal(field, expected: "true or false", found: members[field])
    }
    return flag
  }

  /// The tokens of a part: a name, an object, or several.
  private func special(_ value: JSONValue, _ role: String, isSpecial: Bool) throws(FileError) -> [Special] {
    switch value {
    case .null: return []
    case .string(let name): return name.isEmpty ? [] : [Special(role: role, name: name, token: nil)]
    case .array(let elements):
      var all: [Special] = []
      for element in elements { all += try special(element, role, isSpecial: isSpecial) }
      return all
    case .object(let members) where value["content"] == .null:
      // Tokens with names of the model's own.
      var all: [Special] = []
      for member in members { all += try special(member.value, role, isSpecial: isSpecial) }
      return all
    case .object:
      let token = try token(value, role, isSpecial: isSpecial)
      return [Special(role: role, name: String(decoding: token.content, as: UTF8.self), token: token)]
    default: throw refusal(role, expected: "a token", found: value)
    }
  }

  private func token(_ value: JSONValue, _ field: String, isSpecial: Bool = false, id: Int32 = -1)
    throws(FileError)
    -> AddedToken
  {
    guard let content = try text(value["content"], field + ".content"), !content.isEmpty else {
      throw refusal(field + ".content", expected: "a text", found: value["content"])
    }
    let special = try flag(value, "special") ?? isSpecial
    return AddedToken(
      content: Array(content.utf8), id: id, isSpecial: special,
      isNormalized: try flag(value, "normalized") ?? !special, stripsLeft: try flag(value, "lstrip") ?? false,
      stripsRight: try flag(value, "rstrip") ?? false, isSingleWord: try flag(value, "single_word") ?? false)
  }

  private mutating func readDeclared(_ value: JSONValue) throws(FileError) {
    guard case .object(let members) = value else {
      guard value == .null else {
        throw refusal("added_tokens_decoder", expected: "an object of tokens by id", found: value)
      }
      return
    }
    for (name, value) in members {
      let field = "added_tokens_decoder.\(name)"
      guard let id = Int32(name), id >= 0, value.isObject else {
        throw refusal(field, expected: "a token with an id", found: value)
      }
      declared.append(try token(value, field, id: id))
    }
  }

  private mutating func readAdded(_ value: JSONValue?) throws(FileError) {
    guard case .object(let members)? = value else { return }
    let names = Set(specials.map(\.name))
    for (name, value) in members {
      guard case .number(let number) = value, let id = Int32(exactly: number), id >= 0, !name.isEmpty else {
        throw refusal(name, expected: "an id", found: value, in: Self.addedName)
      }
      let special = names.contains(name)
      declared.append(
        AddedToken(content: Array(name.utf8), id: id, isSpecial: special, isNormalized: !special))
    }
  }
}
