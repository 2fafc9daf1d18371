/// How well a model predicts: sums of cross-entropies, and a scorer for streams of any length.

import Foundation
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// A sum over predicted tokens.
public struct Score: Sendable, Equatable {
  /// The sum of the cross-entropies in nats.
  public var nats = 0.0
  /// How many tokens were predicted.
  public var tokens = 0
  /// How many bytes of text these stand for.
  public var bytes = 0

  public init() {}
  /// Nats per token.
  public var loss: Double { tokens == 0 ? 0 : nats / Double(tokens) }
  public var perplexity: Double { exp(loss) }
  public var bitsPerByte: Double { bytes == 0 ? 0 : nats / log(2) / Double(bytes) }

  /// - Parameters:
  ///   - losses: the cross-entropies of `targets`; those of −1 asked for nothing.
  ///   - lengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
  public mutating func add(
    _ losses: some Sequence<Float>, of targets: some Sequence<Int32>, lengths: [Int]? = nil
  ) {
    for (loss, target) in zip(losses, targets) where target >= 0 {
      nats += Double(loss)
      tokens += 1
      bytes += lengths.map { Int(target) < $0.count ? $0[Int(target)] : 0 } ?? 1
    }
  }
}

/// Scores a stream as it arrives, in constant memory: every token but the first is predicted from all before it.
public struct StreamScorer: Sendable {
  public let model: LanguageModel
  public let form: Form
  public private(set) var score = Score()
  private var state: LanguageModel.State
  /// The last token seen, whose successor is to be scored.
  private var last: Int32?
  /// Tokens per piece: long enough for the matrix products, short enough for memory.
  private let length: Int
  private let byteLengths: [Int]?

  /// `model` is frozen here.
  ///
  /// - Parameter byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
  public init(_ model: LanguageModel, form: Form, byteLengths: [Int]? = nil) {
    self.byteLengths = byteLengths
    self.model = model.frozen()
    self.form = form
    state = model.initialState(batch: 1)
    length = form == .step ? 1 : form == .mix ? 512 : 1024
  }

  /// Scores the tokens; `each` receives their cross-entropies in nats, in order.
  public mutating func feed(_ tokens: some Collection<Int32>, each: (ArraySlice<Float>) -> Void = { _ in }) {
    var targets = Array(tokens)[...]
    if last == nil { last = targets.popFirst() }
    while let input = last, !targets.isEmpty {
      let piece = targets.prefix(length)
      let ids = [input] + piece.dropLast()
      let losses = model.loss(ids, targets: Array(piece), batch: 1, form: form, state: &state).perToken
        .scalars
      score.add(losses, of: piece, lengths: byteLengths)
      each(losses[...])
      last = piece.last
      targets = targets.dropFirst(piece.count)
    }
  }
}
