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

/// A complex diagonal recurrence with constant decays inside the unit circle.
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

  public static let description = MixerDescription(
    name: "lru", title: "LRU", paper: "Orvieto et al. 2023, arXiv:2303.06349",
    recurrence: "h = λ h + γ B u, y = Re(C h) + D u, complex diagonal", state: "2 N", cost: "6 N",
    parallelForm: "associative scan")

  public let configuration: Configuration
  let logDecay, logFrequency, logScale, outputReal, outputImaginary, skip: Tensor
  let inputWeight: Weight
  let gatedUnit: GatedUnit

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, N, phase) = (configuration.width, configuration.stateSize, configuration.largestPhase)
    let (inner, outer) = (configuration.innerRadius, configuration.outerRadius)
    let logDecay = p.tensor(
      "nu_log", [N], .exempt,
      .drawn {
        // |λ|² uniform between the squared radii: uniform on the ring.
        let squared = max(inner * inner + $0.uniform() * (outer * outer - inner * inner), 1e-12)
        return naturalLogarithm(-0.5 * naturalLogarithm(squared))
      })
    self.logDecay = logDecay
    logFrequency = p.tensor(
      "theta_log", [N], .exempt, .drawn { naturalLogarithm(phase * max($0.uniform(), 1e-6)) })
    // Half the log of 1 − |λ|², of the λ that was drawn.
    logScale = p.tensor(
      "gamma_log", [N], .exempt,
      .channels {
        0.5 * naturalLogarithm(1 - exponential(-2 * exponential(Double(logDecay.base[Int($0)]))))
      })
    inputWeight = p.matrix("B", [2 * N, D], .weight, .normal(1 / Float(2 * D).squareRoot()))
    outputReal = p.tensor("C_re", [D, N], .weight, .normal(1 / Float(N).squareRoot()))
    outputImaginary = p.tensor("C_im", [D, N], .weight, .normal(1 / Float(N).squareRoot()))
    skip = p.tensor("D", [D], .exempt, .normal(1))
    gatedUnit = GatedUnit(width: D, channels: D, from: p)
  }

  /// h: real parts, then imaginary ones.
  public var memory: [StateTensor] { [StateTensor("memory", [2 * configuration.stateSize])] }

  /// λ, and exp(γ) repeated for both planes.
  public typealias Constants = (lambda: Tensor, scale: Tensor)
  public var constants: Constants {
    let scale = evaluate(exp(of(logScale)))
    return (
      ringEigenvalues(logDecay: logDecay, logFrequency: logFrequency), concatenated([scale, scale])
    )
  }

  public func run(
    _ u: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    gatedUnit(system(u, constants, form: form, resets: resets, state: &state))
  }

  private func system(
    _ u: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let N = configuration.stateSize
    let h = Diagonal.run(
      decay: constants.lambda, input: scaled(linear(u, inputWeight), by: constants.scale), .complex,
      form: form, resets: resets, state: &state["memory"])
    let planes = split(h, sizes: [N, N])
    return RunnelTensors.skip(
      linear(planes[0], outputReal) - linear(planes[1], outputImaginary), u, by: skip)
  }
}

extension LRU: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [.acrossChannels("kernel", width: configuration.width, length: length, response(of: system, form))]
  }
}
