/// Mamba's selective scan (Gu and Dao 2023, §3.2, Algorithm 2), fused: the T × E × N states never exist at once.
///
///     h_t = exp(Δ_t A) ⊙ h_{t−1} + (Δ_t u_t) B_t        y_t = C_t · h_t + D u_t

import CKernels
import RunnelKernels
import RunnelTensors

/// Mamba's recurrence: N states for each channel, whose step depends on the token.
public enum SelectiveScan {
  /// - Parameters:
  ///   - u: [B T E]; delta: Δ > 0, [B T E]; A: < 0, [E N]; B, C: [B T N]; D: [E], or absent.
  ///   - state: [B E N]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, form: Form, resets: Resets = .none,
    state: inout Tensor
  ) -> Tensor {
    let shape = u.shape
    precondition(
      shape.rank == 3 && delta.shape == shape && A.shape.rank == 2 && A.shape[0] == shape[2]
        && B.shape == [shape[0], shape[1], A.shape[1]] && C.shape == B.shape
        && (D.isEmpty || D.shape == [shape[2]]) && state.shape == [shape[0], shape[2], A.shape[1]],
      """
      SelectiveScan: u \(shape), delta \(delta.shape), A \(A.shape), B \(B.shape), C \(C.shape), D \(D.shape), \
      state \(state.shape); expected [B T E], [B T E], [E N], [B T N], [B T N], [E], [B E N]
      """)
    return Call(
      segment: Segment(batch: shape[0], length: shape[1], resets: resets), operands: [u, delta, B, C, A, D]
    ).run(form, state: &state)
  }
}

extension SelectiveScan {
  /// One token of constants, with what stands around the scan in Mamba: Δ = softplus(W δ + bias) before it, and y ⊙ silu(gate)
  /// behind it, prepared for the product that comes next. It is one job over the channels, so a thread uses what it made.
  ///
  /// - Parameters:
  ///   - u, gate: [B E]; delta: δ, [B R]; step: W, [E R]; bias: [E]; A: < 0, [E N]; B, C: [B N]; D: [E], or absent.
  ///   - element: how the weight is stored that the result is prepared for.
  ///   - state: [B E N]; in and out.
  /// - Returns: B vectors of E.
  package static func gatedStep(
    u: Tensor, delta: Tensor, step: PackedMatrix, bias: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor,
    gate: Tensor, for element: PackedElement, state: inout Tensor
  ) -> PackedVectors {
    let (batch, E, N) = (u.shape[0], u.shape[1], A.shape[1])
    precondition(
      delta.shape == [batch, step.columns] && step.rows == E && gate.shape == u.shape && bias.shape == [E]
        && A.shape[0] == E && B.shape == [batch, N] && C.shape == B.shape && (D.isEmpty || D.shape == [E])
        && state.shape == [batch, E, N],
      """
      SelectiveScan: u \(u.shape), delta \(delta.shape), step [\(step.rows) \(step.columns)], gate \(gate.shape), \
      bias \(bias.shape), A \(A.shape), B \(B.shape), C \(C.shape), D \(D.shape), state \(state.shape); expected [B E], \
      [B R], [E R], [B E], [E], [E N], [B N] twice, [E], [B E N]
      """)
    let vectors = PackedVectors(delta, for: step.element)
    let prepared = PackedVectors(count: batch, columns: E, for: element)
    var raw = Tensor(uninitialized: u.shape)
    let y = Tensor(u.shape) { y in
      state.mutate { state in
        raw.mutate { raw in
          // Shares are whole blocks of what is prepared. Some 4 K states take longer than handing them out.
          let block = PackedVectors.block
          WorkerPool.shared.split(
            (E + block - 1) / block, grain: max(1, (1 << 12) / max(1, batch * block * N))
          ) { blocks in
            let channels = blocks.lowerBound * block..<min(E, blocks.upperBound * block)
            step.multiply(vectors, rows: channels, into: raw)
            for row in 0..<batch {
              let first = channels.lowerBound, i = row * E + first
              runnel_selective_gated_step(
                channels.count, N, u.base + i, raw + i, bias.base + first, A.base + first * N,
                B.base + row * N, C.base + row * N, D.isEmpty ? nil : D.base + first, gate.base + i,
                state + i * N, y + i)
            }
            if batch == 1 { prepared.fill(channels, from: y) }
          }
        }
      }
    }
    return batch == 1 ? prepared : PackedVectors(y, for: element)
  }
}

private struct Call: LaneRecurrence {
  let name: StaticString = "SelectiveScan"
  let segment: Segment
  var operands: [Tensor]
  let channels, size: Int

  init(segment: Segment, operands: [Tensor]) {
    (self.segment, self.operands) = (segment, operands)
    (channels, size) = (operands[4].shape[0], operands[4].shape[1])
  }

