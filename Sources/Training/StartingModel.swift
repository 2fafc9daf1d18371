/// A model to begin a run with: any that loads, if it reads the tokens that the corpus has.

import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelModels
import RunnelText

public enum StartingModel {
  /// Loads a model's weights as numbers to train, whatever they were packed as.
  ///
  /// - Parameter path: a model folder, own or foreign, or a file of weights.
  /// - Throws: `FileError` where it does not load, ``TrainingError`` where its tokens are not the corpus's.
  public static func load(_ path: String, for corpora: CorpusMixture) throws -> LanguageModel {
    let model = try ModelFolder.load(path).unpacked()
    let corpus = corpora.parts[0].corpus
    let tokens = corpus.header.tokenizer
    guard corpus.header.vocabularySize <= model.vocabularySize else {
      throw TrainingError(
        "\(corpus.path) has \(corpus.header.vocabularySize) kinds of token (\(tokens.name)), the model in \(path) "
          + "\(model.vocabularySize); build the corpus with the model's tokenizer: --tokenizer \(path)")
    }
    // Where no tokenizer lies beside the weights, only bytes can be told from other tokens.
    guard let own = try ModelFolder.tokenizerFile(at: path) else {
      guard tokens != .bytes || model.vocabularySize <= 256 else {
        throw TrainingError(
          "\(corpus.path) is of bytes, but the model in \(path) has \(model.vocabularySize) tokens and no tokenizer "
            + "beside it; build the corpus with its tokenizer")
      }
      return model
    }
    guard tokens.sha256 == own.sha256 else {
      throw TrainingError(
        "\(corpus.path) is of the tokenizer \(tokens.name)\(tokens.sha256.map { " (sha256 \($0.prefix(12)))" } ?? ""), "
          + "the model in \(path) of \(own.name) (sha256 \(own.sha256.prefix(12))); build the corpus with "
          + "--tokenizer \(path)")
    }
    return model
  }
}
