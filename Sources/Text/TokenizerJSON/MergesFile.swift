/// GPT-2's pair of files, `encoder.json` (or `vocab.json`) and `vocab.bpe` (or `merges.txt`), as one `tokenizer.json`.

import RunnelFiles

enum MergesFile {
  static let pairs = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")]

  /// The pair that a folder holds.
  static func pair(in folder: String) -> (vocabulary: String, merges: String)? {
    pairs.map { (folder + "/" + $0, folder + "/" + $1) }.first { fileExists($0.0) && fileExists($0.1) }
  }

  /// The pair to which a file belongs by its name.
  static func pair(of path: String) -> (vocabulary: String, merges: String)? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard let name = parts.last else { return nil }
    let folder = parts.count == 1 ? "." : parts.dropLast().joined(separator: "/")
    return pairs.first { $0.0 == name || $0.1 == name }.map { (folder + "/" + $0, folder + "/" + $1) }
  }

  /// The `tokenizer.json` that says the same: bytes, GPT-2's words, no added tokens.
  static func joined(vocabulary: [UInt8], merges: [UInt8], mergesPath: String) throws(FileError)
    -> TokenizerFile
  {
    var bytes = Array(
      """
      {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,\
      "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},\
      "post_processor":null,\
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
