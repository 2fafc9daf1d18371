/// From token ids to what comes next: logits, one step of them, and the loss.

import RunnelRecurrences
import RunnelTensors

extension LanguageModel {
  /// The same model with every parameter moved by up to 0.1 either way, as training would: no bias is zero, no scale
  /// one, no layer silent. What is proven of a fresh model is proven of this one (RWKV starts with outputs of zero).
  package func perturbed(seed: UInt64) -> Self {
    var generator = SeededGenerator(seed: seed)
    return replacingParameters {
      $0.value + Tensor.uniform($0.value.shape, in: -0.1...0.1, using: &generator)
    }
  }
}

extension LanguageFunction {
  /// ids of B rows by T tokens, row by row → logits [B T V].
  public func logits(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets = .none, state: inout ModelState
  ) -> Tensor {
    logits(ofHidden: hidden(ids, batch: batch, form: form, resets: resets, state: &state))
  }

  /// What `hidden` gave, or some of its rows [… D] → logits [… V].
  public func logits(ofHidden hidden: Tensor) -> Tensor {
    let logits = linear(hidden, head)
    return network.cap?(logits) ?? logits
  }

  /// ids of B rows by T > 0 tokens → the logits [B V] behind each row's last token alone: the head is the widest product
  /// of a model.
  public func lastLogits(
    _ ids: [Int32], batch: Int, form: Form, state: inout ModelState
  ) -> Tensor {
    let steps = ids.count / batch
    precondition(steps > 0, "LanguageModel: no tokens to predict from")
    let hidden = hidden(ids, batch: batch, form: form, resets: .none, state: &state)
      .reshaped([ids.count, width])
    let last = (0..<batch).map { Int32(($0 + 1) * steps - 1) }
    return logits(ofHidden: embedding(hidden, ids: last, shape: [batch]))
  }

  /// One token of every row: logits [B V] at constant cost.
  public func step(_ ids: [Int32], state: inout ModelState) -> Tensor {
    logits(ids, batch: ids.count, form: .step, state: &state).reshaped([ids.count, vocabularySize])
  }

  /// The mean cross-entropy in nats per token, on the tape where the model is. A target of −1 asks for nothing.
  ///
  /// - Parameter recomputes: whether the tape keeps of a layer only what enters it, and computes the rest again for gradients: the
  ///   same bits with less memory, for about two fifths more time.
  public func loss(
    _ ids: [Int32], targets: [Int32], batch: Int, form: Form = .mix, resets: Resets = .none,
    state: inout ModelState, recomputes: Bool = false
  ) -> (mean: Tensor, perToken: Tensor) {
    let hidden = hidden(
      ids, batch: batch, form: form, resets: resets, state: &state, recomputes: recomputes)
    // Where few tokens are asked for, the head works for these alone.
    let asked = targets.indices.filter { targets[$0] >= 0 }
    guard !asked.isEmpty, 2 * asked.count < targets.count else {
      return crossEntropy(ofHidden: hidden, targets: targets)
    }
    let rows = embedding(
      hidden.reshaped([targets.count, width]), ids: asked.map(Int32.init), shape: [asked.count])
    let (mean, losses) = crossEntropy(ofHidden: rows, targets: asked.map { targets[$0] })
    let perToken = Tensor([targets.count]) { all in
      all.update(repeating: 0, count: targets.count)
      for (i, row) in asked.enumerated() { all[row] = losses.base[i] }
    }
    return (mean, perToken)
  }

  private func crossEntropy(ofHidden hidden: Tensor, targets: [Int32]) -> (mean: Tensor, perToken: Tensor) {
    network.cap == nil
      ? linearCrossEntropy(hidden, head, targets: targets)
      : RunnelTensors.crossEntropy(logits(ofHidden: hidden), targets: targets)
  }
}
