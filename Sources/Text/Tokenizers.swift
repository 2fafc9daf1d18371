/// The tokenizers by their files.

import RunnelFiles

public enum Tokenizers {
  /// The names under which a folder may hold its tokenizer, in the order in which they are looked for.
  package static let fileNames = ["tokenizer.json", "tokenizer.model", "rwkv_vocab_v20230424.txt"]
  /// The name under which a folder holds a tokenizer's file, whatever the file was called.
  package static func nameInFolder(for file: TokenizerFile) -> String {
    if isJSON(file) { return fileNames[0] }
    return RWKVVocabulary.recognizes(file.bytes) ? fileNames[2] : fileNames[1]
  }
  private static func isJSON(_ file: TokenizerFile) -> Bool {
    file.bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
  }
  /// Whether a folder holds a tokenizer.
  package static func areIn(_ folder: String) -> Bool {
    fileNames.contains { fileExists(folder + "/" + $0) } || MergesFile.pair(in: folder) != nil
  }
  /// The largest file that is read, in bytes.
  static let maximumFile = 256 << 20

  /// The tokenizer called `bytes`, or that of a file or of a folder that holds one. GPT-2's pair of files is found by
  /// either of its names, or in a folder without any of the others.
  public static func load(_ path: String) throws -> any Tokenizer {
    if path == "bytes" { return ByteTokenizer() }
    if isFolder(path) {
      for name in fileNames where fileExists(path + "/" + name) {
        let file = path + "/" + name
        return try FolderTokenizer(path).applied(to: load(file), path: file)
      }
      if let pair = MergesFile.pair(in: path) {
        return try FolderTokenizer.load(vocabulary: pair.vocabulary, merges: pair.merges, in: path)
      }
      throw FileError(
        path, at: "folder", expected: "one of \(fileNames.joined(separator: ", ")) in it", found: "none",
        remedy: "name the file of a tokenizer")
    }
    if let pair = MergesFile.pair(of: path) {
      return try FolderTokenizer.load(vocabulary: pair.vocabulary, merges: pair.merges, in: pair.folder)
    }
    let name = fileName(of: path)
    return try load(TokenizerFile(name: name, bytes: contents(of: path)), path: path)
  }

  /// The tokenizer of a file that is in memory, as a corpus keeps it.
  ///
  /// - Parameter path: what errors call it.
  public static func load(_ file: TokenizerFile, path: String) throws -> any Tokenizer {
    if isJSON(file) { return try BPETokenizer(file, path: path) }
    if RWKVVocabulary.recognizes(file.bytes) { return try RWKVTokenizer(file, path: path) }
    if SentencePieceModel.recognizes(file.bytes) { return try SentencePieceTokenizer(file, path: path) }
    throw FileError(
      path, at: "content", expected: "a tokenizer of a known kind", found: quoted(file.name),
      remedy: "name the file of a tokenizer")
  }

  /// A whole file, if it is of a size that a tokenizer may have.
  static func contents(of path: String) throws(FileError) -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= maximumFile else {
      throw FileError(
        path, at: "size", expected: "at most \(maximumFile) bytes", found: "\(file.size)",
        remedy: "name the file of a tokenizer")
    }
    return try file.bytes(at: 0, count: file.size)
  }
}
