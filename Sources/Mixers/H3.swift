/// H3, the hungry hungry hippo (Fu et al. 2023, "Hungry hungry hippos: towards language modeling with state
/// space models", §3.2 and Algorithm 1).
///
///     q, k, v = W_q x, W_k x, W_v x;   k̂ = SSM_shift(k);   out = W_o (q ⊙ SSM_diag(k̂ ⊙ v))
///     SSM_shift: s_t = shift(s_{t−1}) + B k_t, k̂_t = C s_t + D k_t
///     SSM_diag:  h_t = Ā h_{t−1} + B̄ u_t,      y_t = 2 Re(C h_t) + D u_t
///
/// Our name · the paper: stateSize N, of both state spaces; of the diagonal one's complex states one of each
/// conjugate pair is kept · headWidth d_h: k̂ and v of a head make an outer product of d_h² channels, which
/// share a diagonal system (one for the published models, where it is a product of numbers). The shift space,
/// whose B and C are free, is a filter over the last N tokens; it is run as one, and its state is the window.
/// Names and shapes of parameters are those of the authors' checkpoints.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct H3: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, stateSize = 64, headWidth = 1
    public var discretization = Discretization.bilinear
    public var smallestStep = 1e-3, largestStep = 0.1
    public init() {}

    public static let settings: [Setting<Self>] = [
      .stateSize(\.stateSize, .pairs),
      Setting("head_width", \.headWidth, "features of a head", .dividing("width", \.width)),
      Setting(
        "heads", \.heads, "H: instead of head_width", chosen: .dividing("width", \.width), kind: .alias),
      Setting("discretization", \.discretization, "how the system becomes a recurrence"),
      .smallestStep(\.smallestStep), .largestStep(\.largestStep, from: \.smallestStep),
    ]
    /// As many parameters as the authors' plain one of ratio 4.
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3, activation: .gelu)
    public static let norm = NormKind.layer
    /// H, the heads.
    public var heads: Int {
      get { width / max(1, headWidth) }
      set { headWidth = max(1, width / max(1, newValue)) }
    }
  }

  public struct State: RecurrentState {
    /// The last N − 1 keys, [B N−1 D], oldest first.
    public var window: Tensor
    /// h, [B P·D N]: for every channel N/2 real parts, then the imaginary ones.
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory),
    ]
  }

  public static let description = MixerDescription(
    name: "h3", title: "H3", paper: "Fu et al. 2023, arXiv:2212.14052",
    recurrence: "s = shift(s) + B k, h = Ā h + B̄ (C s ⊙ v), y = q ⊙ (2 Re(C h) + D u)",
    state: "(N − 1) D + P D N", cost: "2 N D + 8 P D N", parallelForm: "FFT convolution")

  public let configuration: Configuration
  var queryBias, keyBias, valueBias: Tensor
  var queryWeight, keyWeight, valueWeight: Weight
  var shiftInput, shiftOutput, shiftSkip: Tensor
  var logStep, logDecay, frequency, input, output, skip: Tensor
  var outputBias: Tensor
  var outputWeight: Weight
  /// What derives from parameters, in a frozen copy.
  private var derived: Derived?

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.queryWeight), .init("q_proj.bias", \.queryBias, .exempt),
    .matrix("k_proj.weight", \.keyWeight), .init("k_proj.bias", \.keyBias, .exempt),
    .matrix("v_proj.weight", \.valueWeight), .init("v_proj.bias", \.valueBias, .exempt),
    .init("ssm_k_kernel.kernel.B", \.shiftInput, .exempt),
    .init("ssm_k_kernel.kernel.C", \.shiftOutput, .exempt),
    .init("ssm_k_D", \.shiftSkip, .exempt),
    .init("kernel.kernel.log_dt", \.logStep, .exempt),
    .init("kernel.kernel.inv_A_real", \.logDecay, .exempt),
    .init("kernel.kernel.A_imag", \.frequency, .exempt),
    .init("kernel.kernel.B", \.input, .exempt),
    .init("kernel.kernel.C", \.output, .exempt),
    .init("D", \.skip, .exempt),
    .matrix("output_linear.weight", \.outputWeight, .residual),
    .init("output_linear.bias", \.outputBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, N, H) = (configuration.width, configuration.stateSize, configuration.heads)
    queryWeight = .weight(D, D, using: &generator)
    queryBias = Tensor(zeros: [D])
    keyWeight = .weight(D, D, using: &generator)
    keyBias = Tensor(zeros: [D])
    valueWeight = .weight(D, D, using: &generator)
    valueBias = Tensor(zeros: [D])
    // B is the first unit vector, C as a convolution's taps.
    shiftInput = Tensor((0..<D * N).map { $0 % N == 0 ? 1 : 0 }, [D, N])
    shiftOutput = Tensor.weight(D, N, using: &generator).reshaped([1, D, N])
    shiftSkip = .normal([D], using: &generator)
    logStep = .logSteps(
      [H], from: configuration.smallestStep, to: configuration.largestStep, using: &generator)
    // S4D-Lin: A_n = −1/2 + i π n and B = 1.
    let frequencies = S4D.Initialization.linear.frequencies(stateSize: N)
    logDecay = Tensor(repeating: Float(naturalLogarithm(0.5)), [H, N / 2])
    frequency = Tensor((0..<H * N / 2).map { Float(frequencies[$0 % (N / 2)]) }, [H, N / 2])
    input = Tensor((0..<H * N).map { $0 % 2 == 0 ? 1 : 0 }, [H, N / 2, 2])
    // Complex normal with unit variance.
    output = .normal([1, H, N / 2, 2], deviation: Float(0.5).squareRoot(), using: &generator)
    skip = .normal([H], using: &generator)
    outputWeight = .weight(D, D, using: &generator)
    outputBias = Tensor(zeros: [D])
  }

  public func initialState(batch: Int) -> State {
    let (D, N) = (configuration.width, configuration.stateSize)
    return State(
      window: Tensor(zeros: [batch, N - 1, D]),
      memory: Tensor(zeros: [batch, configuration.headWidth * D, N]))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let derived = derived ?? makeDerived()
    let q = linear(x, queryWeight, bias: queryBias), v = linear(x, valueWeight, bias: valueBias)
    let k = causalConvolution(
      linear(x, keyWeight, bias: keyBias), weight: derived.filter, resets: resets, window: &state.window)
    let y = DiagonalSystem.run(
      u: outerProduct(k, v), a: derived.a, c: derived.c, D: derived.skip, form: form, resets: resets,
      state: &state.memory)  // [B T P·D]
    return linear(contracted(y, q), outputWeight, bias: outputBias)
  }

  /// Every k of a head times every v of it; channel (i P + j) H + h is k_i v_j of head h: [B T P·D].
  private func outerProduct(_ k: Tensor, _ v: Tensor) -> Tensor {
    let (P, H) = (configuration.headWidth, configuration.heads)
    if P == 1 { return k * v }
    let keys = byPlace(k), values = byPlace(v)
    return concatenated((0..<P * P).map { keys[$0 / P] * values[$0 % P] })
      .reshaped([k.shape[0], k.shape[1], P * P * H])
  }

  /// Σ_i q_i y_ij per head; channel j H + h of the result, in the authors' order: [B T D].
  private func contracted(_ y: Tensor, _ q: Tensor) -> Tensor {
    let (P, H) = (configuration.headWidth, configuration.heads)
    if P == 1 { return y * q }
    let queries = byPlace(q), products = split(y, sizes: Array(repeating: H, count: P * P))
    return concatenated(
      (0..<P).map { j in
        (1..<P).reduce(queries[0] * products[j]) { $0 + queries[$1] * products[$1 * P + j] }
      })
  }

  /// [B T D] with the channels of a head side by side → for each place in a head, the H channels there.
  private func byPlace(_ x: Tensor) -> [Tensor] {
    let (P, H) = (configuration.headWidth, configuration.heads)
    return split(interchanged(x, H, P), sizes: Array(repeating: H, count: P))
  }

  private struct Derived {
    let filter, a, c, skip: Tensor
  }

  private func makeDerived() -> Derived {
    let system = configuration.discretization.system(
      logStep: logStep, logDecay: logDecay, frequency: frequency, output: planarProduct(output, input))
    /// One copy of [H …] for each of the P² products of a head.
    func tiled(_ x: Tensor) -> Tensor {
      let copies = configuration.headWidth * configuration.headWidth
      if copies == 1 { return x }
      var shape = x.shape
      shape[0] *= copies
      return concatenated(Array(repeating: x.reshaped([x.count]), count: copies)).reshaped(shape)
    }
    return Derived(
      filter: shiftFilter(input: shiftInput, output: shiftOutput, skip: shiftSkip), a: tiled(system.a),
      c: tiled(system.c), skip: tiled(skip))
  }

  public func frozen() -> H3 {
    var copy = self
    let made = makeDerived()
    copy.derived = Derived(
      filter: made.filter.detached, a: made.a.detached, c: made.c.detached, skip: made.skip.detached)
    return copy
  }
}

