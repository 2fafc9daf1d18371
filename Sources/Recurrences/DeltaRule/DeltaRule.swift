/// The delta rule, and the outer-product recurrence with a decay for every key: the memory of DeltaNet, Gated
/// DeltaNet and RWKV-7, and of GLA, HGRN2, RWKV-5 and RWKV-6.
///
///     S_t = diag(w_t) S_{t−1} + b_tᵀ (a_t S_{t−1}) + k_tᵀ v_t      S [K V] per row and head, w_t in [0, 1]
///     y_t = q_t S_t                                               reads `.after`
///     y_t = q_t S_{t−1} + (q_t · (u ⊙ k_t)) v_t                   reads `.before(bonus: u)`
///
/// With k̂ of unit length, DeltaNet's (I − β k̂ k̂ᵀ) S + β k̂ᵀ v has a = k̂, b = −β k̂ and k = β k̂. Gated DeltaNet
/// decays first and removes from what is left: b = −w β k̂. RWKV-7 has a = −κ̂ and b = κ̂ ⊙ its a. Nothing is
/// assumed of a and b, so whoever makes them sees to it that the state does not grow without bound.

import RunnelTensors

public enum DeltaRule {
  /// The logarithm of w_t, which must not be positive. Decays below e⁻⁸⁷ count as zero, −∞ included.
  public enum Decay: Sendable {
    case none
    /// One for each head, the same for all tokens: [H].
    case perHead(Tensor)
    /// [B T H].
    case perToken(Tensor)
    /// [B T H K].
    case perKey(Tensor)
    /// One for each head and key, the same for all tokens: [H K].
    case perHeadAndKey(Tensor)
  }

  /// Which state a token reads.
  public enum Reads: Sendable {
    /// The one that it has written to.
    case after
    /// The one before it, and its own value as much as q · (u ⊙ k) says, with the bonus u [H K]. Without a
    /// bonus the token does not see itself.
    case before(bonus: Tensor?)
  }

  /// Runs over T tokens: q, k, a, b [B T H K], v [B T H V] → y [B T H V]; the state [B H K V] is taken on
  /// to the last token.
  ///
  /// Gradients flow to every operand and through both states. A reset makes the state zero. No tokens give an
  /// empty result and leave the state.
  ///
  /// Without gradients, `step` changes the state in place and allocates nothing but y and K + V floats.
  /// With gradients every form keeps the state before each chunk, of 32 tokens or 16 with removal, and
  /// recomputes the rest; the backward is chunkwise. `parallel` is the papers' quadratic form on blocks of 256
  /// tokens.
  ///
  /// - Parameter removal: a and b, for the rank-one term; without it the recurrence is the outer product.
  public static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay = .none, removal: (a: Tensor, b: Tensor)? = nil,
    reads: Reads = .after, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    run(
      q: q, k: k, v: v, decay: decay, removal: removal, reads: reads, form: form, resets: resets,
      state: &state, chunk: form == .parallel ? 256 : chunkLength(removal: removal != nil))
  }

  /// Q of the chunkwise form. Scores cost Q K a token, with removal four times that; the products with the
  /// state K V at any Q. Without removal training is as fast with 16 as with 32, which keeps half as many
  /// states; with it 32 would take 15 to 20 % longer for K and V of 64 and of 128.
  package static func chunkLength(removal: Bool) -> Int { removal ? 16 : 32 }

  package static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay, removal: (a: Tensor, b: Tensor)?, reads: Reads, form: Form,
    resets: Resets, state: inout Tensor, chunk: Int
  ) -> Tensor {
    let n = DeltaSizes(q, k, v, decay, removal, reads, state)
    guard n.T > 0 else { return Tensor(uninitialized: v.shape) }
    let call = DeltaCall(
      n: n, q: q.detached, k: k.detached, v: v.detached, a: removal?.a.detached, b: removal?.b.detached,
      decay: decay.detached, reads: reads.detached)
    let inputs = [q, k, v, state, removal?.a, removal?.b, decay.logarithm, reads.bonus]
    let isTracked = inputs.contains { $0?.isTracked == true }
    if form == .step && !isTracked {
      return Tensor(v.shape) { y in state.mutate { call.steps(resets: resets, state: $0, y: y) } }
    }
    let plan = OuterPlan(batch: n.B, length: n.T, resets: resets, chunk: chunk)
    let starts = isTracked ? Tensor(uninitialized: [plan.count, n.H, n.K, n.V]) : nil
    let y = Tensor(v.shape) { y in
      state.mutate {
        if form == .step {
          call.steps(plan, state: $0, y: y, starts: starts?.storage.base)
        } else {
          call.forward(plan, state: $0, y: y, starts: starts?.storage.base)
        }
      }
    }
    guard let starts else { return y }
    let present = inputs.indices.filter { inputs[$0] != nil }
    let needsDecay = decay.logarithm?.isTracked == true
    let outputs = record([y, state], from: inputs.compactMap(\.self)) { seeds in
      let gradients = DeltaGradients(call, needsDecay: needsDecay, dy: seeds[0], dstate: seeds[1])
      call.backward(plan, starts: starts, into: gradients)
      let all = gradients.finished()
      return present.map { all[$0] }
    }
    state = outputs[1]
    return outputs[0]
  }
}

