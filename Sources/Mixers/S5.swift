/// S5, one state space with many inputs and outputs (Smith et al. 2023, "Simplified state space layers for
/// sequence modeling").
///
///     x_t = Λ̄ x_{t−1} + B̄ u_t;   y_t = 2 Re(C x_t) + D ⊙ u_t;   out = g ⊙ σ(W g + b),  g = gelu(y)
///
/// Our name · the paper: width D features (the paper's H) · stateSize N (P), of which one of each conjugate
/// pair is kept (§3.2) · step Δ, one per state, log-uniform (Appendix B.1) · blocks J: Λ is made of J copies
/// of the eigenvalues of the normal part of HiPPO-LegS of order N/J, and B and C start in that basis, B = V*
/// B₀ and C = C₀ V (Appendix B.1). Real parts are kept below −10⁻⁴, as the authors' code advises where a
/// sequence has no end. A third of this file is the change of basis in which B and C begin.

import RunnelRecurrences
import RunnelTensors

/// One diagonal linear system with all channels as inputs and outputs.
public struct S5: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, stateSize = 0, blocks = 0
    public var discretization = Discretization.zeroOrderHold
    public var smallestStep = 1e-3, largestStep = 0.1
    public init() {}

    public static let settings: [Setting<Self>] = [
      .stateSize(\.stateSize) { $0.width + $0.width % 2 },
      Setting(
        "blocks", \.blocks, "the blocks in which A begins",
        Rule("divide state_size into even parts") { value, own in
          value > 0 && own.stateSize % (2 * value) == 0
        },
        kind: .beginning
      ) { own in [8, 4, 2].first { own.stateSize % (2 * $0) == 0 } ?? 1 },
      .discretization(\.discretization),
      .smallestStep(\.smallestStep), .largestStep(\.largestStep, from: \.smallestStep),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public static let description = MixerDescription(
    name: "s5", title: "S5", paper: "Smith et al. 2023, arXiv:2208.04933",
    recurrence: "x = Λ̄ x + B̄ u, y = 2 Re(C x) + D u, one complex diagonal system", state: "N", cost: "4 N",
    parallelForm: "associative scan")

  public let configuration: Configuration
  let realPart, frequency, logStep, input, output, skip, gateBias: Tensor
  let gateWeight: Weight

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, N) = (configuration.width, configuration.stateSize), order = N / configuration.blocks
    // The authors give Λ, Δ and B a smaller learning rate, here a quarter of the rest, and no decay.
    let slow = ParameterTraits.exempt(learningRate: 0.25)
    realPart = p.tensor("Lambda_re", [N / 2], slow, .constant(-0.5))
    frequency = p.tensor(
      "Lambda_im", [N / 2], slow, .repeated { NormalPlusLowRank.legS(order: order).frequencies })
    logStep = p.tensor(
      "log_step", [N / 2, 1], slow, .logSteps(configuration.smallestStep, configuration.largestStep))
    input = p.tensor("B", [N / 2, D, 2], slow, Self.input(order: order))
    output = p.tensor("C", [D, N / 2, 2], .weight, Self.output(order: order))
    skip = p.tensor("D", [D], .exempt, .normal(1))
    gateWeight = p.matrix("out2.weight", [D, D])
    gateBias = p.tensor("out2.bias", [D])
  }

  /// Normal with variance 1/N, cut off at two deviations.
  private static func truncated(
    _ count: Int, states N: Int, using generator: inout SeededGenerator
  ) -> [Double] {
    // The cut-off normal distribution has this deviation.
    let scale = 1 / (0.87962566103423978 * Double(N).squareRoot())
    return (0..<count).map { _ in
      var x = generator.normal()
      while abs(x) > 2 { x = generator.normal() }
      return scale * x
    }
  }

  /// V* B₀ for a real B₀ [N D], block by block: [N/2 D 2].
  private static func input(order: Int) -> Beginning {
    .made { shape, generator in
      let (N, D, half) = (2 * shape[0], shape[1], order / 2), block = NormalPlusLowRank.legS(order: order)
      let B = truncated(N * D, states: N, using: &generator)
      return Tensor(shape) { input in
        for k in 0..<N / 2 {
          for d in 0..<D {
            let sum = (0..<order).reduce(Complex(0, 0)) {
              $0 + B[(k / half * order + $1) * D + d] * block.vectors[$1 * half + k % half].conjugate
            }
            let i = 2 * (k * D + d)
            (input[i], input[i + 1]) = (Float(sum.real), Float(sum.imaginary))
          }
        }
      }
    }
  }

  /// C₀ V for a complex C₀ [D N], block by block: [D N/2 2].
  private static func output(order: Int) -> Beginning {
    .made { shape, generator in
      let (D, N, half) = (shape[0], 2 * shape[1], order / 2), block = NormalPlusLowRank.legS(order: order)
      let C = truncated(2 * D * N, states: N, using: &generator)
      return Tensor(shape) { output in
        for d in 0..<D {
          for k in 0..<N / 2 {
            let sum = (0..<order).reduce(Complex(0, 0)) {
              let i = 2 * (d * N + k / half * order + $1)
              return $0 + Complex(C[i], C[i + 1]) * block.vectors[$1 * half + k % half]
            }
            let i = 2 * (d * (N / 2) + k)
            (output[i], output[i + 1]) = (Float(sum.real), Float(sum.imaginary))
          }
        }
      }
    }
  }

  /// x: the real parts of the N/2 kept states, then the imaginary ones.
  public var memory: [StateTensor] { [StateTensor("memory", [configuration.stateSize])] }

  /// The discrete system.
  public typealias Constants = (a: Tensor, input: Tensor, output: Tensor)
  public var constants: Constants {
    configuration.discretization.system(
      realPart: realPart, frequency: frequency, logStep: logStep, input: input, output: output)
  }

  public func run(
    _ u: Tensor, _ discrete: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let y = activate(system(u, discrete, form: form, resets: resets, state: &state), .gelu)  // [B T D]
    return gated(y, by: linear(y, gateWeight, bias: gateBias), .sigmoid)
  }

  private func system(
    _ u: Tensor, _ discrete: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let x = Diagonal.run(
      decay: discrete.a, input: linear(u, discrete.input), .complex, form: form, resets: resets,
      state: &state["memory"])  // [B T N]
    return RunnelTensors.skip(linear(x, discrete.output), u, by: skip)  // [B T D]
  }
}

extension S5: ConvolutionalMixer {
  public func impulseResponses(length: Int, form: Form) -> [ImpulseResponse] {
    [.acrossChannels("kernel", width: configuration.width, length: length, response(of: system, form))]
  }
}