  private var u: Tensor { operands[0] }
  private var delta: Tensor { operands[1] }
  private var B: Tensor { operands[2] }
  private var C: Tensor { operands[3] }
  private var N: Int { size }

  /// B and C are shared by the channels, so the shares of a row have gradients of their own for them.
  var gathering: [Gathering] {
    [.perToken, .perToken, .perTokenParts(gradientShares), .perTokenParts(gradientShares), .shared, .shared]
  }
  /// Of the lanes of dB and dC.
  private var part: Int { keptChunk * memory }
  func room(for pass: Pass) -> Int { pass == .gradient ? 2 * part + (2 * keptChunk + 1) * memory : 0 }

  /// Where B and C of a token begin.
  private func shared(_ row: Int, _ time: Int) -> Int { (row * segment.length + time) * N }

  func step(_ x: LanePiece) {
    let (A, D) = (x.constants[0], x.constants[1])
    for t in 0..<x.count {
      let i = t * channels, j = shared(x.row, x.chunk.start + t)
      for e in 0..<x.width {
        let (u, dt) = (u.base[x.at + i + e], delta.base[x.at + i + e])
        var sum = D[e] * u
        for n in 0..<N {
          let k = n * laneCount + e
          x.memory[k] = Float(exponential(Double(dt * A[k]))) * x.memory[k] + dt * u * B.base[j + n]
          sum += C.base[j + n] * x.memory[k]
        }
        x.y[i + e] = sum
      }
    }
  }

  func isInPlace(_ pass: Pass) -> Bool { pass == .stream }
  func stream(_ x: LanePiece) {
    let j = shared(x.row, x.chunk.start), (A, D) = (operands[4], operands[5])
    runnel_selective_step(
      x.count, x.width, channels, N, u.base + x.at, delta.base + x.at, A.base + x.channel * N, B.base + j,
      C.base + j, D.isEmpty ? nil : D.base + x.channel, x.memory, x.y)
  }

  func scan(_ x: LanePiece) {
    let j = shared(x.row, x.chunk.start)
    runnel_selective_scan(
      x.count, x.width, channels, N, x.operands[0] + x.at, x.operands[1] + x.at, x.constants[0],
      x.operands[2] + j,
      x.operands[3] + j, x.constants[1], x.memory, x.y)
  }

  /// The paper's parallel form: the associative scan over decays and inputs that exist for all tokens, [T N 16].
  func whole(_ x: LanePiece) {
    let j = shared(x.row, x.chunk.start), u = x.operands[0] + x.at, delta = x.operands[1] + x.at
    let B = x.operands[2] + j, C = x.operands[3] + j, (A, D) = (x.constants[0], x.constants[1])
    let size = x.count * memory, inputs = Storage(capacity: size)
    inputs.base.update(repeating: 0, count: size)
    let exponents = Tensor([x.count, memory]) { exponents in
      exponents.update(repeating: 0, count: size)
      for t in 0..<x.count {
        for e in 0..<x.width {
          let dt = delta[t * channels + e], input = dt * u[t * channels + e]
          for n in 0..<N {
            let own = n * laneCount + e, k = t * memory + own
            exponents[k] = dt * A[own]
            inputs.base[k] = input * B[t * N + n]
          }
        }
      }
    }
    let h = associativeScan(
      x.count, width: memory, planes: 1, decays: activate(exponents, .exp).storage, inputs: inputs, x.memory,
      x.memory)
    for t in 0..<x.count {
      for e in 0..<x.width {
        let i = t * channels + e
        var sum = D[e] * u[i]
        for n in 0..<N {
          let k = t * memory + n * laneCount + e
          sum += h.base[k] * C[t * N + n]
        }
        x.y[i] = sum
      }
    }
    withExtendedLifetime(h) {}
  }

  func gradient(_ x: LanePiece, dy: Floats, dmemory: MutableFloats, _ d: [MutableFloats]) {
    let j = shared(x.row, x.chunk.start)
    runnel_selective_backward(
      x.count, x.width, channels, N, x.operands[0] + x.at, x.operands[1] + x.at, x.constants[0],
      x.operands[2] + j,
      x.operands[3] + j, x.constants[1], x.memory, dy, dmemory, d[0] + x.at, d[1] + x.at, x.sums[0],
      x.sums[1], x.room,
      x.room + part,
      x.room + 2 * part)
  }

  func gather(_ piece: Piece, _ room: MutableFloats, _ d: [MutableFloats]) {
    let j = shared(piece.row, piece.start)
    runnel_sum_lanes(piece.count * N, room, d[2] + j)
    runnel_sum_lanes(piece.count * N, room + part, d[3] + j)
    room.update(repeating: 0, count: 2 * part)
  }
}
