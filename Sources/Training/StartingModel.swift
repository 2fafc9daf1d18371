/// A model to begin a run with: any that loads, if it reads the tokens that the corpus has.

import RunnelCheckpoints
import RunnelCorpora
import RunnelModels

public enum StartingModel {
  /// Loads a model's weights as numbers to train, whatever they were packed as.
  ///
  /// - Parameter path: a model folder, own or foreign, or a file of weights.
  /// - Throws: `FileError` where it does not load, ``TrainingError`` where its tokens are not the corpus's.
  public static func load(_ path: String, for corpora: CorpusMixture) throws -> LanguageModel {
    let model = try ModelFolder.load(path).trainable()
    try corpora.parts[0].corpus.check(isReadBy: model, at: path)
    return model
  }
}
