/// RWKV-4's mean of the values seen, weighted by their keys and their age (Peng et al. 2023, §3.1.2).
///
///     y_t = (A_{t−1} + e^(u + k_t) v_t) / (B_{t−1} + e^(u + k_t))
///     A_t = e^w A_{t−1} + e^(k_t) v_t;   B_t = e^w B_{t−1} + e^(k_t)
///
/// The sums would overflow for large keys, so they are kept relative to e^p, where p is the largest logarithm
/// of a weight among them (appendix D of the paper). The fold over time is already one pass over memory with
/// the channels in the lanes, so `mix` and `parallel` run it; its gradient recomputes the sums from those kept
/// before each chunk.

import CKernels
import RunnelKernels
import RunnelTensors

/// RWKV-4's weighted mean of the values, on the scale of a running maximum.
public enum WKV {
  /// The sums of the tokens seen, each [B D].
  public struct State: Sendable {
    /// A e^(−p).
    public var numerator: Tensor
    /// B e^(−p).
    public var denominator: Tensor
    /// p. A constant to the tape where it leaves `run`: what it takes from the sums it gives to their scale.
    public var exponent: Tensor

    /// Sums of B rows of channels, each [B A].
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
  package static let lowestExponent: Float = -1e38

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

    var sums = [state.numerator, state.denominator, state.exponent]
    state = State(numerator: .absent, denominator: .absent, exponent: .absent)
    let y = Call(
      segment: Segment(batch: shape[0], length: shape[1], resets: resets), operands: [k, v, w, u],
      output: shape
    ).run(form, states: &sums)
    state = State(numerator: sums[0], denominator: sums[1], exponent: sums[2])
    return y
  }
}

private struct Call: Recurrence {
  let name: StaticString = "WKV"
  let segment: Segment
  var operands: [Tensor]
  let output: Shape

  private var width: Int { output[2] }
  private static let block = 64
  var gathering: [Gathering] { [.perToken, .perToken, .shared, .shared] }
  var units: Int { (width + Self.block - 1) / Self.block }
  var shares: Int { units }
  /// a, b and p of a block of channels.
  var parts: [Part] { (0..<3).map { Part(tensor: $0, size: Self.block, total: width) } }
  var cost: Int { 16 * Self.block }
  private func channels(_ unit: Int) -> Int { min(Self.block, width - unit * Self.block) }
  func begin(_ memory: MutableFloats, part: Int, count: Int) {
    memory.update(repeating: part == 2 ? WKV.lowestExponent : 0, count: count)
  }
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> Storage {
    Storage(capacity: pass == .gradient ? grid.longest * memory : 0)
  }

  private func at(_ piece: Piece, _ unit: Int) -> Int {
    (piece.row * segment.length + piece.start) * width + unit * Self.block
  }

  func step(_ piece: Piece, _ scratch: Storage) {
    for unit in piece.units {
      let (a, b, p) = (piece.memory[unit, 0], piece.memory[unit, 1], piece.memory[unit, 2])
      for t in 0..<piece.count {
        for i in 0..<channels(unit) {
          let (at, channel) = (at(piece, unit) + t * width + i, unit * Self.block + i)
          let k = Double(operands[0].base[at]), v = Double(operands[1].base[at])
          let w = Double(operands[2].base[channel]), u = Double(operands[3].base[channel])
          let scale = Double(p[i]), highest = max(scale, u + k)
          let past = exponential(scale - highest), now = exponential(u + k - highest)
          piece.y[at] = Float((past * Double(a[i]) + now * v) / (past * Double(b[i]) + now))
          p[i] = Float(max(scale + w, k))
          let old = exponential(scale + w - Double(p[i])), new = exponential(k - Double(p[i]))
          a[i] = Float(old * Double(a[i]) + new * v)
          b[i] = Float(old * Double(b[i]) + new)
        }
      }
    }
  }

  func chunk(_ piece: Piece, _ scratch: Storage) {
    for unit in piece.units {
      let at = at(piece, unit), x = piece.operands, i = unit * Self.block, memory = piece.memory
      runnel_wkv(
        piece.count, channels(unit), width, x[0] + at, x[1] + at, x[2] + i, x[3] + i, memory[unit, 0],
        memory[unit, 1],
        memory[unit, 2], piece.y + at)
    }
  }

  func gradient(_ piece: Piece, _ gradients: ChunkGradients, _ scratch: Storage) {
    for unit in piece.units {
      let at = at(piece, unit), x = piece.operands, d = gradients.operands, i = unit * Self.block
      let (start, after) = (piece.memory, gradients.memory)
      runnel_wkv_backward(
        piece.count, channels(unit), width, x[0] + at, x[1] + at, x[2] + i, x[3] + i, start[unit, 0],
        start[unit, 1],
        start[unit, 2], scratch.base, gradients.dy + at, after[unit, 0], after[unit, 1], after[unit, 2],
        d[0] + at,
        d[1] + at, d[2] + i, d[3] + i)
    }
  }
}
