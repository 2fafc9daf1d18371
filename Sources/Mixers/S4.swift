/// S4, the structured state space (Gu et al. 2022, "Efficiently modeling long sequences with structured state
/// spaces").
///
///     x' = (Λ − p p*) x + b u,  discrete by the bilinear rule:
///     h_t = Ā h_{t−1} + b̄ u_t;   y_t = 2 Re(c h_t) + D u_t;   out = GLU(W gelu(y))
///
/// Our name · the paper: width D channels (H), each with its own system · stateSize N, of which N/2 conjugate
/// halves are kept · step Δ, log-uniform · lowRank p: A starts as HiPPO-LegS in the basis where it is
/// diagonal less rank one (§3.2, Theorem 1), and b as its input matrix · Ā (equation 3), which Woodbury's
/// identity makes diagonal plus rank one again, so a step is O(N) (Theorem 2, appendix C.2) · the parallel
/// form is the kernel by the truncated generating function and a Cauchy matrix (Algorithm 1, Theorem 3). The
/// low-rank term is −p p*, not the paper's −p q*, as in the authors' later code, so that no state can grow.
/// The block around the system is S4D's.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct S4: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, stateSize = 64
    public var smallestStep = 1e-3, largestStep = 0.1
    public init() {}

    public static let settings: [Setting<Self>] = [
      .stateSize(\.stateSize, .pairs),
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
    name: "s4", title: "S4", paper: "Gu et al. 2022, arXiv:2111.00396",
    recurrence: "h = Ā h + b̄ u, y = 2 Re(c h) + D u, Ā complex diagonal plus rank one", state: "D N",
    cost: "14 D N", parallelForm: "Cauchy kernel and FFT convolution")

  public let configuration: Configuration
  var logStep, logDecay, frequency, lowRank, input, output, skip: Tensor
  var gatedUnit: GatedUnit
  /// The discrete system, in a frozen copy.
  private var discrete: Tensor?

  /// The authors give Δ, A and b a smaller learning rate, here a quarter of the rest, and no decay.
  private static let slow = ParameterTraits(decays: false, learningRate: 0.25)
  public static let fields: [Field<Self>] = [
    .init("log_dt", \.logStep, slow),
    .init("log_A_real", \.logDecay, slow),
    .init("A_imag", \.frequency, slow),
    .init("P", \.lowRank, slow),
    .init("B", \.input, slow),
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
    let legS = NormalPlusLowRank.legS(order: 2 * N)
    /// The same numbers for every channel, planar.
    func spread(_ x: [Complex]) -> Tensor {
      let row = x.map { Float($0.real) } + x.map { Float($0.imaginary) }
      return Tensor((0..<D * 2 * N).map { row[$0 % (2 * N)] }, [D, 2 * N])
    }
    logDecay = Tensor(repeating: Float(naturalLogarithm(0.5)), [D, N])
    frequency = Tensor((0..<D * N).map { Float(legS.frequencies[$0 % N]) }, [D, N])
    lowRank = spread(legS.lowRank)
    input = spread(legS.input)
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
    LowRankSystem.run(
      u: u, system: discrete ?? makeSystem(), D: skip, form: form, resets: resets, state: &state.memory)
  }

  private func makeSystem() -> Tensor {
    LowRankSystem.bilinear(
      logStep: logStep, logDecay: logDecay, frequency: frequency, lowRank: lowRank, input: input,
      output: output)
  }

  public func frozen() -> S4 {
    var copy = self
    copy.discrete = makeSystem().detached
    return copy
  }
}

extension S4: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [
      .perChannel("kernel", channels: configuration.width, length: length) { u in
        var state = initialState(batch: 1)
        return system(u, form: form, resets: .none, state: &state)
      }
    ]
  }
}