extension DeltaRule.Decay {
  var logarithm: Tensor? {
    switch self {
    case .none: nil
    case .perHead(let log), .perToken(let log), .perKey(let log), .perHeadAndKey(let log): log
    }
  }
  var detached: DeltaRule.Decay {
    switch self {
    case .none: .none
    case .perHead(let log): .perHead(log.detached)
    case .perToken(let log): .perToken(log.detached)
    case .perKey(let log): .perKey(log.detached)
    case .perHeadAndKey(let log): .perHeadAndKey(log.detached)
    }
  }
}

extension DeltaRule.Reads {
  var bonus: Tensor? { if case .before(let bonus) = self { bonus } else { nil } }
  var detached: DeltaRule.Reads {
    if case .before(let bonus) = self { .before(bonus: bonus?.detached) } else { .after }
  }
}

/// The extents of one call, checked.
struct DeltaSizes: Sendable {
  let B, T, H, K, V: Int
  /// K rounded up to whole vectors.
  let P: Int
  /// Floats between two tokens of q, k, a and b, of v and y, and in the state of one head.
  var keyStride: Int { H * K }
  var valueStride: Int { H * V }
  var stateSize: Int { K * V }

  init(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ decay: DeltaRule.Decay, _ removal: (a: Tensor, b: Tensor)?,
    _ reads: DeltaRule.Reads, _ state: Tensor
  ) {
    precondition(
      q.shape.rank == 4 && q.shape == k.shape,
      "DeltaRule: q \(q.shape) and k \(k.shape); both must be [B T H K]")
    precondition(
      v.shape.rank == 4 && (0..<3).allSatisfy { v.shape[$0] == q.shape[$0] },
      "DeltaRule: q \(q.shape) and v \(v.shape); v must be [B T H V] of the same B, T and H")
    (B, T, H, K) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    V = v.shape[3]
    P = (K + 15) / 16 * 16
    if let (a, b) = removal {
      precondition(
        a.shape == q.shape && b.shape == q.shape,
        "DeltaRule: a \(a.shape) and b \(b.shape); both must be like q \(q.shape)")
    }
    precondition(
      state.shape == [B, H, K, V],
      "DeltaRule: a state of \(state.shape); q \(q.shape) and v \(v.shape) need \([B, H, K, V] as Shape)")
    let expected: Shape? =
      switch decay {
      case .none: nil
      case .perHead: [H]
      case .perToken: [B, T, H]
      case .perKey: [B, T, H, K]
      case .perHeadAndKey: [H, K]
      }
    precondition(
      decay.logarithm?.shape == expected,
      "DeltaRule: decays of \(decay.logarithm?.shape ?? []) for q \(q.shape); give \(expected ?? [])")
    if let bonus = reads.bonus {
      precondition(
        bonus.shape == [H, K], "DeltaRule: a bonus of \(bonus.shape) for q \(q.shape); give [H K]")
    }
  }
}

/// The operands of one call, as constants.
struct DeltaCall: Sendable {
  let n: DeltaSizes
  let q, k, v: Tensor
  let a, b: Tensor?
  let decay: DeltaRule.Decay
  let reads: DeltaRule.Reads

  /// How many kinds of rows read the state, q and a, and write to it, k and b.
  var parts: Int { a == nil ? 1 : 2 }
  /// How many tokens before itself is the state that a token's q reads.
  var lag: Int { if case .before = reads { 1 } else { 0 } }

  func keyOffset(_ b: Int, _ t: Int, _ h: Int) -> Int { ((b * n.T + t) * n.H + h) * n.K }
  func valueOffset(_ b: Int, _ t: Int, _ h: Int) -> Int { ((b * n.T + t) * n.H + h) * n.V }
  /// Where the state of head `h` before chunk `c` of row `b` is kept.
  func startOffset(_ plan: OuterPlan, _ b: Int, _ c: Int, _ h: Int) -> Int {
    ((plan.first[b] + c) * n.H + h) * n.stateSize
  }

  /// The logarithms of a head's decays at a token, and the floats from one token's to the next's and from one
  /// key's to the next's.
  func logDecay(_ b: Int, _ t: Int, _ h: Int) -> (UnsafePointer<Float>?, stride: Int, keyStep: Int) {
    switch decay {
    case .none: (nil, 0, 0)
    case .perHead(let log): (log.base + h, 0, 0)
    case .perToken(let log): (log.base + (b * n.T + t) * n.H + h, n.H, 0)
    case .perKey(let log): (log.base + keyOffset(b, t, h), n.keyStride, 1)
    case .perHeadAndKey(let log): (log.base + h * n.K, 0, 1)
    }
  }
}
