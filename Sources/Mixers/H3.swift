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
/// Names and shapes of parameters are those of the authors' checkpoints. Two state spaces, the products of heads that are
/// more than one feature wide, and two kernels make this file longer than most.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// A shift and a diagonal state space, with products of the input between them.
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
      .discretization(\.discretization),
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

  public static let description = MixerDescription(
    name: "h3", title: "H3", paper: "Fu et al. 2023, arXiv:2212.14052",
    recurrence: "s = shift(s) + B k, h = Ā h + B̄ (C s ⊙ v), y = q ⊙ (2 Re(C h) + D u)",
    state: "(N − 1) D + P D N", cost: "2 N D + 8 P D N", parallelForm: "FFT convolution")

  public let configuration: Configuration
  let queryWeight, keyWeight, valueWeight, outputWeight: Weight
  let queryBias, keyBias, valueBias, outputBias: Tensor
  let shiftInput, shiftOutput, shiftSkip: Tensor
  let logStep, logDecay, frequency, input, output, skip: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, N, H) = (configuration.width, configuration.stateSize, configuration.heads)
    queryWeight = p.matrix("q_proj.weight", [D, D])
    queryBias = p.tensor("q_proj.bias", [D])
    keyWeight = p.matrix("k_proj.weight", [D, D])
    keyBias = p.tensor("k_proj.bias", [D])
    valueWeight = p.matrix("v_proj.weight", [D, D])
    valueBias = p.tensor("v_proj.bias", [D])
    // B is the first unit vector, C as a convolution's taps.
    shiftInput = p.tensor(
      "ssm_k_kernel.kernel.B", [D, N], .exempt, .repeated { (0..<N).map { $0 == 0 ? 1 : 0 } })
    shiftOutput = p.tensor("ssm_k_kernel.kernel.C", [1, D, N], .exempt, .usual)
    shiftSkip = p.tensor("ssm_k_D", [D], .exempt, .normal(1))
    logStep = p.tensor(
      "kernel.kernel.log_dt", [H], .exempt, .logSteps(configuration.smallestStep, configuration.largestStep))
    // S4D-Lin: A_n = −1/2 + i π n and B = 1.
    logDecay = p.tensor(
      "kernel.kernel.inv_A_real", [H, N / 2], .exempt, .constant(Float(naturalLogarithm(0.5))))
    frequency = p.tensor(
      "kernel.kernel.A_imag", [H, N / 2], .exempt,
      .repeated { S4D.Initialization.linear.frequencies(stateSize: N) })
    input = p.tensor("kernel.kernel.B", [H, N / 2, 2], .exempt, .repeated { [1, 0] })
    // Complex normal with unit variance.
    output = p.tensor("kernel.kernel.C", [1, H, N / 2, 2], .exempt, .normal(Float(0.5).squareRoot()))
    skip = p.tensor("D", [H], .exempt, .normal(1))
    outputWeight = p.matrix("output_linear.weight", [D, D], .residual)
    outputBias = p.tensor("output_linear.bias", [D])
  }

  /// The last N − 1 keys, oldest first; and h, for every channel N/2 real parts, then the imaginary ones.
  public var memory: [StateTensor] {
    let (D, N) = (configuration.width, configuration.stateSize)
    return [StateTensor("window", [N - 1, D]), StateTensor("memory", [configuration.headWidth * D, N])]
  }

  /// The shift state space as a filter; the diagonal one, a copy for each of the P² products of a head.
  public typealias Constants = (filter: Tensor, a: Tensor, c: Tensor, skip: Tensor)
  public var constants: Constants {
    let system = configuration.discretization.system(
      logStep: logStep, logDecay: logDecay, frequency: frequency, output: planarProduct(output, input))
    func tiled(_ x: Tensor) -> Tensor {
      let copies = configuration.headWidth * configuration.headWidth
      if copies == 1 { return x }
      var shape = x.shape
      shape[0] *= copies
      return concatenated(Array(repeating: x.reshaped([x.count]), count: copies)).reshaped(shape)
    }
    return (
      shiftFilter(input: shiftInput, output: shiftOutput, skip: shiftSkip), tiled(system.a),
      tiled(system.c), tiled(skip)
    )
  }

  public func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let q = linear(x, queryWeight, bias: queryBias), v = linear(x, valueWeight, bias: valueBias)
    let k = causalConvolution(
      linear(x, keyWeight, bias: keyBias), weight: constants.filter, resets: resets,
      window: &state["window"])
    let y = DiagonalSystem.run(
      u: outerProduct(k, v), a: constants.a, c: constants.c, D: constants.skip, form: form, resets: resets,
      state: &state["memory"])  // [B T P·D]
    return linear(contracted(y, q), outputWeight, bias: outputBias)
  }

  private static let product = Equation { $0 * $1 }

  /// Every k of a head times every v of it; channel (i P + j) H + h is k_i v_j of head h: [B T P·D].
  private func outerProduct(_ k: Tensor, _ v: Tensor) -> Tensor {
    let (P, H) = (configuration.headWidth, configuration.heads)
    if P == 1 { return k * v }
    let (B, T) = (k.shape[0], k.shape[1])
    return Self.product(
      interchanged(k, H, P).reshaped([B, T, P, 1, H]), interchanged(v, H, P).reshaped([B, T, 1, P, H])
    ).reshaped([B, T, P * P * H])
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
}

extension H3: ConvolutionalMixer {
  /// The shift state space's filter of every key channel, and the diagonal one's of every head.
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    let (constants, D, H) = (constants, configuration.width, configuration.heads)
    return [
      .perChannel("shift_kernel", channels: D, length: length) { u in
        var window = initialState(batch: 1)["window"]
        return causalConvolution(u, weight: constants.filter, resets: .none, window: &window)
      },
      // The copies for the products of a head are one system.
      .perChannel("kernel", channels: H, length: length) { u in
        var memory = Tensor(zeros: [1, H, configuration.stateSize])
        return DiagonalSystem.run(
          u: u, a: constants.a.rows(0..<H), c: constants.c.rows(0..<H), D: constants.skip.rows(0..<H),
          form: form, state: &memory)
      },
    ]
  }
}

/// [… rows·columns] with each row of numbers read by columns: [… columns·rows].
private func interchanged(_ x: Tensor, _ rows: Int, _ columns: Int) -> Tensor {
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = Tensor(x.shape) { y in
    for start in stride(from: 0, to: x.count, by: rows * columns) {
      for i in 0..<rows {
        for j in 0..<columns { y[start + j * rows + i] = x.base[start + i * columns + j] }
      }
    }
  }
  return x.isTracked ? record(y, from: [x]) { [interchanged($0, columns, rows)] } : y
}
