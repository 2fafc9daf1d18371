/// GPT-2's pair of files, `encoder.json` (or `vocab.json`) and `vocab.bpe` (or `merges.txt`), as one `tokenizer.json`.

import RunnelFiles

enum MergesFile {
  static let pairs = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")]

  /// The pair that a folder holds.
  static func pair(in folder: String) -> (vocabulary: String, merges: String)? {
    pairs.map { (folder + "/" + $0, folder + "/" + $1) }.first { fileExists($0.0) && fileExists($0.1) }
  }

  /// The pair to which a file belongs by its name.
  static func pair(of path: String) -> (vocabulary: String, merges: String, folder: String)? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard let name = parts.last else { return nil }
    let folder = parts.count == 1 ? "." : parts.dropLast().joined(separator: "/")
    return pairs.first { $0.0 == name || $0.1 == name }.map { (folder + "/" + $0, folder + "/" + $1, folder) }
  }

  /// What a folder says of such a pair.
  struct Parts {
    var added: [AddedToken] = []
    /// Qwen2's: text in NFC, its own words.
    var isComposed = false
    var addsPrefixSpace = false
    /// What stands before and after a document.
    var before: AddedToken?
    var after: AddedToken?
  }

  private static let qwen2Words =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  static func byteLevel(addsPrefixSpace: Bool, splits: Bool) -> String {
    #"{"type":"ByteLevel","add_prefix_space":\#(addsPrefixSpace),"trim_offsets":true,"use_regex":\#(splits)}"#
  }

  /// The member `added_tokens`.
  static func list(_ tokens: [AddedToken]) -> String {
    let objects = tokens.map { token in
      #"{"id":\#(token.id),"content":\#(String(decoding: token.content, as: UTF8.self).jsonLiteral),"#
        + #""single_word":\#(token.isSingleWord),"lstrip":\#(token.stripsLeft),"rstrip":\#(token.stripsRight),"#
        + #""normalized":\#(token.isNormalized),"special":\#(token.isSpecial)}"#
    }
    return "[" + objects.joined(separator: ",") + "]"
  }

  /// The member `post_processor`.
  static func template(_ before: AddedToken?, _ after: AddedToken?) -> String {
    func name(_ token: AddedToken) -> String { String(decoding: token.content, as: UTF8.self).jsonLiteral }
    func piece(_ token: AddedToken) -> String { #"{"SpecialToken":{"id":\#(name(token)),"type_id":0}}"# }
    func entry(_ token: AddedToken) -> String {
      #"\#(name(token)):{"id":\#(name(token)),"ids":[\#(token.id)],"tokens":[\#(name(token))]}"#
    }
    func sequence(_ letter: String) -> String { #"{"Sequence":{"id":"\#(letter)","type_id":0}}"# }
    func pieces(_ letters: [String]) -> String {
      ((before.map { [piece($0)] } ?? []) + letters.map(sequence) + (after.map { [piece($0)] } ?? []))
        .joined(separator: ",")
    }
    let tokens = [before, after == before ? nil : after].compactMap { $0 }.map(entry).joined(separator: ",")
    return #"{"type":"TemplateProcessing","single":[\#(pieces(["A"]))],"pair":[\#(pieces(["A", "B"]))],"#
      + #""special_tokens":{\#(tokens)}}"#
  }

  /// The `tokenizer.json` that says the same.
  static func joined(
    vocabulary: [UInt8], merges: [UInt8], mergesPath: String, _ parts: Parts
  ) throws(FileError) -> TokenizerFile {
    let splitting =
      #"{"type":"Split","pattern":{"Regex":\#(qwen2Words.jsonLiteral)},"behavior":"Isolated","invert":false}"#
    let words =
      parts.isComposed
      ? #"{"type":"Sequence","pretokenizers":[\#(splitting),\#(byteLevel(addsPrefixSpace: false, splits: false))]}"#
      : byteLevel(addsPrefixSpace: parts.addsPrefixSpace, splits: true)
    var bytes = Array(
      """
      {"version":"1.0","truncation":null,"padding":null,"added_tokens":\(list(parts.added)),\
      "normalizer":\(parts.isComposed ? #"{"type":"NFC"}"# : "null"),\
      "pre_tokenizer":\(words),\
      "post_processor":\(parts.before == nil && parts.after == nil ? "null" : template(parts.before, parts.after)),\
      "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},\
      "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"merges":[
      """.utf8)
    var isFirst = true
    for (index, line) in merges.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || line.starts(with: "#version".utf8) { continue }
      guard let text = String(validating: line, as: UTF8.self), line.count(where: { $0 == 0x20 }) == 1 else {
        throw FileError(
          mergesPath, at: "line \(index + 1)", expected: "two tokens with a space between",
          found: quoted(String(decoding: line.prefix(80), as: UTF8.self)), remedy: FileError.damaged)
      }
      if !isFirst { bytes.append(0x2C) }
      isFirst = false
      bytes += text.jsonLiteral.utf8
    }
    bytes += "],\"vocab\":".utf8
    bytes += vocabulary
    bytes += "}}".utf8
    return TokenizerFile(name: "tokenizer.json", bytes: bytes)
  }
}
