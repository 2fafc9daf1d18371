// The tasks by name, and the corpora that are made of them.

/// Every task, for those who choose by name.
public enum SyntheticTasks {
  public static let all: [any SyntheticTask.Type] = [
    SelectiveCopying.self, InductionHeads.self, AssociativeRecall.self, Dyck.self,
    ModularArithmetic.self,
  ]

  /// The task of that name; nil where there is none.
  public static func named(_ name: String) -> (any SyntheticTask.Type)? {
    all.first { $0.name == name }
  }

  /// The task that a corpus's header records; nil where it records none, or one whose documents
  /// ask nothing (`stories`).
  ///
  /// - Throws: `TaskError` where settings and vocabulary do not fit the task.
  static func recorded(in header: CorpusHeader) throws(TaskError) -> (any SyntheticTask)? {
    guard let record = header.task, let type = named(record.name) else { return nil }
    let task = try type.init(settings: record.settings ?? [:])
    guard task.vocabularySize == header.vocabularySize else {
      throw TaskError(
        "\(record.name): these settings have \(task.vocabularySize) kinds of token, the header "
          + "says \(header.vocabularySize)")
    }
    return task
  }
}

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

extension CorpusHeader.Tokenizer {
  /// Token ids that a synthetic task made; there is no text.
  public static let task = CorpusHeader.Tokenizer(name: "task")
}
