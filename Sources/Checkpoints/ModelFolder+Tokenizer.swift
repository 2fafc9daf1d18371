/// The tokenizer of a model: its file beside the weights, or bytes.

import RunnelFiles
import RunnelModels
import RunnelText

extension ModelFolder {
  /// The tokenizer of a model folder: that of the file in it, or bytes where there is none.
  ///
  /// - Parameter path: the folder, or a file of weights.
  /// - Throws: `FileError` where the model has more tokens than bytes and nothing says what they are, or fewer
  ///   than its tokenizer.
  public static func tokenizer(of model: LanguageModel, at path: String) throws -> any Tokenizer {
    let hasFile = hasTokenizer(path)
    guard hasFile || model.vocabularySize <= 256 else {
      throw FileError(
        path, at: "tokenizer",
        expected: "the file of a tokenizer of \(model.vocabularySize) tokens beside the weights",
        found: "none",
        remedy: "put its tokenizer.json there, or name it with --tokenizer")
    }
    let tokenizer: any Tokenizer = hasFile ? try Tokenizers.load(path) : ByteTokenizer()
    try check(tokenizer, fits: model, at: path)
    return tokenizer
  }

  private static func hasTokenizer(_ path: String) -> Bool {
    isFolder(path) && Tokenizers.areIn(path)
  }

  /// The file of the tokenizer in a model folder; nil where there is none.
  public static func tokenizerFile(at path: String) throws -> TokenizerFile? {
    hasTokenizer(path) ? try Tokenizers.load(path).file : nil
  }

  /// Refuses a tokenizer with ids that the model does not have. (Models may have more: some round theirs up.)
  public static func check(_ tokenizer: any Tokenizer, fits model: LanguageModel, at path: String) throws {
    guard tokenizer is ByteTokenizer || tokenizer.vocabularySize <= model.vocabularySize else {
      throw FileError(
        path, at: "tokenizer \(tokenizer.name)",
        expected: "at most the model's \(model.vocabularySize) tokens",
        found: "\(tokenizer.vocabularySize)", remedy: "use the tokenizer that belongs to these weights")
    }
  }

  /// Keeps the file of a tokenizer beside the weights.
  public static func save(_ tokenizer: any Tokenizer, to folder: String) throws {
    guard let file = tokenizer.file else { return }
    try makeFolder(folder)
    try AtomicFile.write(file.bytes, to: folder + "/" + Tokenizers.nameInFolder(for: file))
  }
}
