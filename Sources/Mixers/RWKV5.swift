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

import RunnelRecurrences
import RunnelTensors

/// A matrix memory with a constant decay per head, or per channel, and a bonus for the current token.
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
  }

  public static let description = MixerDescription(
    name: "rwkv5", title: "RWKV-5", paper: "Peng et al. 2024, arXiv:2404.05892",
    recurrence: "S = diag(w) S + kᵀ v, y = r (S before + diag(u) kᵀ v)", state: "D + H K K", cost: "5 H K K",
    parallelForm: "masked product")

  public let configuration: Configuration
  /// [H K], or [H] in version 5.1.
  let timeDecay: Tensor
  /// The bonus of 5.2, [H K], and the logarithm of that of 5.1, [H]; the other is absent.
  let timeFaaaa, timeFirst: Tensor
  let mixKey, mixValue, mixReceptance, mixGate: Tensor
  let keyWeight, valueWeight, receptanceWeight, gateWeight, outputWeight: Weight
  let normScale, normBias: Tensor
  /// The state before the first token, [H K K]; absent for zero.
  let tunedState: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, K) = (configuration.width, configuration.heads, configuration.headWidth)
    let (A, perChannel, hasGate) = (H * K, configuration.decayPerChannel, configuration.hasGate)
    timeDecay = p.tensor(
      "time_decay", perChannel ? [H, K] : [H], .exempt(learningRate: 2), depth.decays(perChannel ? A : H))
    timeFaaaa = p.tensor("time_faaaa", [H, K], .exempt, depth.bonuses(A), if: perChannel)
    timeFirst = p.tensor("time_first", [H], .exempt(learningRate: 3), .constant(-3), if: !perChannel)
    let share = Beginning.shareOfToken(D, 0.5 * depth.descent)
    mixKey = p.tensor("time_mix_k", [D], .exempt, .shareOfToken(D, depth.descent))
    mixValue = p.tensor("time_mix_v", [D], .exempt, .shareOfToken(D, depth.descent, plus: 0.3 * depth.ascent))
    mixReceptance = p.tensor("time_mix_r", [D], .exempt, share)
    mixGate = p.tensor("time_mix_g", [D], .exempt, share, if: hasGate)
    let usual = Beginning.normal(1 / Float(D).squareRoot())
    keyWeight = p.matrix("key.weight", [A, D], .weight, usual)
    valueWeight = p.matrix("value.weight", [A, D], .weight, usual)
    receptanceWeight = p.matrix("receptance.weight", [A, D], .weight, usual)
    gateWeight = p.matrix("gate.weight", [A, D], .weight, usual, if: hasGate)
    outputWeight = p.matrix("output.weight", [D, A], .residual, .zeros)
    normScale = p.tensor("ln_x.weight", [A], .exempt, .ones)
    normBias = p.tensor("ln_x.bias", [A])
    tunedState = p.tensor("time_state", [H, K, K], if: configuration.startsTuned == true)
  }

  public var memory: [StateTensor] {
    let (H, K) = (configuration.heads, configuration.headWidth)
    return shiftedMemory(width: configuration.width, [H, K, K], tuned: tunedState)
  }

  /// log w and u, both [H K].
  public typealias Constants = (logDecay: Tensor, bonus: Tensor)
  public var constants: Constants {
    let (H, K) = (configuration.heads, configuration.headWidth)
    let logDecay = evaluate(-exp(of(timeDecay)))
    guard !configuration.decayPerChannel else { return (logDecay, timeFaaaa) }
    func everyChannel(_ x: Tensor) -> Tensor { repeated(x, each: K).reshaped([H, K]) }
    return (everyChannel(logDecay), everyChannel(evaluate(exp(of(timeFirst)))))
  }

  public func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, H, K) = (x.shape[0], x.shape[1], configuration.heads, configuration.headWidth)
    let previous = tokenShift(x, resets: resets, last: &state["previous"])
    func projected(_ mix: Tensor, _ weight: Weight) -> Tensor {
      linear(mixed(previous, x, by: mix), weight)
    }
    func heads(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let operands = [
      projected(mixReceptance, receptanceWeight), projected(mixKey, keyWeight),
      projected(mixValue, valueWeight),
    ].map(heads)
    let y = RunnelMixers.run(operands, from: tunedState, resets: resets, state: &state["memory"]) {
      operands, resets, memory in
      MatrixMemory.run(
        q: operands[0], k: operands[1], v: operands[2], decay: .perHeadAndKey(constants.logDecay),
        reads: .before(bonus: constants.bonus), form: form, resets: resets, state: &memory)
    }
    let normed = layerNorm(
      y.reshaped([B, T, H * K]), scale: normScale, bias: normBias, epsilon: configuration.groupNormEpsilon,
      groups: H)
    return linear(
      gateWeight.isEmpty ? normed : gated(normed, by: projected(mixGate, gateWeight), .silu), outputWeight)
  }
}
