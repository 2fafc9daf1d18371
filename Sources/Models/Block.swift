/// One layer: x + mixer(norm(x)), then, where the architecture has one, x + mlp(norm(x)).

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

public struct Block<Mixer: SequenceMixer>: Sendable {
  var norm: Tensor
  public internal(set) var mixer: Mixer
  /// Absent where there is no MLP.
  var hiddenNorm, gate, up, down: Tensor

  init(_ configuration: ModelConfiguration<Mixer>, using generator: inout some RandomNumberGenerator) {
    let (D, F) = (configuration.width, configuration.hiddenWidth)
    norm = Tensor(ones: [D])
    mixer = Mixer(configuration.mixer, using: &generator)
    guard F > 0 else {
      (hiddenNorm, gate, up, down) = (.absent, .absent, .absent, .absent)
      return
    }
    hiddenNorm = Tensor(ones: [D])
    gate = .weight(F, D, using: &generator)
    up = .weight(F, D, using: &generator)
    down = .weight(D, F, using: &generator)
  }

  static var fields: [Field<Self>] {
    [
      .init("norm.weight", \.norm, .exempt), .init("mlp_norm.weight", \.hiddenNorm, .exempt),
      .init("mlp.gate.weight", \.gate), .init("mlp.up.weight", \.up),
      .init("mlp.down.weight", \.down, .residual),
    ]
  }

  /// [B T D] → [B T D].
  func run(_ x: Tensor, epsilon: Float, form: Form, resets: Resets, state: inout Mixer.State) -> Tensor {
    let mixed = mixer.run(
      rmsNorm(x, scale: norm, epsilon: epsilon), form: form, resets: resets, state: &state)
    let x = x + mixed
    guard !gate.isEmpty else { return x }
    let normed = rmsNorm(x, scale: hiddenNorm, epsilon: epsilon)
    return x + linear(gated(linear(normed, up), by: linear(normed, gate), .silu), down)
  }
}
