/// How well a model predicts: sums of cross-entropies, and a scorer for streams of any length.

import Foundation
import RunnelFiles
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

/// Scores a stream as it arrives, in constant memory: every token is predicted from all before it, but for the first of
/// a stream that begins here.
public struct StreamScorer: Sendable {
  public let form: Form
  public private(set) var score = Score()
  /// The stream up to the last token seen, which it has not read yet.
  private var stream: Session
  /// The last token seen, whose successor is to be scored.
  private var last: Int32?
  /// Tokens per piece: long enough for the matrix products, short enough for memory.
  private let length: Int
  private let byteLengths: [Int]?

  /// Scores a stream from its first token.
  ///
  /// - Parameter byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
  public init(_ model: some LanguageFunction, form: Form, byteLengths: [Int]? = nil) {
    self.init(continuing: Session(model, sampler: Sampler(seed: 1)), form: form, byteLengths: byteLengths)
  }

  /// Scores what follows on a stream that may have come far already.
  public init(continuing stream: Session, form: Form, byteLengths: [Int]? = nil) {
    self.stream = stream
    self.form = form
    self.byteLengths = byteLengths
    length = form == .step ? 1 : form == .mix ? 512 : 1024
  }

  public var model: StreamingModel { stream.model }

  /// The stream behind the last token scored, to be saved, or to go on by drawing tokens.
  public var session: Session {
    var session = stream
    if let last { session.read(CollectionOfOne(last)) }
    return session
  }

  /// Scores the tokens; `each` receives their cross-entropies in nats, in order.
  ///
  /// - Throws: `UnknownToken` where a token is none of the model's, and none is scored; `NonFiniteNumbers` where a score is no
  ///   number, with the part of the model where that begins: the scorer is of no use then.
  public mutating func feed(
    _ tokens: some Collection<Int32>, each: (ArraySlice<Float>) -> Void = { _ in }
  ) throws {
    let ids = Array(tokens)
    try model.requireKnown(ids, from: stream.position + (last == nil ? 0 : 1))
    var targets = ids[...]
    if last == nil, let first = targets.popFirst() {
      if let logits = stream.logits {
        try stream.requireFinite()
        // The stream goes on: its last step has predicted this token already.
        add(
          crossEntropy(logits.reshaped([1, model.vocabularySize]), targets: [first]).perToken.scalars,
          of: [first], each)
      }
      last = first
    }
    while let input = last, !targets.isEmpty {
      let piece = targets.prefix(length)
      let ids = [input] + piece.dropLast()
      // A step changes the state in place; a longer piece can spare a copy, with which a second look is exact.
      let before = length > 1 ? stream.state : nil
      let losses = model.loss(ids, targets: Array(piece), batch: 1, form: form, state: &stream.state)
        .perToken
      guard losses.isFinite else {
        var failure = model.nonFinite(
          ids, batch: 1, form: form, state: before ?? stream.state, seen: losses)
        failure.place = [failure.place, "behind \(counted(stream.position, "token"))"].compactMap { $0 }
          .joined(
            separator: ", ")
        throw failure
      }
      stream.position += ids.count
      for id in ids { stream.sampler.observe(id) }
      add(losses.scalars, of: piece, each)
      last = piece.last
      targets = targets.dropFirst(piece.count)
    }
  }

  private mutating func add(
    _ losses: [Float], of targets: ArraySlice<Int32>, _ each: (ArraySlice<Float>) -> Void
  ) {
    score.add(losses, of: targets, lengths: byteLengths)
    each(losses[...])
  }
}
