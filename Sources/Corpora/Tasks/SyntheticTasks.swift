// The tasks by name, and the one that a corpus records.

/// Every task, for those who choose by name.
public enum SyntheticTasks {
  /// In the order of the command line's help.
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

extension CorpusHeader.Tokenizer {
  /// Token ids that a synthetic task made; there is no text.
  public static let task = CorpusHeader.Tokenizer(name: "task")
}
