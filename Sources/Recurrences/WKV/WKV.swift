/// RWKV-4's mean of the values seen, weighted by their keys and their age (Peng et al. 2023, §3.1.2).
///
///     y_t = (A_{t−1} + e^(u + k_t) v_t) / (B_{t−1} + e^(u + k_t))
///     A_t = e^w A_{t−1} + e^(k_t) v_t;   B_t = e^w B_{t−1} + e^(k_t)
///
/// The sums would overflow for large keys, so they are kept relative to e^p, where p is the largest logarithm
/// of a weight among them (appendix D of the paper). The fold over time is already one pass over memory with
/// the channels in the lanes, so every form runs it; its gradient recomputes the sums from those kept at
/// every 32nd token.

import CKernels
import RunnelKernels
import RunnelTensors

public enum WKV {
  /// The sums of the tokens seen, each [B D].
  public struct State: Sendable {
    /// A e^(−p).
    public var numerator: Tensor
    /// B e^(−p).
    public var denominator: Tensor
    /// p. A constant to the tape where it leaves `run`: what it takes from the sums it gives to their scale.
    public var exponent: Tensor

    public init(numerator: Tensor, denominator: Tensor, exponent: Tensor) {
      self.numerator = numerator
      self.denominator = denominator
      self.exponent = exponent
    }
    /// No tokens yet: empty sums on a scale below every key's.
    public init(batch: Int, width: Int) {
      numerator = Tensor(zeros: [batch, width])
      denominator = numerator
      exponent = Tensor(repeating: WKV.lowestExponent, [batch, width])
    }
  }

  /// −∞, but finite, so that no difference of two is undefined.
  static let lowestExponent: Float = -1e38

  /// - Parameters:
  ///   - k: [B T D].
  ///   - v: [B T D].
  ///   - decay: w, the logarithm of the decay, [D]; not positive.
  ///   - bonus: u, [D].
  ///   - state: in and out.
  /// - Returns: y, [B T D].
  public static func run(
    k: Tensor, v: Tensor, decay w: Tensor, bonus u: Tensor, form: Form, resets: Resets = .none,
    state: inout State
  ) -> Tensor {
    let shape = k.shape
    precondition(
      shape.rank == 3 && v.shape == shape && w.count == shape[2] && u.count == shape[2],
      "WKV: keys \(shape), values \(v.shape), decay \(w.shape), bonus \(u.shape); expected [B T D], [D]"
    )
    let rows: Shape = [shape[0], shape[2]]
    precondition(
      state.numerator.shape == rows && state.denominator.shape == rows && state.exponent.shape == rows,
      "WKV: a state of \(state.numerator.shape) for keys \(shape); it must be \(rows)")
    guard shape[1] > 0 else { return Tensor(zeros: shape) }

    let plan = WKVScan(shape: shape, resets: resets)
    guard isTracked(k, v, w, u) || isTracked(state.numerator, state.denominator, state.exponent) else {
      // A stream owns its state, which is then changed in place.
      return plan.scan(k, v, w, u, &state.numerator, &state.denominator, &state.exponent, starts: nil)
    }
    let inputs = [k, v, w, u, state.numerator, state.denominator, state.exponent]
    let starts = plan.makeStarts()
    let y = plan.scan(k, v, w, u, &state.numerator, &state.denominator, &state.exponent, starts: starts)
    let outputs = record([y, state.numerator, state.denominator, state.exponent], from: inputs) {
      [inputs = inputs.map(\.detached)] gradients in
      plan.gradient(
        inputs, starts: starts, dy: gradients[0], dnumerator: gradients[1], ddenominator: gradients[2])
    }
    state = State(numerator: outputs[1], denominator: outputs[2], exponent: outputs[3])
    return outputs[0]
  }
}
