// Which tokens of a corpus count as targets: all, or the answers of its task.

/// What a model is trained to predict.
public enum TargetChoice: String, Sendable, Codable, CaseIterable {
  /// The tokens that the corpus's task asks for; all of them where there is no task.
  case answers
  /// Every token.
  case all
}

extension Corpus {
  /// Replaces by −1, "no target", what the corpus does not ask for; nothing where it has no task,
  /// or was opened for all targets.
  ///
  /// - Parameters:
  ///   - targets: the tokens after `inputs`.
  ///   - positions: where the inputs stand in the corpus.
  package func mask(
    _ targets: UnsafeMutableBufferPointer<Int32>, after inputs: UnsafeBufferPointer<Int32>,
    at positions: Range<Int>
  ) {
    guard let task, targetChoice == .answers else { return }
    keepAnswers(of: task, targets, inputs, positions)
  }

  private func keepAnswers(
    of task: some SyntheticTask, _ targets: UnsafeMutableBufferPointer<Int32>,
    _ inputs: UnsafeBufferPointer<Int32>, _ positions: Range<Int>
  ) {
    guard !positions.isEmpty else { return }
    var index = partition(documentStarts.count) { documentStarts[$0] > positions.lowerBound } - 1
    var document = documentRange(at: index)
    for i in 0..<positions.count {
      let place = positions.lowerBound + i + 1  // of the target
      while place >= document.upperBound, index + 1 < documentStarts.count {
        index += 1
        document = documentRange(at: index)
      }
      // The first token of a document follows nothing.
      let isAsked =
        place > document.lowerBound
        && task.asks(
          for: targets[i], at: place - document.lowerBound, of: document.count, after: inputs[i])
      if !isAsked { targets[i] = -1 }
    }
  }

  private func documentRange(at index: Int) -> Range<Int> {
    documentStarts[index]..<(index + 1 < documentStarts.count ? documentStarts[index + 1] : count)
  }

  /// The documents that begin in `range`, one a line, their tokens as the task's symbols with
  /// spaces between; ids where the corpus has no task. Passed on in pieces, in order.
  package func writeSymbols(of range: Range<Int>, _ body: (String) throws -> Void) throws {
    try check(range)
    var place = range.lowerBound
    try forEachPiece(of: range) { piece in
      var starts = documentStarts(in: place..<place + piece.count)
      var text = ""
      for id in piece {
        var isStart = false
        while starts.first == place {
          starts.removeFirst()
          isStart = true
        }
        if place > range.lowerBound { text += isStart ? "\n" : " " }
        text += task?.symbol(for: id) ?? "\(id)"
        place += 1
      }
      try body(text)
    }
    if !range.isEmpty { try body("\n") }
  }
}
