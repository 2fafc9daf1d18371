/// FLASH: the gated attention unit with mixed chunk attention (Hua et al. 2022, "Transformer Quality in
/// Linear Time").
///
///     v, u = silu(W_h x + b);   z = silu(W_z x + b);   q, q', k, k' = γ_i ⊙ z + β_i, rotated by position
///     y_t = Σ_s relu(q_t · k_s / C)² v_s + q'_t M / C;   out = W_o (u ⊙ y) + b
///
/// The sum is over the tokens s ≤ t in the chunk of t, M = Σ k'ᵀ v over the chunks before (§3.2). The paper
/// leaves the scale of the second part to its code; 1/C is that of the best-known implementation. Chunks are
/// counted from the start of the document, however segments are cut.
///
/// Our name · the paper: expandedWidth E, e = 2D (§2.1) · keyWidth S, s = 128 · chunk C = 256. Two of these
/// units take the place of a transformer's layer, so there is no MLP. The paper also adds a T5 bias by
/// distance to the local scores; here position comes from the rotation alone. Parameter names are those of
/// the best-known implementation (FLASH-pytorch), the heads in its order: q, q', k, k'.

import RunnelRecurrences
import RunnelTensors

/// Gated attention: squared relu scores within a chunk, linear attention over the chunks before.
public struct Flash: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, keyWidth = 128, chunk = 256
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { 2 * $0.width }, .keyWidth(\.keyWidth, .pairs),
      Setting("chunk", \.chunk, "tokens of a chunk", kind: .tokens),
    ]
    public static let feedForward = FeedForwardKind.none
    public static let forgets = false
  }

  public static let description = MixerDescription(
    name: "flash", title: "FLASH", paper: "Hua et al. 2022, arXiv:2202.10447",
    recurrence: "y = relu(q kᵀ / C)² v in the chunk + q' Σ k'ᵀ v / C of earlier ones",
    state: "C (2 S + E) + S E",
    cost: "C (S + E) + 4 S E", parallelForm: "masked product")

  public let configuration: Configuration
  let hiddenWeight, sharedWeight, outputWeight: Weight
  let hiddenBias, sharedBias, headScale, headOffset, outputBias: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, S) = (configuration.width, configuration.expandedWidth, configuration.keyWidth)
    hiddenWeight = p.matrix("to_hidden.0.weight", [2 * E, D])
    hiddenBias = p.tensor("to_hidden.0.bias", [2 * E])
    sharedWeight = p.matrix("to_qk.0.weight", [S, D])
    sharedBias = p.tensor("to_qk.0.bias", [S])
    headScale = p.tensor("qk_offset_scale.gamma", [4, S], .exempt, .normal(1))
    headOffset = p.tensor("qk_offset_scale.beta", [4, S])
    outputWeight = p.matrix("to_out.weight", [D, E], .residual)
    outputBias = p.tensor("to_out.bias", [D])
  }

  public static let countsTokens = true
  /// The last C tokens of the document, the token at position p in slot p mod C: k, k' and v; and M.
  public var memory: [StateTensor] {
    let (C, E, S) = (configuration.chunk, configuration.expandedWidth, configuration.keyWidth)
    return [
      StateTensor("local_keys", [C, S]), StateTensor("linear_keys", [C, S]), StateTensor("values", [C, E]),
      StateTensor("memory", [S, E]),
    ]
  }

  /// Every head's scale and offset, [4 S], of z, [B T 1 S].
  static let heads = Equation { z, scale, offset in z * scale + offset }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let (B, T) = (x.shape[0], x.shape[1])
    let (E, S) = (configuration.expandedWidth, configuration.keyWidth)
    let counts = state.position
    let positions = resets.positions(steps: T, advancing: &state.position)
    let hidden = linear(x, hiddenWeight, bias: hiddenBias, sizes: [E, E])  // v, u
    let z = activate(linear(x, sharedWeight, bias: sharedBias), .silu)
    let heads = Self.heads(
      z.reshaped([B, T, 1, S]), headScale.reshaped([4, S]), headOffset.reshaped([4, S]))
    let turned = rotary(heads, positions: positions, interleaved: false)
    let parts = split(turned.reshaped([B, T, 4 * S]), sizes: [S, S, S, S])
    let operands = ChunkAttention.Operands(
      localQuery: parts[0], localKey: parts[2], linearQuery: parts[1], linearKey: parts[3],
      value: activate(hidden[0], .silu))
    let y = state.attend(operands, form: form, resets: resets, counts: counts)
    return linear(gated(y, by: hidden[1], .silu), outputWeight, bias: outputBias)
  }
}

extension RecurrentState {
  /// The recurrence owns the memory while it runs, so that it is changed in place.
  fileprivate mutating func attend(
    _ operands: ChunkAttention.Operands, form: Form, resets: Resets, counts: [Int]
  ) -> Tensor {
    var own = ChunkAttention.Memory(
      localKeys: take("local_keys"), linearKeys: take("linear_keys"), values: take("values"),
      sum: take("memory"))
    let y = ChunkAttention.run(operands, form: form, resets: resets, counts: counts, memory: &own)
    (self["local_keys"], self["linear_keys"]) = (own.localKeys, own.linearKeys)
    (self["values"], self["memory"]) = (own.values, own.sum)
    return y
  }
}
