/// What training, streaming and checkpoints need of a model, whatever its mixer: opened once, generic below.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// A parameter by its name in a checkpoint.
public struct Parameter: Sendable {
  public let name: String
  public let traits: ParameterTraits
  public var value: Tensor

  /// Where a parameter belongs, and how it is trained.
  struct Place {
    let name: String
    let traits: ParameterTraits
  }
  init(_ place: Place, _ value: Tensor) {
    (name, traits, self.value) = (place.name, place.traits, value)
  }
}

/// A language model: a function from token ids to logits whose memory is a value.
public protocol Model: Sendable {
  associatedtype State: ModelState

  var mixerName: String { get }
  var vocabularySize: Int { get }
  var width: Int { get }
  var layerCount: Int { get }

  /// In checkpoint order; a tied head is listed once, as the embedding.
  var parameters: [Parameter] { get }
  /// The same model with every parameter replaced; shapes must stay.
  func replacingParameters(_ replace: (Parameter) throws -> Tensor) rethrows -> Self
  /// The configuration as it stands in `config.json`.
  func encodeConfiguration() throws -> [UInt8]

  func initialState(batch: Int) -> State
  /// ids of B rows by T tokens, row by row → [B T D], after the last norm.
  func hidden(_ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout State) -> Tensor
  /// The output head's weight [V D].
  var head: Tensor { get }
  /// Logits z are c tanh(z / c) for this c; 0 for none.
  var logitCap: Float { get }
  /// With derived constants made once: for streaming.
  func frozen() -> Self
}

extension Model {
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.value.count } }

  /// The same model with every parameter moved by up to 0.1 either way, as training would: no bias is zero, no scale
  /// one, no layer silent. What is proven of a fresh model is proven of this one (RWKV starts with outputs of zero).
  package func perturbed(seed: UInt64) -> Self {
    var generator = SeededGenerator(seed: seed)
    return replacingParameters {
      $0.value + Tensor.uniform($0.value.shape, in: -0.1...0.1, using: &generator)
    }
  }

  /// ids of B rows by T tokens, row by row → logits [B T V].
  public func logits(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets = .none, state: inout State
  ) -> Tensor {
    capped(linear(hidden(ids, batch: batch, form: form, resets: resets, state: &state), head))
  }

  private func capped(_ logits: Tensor) -> Tensor {
    logitCap == 0 ? logits : logitCap * activate(1 / logitCap * logits, .tanh)
  }

  /// One token of every row: logits [B V] at constant cost.
  public func step(_ ids: [Int32], state: inout State) -> Tensor {
    logits(ids, batch: ids.count, form: .step, state: &state).reshaped([ids.count, vocabularySize])
  }

  /// The mean cross-entropy in nats per token, on the tape where the model is.
  public func loss(
    _ ids: [Int32], targets: [Int32], batch: Int, form: Form = .mix, resets: Resets = .none,
    state: inout State
  ) -> (mean: Tensor, perToken: Tensor) {
    let hidden = hidden(ids, batch: batch, form: form, resets: resets, state: &state)
    return logitCap == 0
      ? linearCrossEntropy(hidden, head, targets: targets)
      : crossEntropy(capped(linear(hidden, head)), targets: targets)
  }
}

/// The memory of a model: named tensors and counters, with rows that can be taken and joined.
public protocol ModelState: Sendable {
  /// As constants: gradients stop here.
  var detached: Self { get }
  var byteCount: Int { get }
  /// Every tensor, [B …], by its name in a state file.
  var tensors: [(name: String, value: Tensor)] { get }
  /// Every counter, one integer per row.
  var counters: [(name: String, value: [Int])] { get }
  /// The same state with other contents; names and shapes are those of `tensors` and `counters`.
  func replacing(
    tensors: (_ name: String, _ old: Tensor) throws -> Tensor,
    counters: (_ name: String, _ old: [Int]) throws -> [Int]
  ) rethrows -> Self
}
