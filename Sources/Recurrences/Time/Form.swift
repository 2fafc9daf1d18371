/// The three executions of a recurrence.

/// How a recurrence runs over time. All forms compute the same function.
public enum Form: String, Codable, Sendable, CaseIterable {
  /// One token after the other, one state update each: the definition.
  case step
  /// Chunkwise: products of matrices inside a chunk, the state passed from chunk to chunk.
  case mix
  /// The paper's whole-segment form.
  case parallel
}
