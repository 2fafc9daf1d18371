/// HiPPO-LegS of many channels at once, with a read-out, for mixers: the definition is ``HiPPO``, in Float.
///
///     c_t = (I + α A / t)⁻¹ ((I − (1 − α) A / t) c_{t−1} + B f_t / t)        y_t = C · c_t + D f_t
///
/// t counts the tokens of the document. A and B are fixed, so the paper has no parallel form beyond the scan:
/// `mix` and `parallel` run the fused scan over time, with sixteen channels in the lanes.

import CKernels
import RunnelKernels
import RunnelTensors

/// HiPPO-LegS of many channels side by side, with a read-out.
public enum LegendreMemory {
  /// - Parameters:
  ///   - f: [B T E]; C: [E N]; D: [E].
  ///   - alpha: of the generalised bilinear discretisation; ½ is the bilinear one.
  ///   - state: c, [B E N]; in and out.
  ///   - counts: how many tokens each row's document has had, [B]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    f: Tensor, C: Tensor, D: Tensor, alpha: Double = 0.5, form: Form, resets: Resets = .none,
    state: inout Tensor, counts: inout [Int]
  ) -> Tensor {
    let shape = f.shape
    precondition(
      shape.rank == 3 && C.shape.rank == 2 && C.shape[0] == shape[2] && D.shape == [shape[2]]
        && state.shape == [shape[0], shape[2], C.shape[1]] && counts.count == shape[0],
      """
      LegendreMemory: f \(shape), C \(C.shape), D \(D.shape), state \(state.shape), counts [\(counts.count)]; \
      expected [B T E], [E N], [E], [B E N], [B]
      """)
    let segment = Segment(batch: shape[0], length: shape[1], resets: resets, counts: counts)
    resets.advance(&counts, over: shape[1])
    return Call(segment: segment, operands: [f, C, D], alpha: Float(alpha)).run(form, state: &state)
  }
}

private struct Call: LaneRecurrence {
  let name: StaticString = "LegendreMemory"
  let segment: Segment
  var operands: [Tensor]
  let alpha: Float
  /// √(2n + 1).
  let root: Tensor
  let channels: Int

  init(segment: Segment, operands: [Tensor], alpha: Float) {
    (self.segment, self.operands, self.alpha) = (segment, operands, alpha)
    channels = operands[0].shape[2]
    root = Tensor((0..<operands[1].shape[1]).map { Float(2 * $0 + 1).squareRoot() })
  }

  var size: Int { root.count }
  var gathering: [Gathering] { [.perToken, .shared, .shared] }
  private var f: Tensor { operands[0] }
  private var N: Int { size }
  /// The factors of a token, of all tokens for the gradient, and the coefficients.
  func room(for pass: Pass) -> Int {
    pass == .gradient ? 4 * keptChunk * N + (keptChunk + 1) * memory : 4 * N
  }
  /// t of a chunk's first token: one for the first of its document.
  private func time(_ x: LanePiece) -> Float { Float(x.chunk.position + 1) }

  func step(_ x: LanePiece) {
    for t in 0..<x.count {
      for e in 0..<x.width {
        let f = f.base[x.at + t * channels + e]
        var (W, y) = (-f, x.constants[1][e] * f)
        for n in 0..<N {
          let i = n * laneCount + e, c = x.memory[i], m = Float(n + 1)
          let next = c - (m * c + root.base[n] * W) / (time(x) + Float(t) + alpha * m)
          W += root.base[n] * (alpha * next + (1 - alpha) * c)
          x.memory[i] = next
          y += x.constants[0][i] * next
        }
        x.y[t * channels + e] = y
      }
    }
  }

  func scan(_ x: LanePiece) {
    runnel_legs_scan(
      x.count, x.width, channels, N, time(x), alpha, root.base, x.operands[0] + x.at, x.constants[0],
      x.constants[1],
      x.memory,
      x.y, x.room)
  }

  func gradient(_ x: LanePiece, dy: Floats, dmemory: MutableFloats, _ d: [MutableFloats]) {
    runnel_legs_backward(
      x.count, x.width, channels, N, time(x), alpha, root.base, x.operands[0] + x.at, x.constants[0],
      x.constants[1],
      x.memory,
      dy, dmemory, d[0] + x.at, x.sums[0], x.sums[1], x.room)
  }
}
