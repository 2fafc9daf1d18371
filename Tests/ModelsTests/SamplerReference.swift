/// Sampling again as plain formulas in Double, over whole distributions, straight from the papers: full sorts, and a
/// distribution that sums to one again after every cut.

import Foundation
import RunnelStreaming

/// The probability of every token for these logits behind these recent tokens.
func referenceProbabilities(
  _ logits: [Float], recent: [Int32], _ settings: SamplingSettings
) -> [Double] {
  var scores = logits.map(Double.init)
  for (token, bias) in settings.logitBias { scores[Int(token)] += bias }
  for token in Set(recent.suffix(settings.repetitionWindow)).map(Int.init) {
    let count = recent.suffix(settings.repetitionWindow).filter { $0 == Int32(token) }.count
    scores[token] *= scores[token] > 0 ? 1 / settings.repetitionPenalty : settings.repetitionPenalty
    scores[token] -= Double(count) * settings.frequencyPenalty + settings.presencePenalty
  }
  let top = scores.max() ?? 0
  var q = normalized(scores.map { exp(($0 - top) / settings.temperature) })
  func keep(_ tokens: some Sequence<Int>) {
    let kept = Set(tokens)
    q = normalized(q.enumerated().map { kept.contains($0.offset) ? $0.element : 0 })
  }
  /// The first tokens of an order whose probabilities reach p.
  func first(_ p: Double, by key: (Int) -> Double) -> [Int] {
    let order = q.indices.filter { q[$0] > 0 }.sorted { (key($0), $0) < (key($1), $1) }
    var sum = 0.0
    let count = order.firstIndex {
      sum += q[$0]
      return sum >= p
    }
    return Array(order.prefix((count ?? order.count - 1) + 1))
  }
  if settings.topK > 0 {
    keep(q.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(settings.topK))
  }
  if settings.topP < 1 { keep(first(settings.topP) { -q[$0] }) }
  if settings.minP > 0 {
    let least = settings.minP * (q.max() ?? 0)
    keep(q.indices.filter { q[$0] >= least })
  }
  if settings.typicalP < 1 {
    let entropy = q.reduce(0) { $0 - ($1 > 0 ? $1 * log($1) : 0) }
    keep(first(settings.typicalP) { abs(-log(q[$0]) - entropy) })
  }
  return q
}

private func normalized(_ weights: [Double]) -> [Double] {
  let total = weights.reduce(0, +)
  return weights.map { $0 / total }
}
