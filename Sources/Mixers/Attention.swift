/// Softmax attention over the last tokens of a document: the transformer (Vaswani et al. 2017, "Attention Is
/// All You Need", §3.2), as yardstick for the others and as local attention (Griffin, §2.2).
///
///     y_t = Σ_s softmax_s(q_t · k_s / √K) v_s    over the last W tokens s, t among them;   out = W_o y
///
/// q and k are rotated by their position (Su et al. 2021, §3.2), the first half of a head's features against
/// the second, as in Llama; heads of keys and values may be fewer than those of queries (Ainslie et al. 2023,
/// "GQA", §2.2). The state is a ring of W keys and values: a context beyond `window` tokens slides. Parameter
/// names are Llama's.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct Attention: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width: Int
    public var heads: Int
    /// G: heads of keys and values, each for heads/G neighbouring heads of queries.
    public var keyValueHeads: Int
    public var headWidth: Int
    /// W: how many tokens a query sees, its own among them. What a segment of training can see is also
    /// bounded by it.
    public var window: Int
    /// The share of a head's features that is rotated, in whole pairs; the last ones are not.
    public var rotaryFraction: Double
    public var rotaryBase: Double
    /// Biases of the projections to queries, keys and values, and of the output.
    public var hasBias: Bool
    public var hasOutputBias: Bool
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
    public static let forgets = false

    /// Heads of 64, as many for keys as for queries, and 2,048 tokens of context; a narrow model has at least
    /// two heads.
    public init(width: Int) {
      let heads = max(1, max(min(2, width / 8), width / 64))
      self.init(width: width, heads: heads, headWidth: max(2, width / heads / 2 * 2))
    }
    public init(
      width: Int, heads: Int, keyValueHeads: Int? = nil, headWidth: Int, window: Int = 2048,
      rotaryFraction: Double = 1, rotaryBase: Double = 10_000, hasBias: Bool = false,
      hasOutputBias: Bool = false
    ) {
      self.width = width
      self.heads = heads
      self.keyValueHeads = keyValueHeads ?? heads
      self.headWidth = headWidth
      self.window = window
      self.rotaryFraction = rotaryFraction
      self.rotaryBase = rotaryBase
      self.hasBias = hasBias
      self.hasOutputBias = hasOutputBias
    }
    public func withHeads(_ heads: Int) throws -> Self {
      try ConfigurationError.requireDivisible("width", width, by: "heads", heads)
      var copy = self
      copy.heads = heads
      copy.keyValueHeads = keyValueHeads == self.heads ? heads : keyValueHeads
      copy.headWidth = width / heads
      return copy
    }
    public func validate() throws {
      try ConfigurationError.requirePositive([
        "width": width, "heads": heads, "key_value_heads": keyValueHeads, "head_width": headWidth,
        "window": window,
      ])
      try ConfigurationError.requireDivisible("heads", heads, by: "key_value_heads", keyValueHeads)
      guard rotaryFraction >= 0, rotaryFraction <= 1 else {
        throw ConfigurationError("rotary_fraction is \(rotaryFraction); it must be in [0, 1]")
      }
      guard rotaryBase >= 1, rotaryBase.isFinite else {
        throw ConfigurationError("rotary_base is \(rotaryBase); it must be at least 1")
      }
      let ring = 8 * Double(window) * Double(keyValueHeads) * Double(headWidth)
      guard ring <= Double(Machine.usableMemory) else {
        throw ConfigurationError(
          "a window of \(window) tokens needs \(ring) bytes of keys and values, more than there is memory")
      }
    }
    /// How many features of a head are rotated.
    var rotatedWidth: Int { Int(Double(headWidth) * rotaryFraction) / 2 * 2 }
  }

  public struct State: RecurrentState {
    /// The ring of rotated keys, [B W G K]: token p of a document lies in slot p mod W.
    public var keys: Tensor
    /// That of values, [B W G K].
    public var values: Tensor
    /// How many tokens each row's document has seen.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("keys", \.keys), .init("values", \.values),
    ]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "attention", title: "Softmax attention", paper: "Vaswani et al. 2017, arXiv:1706.03762",
    recurrence: "y = softmax(q kᵀ / √K) v over the last W tokens", state: "2 W G K", cost: "4 H K W",
    parallelForm: "masked product")

  public let configuration: Configuration
  var queryWeight, keyWeight, valueWeight, outputWeight: Weight
  /// Absent where there are none.
  var queryBias, keyBias, valueBias, outputBias: Tensor

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.queryWeight), .init("q_proj.bias", \.queryBias, .exempt),
    .matrix("k_proj.weight", \.keyWeight), .init("k_proj.bias", \.keyBias, .exempt),
    .matrix("v_proj.weight", \.valueWeight), .init("v_proj.bias", \.valueBias, .exempt),
    .matrix("o_proj.weight", \.outputWeight, .residual), .init("o_proj.bias", \.outputBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, K) = (configuration.width, configuration.headWidth)
    let (H, G) = (configuration.heads, configuration.keyValueHeads)
    queryWeight = .weight(H * K, D, using: &generator)
    keyWeight = .weight(G * K, D, using: &generator)
    valueWeight = .weight(G * K, D, using: &generator)
    outputWeight = .weight(D, H * K, using: &generator)
    queryBias = configuration.hasBias ? Tensor(zeros: [H * K]) : .absent
    keyBias = configuration.hasBias ? Tensor(zeros: [G * K]) : .absent
    valueBias = keyBias
    outputBias = configuration.hasOutputBias ? Tensor(zeros: [D]) : .absent
  }

  public func initialState(batch: Int) -> State {
    let ring = Tensor(
      zeros: [batch, configuration.window, configuration.keyValueHeads, configuration.headWidth])
    return State(keys: ring, values: ring, position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
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
    let y = Window.attend(
      q: rotated(linear(x, queryWeight, bias: queryBias).reshaped([B, T, H, K])),
      k: rotated(linear(x, keyWeight, bias: keyBias).reshaped([B, T, G, K])),
      v: linear(x, valueWeight, bias: valueBias).reshaped([B, T, G, K]), scale: 1 / Float(K).squareRoot(),
      form: form, resets: resets, counts: counts, keys: &state.keys, values: &state.values)
    return linear(y.reshaped([B, T, H * K]), outputWeight, bias: outputBias)
  }
}
