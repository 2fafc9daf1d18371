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

/// A linear system per channel, diagonal plus rank one, from the HiPPO initialisation.
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

  public static let description = MixerDescription(
    name: "s4", title: "S4", paper: "Gu et al. 2022, arXiv:2111.00396",
    recurrence: "h = Ā h + b̄ u, y = 2 Re(c h) + D u, Ā complex diagonal plus rank one", state: "D N",
    cost: "14 D N", parallelForm: "Cauchy kernel and FFT convolution")

  public let configuration: Configuration
  let logStep, logDecay, frequency, lowRank, input, output, skip: Tensor
  let gatedUnit: GatedUnit

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, N) = (configuration.width, configuration.stateSize)
    // The authors give Δ, A and b a smaller learning rate, here a quarter of the rest, and no decay.
    let slow = ParameterTraits.exempt(learningRate: 0.25)
    @Sendable func planar(_ x: [Complex]) -> [Double] { x.map(\.real) + x.map(\.imaginary) }
    logStep = p.tensor("log_dt", [D], slow, .logSteps(configuration.smallestStep, configuration.largestStep))
    logDecay = p.tensor("log_A_real", [D, N / 2], slow, .constant(Float(naturalLogarithm(0.5))))
    frequency = p.tensor(
      "A_imag", [D, N / 2], slow, .repeated { NormalPlusLowRank.legS(order: N).frequencies })
    lowRank = p.tensor("P", [D, N], slow, .repeated { planar(NormalPlusLowRank.legS(order: N).lowRank) })
    input = p.tensor("B", [D, N], slow, .repeated { planar(NormalPlusLowRank.legS(order: N).input) })
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
  public var constants: Tensor {
    LowRankSystem.bilinear(
      logStep: logStep, logDecay: logDecay, frequency: frequency, lowRank: lowRank, input: input,
      output: output)
  }

  public func run(
    _ u: Tensor, _ discrete: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    gatedUnit(system(u, discrete, form: form, resets: resets, state: &state))
  }

  private func system(
    _ u: Tensor, _ discrete: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    LowRankSystem.run(
      u: u, system: discrete, D: skip, form: form, resets: resets, state: &state["memory"])
  }
}

extension S4: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [.perChannel("kernel", channels: configuration.width, length: length, response(of: system, form))]
  }
}
