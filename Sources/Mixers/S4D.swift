/// S4D, the diagonal state space model (Gu et al. 2022, "On the Parameterization and Initialization of Diagonal State
/// Space Models").
///
///     h_t = exp(Δ A) h_{t−1} + B̄ u_t;   y_t = 2 Re(C h_t) + D u_t;   out = GLU(W gelu(y))
///
/// Our name · the paper: width D channels, each with its own system · stateSize N, of which N/2 conjugate halves are
/// kept (§3.2) · step Δ, log-uniform (§3.4) · initialisation S4D-Lin, S4D-Inv (§4.2) or S4D-LegS, the diagonal of
/// HiPPO-LegS (§4.1). B is fixed to one, which C absorbs (§3.3).

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct S4D: SequenceMixer {
  public enum Initialization: String, SettingWord {
    case linear = "lin"
    case inverse = "inv"
    case legs

    /// The imaginary parts of A for n < N/2; the real parts are −1/2 in all three.
    func frequencies(stateSize N: Int) -> [Double] {
      switch self {
      case .linear: return (0..<N / 2).map { Double.pi * Double($0) }
      case .inverse:
        return (0..<N / 2).map { Double(N) / .pi * (Double(N) / Double(2 * $0 + 1) - 1) }
      case .legs: return NormalPlusLowRank.legS(order: N).frequencies
      }
    }
  }

  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, stateSize = 64
    public var initialization = Initialization.linear
    public var discretization = Discretization.zeroOrderHold
    public var smallestStep = 1e-3, largestStep = 0.1
    public init() {}

    public static let settings: [Setting<Self>] = [
      .stateSize(\.stateSize, .pairs),
      Setting("initialization", \.initialization, "where A begins", kind: .beginning),
      Setting("discretization", \.discretization, "how the system becomes a recurrence"),
      .smallestStep(\.smallestStep), .largestStep(\.largestStep, from: \.smallestStep),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public struct State: RecurrentState {
    /// h, [B D N]: the real parts of the N/2 kept states, then the imaginary ones.
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [.init("memory", \.memory)]
  }

  public static let description = MixerDescription(
    name: "s4d", title: "S4D", paper: "Gu et al. 2022, arXiv:2206.11893",
    recurrence: "h = Ā h + B̄ u, y = 2 Re(C h) + D u, complex diagonal", state: "D N", cost: "8 D N",
    parallelForm: "FFT convolution")

  public let configuration: Configuration
  var logStep, logDecay, frequency, output, skip: Tensor
  var gatedUnit: GatedUnit
  /// The discrete system, in a frozen copy.
  private var discrete: (a: Tensor, c: Tensor)?

  public static let fields: [Field<Self>] = [
    .init("log_dt", \.logStep, .exempt),
    .init("log_A_real", \.logDecay, .exempt),
    .init("A_imag", \.frequency, .exempt),
    .init("C", \.output, .exempt),
    .init("D", \.skip, .exempt),
    .matrix("output_linear.weight", \.gatedUnit.weight, .residual),
    .init("output_linear.bias", \.gatedUnit.bias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, N) = (configuration.width, configuration.stateSize / 2)
    logStep = .logSteps(
      [D], from: configuration.smallestStep, to: configuration.largestStep, using: &generator)
    logDecay = Tensor(repeating: Float(naturalLogarithm(0.5)), [D, N])
    let frequencies = configuration.initialization.frequencies(stateSize: 2 * N)
    frequency = Tensor((0..<D * N).map { Float(frequencies[$0 % N]) }, [D, N])
    // Complex normal with unit variance.
    output = .normal([D, 2 * N], deviation: Float(0.5).squareRoot(), using: &generator)
    skip = .normal([D], using: &generator)
    gatedUnit = GatedUnit(width: D, channels: D, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    State(memory: Tensor(zeros: [batch, configuration.width, configuration.stateSize]))
  }

  public func run(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    gatedUnit(system(u, form: form, resets: resets, state: &state))
  }

  private func system(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let system = discrete ?? makeSystem()
    return DiagonalSystem.run(
      u: u, a: system.a, c: system.c, D: skip, form: form, resets: resets, state: &state.memory)
  }

  private func makeSystem() -> (a: Tensor, c: Tensor) {
    configuration.discretization.system(
      logStep: logStep, logDecay: logDecay, frequency: frequency, output: output)
  }

  public func frozen() -> S4D {
    var copy = self
    let system = makeSystem()
    copy.discrete = (system.a.detached, system.c.detached)
    return copy
  }
}

extension S4D: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [
      .perChannel("kernel", channels: configuration.width, length: length) { u in
        var state = initialState(batch: 1)
        return system(u, form: form, resets: .none, state: &state)
      }
    ]
  }
}
