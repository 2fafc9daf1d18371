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

/// The memory of a layer that has none.
public struct NoState: RecurrentState {
  public static let tensors: [StateField<Self, Tensor>] = []
  public init() {}
}

/// down(f(gate x) ⊙ up x) (Shazeer 2020, "GLU variants improve transformer", §2), with or without biases.
public struct GatedMLP: SequenceLayer {
  public let activation: Activation
  var gate, up, down: Weight
  /// Absent where there are none.
  var gateBias, upBias, downBias: Tensor

  public static let fields: [Field<Self>] = [
    .matrix("gate.weight", \.gate), .init("gate.bias", \.gateBias, .exempt),
    .matrix("up.weight", \.up), .init("up.bias", \.upBias, .exempt),
    .matrix("down.weight", \.down, .residual), .init("down.bias", \.downBias, .exempt),
  ]

  public init(
    width D: Int, hidden F: Int, activation: Activation = .silu, hasBias: Bool = false,
    using generator: inout some RandomNumberGenerator
  ) {
    self.activation = activation
    gate = .weight(F, D, using: &generator)
    up = .weight(F, D, using: &generator)
    down = .weight(D, F, using: &generator)
    gateBias = hasBias ? Tensor(zeros: [F]) : .absent
    upBias = gateBias
    downBias = hasBias ? Tensor(zeros: [D]) : .absent
  }

  public func initialState(batch: Int) -> NoState { NoState() }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout NoState) -> Tensor {
    let hidden = gated(
      linear(x, up, bias: upBias), by: linear(x, gate, bias: gateBias), activation)
    return linear(hidden, down, bias: downBias)
  }
}
