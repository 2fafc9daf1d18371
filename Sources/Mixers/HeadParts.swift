/// What the mixers with keys, queries and values share around their recurrence: operands with their short
/// convolutions, and norm, gate and projection behind the heads.

import RunnelRecurrences
import RunnelTensors

/// A causal depthwise convolution over the last W tokens of an operand [B T E]; absent with W = 0.
struct ShortConvolution: Sendable {
  /// [E W], and [E] or absent.
  var weight, bias: Tensor

  init(
    _ channels: Int, width: Int, hasBias: Bool = false, using generator: inout some RandomNumberGenerator
  ) {
    guard width > 0 else {
      (weight, bias) = (.absent, .absent)
      return
    }
    let bound = 1 / Float(width).squareRoot()
    weight = .uniform([channels, width], in: -bound...bound, using: &generator)
    bias = hasBias ? .uniform([channels], in: -bound...bound, using: &generator) : .absent
  }

  /// f(convolution of x).
  func callAsFunction(
    _ x: Tensor, _ activation: Activation, resets: Resets, window: inout Tensor
  ) -> Tensor {
    causalConvolution(
      x, weight: weight, bias: bias, activation: activation, resets: resets, window: &window)
  }
}

/// f(convolution(W x)): the queries, keys or values of a mixer, [B T D] → [B T E].
struct Operand: Sendable {
  /// [E D].
  var weight: Weight
  var convolution: ShortConvolution

  /// - Parameter convolutionWidth: 0 for no convolution.
  init(
    _ channels: Int, of width: Int, convolutionWidth: Int, hasBias: Bool = false,
    using generator: inout some RandomNumberGenerator
  ) {
    weight = .weight(channels, width, using: &generator)
    convolution = ShortConvolution(channels, width: convolutionWidth, hasBias: hasBias, using: &generator)
  }

  /// - Parameter bare: what takes the place of f where there is no convolution.
  func callAsFunction(
    _ x: Tensor, _ f: Activation, bare: Activation = .identity, resets: Resets, window: inout Tensor
  ) -> Tensor {
    let y = linear(x, weight)
    return convolution.weight.isEmpty
      ? activate(y, bare) : convolution(y, f, resets: resets, window: &window)
  }
}

/// The memory of a mixer with short convolutions over its operands and one matrix a head.
public struct HeadState: RecurrentState {
  /// The last W − 1 inputs of the convolutions, [B W−1 …]; without elements where there are none.
  public var queryWindow, keyWindow, valueWindow: Tensor
  /// S, [B H K V].
  public var memory: Tensor
  public static let tensors: [StateField<Self, Tensor>] = [
    .init("query_window", \.queryWindow), .init("key_window", \.keyWindow),
    .init("value_window", \.valueWindow), .init("memory", \.memory),
  ]

  /// - Parameters:
  ///   - convolutionWidth: W; 0 for none.
  ///   - queries, keys, values: the channels of the operands.
  init(batch: Int, convolutionWidth W: Int, queries: Int, keys: Int, values: Int, memory: Shape) {
    func window(_ channels: Int) -> Tensor {
      Tensor(zeros: [batch, max(0, W - 1), W > 0 ? channels : 0])
    }
    (queryWindow, keyWindow, valueWindow) = (window(queries), window(keys), window(values))
    self.memory = Tensor(zeros: memory)
  }
}

/// W_o (f(W_g x) ⊙ rms(y)): a norm for each head, a gate and the output projection.
struct GatedOutput: Sendable {
  /// [H V D] or absent, for outputs without a gate.
  var gateWeight: Weight
  /// [V], shared by the heads, or absent.
  var scale: Tensor
  var outputWeight: Weight

  init(
    width D: Int, heads H: Int, valueWidth V: Int, hasGate: Bool, hasScale: Bool = true,
    using generator: inout some RandomNumberGenerator
  ) {
    gateWeight = hasGate ? .weight(H * V, D, using: &generator) : .absent
    scale = hasScale ? Tensor(ones: [V]) : .absent
    outputWeight = .weight(D, H * V, using: &generator)
  }

  /// y [B T H V] and the mixer's input x [B T D] → [B T D].
  func callAsFunction(_ y: Tensor, _ x: Tensor, epsilon: Float, activation: Activation = .silu) -> Tensor {
    let joined: Shape = [y.shape[0], y.shape[1], y.shape[2] * y.shape[3]]
    let normed: Tensor
    if gateWeight.isEmpty {
      normed = rmsNorm(y, scale: scale, epsilon: epsilon)
    } else {
      let gate = linear(x, gateWeight).reshaped(y.shape)
      normed =
        activation == .silu
        ? gatedRMSNorm(y, gate: gate, scale: scale, epsilon: epsilon, normBeforeGate: true)
        : gated(rmsNorm(y, scale: scale, epsilon: epsilon), by: gate, activation)
    }
    return linear(normed.reshaped(joined), outputWeight)
  }
}

/// x / √(Σ x² + ε) along the last axis [… K].
func unitRows(_ x: Tensor, epsilon: Float) -> Tensor {
  let K = Float(x.shape.width)
  return 1 / K.squareRoot() * rmsNorm(x, epsilon: epsilon / K)
}

/// log σ(x).
func logSigmoid(_ x: Tensor) -> Tensor { -1 * activate(-1 * x, .softplus) }

/// max(x, c), element by element.
func maximum(_ x: Tensor, _ c: Float) -> Tensor {
  let bound = Tensor([c]), column = x.reshaped([x.count, 1])
  return added(activate(added(column, Tensor([-c])), .relu), bound).reshaped(x.shape)
}
