/// RWKV's feed-forward part, which looks one token back.
///
///     versions 4 to 6:   y = σ(W_r x_r) ⊙ W_v relu(W_k x_k)²
///     version 7:         y = W_v relu(W_k x_k)²
///
/// x_k and x_r lie between the token and the one before: μ x_t + (1 − μ) x_{t−1} in versions 4 and 5 (Peng et
/// al. 2023, §3.1, equations 14, 15 and 18), x_t + μ (x_{t−1} − x_t) in versions 6 and 7 (Peng et al. 2024,
/// §4.2; 2025, §4.2). Parameter names are those of BlinkDL's checkpoints: μ is time_mix, time_maa or x.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct ChannelMix: SequenceLayer {
  public struct State: RecurrentState {
    /// The token before, [B D].
    public var previous: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [.init("previous", \.previous)]
  }

  /// 4 to 7.
  public let version: Int
  private let width: Int
  var timeMixKey, timeMixReceptance, timeMaaKey, timeMaaReceptance, xKey: Tensor
  var keyWeight, receptanceWeight, valueWeight: Weight

  public static let fields: [Field<Self>] = [
    .init("time_mix_k", \.timeMixKey, .exempt), .init("time_mix_r", \.timeMixReceptance, .exempt),
    .init("time_maa_k", \.timeMaaKey, .exempt), .init("time_maa_r", \.timeMaaReceptance, .exempt),
    .init("x_k", \.xKey, .exempt),
    .matrix("key.weight", \.keyWeight), .matrix("receptance.weight", \.receptanceWeight),
    .matrix("value.weight", \.valueWeight, .residual),
  ]

  /// The part of the layer at `depth` with the authors' initialisation: a share of the token before that falls
  /// over the channels and with the depth, and what writes to the residual stream starts at zero.
  public init(
    version: Int, width D: Int, hidden F: Int, at depth: Depth = .alone,
    using generator: inout some RandomNumberGenerator
  ) {
    precondition((4...7).contains(version), "ChannelMix: there is no version \(version); it is 4 to 7")
    self.version = version
    width = D
    timeMixKey = version <= 5 ? .shareOfToken(D, depth.descent) : .absent
    timeMixReceptance = timeMixKey
    timeMaaKey = version == 6 ? .shareOfPast(D, depth.descent) : .absent
    timeMaaReceptance = timeMaaKey
    xKey = version == 7 ? .shareOfPast(D, power(depth.descent, 4)) : .absent
    if version == 7 {
      let bound = 0.5 / Float(D).squareRoot()
      keyWeight = .uniform([F, D], in: -bound...bound, using: &generator)
    } else {
      // The authors draw an orthogonal matrix with the gain √(F / D): elements of this deviation.
      keyWeight = .normal([F, D], deviation: 1 / Float(D).squareRoot(), using: &generator)
    }
    receptanceWeight = version == 7 ? .absent : .zeros([D, D], using: &generator)
    valueWeight = .zeros([D, F], using: &generator)
  }

  public func initialState(batch: Int) -> State { State(previous: Tensor(zeros: [batch, width])) }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let previous = tokenShift(x, resets: resets, last: &state.previous)
    func hidden(_ x: Tensor) -> Tensor { activate(linear(x, keyWeight), .squaredReLU) }
    func written(_ key: Tensor, _ receptance: Tensor) -> Tensor {
      gated(linear(hidden(key), valueWeight), by: linear(receptance, receptanceWeight), .sigmoid)
    }
    return switch version {
    case 4, 5: written(mixed(previous, x, by: timeMixKey), mixed(previous, x, by: timeMixReceptance))
    case 6: written(mixed(x, previous, by: timeMaaKey), mixed(x, previous, by: timeMaaReceptance))
    default: linear(hidden(mixed(x, previous, by: xKey)), valueWeight)
    }
  }
}
