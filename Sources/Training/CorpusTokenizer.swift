/// Whether a model reads the tokens that a corpus has.

import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelModels
import RunnelText

extension Corpus {
  /// - Parameters:
  ///   - path: where the model is from: a folder, own or foreign, or a file of weights.
  ///   - tokenizer: the file or folder of its tokenizer, where that lies elsewhere.
  /// - Throws: ``TrainingError`` where the model's tokens are not the corpus's.
  public func check(isReadBy model: some LanguageFunction, at path: String, tokenizer: String? = nil) throws {
    let tokens = header.tokenizer
    guard header.vocabularySize <= model.vocabularySize else {
      throw TrainingError(
        "\(self.path) has \(header.vocabularySize) kinds of token (\(tokens.name)), the model in \(path) "
          + "\(model.vocabularySize); build the corpus with the model's tokenizer: --tokenizer \(tokenizer ?? path)"
      )
    }
    func refuse(_ own: String) -> TrainingError {
      TrainingError(
        "\(self.path) is of the tokenizer \(tokens.shown), "
          + "the model in \(path) of \(own); build the corpus with --tokenizer \(tokenizer ?? path)")
    }
    // Ids of a maker that nobody has are those of the tokenizer that is named for them.
    if tokenizer != nil, tokens.sha256 == nil, tokens != .bytes, tokens != .task { return }
    if let own = try tokenizer.map({ try Tokenizers.load($0).file }) ?? ModelFolder.tokenizerFile(at: path) {
      guard tokens.sha256 == own.sha256 else {
        throw refuse(CorpusHeader.Tokenizer(name: own.name, sha256: own.sha256).shown)
      }
    } else if tokenizer != nil {
      guard tokens == .bytes else { throw refuse("bytes") }
    } else if tokens == .bytes, model.vocabularySize > 256 {
      // Where no tokenizer lies beside the weights, only bytes can be told from other tokens.
      throw TrainingError(
        "\(self.path) is of bytes, but the model in \(path) has \(model.vocabularySize) tokens and no tokenizer "
          + "beside it; build the corpus with its tokenizer")
    }
  }
}

extension CorpusHeader.Tokenizer {
  /// Its name, and as much of its hash as tells it from others of the same name.
  var shown: String { name + (sha256.map { " (sha256 \($0.prefix(12)))" } ?? "") }
}
