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

/// The Legendre memory of all inputs so far, scaled to their number, between two projections.
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

  public static let description = MixerDescription(
    name: "hippo-legs", title: "HiPPO-LegS", paper: "Gu et al. 2020, arXiv:2008.07669",
    recurrence: "c = (I − A/t) c + B f/t (bilinear), y = C c + D f", state: "E N", cost: "10 E N",
    parallelForm: "scan")

  public let configuration: Configuration
  let inputWeight: Weight
  let readOut, skip: Tensor
  let gatedUnit: GatedUnit

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E) = (configuration.width, configuration.channels)
    inputWeight = p.matrix("in_proj.weight", [E, D])
    // The basis is orthonormal: ‖c‖ is at most the root mean square of f, and so is the size of y.
    readOut = p.tensor("C", [E, configuration.stateSize], .exempt, .normal(1))
    skip = p.tensor("D", [E], .exempt, .normal(1))
    gatedUnit = GatedUnit(width: D, channels: E, from: p)
  }

  public static let countsTokens = true
  /// c.
  public var memory: [StateTensor] {
    [StateTensor("memory", [configuration.channels, configuration.stateSize])]
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    // Swapped, not copied: a copy is one more array for every token.
    var counts: [Int] = []
    swap(&counts, &state.position)
    let y = LegendreMemory.run(
      f: linear(x, inputWeight), C: readOut, D: skip, form: form, resets: resets, state: &state["memory"],
      counts: &counts)
    swap(&counts, &state.position)
    return gatedUnit(y)
  }
}
