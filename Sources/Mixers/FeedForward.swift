/// The feed-forward part of a layer: what stands behind the mixer, and looks at most one token back.

import RunnelRecurrences
import RunnelTensors

/// down(f(gate x) ⊙ up x) (Shazeer 2020, "GLU variants improve transformer", §2), with or without biases.
public struct GatedMLP: SequenceLayer {
  /// What acts on the gate.
  public let activation: Activation
  let gate, up, down: Weight
  /// Absent where there are none.
  let gateBias, upBias, downBias: Tensor

  /// - Parameter F: the hidden size.
  public init(
    width D: Int, hidden F: Int, activation: Activation, hasBias: Bool = false, from p: Parameters
  ) {
    self.activation = activation
    gate = p.matrix("gate.weight", [F, D])
    gateBias = p.tensor("gate.bias", [F], if: hasBias)
    up = p.matrix("up.weight", [F, D])
    upBias = p.tensor("up.bias", [F], if: hasBias)
    down = p.matrix("down.weight", [D, F], .residual)
    downBias = p.tensor("down.bias", [D], if: hasBias)
  }

  public var memory: [StateTensor] { [] }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let hidden = gated(
      linear(x, up, bias: upBias), by: linear(x, gate, bias: gateBias), activation)
    return linear(hidden, down, bias: downBias)
  }
}
