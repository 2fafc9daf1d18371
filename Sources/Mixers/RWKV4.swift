/// RWKV-4 (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer Era", §3.1).
///
///     r, k, v = W_r x_r, W_k x_k, W_v x_v;   x_• = μ_• ⊙ x_t + (1 − μ_•) ⊙ x_{t−1}
///     wkv_t = (Σ_{i<t} e^(−(t−1−i)w + k_i) v_i + e^(u+k_t) v_t) / (Σ_{i<t} e^(−(t−1−i)w + k_i) + e^(u+k_t))
///     out = W_o (σ(r) ⊙ wkv)
///
/// Our name · the paper: time_mix μ (equations 11 to 13) · decay −exp(time_decay) = −w, bonus time_first = u
/// (16). Parameter names are those of BlinkDL's checkpoints, and initialisation and learning rates those of
/// his training code (the paper's appendix E), but for the values' weight: normal, of the deviation that his
/// orthogonal one has.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RWKV4: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, attentionWidth = 0
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting("attention_width", \.attentionWidth, "A: receptances, keys and values") { $0.width }
    ]
    public static let feedForward = FeedForwardKind.channelMix(version: 4, ratio: 4)
    public static let norm = NormKind.layer
    public static let normalizesEmbedding = true
  }

  public struct State: RecurrentState {
    /// The token before, [B D].
    public var previous: Tensor
    /// The sums of the tokens before, each [B A].
    public var memory: WKV.State
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("previous", \.previous), .init("numerator", \.memory.numerator),
      .init("denominator", \.memory.denominator), .init("exponent", \.memory.exponent),
    ]
  }

  public static let description = MixerDescription(
    name: "rwkv4", title: "RWKV-4", paper: "Peng et al. 2023, arXiv:2305.13048",
    recurrence: "a = e^w a + e^k v, b = e^w b + e^k, y = (a + e^(u+k) v) / (b + e^(u+k))", state: "D + 3 A",
    cost: "12 A", parallelForm: "scan over channels")

  public let configuration: Configuration
  var timeDecay, timeFirst, mixKey, mixValue, mixReceptance: Tensor
  var keyWeight, valueWeight, receptanceWeight, outputWeight: Weight
  /// −exp(time_decay), in a frozen copy.
  private var derivedDecay: Tensor?

  public static let fields: [Field<Self>] = [
    .init("time_decay", \.timeDecay, .init(decays: false, learningRate: 2)),
    .init("time_first", \.timeFirst, .init(decays: false, learningRate: 3)),
    .init("time_mix_k", \.mixKey, .exempt),
    .init("time_mix_v", \.mixValue, .exempt),
    .init("time_mix_r", \.mixReceptance, .exempt),
    .matrix("key.weight", \.keyWeight),
    .matrix("value.weight", \.valueWeight),
    .matrix("receptance.weight", \.receptanceWeight),
    .matrix("output.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.init(configuration, at: .alone, using: &generator)
  }

  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.configuration = configuration
    let (D, A) = (configuration.width, configuration.attentionWidth)
    let last = Double(max(1, A - 1))
    timeDecay = .channels(A) { -5 + 8 * power($0 / last, 0.7 + 1.3 * depth.ascent) }
    timeFirst = .channels(A) {
      naturalLogarithm(0.3) + 0.5 * (($0 + 1).truncatingRemainder(dividingBy: 3) - 1)
    }
    mixKey = .shareOfToken(D, depth.descent)
    mixValue = .shareOfToken(D, depth.descent, plus: 0.3 * depth.ascent)
    mixReceptance = .shareOfToken(D, 0.5 * depth.descent)
    keyWeight = .zeros([A, D], using: &generator)
    valueWeight = .normal([A, D], deviation: 1 / Float(D).squareRoot(), using: &generator)
    receptanceWeight = .zeros([A, D], using: &generator)
    outputWeight = .zeros([D, A], using: &generator)
  }

  public func initialState(batch: Int) -> State {
    State(
      previous: Tensor(zeros: [batch, configuration.width]),
      memory: WKV.State(batch: batch, width: configuration.attentionWidth))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let previous = tokenShift(x, resets: resets, last: &state.previous)
    let y = WKV.run(
      k: linear(mixed(previous, x, by: mixKey), keyWeight),
      v: linear(mixed(previous, x, by: mixValue), valueWeight), decay: derivedDecay ?? makeDecay(),
      bonus: timeFirst, form: form, resets: resets, state: &state.memory)
    let r = linear(mixed(previous, x, by: mixReceptance), receptanceWeight)
    return linear(gated(y, by: r, .sigmoid), outputWeight)
  }

  private func makeDecay() -> Tensor { -1 * activate(timeDecay, .exp) }

  public func frozen() -> RWKV4 {
    var copy = self
    copy.derivedDecay = makeDecay().detached
    return copy
  }
}
