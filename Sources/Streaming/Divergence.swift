/// How far two models are apart on a text: what a conversion has changed.

import Foundation
import RunnelModels
import RunnelRecurrences
import RunnelTensors

public struct Divergence: Sendable {
  /// Predictions compared.
  public private(set) var tokens = 0
  /// The largest and the mean absolute difference of two logits.
  public private(set) var largest = 0.0
  public var mean: Double { numbers == 0 ? 0 : sum / numbers }
  /// How well each predicts the text.
  public private(set) var source = Score()
  public private(set) var result = Score()

  /// The mean Kullback-Leibler divergence of the result's next token from the source's, in nats.
  public var klDivergence: Double { tokens == 0 ? 0 : nats / Double(tokens) }

  /// A model whose numbers overflowed.
  public enum Failure: Error, Sendable {
    case source(NonFiniteNumbers)
    case result(NonFiniteNumbers)
  }

  private var sum = 0.0
  private var numbers = 0.0
  private var nats = 0.0

  /// Reads the ids with both models, in constant memory: the source chunkwise, the result in `form`.
  ///
  /// - Parameters:
  ///   - source: and `result`: models of one vocabulary, to which the ids belong.
  ///   - byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
  public init(
    from source: some LanguageFunction, to result: some LanguageFunction, form: Form, on ids: [Int32],
    byteLengths: [Int]? = nil
  ) throws(Failure) {
    precondition(
      source.vocabularySize == result.vocabularySize,
      "Divergence: vocabularies of \(source.vocabularySize) and \(result.vocabularySize)")
    var states = (source.initialState(batch: 1), result.initialState(batch: 1))
    let length = 128
    for start in stride(from: 0, to: ids.count, by: length) {
      let piece = Array(ids[start..<min(start + length, ids.count)])
      let before = states
      let a = source.logits(piece, batch: 1, form: .mix, state: &states.0)
      let b = result.logits(piece, batch: 1, form: form, state: &states.1)
      guard a.isFinite else {
        throw .source(source.nonFinite(piece, batch: 1, form: .mix, state: before.0, seen: a))
      }
      guard b.isFinite else {
        throw .result(result.nonFinite(piece, batch: 1, form: form, state: before.1, seen: b))
      }
      for i in 0..<a.count {
        let difference = Double(abs(a.base[i] - b.base[i]))
        largest = max(largest, difference)
        sum += difference
      }
      let V = source.vocabularySize
      for row in 0..<piece.count { nats += RunnelStreaming.klDivergence(a, b, row: row, of: V) }
      numbers += Double(a.count)
      tokens += piece.count
      let targets = piece.indices.map { start + $0 + 1 < ids.count ? ids[start + $0 + 1] : -1 }
      self.source.add(
        crossEntropy(a, targets: targets).perToken.scalars, of: targets, lengths: byteLengths)
      self.result.add(
        crossEntropy(b, targets: targets).perToken.scalars, of: targets, lengths: byteLengths)
    }
  }
}

/// Σ p (log p − log q) of the distributions p and q that a row of V finite logits each stands for.
func klDivergence(_ a: Tensor, _ b: Tensor, row: Int, of V: Int) -> Double {
  let p = a.base + row * V, q = b.base + row * V
  var (top, other) = (p[0], q[0])
  for i in 0..<V { (top, other) = (max(top, p[i]), max(other, q[i])) }
  var (sumP, sumQ, difference) = (0.0, 0.0, 0.0)
  for i in 0..<V {
    let x = Double(p[i] - top), y = Double(q[i] - other), weight = exp(x)
    sumP += weight
    sumQ += exp(y)
    difference += weight * (x - y)
  }
  return max(0, difference / sumP - log(sumP) + log(sumQ))
}
