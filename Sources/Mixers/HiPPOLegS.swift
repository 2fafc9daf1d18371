/// The HiPPO-LegS memory as a mixer (Gu et al. 2020, "HiPPO: Recurrent Memory with Optimal Polynomial
/// Projections").
///
///     f_t = W_f x_t;   c_t = (I + A / 2t)⁻¹ ((I − A / 2t) c_{t−1} + B f_t / t);   y_t = C c_t + D f_t
///     out = GLU(W gelu(y))
///
/// Our name · the paper: W_f, L_f of its recurrent cell (§3, Figure 2) · c, the coefficients of the memory,
/// one set of N for every channel · t, the tokens of the document so far. In the paper's cell f also depends
/// on a hidden state h_t = τ(h_{t−1}, [c_{t−1}, x_t]), which forces training token by token; here the memory
/// feeds on the input alone and is read out by C and D into the block of S4D, its successor, so that it
/// trains as a scan. A and B are not trained.

import RunnelRecurrences
import RunnelTensors

public struct HiPPOLegS: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, channels = 0, stateSize = 64
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting("channels", \.channels, "E: the signals that are remembered") { $0.width },
      .stateSize(\.stateSize),
    ]
    public static let feedForward = FeedForwardKind.none
    /// The memory is of the whole document, so what is carried on grows coarser with its length.
    public static let forgets = false
  }

  public struct State: RecurrentState {
    /// c, [B E N].
    public var memory: Tensor
    /// How many tokens each row's document has had.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [.init("memory", \.memory)]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "hippo-legs", title: "HiPPO-LegS", paper: "Gu et al. 2020, arXiv:2008.07669",
    recurrence: "c = (I − A/t) c + B f/t (bilinear), y = C c + D f", state: "E N", cost: "10 E N",
    parallelForm: "scan")

  public let configuration: Configuration
  var readOut, skip: Tensor
  var inputWeight: Weight
  var gatedUnit: GatedUnit

  public static let fields: [Field<Self>] = [
    .matrix("in_proj.weight", \.inputWeight),
    .init("C", \.readOut, .exempt),
    .init("D", \.skip, .exempt),
    .matrix("output_linear.weight", \.gatedUnit.weight, .residual),
    .init("output_linear.bias", \.gatedUnit.bias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, N) = (configuration.width, configuration.channels, configuration.stateSize)
    inputWeight = .weight(E, D, using: &generator)
    // The basis is orthonormal: ‖c‖ is at most the root mean square of f, and so is the size of y.
    readOut = .normal([E, N], using: &generator)
    skip = .normal([E], using: &generator)
    gatedUnit = GatedUnit(width: D, channels: E, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    State(
      memory: Tensor(zeros: [batch, configuration.channels, configuration.stateSize]),
      position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let y = LegendreMemory.run(
      f: linear(x, inputWeight), C: readOut, D: skip, form: form, resets: resets, state: &state.memory,
      counts: &state.position)
    return gatedUnit(y)
  }
}
