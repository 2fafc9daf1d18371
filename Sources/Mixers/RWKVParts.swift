/// What versions 4 to 7 of RWKV share: how the authors' training code starts what lies along the channels, by depth.

import RunnelKernels
import RunnelTensors

extension Beginning {
  /// The share of the token in its mixture with the one before (time_mix): (i / D)^p + shift for channel i of D.
  static func shareOfToken(_ D: Int, _ exponent: Double, plus shift: Double = 0) -> Beginning {
    .channels { power($0 / Double(D), exponent) + shift }
  }

  /// The share of the token before (time_maa, x): 1 − (i / D)^p − shift.
  static func shareOfPast(_ D: Int, _ exponent: Double, less shift: Double = 0) -> Beginning {
    .channels { 1 - power($0 / Double(D), exponent) - shift }
  }
}

extension Depth {
  /// log(−log w) of versions 5 and 6, rising over the channels and the steeper the deeper.
  func decays(_ count: Int) -> Beginning {
    .channels { [ascent] in -6 + 5 * power($0 / Double(max(1, count - 1)), 0.7 + 1.3 * ascent) }
  }

  /// The bonus of the token itself in versions 5 and 6: a ramp in the deep layers, and a zigzag of three.
  func bonuses(_ count: Int) -> Beginning {
    .channels { [ascent] in
      ascent * (1 - $0 / Double(max(1, count - 1)))
        + 0.1 * (($0 + 1).truncatingRemainder(dividingBy: 3) - 1)
    }
  }

  /// The scale of the norm behind the heads in versions 6 and 7.
  var normScale: Beginning { .constant(Float(power(Double(layer + 1) / Double(count), 0.7))) }
}

/// The memory of versions 5 to 7: the token before, and S.
///
/// - Parameter tuned: S before the first token, [H K V]; absent for zero.
func shiftedMemory(width D: Int, _ shape: Shape, tuned: Tensor) -> [StateTensor] {
  [StateTensor("previous", [D]), StateTensor("memory", shape, row: tuned)]
}
