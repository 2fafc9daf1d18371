/// A stream taken to another precision of its model, and what that changes in what it says next.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

public struct StateMove: Sendable {
  /// The stream as the target goes on with it. The scores of its next token are those that the source gave.
  public let session: Session
  public let pending: [UInt8]
  /// ‖target − source‖ / ‖source‖ over all weights.
  public let weightDifference: Double
  private let source: Session

  /// Weights further apart are no roundings of one another: int4 is at about 0.1, unrelated models at more than 1.
  static let furthest = 0.5

  /// - Parameters:
  ///   - path: a state file of `source`.
  ///   - note: is told what could not be compared, in one sentence.
  /// - Throws: `FileError` where the state is not the source's, or the target is another model.
  public init(
    _ path: String, from source: some LanguageFunction, to target: some LanguageFunction,
    note: (String) -> Void = { _ in }
  ) throws {
    (self.source, pending) = try StateFile.load(path, into: source, note: note)
    func refuse(_ expected: String, _ found: String) -> FileError {
      FileError(
        path, at: "the model to move to", expected: expected, found: found,
        remedy: "name a conversion of the state's model")
    }
    let (own, other) = (source.identity, target.identity)
    guard own.configuration == other.configuration,
      source.configuration.places.map(\.shape) == target.configuration.places.map(\.shape)
    else {
      throw refuse("the configuration of the state's model, \(own)", "\(other)")
    }
    weightDifference = source.weightDifference(to: target)
    guard weightDifference <= Self.furthest else {
      throw refuse(
        "its weights in another precision", "weights that differ by \(weightDifference) of their norm")
    }
    session = try StateFile.load(path, into: target, isMoving: true).session
  }

  /// How far apart the two are on tokens that the source draws from where the stream stands.
  public struct Difference: Sendable, Encodable {
    public var tokens = 0
    /// Kullback-Leibler divergence of the target's next token from the source's, in nats: the mean and the largest.
    public var meanDivergence = 0.0, largestDivergence = 0.0
    /// Of the probabilities of one token.
    public var largestProbabilityDifference = 0.0
    /// The share of tokens whose most likely successor is the same.
    public var sameChoice = 0.0

    enum CodingKeys: String, CodingKey {
      case tokens
      case meanDivergence = "mean_kl_divergence"
      case largestDivergence = "max_kl_divergence"
      case largestProbabilityDifference = "max_probability_difference"
      case sameChoice = "same_choice"
    }
  }

  /// Goes on with copies of both; nothing to compare is found where the stream has not read a token.
  public func measure(tokens: Int) throws(NonFiniteNumbers) -> Difference {
    var a = source, b = session, difference = Difference()
    var same = 0
    while difference.tokens < tokens, let token = try a.next() {
      b.read(CollectionOfOne(token))
      try b.requireFinite()
      guard let p = a.logits, let q = b.logits else { break }
      let divergence = klDivergence(p, q, row: 0, of: p.count)
      difference.tokens += 1
      difference.meanDivergence += divergence
      difference.largestDivergence = max(difference.largestDivergence, divergence)
      let settings = SamplingSettings()
      let (x, y) = (TokenDistribution(p, settings), TokenDistribution(q, settings))
      same += x.mostLikely == y.mostLikely ? 1 : 0
      difference.largestProbabilityDifference = max(
        difference.largestProbabilityDifference, Self.largestDifference(x, y, of: p.count))
    }
    difference.meanDivergence /= Double(max(1, difference.tokens))
    difference.sameChoice = Double(same) / Double(max(1, difference.tokens))
    return difference
  }

  private static func largestDifference(_ a: TokenDistribution, _ b: TokenDistribution, of count: Int)
    -> Double
  {
    var probabilities = [Double](repeating: 0, count: count)
    for (token, probability) in a.probabilities { probabilities[Int(token)] += probability }
    for (token, probability) in b.probabilities { probabilities[Int(token)] -= probability }
    return probabilities.reduce(0) { max($0, abs($1)) }
  }
}

extension LanguageFunction {
  /// ‖other − self‖ / ‖self‖ over all parameters of two models of one configuration.
  fileprivate func weightDifference(to other: some LanguageFunction) -> Double {
    var (difference, norm) = (0.0, 0.0)
    // One pair at a time, since packed ones are unpacked for it.
    for (own, theirs) in zip(entries, other.entries) {
      let (a, b) = (own.stored.numbers, theirs.stored.numbers)
      for i in 0..<a.count {
        let (x, y) = (Double(a.base[i]), Double(b.base[i]))
        difference += (x - y) * (x - y)
        norm += x * x
      }
    }
    return difference == 0 ? 0 : (difference / max(norm, .leastNormalMagnitude)).squareRoot()
  }
}
