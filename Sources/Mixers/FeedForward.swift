/// The feed-forward part of a layer: what stands behind the mixer, and looks at most one token back.

import RunnelRecurrences
import RunnelTensors

/// What an architecture puts behind its mixer.
public enum FeedForwardKind: Sendable, Equatable {
  /// The architecture has none (Mamba), or gates inside the mixer (S4D, LRU).
  case none
  /// down(f(gate x) ⊙ up x), with this hidden size as a multiple of the width; f is silu, as in most, or gelu (Griffin).
  case gated(ratio: Double, activation: Activation = .silu)
  /// RWKV's channel mix of versions 4 to 7, with this hidden size as a multiple of the width.
  case channelMix(version: Int, ratio: Double)

  /// The published hidden size as a multiple of the width.
  public var ratio: Double? {
    switch self {
    case .none: nil
    case .gated(let ratio, _), .channelMix(_, let ratio): ratio
    }
  }
}

/// The norm in front of mixers, feed-forward parts and the head.
public enum NormKind: String, SettingWord {
  /// x / √(mean x² + ε) · scale.
  case rms
  /// (x − mean x) / √(variance x + ε) · scale + bias.
  case layer
}

/// down(f(gate x) ⊙ up x) (Shazeer 2020, "GLU variants improve transformer", §2), with or without biases.
public struct GatedMLP: SequenceLayer {
  public let activation: Activation
  let gate, up, down: Weight
  /// Absent where there are none.
  let gateBias, upBias, downBias: Tensor

  /// - Parameter F: the hidden size.
  public init(
    width D: Int, hidden F: Int, activation: Activation = .silu, hasBias: Bool = false, from p: Parameters
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
