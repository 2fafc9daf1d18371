/// The diagonal recurrence h_t = a_t ⊙ h_{t−1} + b_t, real or complex, with a constant or a per-token decay.
///
/// Complex numbers are planar: the last axis holds N real parts, then N imaginary ones. The gradient treats the two
/// as independent variables.

import CKernels
import RunnelKernels
import RunnelTensors

/// h_t = a_t ⊙ h_{t−1} + b_t over channels, real or complex.
public enum Diagonal {
  /// What a channel is: a number, or a pair of planes.
  public enum Numbers: Sendable { case real, complex }

  /// - Parameters:
  ///   - decay: a, [W] for a constant one or [B T W]; W is N for real and 2N for complex numbers.
  ///   - input: b, [B T W].
  ///   - state: h, [B W]; in and out.
  /// - Returns: every h_t, [B T W].
  public static func run(
    decay a: Tensor, input b: Tensor, _ numbers: Numbers, form: Form, resets: Resets = .none,
    state: inout Tensor
  ) -> Tensor {
    let shape = b.shape
    precondition(
      shape.rank == 3 && (a.shape == [shape[2]] || a.shape == shape) && state.shape == [shape[0], shape[2]],
      "Diagonal: decay \(a.shape), input \(shape), state \(state.shape); expected [W] or [B T W], [B T W], [B W]"
    )
    precondition(numbers == .real || shape[2] % 2 == 0, "Diagonal: complex rows of odd width \(shape[2])")

    return Call(
      segment: Segment(batch: shape[0], length: shape[1], resets: resets), operands: [a, b], output: shape,
      planes: numbers == .real ? 1 : 2
    ).run(form, state: &state)
  }
}

private struct Call: Recurrence {
  let name: StaticString = "Diagonal"
  let segment: Segment
  /// a and b.
  var operands: [Tensor]
  let output: Shape
  /// The parts of a number.
  let planes: Int

  private static let block = 64
  private var width: Int { output[2] }
  private var channels: Int { width / planes }
  /// Floats between the parts of a number in a row; zero for real ones.
  private var plane: Int { planes == 2 ? channels : 0 }
  private var isConstant: Bool { operands[0].shape.rank == 1 }
  private var decayStride: Int { isConstant ? 0 : width }

  var gathering: [Gathering] { [isConstant ? .shared : .perToken, .perToken] }
  var needsOutput: Bool { true }
  /// The gradient has every state in y, so a stretch needs no memory kept but its first.
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int { .max }

  var units: Int { (channels + Self.block - 1) / Self.block }
  var shares: Int { units }
  var parts: [Part] { (0..<planes).map { Part(offset: $0 * plane, size: Self.block, total: channels) } }
  var cost: Int { 8 * Self.block }
  private func count(_ unit: Int) -> Int { min(Self.block, channels - unit * Self.block) }
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) {}

  /// Where a unit begins in the first token of a piece, and in the decays of that token.
  private func at(_ piece: Piece, _ unit: Int) -> (input: Int, decay: Int) {
    let own = unit * Self.block, at = (piece.row * segment.length + piece.start) * width + own
    return (at, isConstant ? own : at)
  }

  func step(_ piece: Piece, _ scratch: Void) {
    for unit in piece.units {
      let re = piece.memory[unit], im = piece.memory[unit, planes - 1]
      for t in 0..<piece.count {
        for i in 0..<count(unit) {
          let a = operands[0].base + at(piece, unit).decay + t * decayStride + i
          let at = at(piece, unit).input + t * width + i, b = operands[1].base + at, y = piece.y + at
          guard planes == 2 else {
            re[i] = a[0] * re[i] + b[0]
            y[0] = re[i]
            continue
          }
          (re[i], im[i]) = (
            a[0] * re[i] - a[plane] * im[i] + b[0], a[0] * im[i] + a[plane] * re[i] + b[plane]
          )
          (y[0], y[plane]) = (re[i], im[i])
        }
      }
    }
  }

  func chunk(_ piece: Piece, _ scratch: Void) {
    for unit in piece.units {
      let at = at(piece, unit)
      runnel_diagonal(
        piece.count, count(unit), plane, width, decayStride, piece.operands[0] + at.decay,
        piece.operands[1] + at.input,
        piece.memory[unit], piece.memory[unit, planes - 1], piece.y + at.input)
    }
  }

  /// The papers' form, over all tokens of the document.
  func parallel(_ piece: Piece, _ scratch: Void) {
    for unit in piece.units {
      let at = at(piece, unit), n = count(unit), T = piece.count
      let a = piece.operands[0] + at.decay, b = piece.operands[1] + at.input, y = piece.y + at.input
      let decays = Storage(capacity: T * planes * n), inputs = Storage(capacity: T * planes * n)
      func forEachLine(_ body: (_ own: Int, _ decay: Int, _ input: Int) -> Void) {
        for t in 0..<T {
          for part in 0..<planes {
            let own = (t * planes + part) * n, place = part * plane
            body(own, t * decayStride + place, t * width + place)
          }
        }
      }
      forEachLine { own, decay, input in
        (decays.base + own).update(from: a + decay, count: n)
        (inputs.base + own).update(from: b + input, count: n)
      }
      let h = associativeScan(
        T, width: n, planes: planes, decays: decays, inputs: inputs, piece.memory[unit],
        piece.memory[unit, planes - 1])
      forEachLine { own, _, input in (y + input).update(from: h.base + own, count: n) }
    }
  }

  /// The recurrence of the gradients runs backwards: dh_{t−1} += conj(a_t) dh_t.
  func gradient(_ piece: Piece, _ gradients: ChunkGradients, _ scratch: Void) {
    for unit in piece.units {
      let at = at(piece, unit)
      runnel_diagonal_backward(
        piece.count, count(unit), plane, width, decayStride, piece.operands[0] + at.decay, piece.y + at.input,
        piece.memory[unit], piece.memory[unit, planes - 1], gradients.dy + at.input, gradients.memory[unit],
        gradients.memory[unit, planes - 1], gradients.operands[1] + at.input,
        gradients.operands[0] + at.decay)
    }
  }
}
