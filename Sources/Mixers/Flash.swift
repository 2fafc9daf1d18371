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

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct Flash: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, keyWidth = 128, chunk = 256
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { 2 * $0.width },
      Setting("key_width", \.keyWidth, "K: features of a query and a key", .pairs),
      Setting("chunk", \.chunk, "tokens of a chunk", kind: .tokens),
    ]
    public static let feedForward = FeedForwardKind.none
    public static let forgets = false
    public var stateSpan: Double { Double(chunk) * (2 * Double(keyWidth) + Double(expandedWidth)) }
  }

  public struct State: RecurrentState {
    /// The last C tokens of the document, the token at position p in slot p mod C: k and k' [B C S], v [B C
    /// E].
    public var localKeys: Tensor
    public var linearKeys: Tensor
    public var values: Tensor
    /// M, [B S E].
    public var memory: Tensor
    /// How many tokens each row's document has seen.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("local_keys", \.localKeys), .init("linear_keys", \.linearKeys), .init("values", \.values),
      .init("memory", \.memory),
    ]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "flash", title: "FLASH", paper: "Hua et al. 2022, arXiv:2202.10447",
    recurrence: "y = relu(q kᵀ / C)² v in the chunk + q' Σ k'ᵀ v / C of earlier ones",
    state: "C (2 S + E) + S E",
    cost: "C (S + E) + 4 S E", parallelForm: "masked product in chunks")

  public let configuration: Configuration
  var hiddenBias, sharedBias: Tensor
  var hiddenWeight, sharedWeight: Weight
  var headScale, headOffset, outputBias: Tensor
  var outputWeight: Weight

  public static let fields: [Field<Self>] = [
    .matrix("to_hidden.0.weight", \.hiddenWeight),
    .init("to_hidden.0.bias", \.hiddenBias, .exempt),
    .matrix("to_qk.0.weight", \.sharedWeight),
    .init("to_qk.0.bias", \.sharedBias, .exempt),
    .init("qk_offset_scale.gamma", \.headScale, .exempt),
    .init("qk_offset_scale.beta", \.headOffset, .exempt),
    .matrix("to_out.weight", \.outputWeight, .residual),
    .init("to_out.bias", \.outputBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, S) = (configuration.width, configuration.expandedWidth, configuration.keyWidth)
    hiddenWeight = .weight(2 * E, D, using: &generator)
    hiddenBias = Tensor(zeros: [2 * E])
    sharedWeight = .weight(S, D, using: &generator)
    sharedBias = Tensor(zeros: [S])
    headScale = .normal([4, S], deviation: 1, using: &generator)
    headOffset = Tensor(zeros: [4, S])
    outputWeight = .weight(D, E, using: &generator)
    outputBias = Tensor(zeros: [D])
  }

  public func initialState(batch: Int) -> State {
    let fresh = ChunkAttention.Memory(
      batch: batch, chunk: configuration.chunk, keyWidth: configuration.keyWidth,
      valueWidth: configuration.expandedWidth)
    return State(
      localKeys: fresh.localKeys, linearKeys: fresh.linearKeys, values: fresh.values, memory: fresh.sum,
      position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T) = (x.shape[0], x.shape[1])
    let (E, S) = (configuration.expandedWidth, configuration.keyWidth)
    let counts = state.position
    let positions = resets.positions(steps: T, advancing: &state.position)
    let hidden = linear(x, hiddenWeight, bias: hiddenBias, sizes: [E, E])  // v, u
    let z = activate(linear(x, sharedWeight, bias: sharedBias), .silu)
    let heads = added(
      scaled(concatenated([z, z, z, z]), by: headScale.reshaped([4 * S])), headOffset.reshaped([4 * S]))
    let turned = rotary(heads.reshaped([B, T, 4, S]), positions: positions, interleaved: false)
    let parts = split(turned.reshaped([B, T, 4 * S]), sizes: [S, S, S, S])
    let operands = ChunkAttention.Operands(
      localQuery: parts[0], localKey: parts[2], linearQuery: parts[1], linearKey: parts[3],
      value: activate(hidden[0], .silu))
    let y = state.attend(operands, form: form, resets: resets, counts: counts)
    return linear(gated(y, by: hidden[1], .silu), outputWeight, bias: outputBias)
  }
}

extension Flash.State {
  /// The recurrence owns the memory while it runs, so that it is changed in place.
  fileprivate mutating func attend(
    _ operands: ChunkAttention.Operands, form: Form, resets: Resets, counts: [Int]
  ) -> Tensor {
    var own = ChunkAttention.Memory(
      localKeys: localKeys, linearKeys: linearKeys, values: values, sum: memory)
    (localKeys, linearKeys, values, memory) = (.absent, .absent, .absent, .absent)
    let y = ChunkAttention.run(operands, form: form, resets: resets, counts: counts, memory: &own)
    (localKeys, linearKeys, values, memory) = (own.localKeys, own.linearKeys, own.values, own.sum)
    return y
  }
}
