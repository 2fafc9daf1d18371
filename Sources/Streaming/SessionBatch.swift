/// Streams side by side: one step of the model for all of them, so that its weights are read once per token, not once per
/// token and stream.

import RunnelModels
import RunnelTensors

/// Several streams over one model, which join and leave at any token. What a stream gives does not depend on the others: the
/// tokens are those of its ``Session`` alone, bit for bit.
///
///     var batch = SessionBatch(model)
///     batch.add(sessions)                    // each has read its prompt
///     let tokens = try batch.next()          // one token of each, in the order in which they joined
///     let finished = batch.remove(at: 0)     // a session again
public struct SessionBatch: Sendable {
  public let model: StreamingModel
  /// The memories of all streams, [B …].
  private var state: ModelState
  /// The scores [B V] of the tokens that come next.
  private var logits: Tensor = .absent
  private var samplers: [Sampler] = []
  private var positions: [Int] = []
  private var lastTokens: [Int32?] = []

  /// No streams yet. To share one model among batches, pass ``LanguageFunction/stream()`` of it.
  public init(_ model: some LanguageFunction) {
    self.model = model.stream()
    state = model.initialState(batch: 0)
  }

  public var count: Int { samplers.count }
  public var isEmpty: Bool { samplers.isEmpty }

  /// Takes in streams of the same model, behind those that are there. Each must have read a token. Copies all states.
  public mutating func add(_ sessions: [Session]) {
    guard !sessions.isEmpty else { return }
    let V = model.vocabularySize
    let scores = sessions.map { session in
      guard let logits = session.logits else {
        preconditionFailure("SessionBatch: a stream without a token; feed it first")
      }
      precondition(
        logits.count == V, "SessionBatch: a stream of another model, with \(logits.count) tokens, not \(V)")
      return logits
    }
    state = ModelState(joining: [state] + sessions.map(\.state))
    let before = logits
    logits = Tensor([count + sessions.count, V]) { to in
      to.update(from: before.base, count: before.count)
      for (i, scores) in scores.enumerated() {
        (to + before.count + i * V).update(from: scores.base, count: V)
      }
    }
    samplers += sessions.map(\.sampler)
    positions += sessions.map(\.position)
    lastTokens += sessions.map(\.lastToken)
  }

  /// Takes a stream out, as it stands; those behind it move up. Copies all states.
  @discardableResult
  public mutating func remove(at index: Int) -> Session {
    let session = self[index]
    keep((0..<count).filter { $0 != index })
    return session
  }

  /// Takes out all streams but these, named in their order. Copies the states of those that stay.
  public mutating func keep(_ rows: [Int]) {
    guard rows.count < count else { return }
    let V = model.vocabularySize, before = logits
    state = state.rows(rows)
    logits = Tensor([rows.count, V]) { to in
      for (i, row) in rows.enumerated() { (to + i * V).update(from: before.base + row * V, count: V) }
    }
    samplers = rows.map { samplers[$0] }
    positions = rows.map { positions[$0] }
    lastTokens = rows.map { lastTokens[$0] }
  }

  /// A copy of one stream: a fork.
  public subscript(index: Int) -> Session {
    precondition((0..<count).contains(index), "SessionBatch: stream \(index) of \(count)")
    return Session(
      streaming: model, state: state.rows([index]), logits: scores(index), position: positions[index],
      lastToken: lastTokens[index], sampler: samplers[index])
  }

  /// Draws the next token of every stream and reads them, all in one step.
  ///
  /// - Throws: where the scores of a stream are not finite; nothing has been drawn then, and the others can go on without it.
  public mutating func next() throws(Failure) -> [Int32] {
    guard !isEmpty else { return [] }
    if !logits.isFinite, let index = (0..<count).first(where: { !scores($0).isFinite }) {
      do throws(NonFiniteNumbers) { try self[index].requireFinite() } catch {
        throw Failure(stream: index, numbers: error)
      }
    }
    let tokens = samplers.indices.map { samplers[$0].sample(scores($0)) }
    logits = model.step(tokens, state: &state)
    for (i, token) in tokens.enumerated() {
      samplers[i].observe(token)
      positions[i] += 1
      lastTokens[i] = token
    }
    return tokens
  }

  /// A stream, by its place, that cannot go on.
  public struct Failure: Error, CustomStringConvertible {
    public let stream: Int
    public let numbers: NonFiniteNumbers
    public var description: String { "stream \(stream + 1): \(numbers)" }
  }

  private func scores(_ index: Int) -> Tensor {
    logits.rows(index..<index + 1).reshaped([model.vocabularySize])
  }
}

extension Session {
  /// A stream that is under way; its model streams already.
  fileprivate init(
    streaming model: StreamingModel, state: ModelState, logits: Tensor, position: Int,
    lastToken: Int32?, sampler: Sampler
  ) {
    self.model = model
    self.state = state
    self.logits = logits
    self.position = position
    self.lastToken = lastToken
    self.sampler = sampler
  }
}
