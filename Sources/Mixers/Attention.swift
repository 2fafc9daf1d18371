/// Softmax attention over the last tokens of a document: the transformer (Vaswani et al. 2017, "Attention Is
/// All You Need", §3.2), as yardstick for the others and as local attention (Griffin, §2.2).
///
///     y_t = Σ_s softmax_s(q_t · k_s / √K) v_s    over the last W tokens s, t among them;   out = W_o y
///
/// q and k are rotated by their position (Su et al. 2021, §3.2), the first half of a head's features against
/// the second, as in Llama; heads of keys and values may be fewer than those of queries (Ainslie et al. 2023,
/// "GQA", §2.2). The state is a ring of W keys and values: a context beyond `window` tokens slides. Parameter
/// names are Llama's.

import RunnelRecurrences
import RunnelTensors

/// Softmax attention over the last W tokens, with rotated queries and keys; the state is a ring of keys and values.
public struct Attention: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, headWidth = 0, window = 2048
    public var rotaryFraction = 1.0, rotaryBase = 10_000.0
    public var hasBias = false, hasOutputBias = false
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      Setting("head_width", \.headWidth, "K: queries, keys and values of a head") {
        max(2, $0.width / $0.heads / 2 * 2)
      },
      Setting(
        "window", \.window, "W: how many tokens a query sees, its own among them; training sees no more",
        kind: .tokens),
      Setting(
        "rotary_fraction", \.rotaryFraction,
        "the share of a head's features, in whole pairs, that is rotated",
        .within(0...1)),
      Setting(
        "rotary_base", \.rotaryBase, "the base of the rotation's wavelengths",
        Rule("be at least 1") { value, _ in value >= 1 }),
      Setting("has_bias", \.hasBias, "whether queries, keys and values have biases"),
      Setting("has_output_bias", \.hasOutputBias, "whether the output has a bias"),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
    public static let forgets = false
    /// How many features of a head are rotated.
    var rotatedWidth: Int { Int(Double(headWidth) * rotaryFraction) / 2 * 2 }
  }

  public static let description = MixerDescription(
    name: "attention", title: "Softmax attention", paper: "Vaswani et al. 2017, arXiv:1706.03762",
    recurrence: "y = softmax(q kᵀ / √K) v over the last W tokens", state: "2 W G K", cost: "4 H K W",
    parallelForm: "masked product")

  public let configuration: Configuration
  let queryWeight, keyWeight, valueWeight, outputWeight: Weight
  /// Absent where there are none.
  let queryBias, keyBias, valueBias, outputBias: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, K) = (configuration.width, configuration.headWidth)
    let (H, G) = (configuration.heads, configuration.keyValueHeads)
    queryWeight = p.matrix("q_proj.weight", [H * K, D])
    queryBias = p.tensor("q_proj.bias", [H * K], if: configuration.hasBias)
    keyWeight = p.matrix("k_proj.weight", [G * K, D])
    keyBias = p.tensor("k_proj.bias", [G * K], if: configuration.hasBias)
    valueWeight = p.matrix("v_proj.weight", [G * K, D])
    valueBias = p.tensor("v_proj.bias", [G * K], if: configuration.hasBias)
    outputWeight = p.matrix("o_proj.weight", [D, H * K], .residual)
    outputBias = p.tensor("o_proj.bias", [D], if: configuration.hasOutputBias)
  }

  public static let countsTokens = true
  /// The rings of rotated keys and of values: token p of a document lies in slot p mod W.
  public var memory: [StateTensor] {
    let ring: Shape = [configuration.window, configuration.keyValueHeads, configuration.headWidth]
    return [StateTensor("keys", ring), StateTensor("values", ring)]
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let (B, T, K) = (x.shape[0], x.shape[1], configuration.headWidth)
    let (H, G, R) = (configuration.heads, configuration.keyValueHeads, configuration.rotatedWidth)
    let counts = state.position
    let positions = resets.positions(steps: T, advancing: &state.position)
    func rotated(_ x: Tensor) -> Tensor {
      if R == 0 { return x }
      let parts = R < K ? split(x, sizes: [R, K - R]) : [x]
      let turned = rotary(parts[0], positions: positions, base: configuration.rotaryBase, interleaved: false)
      return R < K ? concatenated([turned, parts[1]]) : turned
    }
    var (keys, values) = (state.take("keys"), state.take("values"))
    let y = Window.attend(
      q: rotated(linear(x, queryWeight, bias: queryBias).reshaped([B, T, H, K])),
      k: rotated(linear(x, keyWeight, bias: keyBias).reshaped([B, T, G, K])),
      v: linear(x, valueWeight, bias: valueBias).reshaped([B, T, G, K]), scale: 1 / Float(K).squareRoot(),
      form: form, resets: resets, counts: counts, keys: &keys, values: &values)
    (state["keys"], state["values"]) = (keys, values)
    return linear(y.reshaped([B, T, H * K]), outputWeight, bias: outputBias)
  }
}
