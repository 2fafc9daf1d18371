/// RWKV-5, "Eagle" (Peng et al. 2024, "Eagle and Finch", §4.1), in its versions 5.2 (the paper's) and 5.1.
///
///     r, k, v, g = W_r x_r, W_k x_k, W_v x_v, W_g x_g;   x_• = μ_• ⊙ x_t + (1 − μ_•) ⊙ x_{t−1}
///     y_t = r_t (S_{t−1} + diag(u) k_tᵀ v_t);   S_t = diag(w) S_{t−1} + k_tᵀ v_t
///     out = W_o (silu(g) ⊙ groupnorm(y))
///
/// Our name · the paper: decay w = exp(−exp(ω)) with time_decay = ω · bonus time_faaaa = u · time_mix μ.
/// Version 5.1 has one decay and one bonus exp(time_first) for each head, and no gate. Parameter names are
/// those of BlinkDL's checkpoints; initialisation and learning rates those of his training code, but for the
/// weights that he draws orthogonal: normal, of the same deviation. He divides y by 8 in front of the norm:
/// the same as ε 8² times as large.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RWKV5: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, headWidth = 0
    public var hasGate = true, decayPerChannel = true
    public var groupNormEpsilon: Float = 1e-5
    public var startsTuned: Bool?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      Setting("head_width", \.headWidth, "K: receptances, keys and values of a head") {
        max(1, $0.width / $0.heads)
      },
      .hasGate(\.hasGate),
      Setting(
        "decay_per_channel", \.decayPerChannel,
        "whether every channel has a decay and a bonus of its own (5.2), or every head (5.1)"),
      .groupNormEpsilon(\.groupNormEpsilon), .startsTuned(\.startsTuned),
    ]
    public static let feedForward = FeedForwardKind.channelMix(version: 5, ratio: 3.5)
    public static let norm = NormKind.layer
    public static let normalizesEmbedding = true
    public var stateSpan: Double { Double(heads) * Double(headWidth) * Double(headWidth) }
  }

  public typealias State = ShiftedState

  public static let description = MixerDescription(
    name: "rwkv5", title: "RWKV-5", paper: "Peng et al. 2024, arXiv:2404.05892",
    recurrence: "S = diag(w) S + kᵀ v, y = r (S before + diag(u) kᵀ v)", state: "D + H K K", cost: "5 H K K",
    parallelForm: "masked product")

  public let configuration: Configuration
  /// [H K], or [H] in version 5.1.
  var timeDecay: Tensor
  /// The bonus of 5.2, [H K], and the logarithm of that of 5.1, [H]; the other is absent.
  var timeFaaaa, timeFirst: Tensor
  var mixKey, mixValue, mixReceptance, mixGate: Tensor
  var keyWeight, valueWeight, receptanceWeight, gateWeight, outputWeight: Weight
  /// The state before the first token, [H K K]; absent for zero.
  var tunedState: Tensor
  var normScale, normBias: Tensor
  /// log w and u, both [H K], in a frozen copy.
  private var derived: (logDecay: Tensor, bonus: Tensor)?

  public static let fields: [Field<Self>] = [
    .init("time_decay", \.timeDecay, .init(decays: false, learningRate: 2)),
    .init("time_faaaa", \.timeFaaaa, .exempt),
    .init("time_first", \.timeFirst, .init(decays: false, learningRate: 3)),
    .init("time_mix_k", \.mixKey, .exempt),
    .init("time_mix_v", \.mixValue, .exempt),
    .init("time_mix_r", \.mixReceptance, .exempt),
    .init("time_mix_g", \.mixGate, .exempt),
    .matrix("key.weight", \.keyWeight),
    .matrix("value.weight", \.valueWeight),
    .matrix("receptance.weight", \.receptanceWeight),
    .matrix("gate.weight", \.gateWeight),
    .matrix("output.weight", \.outputWeight, .residual),
    .init("ln_x.weight", \.normScale, .exempt),
    .init("ln_x.bias", \.normBias, .exempt),
    .init("time_state", \.tunedState, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.init(configuration, at: .alone, using: &generator)
  }

  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.configuration = configuration
    let (D, H, K) = (configuration.width, configuration.heads, configuration.headWidth)
    let A = H * K, decays = configuration.decayPerChannel ? A : H
    let decay = depth.decays(decays)
    if configuration.decayPerChannel {
      timeDecay = decay.reshaped([H, K])
      timeFaaaa = depth.bonuses(A).reshaped([H, K])
      timeFirst = .absent
    } else {
      (timeDecay, timeFaaaa, timeFirst) = (decay, .absent, Tensor(repeating: -3, [H]))
    }
    mixKey = .shareOfToken(D, depth.descent)
    mixValue = .shareOfToken(D, depth.descent, plus: 0.3 * depth.ascent)
    mixReceptance = .shareOfToken(D, 0.5 * depth.descent)
    mixGate = configuration.hasGate ? mixReceptance : .absent
    func weight() -> Weight {
      .normal([A, D], deviation: 1 / Float(D).squareRoot(), using: &generator)
    }
    keyWeight = weight()
    valueWeight = weight()
    receptanceWeight = weight()
    gateWeight = configuration.hasGate ? weight() : .absent
    outputWeight = .zeros([D, A], using: &generator)
    normScale = Tensor(ones: [A])
    normBias = Tensor(zeros: [A])
    tunedState = configuration.startsTuned == true ? Tensor(zeros: [H, K, K]) : .absent
  }

  public func initialState(batch: Int) -> State {
    let (H, K) = (configuration.heads, configuration.headWidth)
    return State(width: configuration.width, memory: tunedState.repeated(batch: batch, or: [H, K, K]))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, H, K) = (x.shape[0], x.shape[1], configuration.heads, configuration.headWidth)
    let previous = tokenShift(x, resets: resets, last: &state.previous)
    func projected(_ mix: Tensor, _ weight: Weight) -> Tensor {
      linear(mixed(previous, x, by: mix), weight)
    }
    func heads(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let (logDecay, bonus) = derived ?? makeDerived()
    let operands = [
      projected(mixReceptance, receptanceWeight), projected(mixKey, keyWeight),
      projected(mixValue, valueWeight),
    ].map(heads)
    let y = RunnelMixers.run(operands, from: tunedState, resets: resets, state: &state.memory) {
      operands, resets, memory in
      MatrixMemory.run(
        q: operands[0], k: operands[1], v: operands[2], decay: .perHeadAndKey(logDecay),
        reads: .before(bonus: bonus), form: form, resets: resets, state: &memory)
    }
    let normed = layerNorm(
      y.reshaped([B, T, H * K]), scale: normScale, bias: normBias, epsilon: configuration.groupNormEpsilon,
      groups: H)
    return linear(
      gateWeight.isEmpty ? normed : gated(normed, by: projected(mixGate, gateWeight), .silu), outputWeight)
  }

  private func makeDerived() -> (logDecay: Tensor, bonus: Tensor) {
    let (H, K) = (configuration.heads, configuration.headWidth)
    let logDecay = -1 * activate(timeDecay, .exp)
    guard !configuration.decayPerChannel else { return (logDecay, timeFaaaa) }
    func everyChannel(_ x: Tensor) -> Tensor { repeated(x, each: K).reshaped([H, K]) }
    return (everyChannel(logDecay), everyChannel(activate(timeFirst, .exp)))
  }

  public func frozen() -> RWKV5 {
    var copy = self
    let made = makeDerived()
    copy.derived = (made.logDecay.detached, made.bonus.detached)
    return copy
  }
}
