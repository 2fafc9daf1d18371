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

/// A weighted mean of all values, decaying per channel, on the scale of a running maximum.
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

  public static let description = MixerDescription(
    name: "rwkv4", title: "RWKV-4", paper: "Peng et al. 2023, arXiv:2305.13048",
    recurrence: "a = e^w a + e^k v, b = e^w b + e^k, y = (a + e^(u+k) v) / (b + e^(u+k))", state: "D + 3 A",
    cost: "12 A", parallelForm: "scan over channels")

  public let configuration: Configuration
  let timeDecay, timeFirst, mixKey, mixValue, mixReceptance: Tensor
  let keyWeight, valueWeight, receptanceWeight, outputWeight: Weight

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, A) = (configuration.width, configuration.attentionWidth)
    let ascent = depth.ascent
    timeDecay = p.tensor(
      "time_decay", [A], .exempt(learningRate: 2),
      .channels { -5 + 8 * power($0 / Double(max(1, A - 1)), 0.7 + 1.3 * ascent) })
    timeFirst = p.tensor(
      "time_first", [A], .exempt(learningRate: 3),
      .channels { naturalLogarithm(0.3) + 0.5 * (($0 + 1).truncatingRemainder(dividingBy: 3) - 1) })
    mixKey = p.tensor("time_mix_k", [D], .exempt, .shareOfToken(D, depth.descent))
    mixValue = p.tensor("time_mix_v", [D], .exempt, .shareOfToken(D, depth.descent, plus: 0.3 * ascent))
    mixReceptance = p.tensor("time_mix_r", [D], .exempt, .shareOfToken(D, 0.5 * depth.descent))
    keyWeight = p.matrix("key.weight", [A, D], .weight, .zeros)
    valueWeight = p.matrix("value.weight", [A, D], .weight, .normal(1 / Float(D).squareRoot()))
    receptanceWeight = p.matrix("receptance.weight", [A, D], .weight, .zeros)
    outputWeight = p.matrix("output.weight", [D, A], .residual, .zeros)
  }

  /// The token before, and the sums of the tokens before.
  public var memory: [StateTensor] {
    let A = configuration.attentionWidth
    return [
      StateTensor("previous", [configuration.width]), StateTensor("numerator", [A]),
      StateTensor("denominator", [A]),
      StateTensor("exponent", [A], from: WKV.lowestExponent),
    ]
  }

  /// −exp(time_decay).
  public var constants: Tensor { evaluate(-exp(of(timeDecay))) }

  public func run(
    _ x: Tensor, _ decay: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let previous = tokenShift(x, resets: resets, last: &state["previous"])
    var sums = WKV.State(
      numerator: state.take("numerator"), denominator: state.take("denominator"),
      exponent: state.take("exponent"))
    let y = WKV.run(
      k: linear(mixed(previous, x, by: mixKey), keyWeight),
      v: linear(mixed(previous, x, by: mixValue), valueWeight), decay: decay, bonus: timeFirst, form: form,
      resets: resets, state: &sums)
    (state["numerator"], state["denominator"]) = (sums.numerator, sums.denominator)
    state["exponent"] = sums.exponent
    let r = linear(mixed(previous, x, by: mixReceptance), receptanceWeight)
    return linear(gated(y, by: r, .sigmoid), outputWeight)
  }
}
