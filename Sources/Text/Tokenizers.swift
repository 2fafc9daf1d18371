/// The tokenizers by their files.

import RunnelFiles

public enum Tokenizers {
  /// The names under which a folder may hold its tokenizer, in the order in which they are looked for.
  package static let fileNames = ["tokenizer.json", "tokenizer.model", "rwkv_vocab_v20230424.txt"]
  /// The largest file that is read, in bytes.
  static let maximumFile = 256 << 20

  /// The tokenizer called `bytes`, or that of a file or of a folder that holds one.
  public static func load(_ path: String) throws -> any Tokenizer {
    if path == "bytes" { return ByteTokenizer() }
    if isFolder(path) {
      for name in fileNames where fileExists(path + "/" + name) { return try load(path + "/" + name) }
      throw FileError(
        path, at: "folder", expected: "one of \(fileNames.joined(separator: ", ")) in it", found: "none",
        remedy: "name the file of a tokenizer")
    }
    let file = try InputFile(path)
    guard file.size <= maximumFile else {
      throw FileError(
        path, at: "size", expected: "at most \(maximumFile) bytes", found: "\(file.size)",
        remedy: "name the file of a tokenizer")
    }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return try load(TokenizerFile(name: name, bytes: file.bytes(at: 0, count: file.size)), path: path)
  }

  /// The tokenizer of a file that is in memory, as a corpus keeps it.
  ///
  /// - Parameter path: what errors call it.
  public static func load(_ file: TokenizerFile, path: String) throws -> any Tokenizer {
    if RWKVVocabulary.recognizes(file.bytes) { return try RWKVTokenizer(file, path: path) }
    if SentencePieceModel.recognizes(file.bytes) { return try SentencePieceTokenizer(file, path: path) }
    throw FileError(
      path, at: "content", expected: "a tokenizer of a known kind", found: quoted(file.name),
      remedy: "name the file of a tokenizer")
  }
}
