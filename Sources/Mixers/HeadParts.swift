/// What the mixers with keys, queries and values share around their recurrence: operands with their short
/// convolutions, and norm, gate and projection behind the heads.

import RunnelTensors

/// A causal depthwise convolution over the last W tokens of an operand [B T E], with its window as memory.
struct ShortConvolution: Sendable {
  private let window: StateTensor
  /// [E W], and [E] or absent; both absent where there is no convolution.
  let weight, bias: Tensor

  /// - Parameters:
  ///   - name: of its parameters, "conv1d" for "conv1d.weight".
  ///   - window: its name in the memory.
  ///   - width: W; 0 for no convolution.
  ///   - least: the fewest taps that make a convolution.
  init(
    _ name: String, window: String = "window", _ channels: Int, width: Int,
    least: Int = 1, _ traits: ParameterTraits = .exempt, hasBias: Bool = false,
    weight beginning: Beginning = .usual, bias: Beginning? = nil, from p: Parameters
  ) {
    // The last W − 1 inputs.
    self.window = StateTensor(window, [max(0, width - 1), width > 0 ? channels : 0])
    weight = p.tensor(name + ".weight", [channels, width], traits, beginning, if: width >= least)
    self.bias = p.tensor(
      name + ".bias", [channels], .exempt, bias ?? .uniform(1 / Float(max(1, width)).squareRoot()),
      if: width >= least && hasBias)
  }

  var memory: [StateTensor] { [window] }

  /// f(convolution of x).
  ///
  /// - Parameter bare: what takes the place of f where there is no convolution.
  func callAsFunction(
    _ x: Tensor, _ f: Activation = .identity, bare: Activation = .identity, resets: Resets,
    state: inout RecurrentState
  ) -> Tensor {
    weight.isEmpty
      ? activate(x, bare)
      : causalConvolution(
        x, weight: weight, bias: bias, activation: f, resets: resets, window: &state[window.name])
  }
}

/// f(convolution(W x)): the queries, keys or values of a mixer, [B T D] → [B T E].
struct Operand: Sendable {
  /// [E D].
  let weight: Weight
  let convolution: ShortConvolution

  /// - Parameters:
  ///   - name: "q" for "q_proj.weight" and "q_conv1d.weight".
  ///   - window: the name of the convolution's window in the memory.
  ///   - convolutionWidth: 0 for no convolution.
  init(
    _ name: String, window: String, _ channels: Int, of width: Int, convolutionWidth: Int,
    hasBias: Bool = false, from p: Parameters
  ) {
    weight = p.matrix(name + "_proj.weight", [channels, width])
    convolution = ShortConvolution(
      name + "_conv1d", window: window, channels, width: convolutionWidth, hasBias: hasBias, from: p)
  }

  /// - Parameter bare: what takes the place of f where there is no convolution.
  func callAsFunction(
    _ x: Tensor, _ f: Activation, bare: Activation = .identity, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    convolution(linear(x, weight), f, bare: bare, resets: resets, state: &state)
  }
}

/// Queries, keys and values, each with its short convolution.
struct Operands: Sendable {
  let query, key, value: Operand

  /// - Parameters:
  ///   - names: of their parameters.
  ///   - queries, keys, values: their channels.
  init(
    _ names: (String, String, String) = ("q", "k", "v"), queries: Int, keys: Int, values: Int, of width: Int,
    convolutionWidth W: Int, hasBias: Bool = false, from p: Parameters
  ) {
    func operand(_ name: String, _ window: String, _ channels: Int) -> Operand {
      Operand(
        name, window: window, channels, of: width, convolutionWidth: W, hasBias: hasBias, from: p)
    }
    query = operand(names.0, "query_window", queries)
    key = operand(names.1, "key_window", keys)
    value = operand(names.2, "value_window", values)
  }

  /// The windows, and S of this shape for one row.
  func memory(_ shape: Shape) -> [StateTensor] {
    [query, key, value].flatMap(\.convolution.memory) + [StateTensor("memory", shape)]
  }
}

/// W_o (f(W_g x) ⊙ rms(y)): a norm for each head, a gate and the output projection.
struct GatedOutput: Sendable {
  /// [H V D] or absent, for outputs without a gate.
  let gateWeight: Weight
  /// [V], shared by the heads, or absent.
  let scale: Tensor
  let outputWeight: Weight

  /// - Parameter norm: "g_norm" for "g_norm.weight".
  init(
    width D: Int, heads H: Int, valueWidth V: Int, hasGate: Bool, norm: String = "o_norm",
    hasScale: Bool = true, from p: Parameters
  ) {
    gateWeight = p.matrix("g_proj.weight", [H * V, D], if: hasGate)
    scale = p.tensor(norm + ".weight", [V], .exempt, .ones, if: hasScale)
    outputWeight = p.matrix("o_proj.weight", [D, H * V], .residual)
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

/// The logarithm of a head's decay in Mamba-2 and Gated DeltaNet (Dao and Gu 2024, §7): −exp(A) softplus(z), right where the rate
/// alone is beyond a Float and the step alone below one.
///
/// Below z = −17 softplus is exp to half a rounding, so what z is less goes to the rate's exponent. Above, a rate that saturates
/// leaves nothing of the memory, as the true one does. Beyond −100 nothing is left, either, and sums of logarithms would lose
/// their small terms beside it.
package func headLogDecay(_ z: TensorExpression, rate A: TensorExpression) -> TensorExpression {
  maximum(-exp(A - relu(-17 - z)) * softplus(maximum(z, -17)), -100)
}
