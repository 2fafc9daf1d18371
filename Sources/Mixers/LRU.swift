/// The linear recurrent unit (Orvieto et al. 2023, "Resurrecting Recurrent Neural Networks for Long Sequences").
///
///     h_t = λ ⊙ h_{t−1} + exp(γ) ⊙ (B u_t);   y_t = Re(C h_t) + D u_t;   out = GLU(W gelu(y))
///
/// Our name · the paper: λ = exp(−exp(ν) + i exp(θ)) (§3.3), spread on the ring between two radii (§3.2.2, Lemma 3.2) ·
/// γ, the log of √(1 − |λ|²), which keeps the state's size independent of λ (§3.4, equation 7) · B, C complex, dense.
/// The block around it is the paper's (Figure 1): the recurrence, a GELU and a gated linear unit.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct LRU: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, stateSize = 0
    public var innerRadius = 0.0, outerRadius = 0.999, largestPhase = 2 * Double.pi
    public init() {}

    public static let settings: [Setting<Self>] = [
      .stateSize(\.stateSize) { $0.width },
      Setting(
        "inner_radius", \.innerRadius, "the inner radius of the ring in which the decays begin",
        .within(0...1),
        kind: .beginning),
      Setting(
        "outer_radius", \.outerRadius, "the outer radius",
        Rule("be larger than inner_radius and less than 1") { value, own in
          value > own.innerRadius && value < 1
        }, kind: .beginning),
      Setting(
        "largest_phase", \.largestPhase, "the largest phase",
        Rule("lie in (0, 2π]") { value, _ in value > 0 && value <= 2 * .pi }, kind: .beginning),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public struct State: RecurrentState {
    /// h, [B 2N]: real parts, then imaginary ones.
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [.init("memory", \.memory)]
  }

  public static let description = MixerDescription(
    name: "lru", title: "LRU", paper: "Orvieto et al. 2023, arXiv:2303.06349",
    recurrence: "h = λ h + γ B u, y = Re(C h) + D u, complex diagonal", state: "2 N", cost: "6 N",
    parallelForm: "scan")

  public let configuration: Configuration
  var logDecay, logFrequency, logScale, outputReal, outputImaginary, skip: Tensor
  var inputWeight: Weight
  var gatedUnit: GatedUnit
  /// λ and exp(γ) repeated for both planes, in a frozen copy.
  private var derived: (lambda: Tensor, scale: Tensor)?

  public static let fields: [Field<Self>] = [
    .init("nu_log", \.logDecay, .exempt),
    .init("theta_log", \.logFrequency, .exempt),
    .init("gamma_log", \.logScale, .exempt),
    .matrix("B", \.inputWeight),
    .init("C_re", \.outputReal),
    .init("C_im", \.outputImaginary),
    .init("D", \.skip, .exempt),
    .matrix("output_linear.weight", \.gatedUnit.weight, .residual),
    .init("output_linear.bias", \.gatedUnit.bias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, N) = (configuration.width, configuration.stateSize)
    let (inner, outer) = (configuration.innerRadius, configuration.outerRadius)
    var decays: [Float] = [], frequencies: [Float] = [], scales: [Float] = []
    for _ in 0..<N {
      // |λ|² uniform between the squared radii: uniform on the ring.
      let squared = max(inner * inner + generator.uniform() * (outer * outer - inner * inner), 1e-12)
      decays.append(Float(naturalLogarithm(-0.5 * naturalLogarithm(squared))))
      frequencies.append(Float(naturalLogarithm(configuration.largestPhase * max(generator.uniform(), 1e-6))))
      scales.append(Float(0.5 * naturalLogarithm(1 - squared)))
    }
    logDecay = Tensor(decays)
    logFrequency = Tensor(frequencies)
    logScale = Tensor(scales)
    inputWeight = .normal([2 * N, D], deviation: 1 / Float(2 * D).squareRoot(), using: &generator)
    outputReal = .normal([D, N], deviation: 1 / Float(N).squareRoot(), using: &generator)
    outputImaginary = .normal([D, N], deviation: 1 / Float(N).squareRoot(), using: &generator)
    skip = .normal([D], using: &generator)
    gatedUnit = GatedUnit(width: D, channels: D, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    State(memory: Tensor(zeros: [batch, 2 * configuration.stateSize]))
  }

  public func run(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    gatedUnit(system(u, form: form, resets: resets, state: &state))
  }

  private func system(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let N = configuration.stateSize
    let (lambda, scale) = derived ?? makeDerived()
    let h = Diagonal.run(
      decay: lambda, input: scaled(linear(u, inputWeight), by: scale), .complex, form: form, resets: resets,
      state: &state.memory)
    let planes = split(h, sizes: [N, N])
    return RunnelTensors.skip(
      linear(planes[0], outputReal) - linear(planes[1], outputImaginary), u, by: skip)
  }

  private func makeDerived() -> (lambda: Tensor, scale: Tensor) {
    let scale = activate(logScale, .exp)
    return (
      ringEigenvalues(logDecay: logDecay, logFrequency: logFrequency), concatenated([scale, scale])
    )
  }

  public func frozen() -> LRU {
    var copy = self
    let made = makeDerived()
    copy.derived = (made.lambda.detached, made.scale.detached)
    return copy
  }
}

extension LRU: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [
      .acrossChannels("kernel", width: configuration.width, length: length) { u in
        var state = initialState(batch: u.shape[0])
        return system(u, form: form, resets: .none, state: &state)
      }
    ]
  }
}
