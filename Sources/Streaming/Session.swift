/// A stream over a model: feed tokens, draw tokens, fork, save. Its cost per token does not depend on the past.

import RunnelFiles
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// One stream. Copying it forks the stream; an old copy kept is a place to go back to.
public struct Session: Sendable {
  public internal(set) var model: StreamingModel
  public package(set) var state: ModelState
  /// The scores [V] of the token that comes next; nil before the first token.
  public internal(set) var logits: Tensor?
  /// How many tokens the stream has seen.
  public internal(set) var position = 0
  public var sampler: Sampler
  /// The last token that was read here.
  var lastToken: Int32?

  /// Tokens that are prefilled at once: enough for the matrix products, and a bound on memory.
  public static var prefillLength: Int { 512 }

  /// A stream before its first token. To share one model among streams, pass ``LanguageFunction/stream()`` of it.
  public init(_ model: some LanguageFunction, sampler: Sampler) {
    self.model = model.stream()
    self.sampler = sampler
    state = model.initialState(batch: 1)
  }

  /// Reads tokens: by `step` for one, chunkwise for more.
  ///
  /// - Throws: where one of them is none of the model's; none is read then.
  public mutating func feed(_ tokens: some Collection<Int32>) throws(UnknownToken) {
    let ids = Array(tokens)
    try model.requireKnown(ids, from: position)
    read(ids)
  }

  /// Reads tokens that are known to be the model's.
  mutating func read(_ tokens: some Collection<Int32>) {
    var rest = Array(tokens)[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(Self.prefillLength))
      rest = rest.dropFirst(piece.count)
      let form = piece.count == 1 ? Form.step : .mix
      logits = model.lastLogits(piece, batch: 1, form: form, state: &state)
        .reshaped([model.vocabularySize])
      position += piece.count
      lastToken = piece.last
      for token in piece { sampler.observe(token) }
    }
  }

  /// Draws the next token and reads it; nil before the first token was fed.
  ///
  /// - Throws: where the scores are not finite, so that there is nothing to draw from; the stream stays as it is.
  public mutating func next() throws(NonFiniteNumbers) -> Int32? {
    guard let logits else { return nil }
    try requireFinite()
    let token = sampler.sample(logits)
    read(CollectionOfOne(token))
    return token
  }

  /// Throws where the scores of the next token are not finite, with the part of the model where that begins.
  public func requireFinite() throws(NonFiniteNumbers) {
    guard let logits, !logits.isFinite else { return }
    var failure = model.nonFinite(
      lastToken.map { [$0] } ?? [], batch: 1, form: .step, state: state, seen: logits)
    failure.place = [failure.place, "\(counted(position, "token")) read"].compactMap { $0 }.joined(
      separator: ", ")
    throw failure
  }
}
