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
  /// 4 to 7.
  public let version: Int
  private let width: Int
  /// μ of versions 4 to 6, and of 7.
  let keyShare, receptanceShare: Tensor
  let keyWeight, receptanceWeight, valueWeight: Weight

  /// The part of the layer at `depth` with the authors' initialisation: a share of the token before that falls
  /// over the channels and with the depth, and what writes to the residual stream starts at zero.
  public init(version: Int, width D: Int, hidden F: Int, at depth: Depth = .alone, from p: Parameters) {
    precondition((4...7).contains(version), "ChannelMix: there is no version \(version); it is 4 to 7")
    (self.version, width) = (version, D)
    let name = version == 7 ? "x_" : version == 6 ? "time_maa_" : "time_mix_"
    let share: Beginning =
      version <= 5
      ? .shareOfToken(D, depth.descent)
      : .shareOfPast(D, version == 6 ? depth.descent : power(depth.descent, 4))
    keyShare = p.tensor(name + "k", [D], .exempt, share)
    receptanceShare = p.tensor(name + "r", [D], .exempt, share, if: version < 7)
    // The authors draw an orthogonal matrix with the gain √(F / D) before version 7: elements of this deviation.
    let size = 1 / Float(D).squareRoot()
    keyWeight = p.matrix("key.weight", [F, D], .weight, version == 7 ? .uniform(0.5 * size) : .normal(size))
    receptanceWeight = p.matrix("receptance.weight", [D, D], .weight, .zeros, if: version < 7)
    valueWeight = p.matrix("value.weight", [D, F], .residual, .zeros)
  }

  /// The token before.
  public var memory: [StateTensor] { [StateTensor("previous", [width])] }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let previous = tokenShift(x, resets: resets, last: &state["previous"])
    func input(_ share: Tensor) -> Tensor {
      version <= 5 ? mixed(previous, x, by: share) : mixed(x, previous, by: share)
    }
    let written = linear(activate(linear(input(keyShare), keyWeight), .squaredReLU), valueWeight)
    return version == 7
      ? written : gated(written, by: linear(input(receptanceShare), receptanceWeight), .sigmoid)
  }
}
