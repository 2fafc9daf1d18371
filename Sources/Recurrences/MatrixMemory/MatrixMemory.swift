/// The matrix memory: the recurrence of linear attention, RetNet, Mamba-2, GLA, HGRN2, RWKV-5 and RWKV-6, with
/// a rank-one removal that of DeltaNet, Gated DeltaNet and RWKV-7, and under exponential gates that of mLSTM.
///
///     S_t = diag(w_t) S_{t−1} + b_tᵀ (a_t S_{t−1}) + k_tᵀ v_t      S [K V] per row and head, w_t in [0, 1]
///     y_t = q_t S_t                                               reads `.after`
///     y_t = q_t S_{t−1} + (q_t · (u ⊙ k_t)) v_t                   reads `.before(bonus: u)`
///
/// With k̂ of unit length, DeltaNet's (I − β k̂ k̂ᵀ) S + β k̂ᵀ v has a = k̂, b = −β k̂ and k = β k̂. Gated DeltaNet
/// decays first and removes from what is left: b = −w β k̂. RWKV-7 has a = −κ̂ and b = κ̂ ⊙ its a. Nothing is
/// assumed of a and b, so whoever makes them sees to it that the state does not grow without bound.

import RunnelTensors

/// S_t = diag(w_t) S_{t−1} + k_tᵀ v_t, with a rank-one removal or without: one matrix a head.
public enum MatrixMemory {
  /// The logarithm of w_t, which must not be positive. Decays below e⁻⁸⁷ count as zero, −∞ included.
  public enum Decay: Sendable {
    case none
    /// One for each head, the same for all tokens: [H].
    case perHead(Tensor)
    /// One for each head and key, the same for all tokens: [H K].
    case perHeadAndKey(Tensor)
    /// One for each token and head: [B T H].
    case perToken(Tensor)
    /// One for each token, head and key: [B T H K].
    case perKey(Tensor)
  }

  /// Which state a token reads.
  public enum Reads: Sendable {
    /// The one that it has written to.
    case after
    /// The one before it, and its own value as much as q · (u ⊙ k) says, with the bonus u [H K]. Without a
    /// bonus the token does not see itself.
    case before(bonus: Tensor?)
  }

  /// Runs over T tokens: q, k, a, b [B T G K], v [B T H V] → y [B T H V]; the state [B H K V] is taken on to
  /// the last token.
  ///
  /// Each of the G groups of queries and keys serves H/G neighbouring heads. Gradients flow to every operand and
  /// through both states. A reset makes the state zero. No tokens give an empty result and leave the state.
  ///
  /// Without gradients, `step` changes the state in place. With gradients every form keeps the state before each
  /// chunk that goes on with a document and recomputes the rest; the backward is chunkwise.
  /// `parallel` is the papers' quadratic form, on blocks of 256 tokens.
  ///
  /// - Parameter removal: a and b, for the rank-one term.
  public static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay = .none, removal: (a: Tensor, b: Tensor)? = nil,
    reads: Reads = .after, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    run(
      q: q, k: k, v: v, decay: decay, removal: removal, reads: reads, form: form, resets: resets,
      state: &state, chunk: nil)
  }

  /// The same in chunks of `chunk` tokens, or as many as are fastest.
  package static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay, removal: (a: Tensor, b: Tensor)?, reads: Reads, form: Form,
    resets: Resets, state: inout Tensor, chunk: Int?
  ) -> Tensor {
    let call = MatrixCall(q, k, v, decay, removal, reads, state, resets, chunk: chunk)
    let isTracked = state.isTracked || call.operands.contains(where: \.isTracked)
    return form == .step && resets.isEmpty && !isTracked ? call.stream(&state) : call.run(form, state: &state)
  }
}

extension MatrixMemory.Decay {
  /// The logarithms, and whether they are one for each token, and for each key.
  var parts: (logarithm: Tensor?, hasTokens: Bool, hasKeys: Bool) {
    switch self {
    case .none: (nil, false, false)
    case .perHead(let log): (log, false, false)
    case .perHeadAndKey(let log): (log, false, true)
    case .perToken(let log): (log, true, false)
    case .perKey(let log): (log, true, true)
    }
  }
}

extension MatrixMemory.Reads {
  var bonus: Tensor? { if case .before(let bonus) = self { bonus } else { nil } }
}
