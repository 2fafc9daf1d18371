/// The proof of a long stream: the state after N tokens by `step` is the state by `mix`, each form carrying its own.
///
/// Memory does not depend on N. Both streams read the same random tokens, a piece at a time, and are compared at every
/// power of ten and at the end: rounding that a recurrence does not forget would be seen to grow.

import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

public struct LongCheck: Sendable {
  /// Frozen.
  let model: StreamingModel
  let tokens: Int
  let seed: UInt64

  /// What was measured up to a place in the streams.
  public struct Point: Codable, Sendable {
    public var tokens: Int
    /// The largest relative L2 difference among the state's tensors, and the tensor that has it.
    public var maxRelativeError: Double
    public var tensor: String
    /// The relative L2 difference of the logits behind the last token.
    public var logitsRelativeError: Double
    /// Microseconds that a step took, over all tokens since the point before.
    public var microsecondsPerStep: Double
    /// The memory of the process then; nil where the system does not tell.
    public var residentBytes: Int?

    enum CodingKeys: String, CodingKey {
      case tokens, tensor
      case maxRelativeError = "max_relative_error"
      case logitsRelativeError = "logits_relative_error"
      case microsecondsPerStep = "microseconds_per_step"
      case residentBytes = "resident_bytes"
    }
  }

  /// What states may differ by where every recurrence forgets. Sums that never forget keep their rounding too, so their
  /// difference is told, not judged.
  public static let tolerance = 1e-4
  public var tolerance: Double? { model.configuration.forgets ? Self.tolerance : nil }

  /// - Parameter tokens: how many random tokens the two streams read.
  public init(_ model: some LanguageFunction, tokens: Int, seed: UInt64) {
    precondition(tokens > 0, "LongCheck: a stream of \(tokens) tokens")
    self.model = model.stream()
    self.tokens = tokens
    self.seed = seed
  }

  /// Reads both streams; `report` is told each point as it is reached.
  ///
  /// - Throws: where scores are not finite.
  public func run(report: (Point) -> Void = { _ in }) throws(NonFiniteNumbers) -> [Point] {
    var generator = SeededGenerator(seed: seed)
    var stepped = model.initialState(batch: 1), mixed = stepped
    var points: [Point] = []
    var position = 0
    var next = min(1000, tokens)
    var (spent, since) = (0.0, 0)
    let clock = ContinuousClock()
    while position < tokens {
      let piece = (0..<min(Session.prefillLength, next - position)).map { _ in
        Int32(Int(generator.uniform() * Double(model.vocabularySize)))
      }
      let start = clock.now
      var logits = Tensor(zeros: [0])
      for id in piece { logits = model.step([id], state: &stepped) }
      spent += (clock.now - start) / .seconds(1)
      let expected = model.lastLogits(piece, batch: 1, form: .mix, state: &mixed)
      position += piece.count
      guard logits.isFinite, expected.isFinite else {
        let (state, seen) = logits.isFinite ? (mixed, expected) : (stepped, logits)
        throw model.nonFinite(piece, batch: 1, form: .mix, state: state, seen: seen)
      }
      guard position == next else { continue }
      let state = relativeDifference(stepped, mixed)
      let point = Point(
        tokens: position, maxRelativeError: state.error, tensor: state.tensor,
        logitsRelativeError: relativeDifference(logits.scalars, expected.scalars),
        microsecondsPerStep: 1e6 * spent / Double(position - since), residentBytes: Machine.residentBytes)
      points.append(point)
      report(point)
      (spent, since) = (0, position)
      next = min(tokens, next < 1_000_000 ? 10 * next : next + 1_000_000)
    }
    return points
  }

  /// Whether every point keeps to the tolerance; where there is none, whether all numbers are finite.
  public func accepts(_ points: [Point]) -> Bool {
    points.allSatisfy {
      max($0.maxRelativeError, $0.logitsRelativeError) <= tolerance ?? .greatestFiniteMagnitude
    }
  }
}
