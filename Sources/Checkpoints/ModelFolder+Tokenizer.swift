/// The tokenizer of a model: its file beside the weights, or bytes.

import Foundation
import RunnelFiles
import RunnelModels
import RunnelText

extension ModelFolder {
  /// The tokenizer of a model folder: that of the file in it, or bytes where there is none.
  ///
  /// - Parameter path: the folder, or a file of weights.
  /// - Throws: `FileError` where the model has more tokens than bytes and nothing says what they are, or fewer
  ///   than its tokenizer.
  public static func tokenizer(of model: some LanguageFunction, at path: String) throws -> any Tokenizer {
    let hasFile = hasTokenizer(path)
    guard hasFile || model.vocabularySize <= 256 else {
      throw FileError(
        path, at: "tokenizer",
        expected: "the file of a tokenizer of \(model.vocabularySize) tokens beside the weights",
        found: "none",
        remedy: "put its tokenizer.json there, or name it with --tokenizer")
    }
    let tokenizer: any Tokenizer = hasFile ? try Tokenizers.load(path) : ByteTokenizer()
    try checkSeal(tokenizer.file, beside: path)
    try check(tokenizer, fits: model, at: path)
    return tokenizer
  }

  package static func hasTokenizer(_ path: String) -> Bool {
    isFolder(path) && Tokenizers.areIn(path)
  }

  /// The file of the tokenizer in a model folder; nil where there is none.
  ///
  /// - Throws: ``FileError`` where the file is no tokenizer, or another than the weights were saved with.
  public static func tokenizerFile(at path: String) throws -> TokenizerFile? {
    let file = hasTokenizer(path) ? try Tokenizers.load(path).file : nil
    try checkSeal(file, beside: path)
    return file
  }

  /// What the weights say of the tokenizer that was put beside them.
  static let tokenizerKey = "tokenizer_sha256"

  /// Refuses another tokenizer than that which was put beside the weights.
  private static func checkSeal(_ file: TokenizerFile?, beside path: String) throws {
    let weights = path + "/" + weightsName
    guard fileExists(weights), let sha256 = try SafetensorsFile(weights).metadata[tokenizerKey],
      sha256 != file?.sha256
    else { return }
    throw FileError(
      path, at: "tokenizer", expected: "that of the weights, of sha256 \(printable(sha256.prefix(12)))",
      found: file.map { "\($0.name) of sha256 \($0.sha256.prefix(12))" } ?? "none",
      remedy: "its file is damaged or was changed: restore it, or name the tokenizer to use with --tokenizer")
  }

  /// Refuses a tokenizer with ids that the model does not have. (Models may have more: some round theirs up.)
  public static func check(
    _ tokenizer: any Tokenizer, fits model: some LanguageFunction, at path: String
  ) throws {
    guard tokenizer is ByteTokenizer || tokenizer.vocabularySize <= model.vocabularySize else {
      throw FileError(
        path, at: "tokenizer \(tokenizer.name)",
        expected: "at most the model's \(model.vocabularySize) tokens",
        found: "\(tokenizer.vocabularySize)", remedy: "use the tokenizer that belongs to these weights")
    }
  }

  /// Refuses a folder with the tokenizer of an earlier model: one without a tokenizer that can be read would be read with it.
  package static func checkTokenizerIsAbsent(_ folder: String) throws(FileError) {
    guard let part = Tokenizers.parts(in: folder).first else { return }
    throw FileError(
      folder, at: "writing", expected: "no tokenizer, as the result has none", found: quoted(part),
      remedy: "choose another name, name the tokenizer with --tokenizer, or add --force to remove this one")
  }

  /// Removes the tokenizer of an earlier model and what is said of it.
  package static func removeTokenizer(from folder: String) throws {
    for part in Tokenizers.parts(in: folder) {
      try FileManager.default.removeItem(atPath: folder + "/" + part)
    }
  }

  /// Keeps the file of a tokenizer beside the weights.
  ///
  /// - Throws: ``FileError`` where the disk or the folder refuses the file.
  public static func save(_ tokenizer: any Tokenizer, to folder: String) throws {
    guard let file = tokenizer.file else { return }
    try makeFolder(folder)
    try AtomicFile.write(file.bytes, to: folder + "/" + Tokenizers.nameInFolder(for: file))
  }
}
