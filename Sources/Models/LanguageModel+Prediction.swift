/// From token ids to what comes next: logits, one step of them, and the loss.

import RunnelRecurrences
import RunnelTensors

extension LanguageModel {
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
    logits(ofHidden: hidden(ids, batch: batch, form: form, resets: resets, state: &state))
  }

  /// What `hidden` gave, or some of its rows [… D] → logits [… V].
  public func logits(ofHidden hidden: Tensor) -> Tensor {
    let logits = linear(hidden, head), cap = configuration.logitCap
    return cap == 0 ? logits : cap * activate(1 / cap * logits, .tanh)
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
    return configuration.logitCap == 0
      ? linearCrossEntropy(hidden, head, targets: targets)
      : crossEntropy(logits(ofHidden: hidden), targets: targets)
  }
}
