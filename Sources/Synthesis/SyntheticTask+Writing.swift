// `corpus synth TASK`: a corpus of the documents that a task makes.

import RunnelCorpora

extension SyntheticTask {
  /// Writes a corpus of `documents` documents, whose header records the task.
  ///
  /// - Parameters:
  ///   - seed: the same seed gives the same tokens on every platform.
  ///   - progress: called now and then with the documents written so far.
  /// - Returns: the header as written.
  /// - Throws: `CorpusError` when the file cannot be written.
  @discardableResult
  public func write(
    to path: String, documents: Int, seed: UInt64, validation: ValidationSplit = .tailOfDocuments(0.1),
    level: Int = 3, progress: (Int) -> Void = { _ in }
  ) throws -> CorpusHeader {
    guard documents > 0 else { throw CorpusError(path, "\(documents) documents of a task are none") }
    var generator = SplitMix64(seed: seed)
    var writer = try CorpusWriter(
      path: path, tokenizer: .task, vocabularySize: vocabularySize, level: level)
    for told in 1...documents {
      writer.beginDocument()
      try writer.append(document(using: &generator))
      if told % 256 == 0 { progress(told) }
    }
    let record = CorpusHeader.Task(
      name: Self.name, seed: seed, bestLoss: 0, bestAccuracy: 1,
      note: "over the tokens asked for, each decided by those before it; a guess is right once in "
        + "\(answerChoices)",
      settings: recordedSettings)
    return try writer.finish(validation: validation, task: record)
  }
}
