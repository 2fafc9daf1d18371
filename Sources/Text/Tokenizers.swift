/// Which tokenizer a file or a folder is.

import RunnelFiles

/// Opens tokenizers by their files: the kind is told by the content, not by the name.
public enum Tokenizers {
  /// What the file of a tokenizer is, by its content.
  public enum Kind: Sendable {
    case tokenizerJSON, tekken, tiktoken, rwkv, sentencePiece

    /// Nil for none of these.
    public init?(_ file: TokenizerFile) {
      if file.bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") {
        self = TekkenFile.recognizes(file.bytes) ? .tekken : .tokenizerJSON
      } else if TiktokenFile.recognizes(file.bytes) {
        self = .tiktoken
      } else if RWKVVocabulary.recognizes(file.bytes) {
        self = .rwkv
      } else if SentencePieceModel.recognizes(file.bytes) {
        self = .sentencePiece
      } else {
        return nil
      }
    }
  }

  /// The names under which a folder may hold its tokenizer, in the order in which they are looked for.
  package static let fileNames =
    ["tokenizer.json", "tokenizer.model", "rwkv_vocab_v20230424.txt", "tekken.json"]
    + TiktokenFile.encodings.map(\.fileName)
  /// The name under which a folder holds a tokenizer's file, whatever the file was called.
  package static func nameInFolder(for file: TokenizerFile) -> String {
    switch Kind(file) {
    case .sentencePiece, nil: "tokenizer.model"
    case .rwkv: "rwkv_vocab_v20230424.txt"
    case .tekken: "tekken.json"
    case .tiktoken: TiktokenFile.encoding(of: file)?.fileName ?? file.name
    case .tokenizerJSON: "tokenizer.json"
    }
  }
  /// The files in a folder that make its tokenizer, or say how it is read.
  package static func parts(in folder: String) -> [String] {
    let settings =
      [
        TokenizerSettings.configurationName, TokenizerSettings.specialName, TokenizerSettings.addedName,
      ] + chatTemplateNames
    return (fileNames + MergesFile.pairs.flatMap { [$0.0, $0.1] } + settings)
      .filter { fileExists(folder + "/" + $0) }
  }
  /// What a folder calls its templates of conversations.
  package static let chatTemplateNames = [ChatTemplates.fileName, ChatTemplates.folderName]
  /// Whether a folder holds a tokenizer.
  package static func areIn(_ folder: String) -> Bool {
    fileNames.contains { fileExists(folder + "/" + $0) } || MergesFile.pair(in: folder) != nil
  }
  /// The largest file that is read, in bytes.
  static let maximumFile = 256 << 20

  /// The tokenizer called `bytes`, or that of a file or of a folder that holds one. GPT-2's pair of files is found by
  /// either of its names, or in a folder without any of the others.
  ///
  /// - Throws: ``FileError`` where there is no tokenizer, it is damaged, or asks for what is not known here.
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
  /// - Throws: ``FileError`` as above.
  public static func load(_ file: TokenizerFile, path: String) throws -> any Tokenizer {
    switch Kind(file) {
    case .tokenizerJSON, .tekken, .tiktoken: return try BPETokenizer(file, path: path)
    case .rwkv: return try RWKVTokenizer(file, path: path)
    case .sentencePiece: return try SentencePieceTokenizer(file, path: path)
    case nil: break
    }
    throw FileError(
      path, at: "content", expected: "a tokenizer of a known kind",
      found: file.bytes.isEmpty ? "an empty file" : quoted(file.name),
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
    let bytes = try file.bytes(at: 0, count: file.size)
    if let other = Misnamed(bytes) {
      throw FileError(
        path, at: "content", expected: "that of a tokenizer", found: other.what, remedy: other.remedy)
    }
    return bytes
  }
}
