/// What versions 4 to 7 of RWKV share: the memory of a layer, and how the authors' training code starts what lies along
/// the channels, by depth.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// The memory of RWKV-5, 6 and 7.
public struct ShiftedState: RecurrentState {
  /// The token before, [B D].
  public var previous: Tensor
  /// S, [B H K V].
  public var memory: Tensor
  public static let tensors: [StateField<Self, Tensor>] = [
    .init("previous", \.previous), .init("memory", \.memory),
  ]

  init(width: Int, memory: Tensor) {
    previous = Tensor(zeros: [memory.shape[0], width])
    self.memory = memory
  }
}

extension Tensor {
  /// The share of the token in its mixture with the one before (time_mix): (i / D)^p + shift for channel i.
  static func shareOfToken(_ D: Int, _ exponent: Double, plus shift: Double = 0) -> Tensor {
    channels(D) { power($0 / Double(D), exponent) + shift }
  }

  /// The share of the token before (time_maa, x): 1 − (i / D)^p − shift.
  static func shareOfPast(_ D: Int, _ exponent: Double, less shift: Double = 0) -> Tensor {
    channels(D) { 1 - power($0 / Double(D), exponent) - shift }
  }
}

extension Depth {
  /// log(−log w) of versions 5 and 6, rising over the channels and the steeper the deeper.
  func decays(_ count: Int) -> Tensor {
    .channels(count) { -6 + 5 * power($0 / Double(max(1, count - 1)), 0.7 + 1.3 * ascent) }
  }

  /// The bonus of the token itself in versions 5 and 6: a ramp in the deep layers, and a zigzag of three.
  func bonuses(_ count: Int) -> Tensor {
    .channels(count) {
      ascent * (1 - $0 / Double(max(1, count - 1)))
        + 0.1 * (($0 + 1).truncatingRemainder(dividingBy: 3) - 1)
    }
  }

  /// The scale of the norm behind the heads in versions 6 and 7.
  func normScale(_ count: Int) -> Tensor {
    Tensor(repeating: Float(power(Double(layer + 1) / Double(self.count), 0.7)), [count])
  }
}
