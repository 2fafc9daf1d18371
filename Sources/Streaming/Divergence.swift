/// How far two models are apart on a text: what a conversion has changed.

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

  private var sum = 0.0
  private var numbers = 0.0

  /// Reads the ids with both models, in constant memory: the source chunkwise, the result in `form`.
  ///
  /// - Parameters:
  ///   - source: and `result`: models of one vocabulary, to which the ids belong.
  ///   - byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
  public init(
    from source: LanguageModel, to result: LanguageModel, form: Form, on ids: [Int32],
    byteLengths: [Int]? = nil
  ) {
    precondition(
      source.vocabularySize == result.vocabularySize,
      "Divergence: vocabularies of \(source.vocabularySize) and \(result.vocabularySize)")
    var states = (source.initialState(batch: 1), result.initialState(batch: 1))
    let length = 128
    for start in stride(from: 0, to: ids.count, by: length) {
      let piece = Array(ids[start..<min(start + length, ids.count)])
      let a = source.logits(piece, batch: 1, form: .mix, state: &states.0)
      let b = result.logits(piece, batch: 1, form: form, state: &states.1)
      for i in 0..<a.count {
        let difference = Double(abs(a.base[i] - b.base[i]))
        // A NaN is the largest of all.
        largest = difference > largest || difference.isNaN ? difference : largest
        sum += difference
      }
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