extension H3: ConvolutionalMixer {
  /// The shift state space's filter of every key channel, and the diagonal one's of every head.
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    let (derived, D, H) = (derived ?? makeDerived(), configuration.width, configuration.heads)
    return [
      .perChannel("shift_kernel", channels: D, length: length) { u in
        var window = initialState(batch: 1).window
        return causalConvolution(u, weight: derived.filter, resets: .none, window: &window)
      },
      // The copies for the products of a head are one system.
      .perChannel("kernel", channels: H, length: length) { u in
        var memory = Tensor(zeros: [1, H, configuration.stateSize])
        return DiagonalSystem.run(
          u: u, a: derived.a.rows(0..<H), c: derived.c.rows(0..<H), D: derived.skip.rows(0..<H), form: form,
          state: &memory)
      },
    ]
  }
}

/// [… rows·columns] with each row of numbers read by columns: [… columns·rows].
private func interchanged(_ x: Tensor, _ rows: Int, _ columns: Int) -> Tensor {
  let y = Tensor(x.shape) { y in
    for start in stride(from: 0, to: x.count, by: rows * columns) {
      for i in 0..<rows {
        for j in 0..<columns { y[start + j * rows + i] = x.base[start + i * columns + j] }
      }
    }
  }
  return x.isTracked ? record(y, from: [x]) { [interchanged($0, columns, rows)] } : y
}
