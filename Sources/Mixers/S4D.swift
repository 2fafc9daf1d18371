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

/// A diagonal linear system per channel.
public struct S4D: SequenceMixer {
  /// Where the poles begin.
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
      .discretization(\.discretization),
      .smallestStep(\.smallestStep), .largestStep(\.largestStep, from: \.smallestStep),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public static let description = MixerDescription(
    name: "s4d", title: "S4D", paper: "Gu et al. 2022, arXiv:2206.11893",
    recurrence: "h = Ā h + B̄ u, y = 2 Re(C h) + D u, complex diagonal", state: "D N", cost: "8 D N",
    parallelForm: "FFT convolution")

  public let configuration: Configuration
  let logStep, logDecay, frequency, output, skip: Tensor
  let gatedUnit: GatedUnit

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, N) = (configuration.width, configuration.stateSize)
    logStep = p.tensor(
      "log_dt", [D], .exempt, .logSteps(configuration.smallestStep, configuration.largestStep))
    logDecay = p.tensor("log_A_real", [D, N / 2], .exempt, .constant(Float(naturalLogarithm(0.5))))
    frequency = p.tensor(
      "A_imag", [D, N / 2], .exempt, .repeated { configuration.initialization.frequencies(stateSize: N) })
    // Complex normal with unit variance.
    output = p.tensor("C", [D, N], .exempt, .normal(Float(0.5).squareRoot()))
    skip = p.tensor("D", [D], .exempt, .normal(1))
    gatedUnit = GatedUnit(width: D, channels: D, from: p)
  }

  /// h: the real parts of the N/2 kept states, then the imaginary ones.
  public var memory: [StateTensor] {
    [StateTensor("memory", [configuration.width, configuration.stateSize])]
  }

  /// The discrete system.
  public typealias Constants = (a: Tensor, c: Tensor)
  public var constants: Constants {
    configuration.discretization.system(
      logStep: logStep, logDecay: logDecay, frequency: frequency, output: output)
  }

  public func run(
    _ u: Tensor, _ discrete: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    gatedUnit(system(u, discrete, form: form, resets: resets, state: &state))
  }

  private func system(
    _ u: Tensor, _ discrete: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    DiagonalSystem.run(
      u: u, a: discrete.a, c: discrete.c, D: skip, form: form, resets: resets, state: &state["memory"])
  }
}

extension S4D: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [.perChannel("kernel", channels: configuration.width, length: length, response(of: system, form))]
  }
}
