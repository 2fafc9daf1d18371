/// From logits to a token: temperature, the cuts of the literature, a penalty on repetition, a seed.

import Foundation
import RunnelTensors

/// How the next token is drawn.
public struct SamplingSettings: Sendable, Equatable, Codable {
  /// Divides the logits; 0 always takes the most likely token.
  public var temperature = 1.0
  /// Keeps the k most likely tokens; 0 keeps all.
  public var topK = 0
  /// Keeps the smallest set of most likely tokens whose probabilities reach p (Holtzman et al. 2020); 1 keeps all.
  public var topP = 1.0
  /// Keeps tokens with at least this share of the largest probability (Nguyen et al. 2024); 0 keeps all.
  public var minP = 0.0
  /// Divides positive and multiplies negative logits of recent tokens (Keskar et al. 2019, §4.1); 1 changes nothing.
  public var repetitionPenalty = 1.0
  /// How many of the last tokens count as recent.
  public var repetitionWindow = 64

  public init() {}

  public func validate() throws {
    func check(_ holds: Bool, _ sentence: String) throws {
      if !holds { throw SamplingError(sentence) }
    }
    try check(
      temperature >= 0 && temperature.isFinite, "the temperature is \(temperature); it must be 0 or more")
    try check(topK >= 0, "top-k is \(topK); it must be 0 (all tokens) or more")
    try check(topP > 0 && topP <= 1, "top-p is \(topP); it must lie in (0, 1]")
    try check(minP >= 0 && minP <= 1, "min-p is \(minP); it must lie in [0, 1]")
    try check(
      repetitionPenalty > 0 && repetitionPenalty.isFinite,
      "the repetition penalty is \(repetitionPenalty); it must be positive")
    try check(repetitionWindow >= 0, "the repetition window is \(repetitionWindow); it must be 0 or more")
  }
}

public struct SamplingError: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// Draws tokens; the same seed and logits give the same tokens.
public struct Sampler: Sendable {
  public var settings: SamplingSettings
  public internal(set) var generator: SeededGenerator
  /// The last tokens seen, at most the settings' window.
  public internal(set) var recent: [Int32] = []

  public init(_ settings: SamplingSettings = SamplingSettings(), seed: UInt64) {
    self.settings = settings
    generator = SeededGenerator(seed: seed)
  }

  /// Tells the sampler of a token of the stream, whoever chose it.
  public mutating func observe(_ token: Int32) {
    guard settings.repetitionPenalty != 1, settings.repetitionWindow > 0 else { return }
    recent.append(token)
    if recent.count > settings.repetitionWindow {
      recent.removeFirst(recent.count - settings.repetitionWindow)
    }
  }

  /// The next token for logits [V].
  public mutating func sample(_ logits: Tensor) -> Int32 {
    precondition(logits.count > 0, "sample: no logits")
    var scores = logits.scalars
    for token in Set(recent) where scores.indices.contains(Int(token)) {
      let penalty = Float(settings.repetitionPenalty)
      scores[Int(token)] =
        scores[Int(token)] > 0 ? scores[Int(token)] / penalty : scores[Int(token)] * penalty
    }
    guard settings.temperature > 0 else { return Int32(largest(scores)) }

    let top = scores[largest(scores)]
    var weights = scores.map { exp(Double($0 - top) / settings.temperature) }
    cut(&weights)
    var left = generator.uniform() * weights.reduce(0, +)
    for (token, weight) in weights.enumerated() where weight > 0 {
      left -= weight
      if left < 0 { return Int32(token) }
    }
    // Rounding may leave a crumb: it belongs to the last token that was kept.
    return Int32(weights.lastIndex { $0 > 0 } ?? largest(scores))
  }

  /// Sets the weights of tokens outside top-k, top-p and min-p to zero.
  private func cut(_ weights: inout [Double]) {
    if settings.minP > 0 {
      // The largest weight is one.
      for i in weights.indices where weights[i] < settings.minP { weights[i] = 0 }
    }
    let isCutByRank = (settings.topK > 0 && settings.topK < weights.count) || settings.topP < 1
    guard isCutByRank else { return }
    let order = weights.indices.sorted { (weights[$0], $1) > (weights[$1], $0) }
    var kept = settings.topK > 0 ? min(settings.topK, order.count) : order.count
    if settings.topP < 1 {
      let needed = settings.topP * order.prefix(kept).reduce(0) { $0 + weights[$1] }
      var sum = 0.0
      for (rank, token) in order.prefix(kept).enumerated() {
        sum += weights[token]
        if sum >= needed {
          kept = rank + 1
          break
        }
      }
    }
    for token in order.dropFirst(kept) { weights[token] = 0 }
  }

  private func largest(_ scores: [Float]) -> Int {
    var best = 0
    for i in scores.indices where scores[i] > scores[best] { best = i }
    return best
  }
}
