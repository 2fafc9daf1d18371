/// The fields of a `tokenizer.json`: each is known by its name and type, or refused.

import RunnelFiles

/// The short fields of the model.
struct ModelOptions {
  var unknown: String?
  var fusesUnknown = false
  var hasByteFallback = false
  var ignoresMerges = false
  /// What follows the last character of every word; empty for nothing.
  var wordEnd: [UInt8] = []

  init(_ model: JSONValue, _ file: TokenizerJSON) throws(FileError) {
    let fields = try Fields(
      model, "model", file,
      names: [
        "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
        "byte_fallback", "ignore_merges",
      ])
    let prefix = "continuing_subword_prefix"
    guard [.null, .string("")].contains(model[prefix]) else {
      throw file.refusal("model.\(prefix)", expected: "null", found: model[prefix])
    }
    if model["end_of_word_suffix"] != .null { wordEnd = Array(try fields.string("end_of_word_suffix").utf8) }
    // Merges are left out at random in training alone.
    switch model["dropout"] {
    case .null, .number: break
    default: throw file.refusal("model.dropout", expected: "null or a number", found: model["dropout"])
    }
    if model["unk_token"] != .null { unknown = try fields.string("unk_token") }
    fusesUnknown = try fields.boolean("fuse_unk")
    hasByteFallback = try fields.boolean("byte_fallback")
    ignoresMerges = try fields.boolean("ignore_merges")
  }
}

/// The members of an object, all of whose names are known.
struct Fields {
  let value: JSONValue
  let field: String
  let file: TokenizerJSON

  init(_ value: JSONValue, _ field: String, _ file: TokenizerJSON, names: [String]) throws(FileError) {
    guard case .object(let members) = value else {
      throw file.refusal(field, expected: "an object", found: value)
    }
    for (name, member) in members where !names.contains(name) {
      throw file.refusal("\(field).\(printable(name))", expected: "nothing of that name", found: member)
    }
    (self.value, self.field, self.file) = (value, field, file)
  }

  func string(_ name: String) throws(FileError) -> String {
    guard case .string(let text) = value[name] else {
      throw file.refusal("\(field).\(name)", expected: "a string", found: value[name])
    }
    return text
  }
  func boolean(_ name: String, default missing: Bool = false) throws(FileError) -> Bool {
    if value[name] == .null { return missing }
    guard case .boolean(let flag) = value[name] else {
      throw file.refusal("\(field).\(name)", expected: "true or false", found: value[name])
    }
    return flag
  }
  func integer(_ name: String, default missing: Int? = nil) throws(FileError) -> Int {
    if value[name] == .null, let missing { return missing }
    guard case .number(let number) = value[name], let integer = Int(exactly: number) else {
      throw file.refusal("\(field).\(name)", expected: "a whole number", found: value[name])
    }
    return integer
  }
  func array(_ name: String) throws(FileError) -> [JSONValue] {
    guard case .array(let elements) = value[name] else {
      throw file.refusal("\(field).\(name)", expected: "a list", found: value[name])
    }
    return elements
  }
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, default missing: Choice
  ) throws(FileError) -> Choice where Choice.RawValue == String {
    if value[name] == .null { return missing }
    guard case .string(let text) = value[name], let choice = Choice(rawValue: text) else {
      throw file.refusal(
        "\(field).\(name)", expected: Choice.allCases.map(\.rawValue).joined(separator: ", "),
        found: value[name])
    }
    return choice
  }
}
