/// Mamba's selective scan (Gu and Dao 2023, §3.2, Algorithm 2), fused: the T × E × N states never exist at once.
///
///     h_t = exp(Δ_t A) ⊙ h_{t−1} + (Δ_t u_t) B_t        y_t = C_t · h_t + D u_t

import CKernels
import RunnelKernels
import RunnelTensors

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
    guard shape[1] > 0 else { return Tensor(zeros: shape) }
    return Call(u: u, delta: delta, A: A, B: B, C: C, D: D, resets: resets)
      .run(form, on: [u, delta, A, B, C, D], state: &state)
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
  let u, delta, A, B, C, D: Tensor
  let plan: LaneScan

  init(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, resets: Resets) {
    self.u = u.detached
    self.delta = delta.detached
    self.A = A.detached
    self.B = B.detached
    self.C = C.detached
    self.D = D.detached
    plan = LaneScan(shape: u.shape, memory: A.shape[1], chunk: RUNNEL_SELECTIVE_CHUNK, resets: resets)
  }

  private var N: Int { A.shape[1] }
  private var E: Int { plan.channels }
  private var skip: UnsafePointer<Float>? { D.isEmpty ? nil : D.base }

  private func shared(_ row: Int, _ time: Int) -> Int { (row * plan.steps + time) * N }

  /// The definition, token by token.
  func step(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: nil, scratch: 0) { block, held, _, _ in
          let t = block.range.lowerBound, i = at(block.row, t, block.first), j = shared(block.row, t)
          runnel_selective_step(
            block.range.count, block.width, E, N, u.base + i, delta.base + i, A.base + block.first * N,
            B.base + j, C.base + j, skip.map { $0 + block.first }, held, y + i)
        }
      }
    }
  }

  func scan(state: inout Tensor, starts: Storage?) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: starts, scratch: 2 * plan.laneRow) {
          block, held, starts, scratch in
          let t = block.range.lowerBound, i = at(block.row, t, block.first), j = shared(block.row, t)
          runnel_selective_scan(
            block.range.count, block.width, E, N, u.base + i, delta.base + i, A.base + block.first * N,
            B.base + j, C.base + j, skip.map { $0 + block.first }, held, y + i, scratch, starts)
        }
      }
    }
  }

  /// The paper's parallel form: the associative scan over materialised decays and inputs. It stores T × E × N floats
  /// for a block of channels at a time, and stays for comparison: `scan` is faster at every length.
  func parallel(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      for row in 0..<plan.batch {
        for first in stride(from: 0, to: E, by: LaneScan.lanes) {
          let width = min(LaneScan.lanes, E - first)
          for stretch in plan.stretches[row] {
            let T = stretch.range.count
            var decays = Tensor(uninitialized: [1, T, width * N])
            let inputs = Tensor([1, T, width * N]) { inputs in
              decays.mutate { decays in
                for t in 0..<T {
                  let i = at(row, stretch.range.lowerBound + t, first),
                    j = shared(row, stretch.range.lowerBound + t)
                  for e in 0..<width {
                    let dt = delta.base[i + e], k = (t * width + e) * N
                    for n in 0..<N {
                      decays[k + n] = dt * A.base[(first + e) * N + n]
                      inputs[k + n] = dt * u.base[i + e] * B.base[j + n]
                    }
                  }
                }
              }
            }
            let held = (row * E + first) * N
            var part =
              stretch.isFresh
              ? Tensor(zeros: [1, width * N])
              : Tensor(Array(state.scalars[held..<held + width * N]), [1, width * N])
            let h = Diagonal.run(
              decay: activate(decays, .exp), input: inputs, .real, form: .parallel, state: &part)
            state.mutate { ($0 + held).update(from: part.base, count: width * N) }
            for t in 0..<T {
              let i = at(row, stretch.range.lowerBound + t, first),
                j = shared(row, stretch.range.lowerBound + t)
              for e in 0..<width {
                let output = runnel_dot(N, h.base + (t * width + e) * N, C.base + j)
                y[i + e] = output + (skip.map { $0[first + e] * u.base[i + e] } ?? 0)
              }
            }
          }
        }
      }
    }
  }

  /// In the order of the operands: du, dΔ, dA, dB, dC, dD, dstate.
  func gradient(starts: Storage, dy: Tensor?, dfinal: Tensor?) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: u.shape)
    let du = Tensor(uninitialized: u.shape), ddelta = Tensor(uninitialized: u.shape)
    let dstate = Tensor(uninitialized: [plan.batch, E, N])
    // Sums over the batch, and over groups of channels, are taken of per-item parts in a fixed order.
    let dA = Tensor(zeros: [plan.batch, E * N]), dD = Tensor(zeros: [plan.batch, E])
    let dB = Tensor(uninitialized: [plan.groups, B.count]),
      dC = Tensor(uninitialized: [plan.groups, B.count])
    let row = plan.laneRow, shares = plan.chunk * row
    plan.backward(
      starts: starts, dfinal: dfinal, dinitial: dstate.storage.base,
      makeScratch: {
        let scratch = Storage(capacity: 2 * shares + (2 * plan.chunk + 3) * row + LaneScan.lanes)
        scratch.base.update(repeating: 0, count: 2 * shares)
        return scratch
      },
      chunkBody: { block, _, start, dheld, scratch in
        let t = block.range.lowerBound, i = at(block.row, t, block.first), j = shared(block.row, t)
        let dB = scratch.base, dC = dB + shares, dAblock = dC + shares, dDblock = dAblock + row
        let parts = (block.row * E + block.first)
        runnel_to_lanes(block.width, N, dA.base + parts * N, dAblock)
        runnel_to_lanes(block.width, 1, dD.base + parts, dDblock)
        runnel_selective_backward(
          block.range.count, block.width, E, N, u.base + i, delta.base + i, A.base + block.first * N,
          B.base + j,
          C.base + j, skip.map { $0 + block.first }, start, dy.base + i, dheld, du.storage.base + i,
          ddelta.storage.base + i, dAblock, D.isEmpty ? nil : dDblock, dB, dC, dDblock + LaneScan.lanes)
        runnel_from_lanes(block.width, N, dAblock, dA.storage.base + parts * N)
        runnel_from_lanes(block.width, 1, dDblock, dD.storage.base + parts)
      },
      finished: { rowIndex, group, range, scratch in
        let j = group * B.count + shared(rowIndex, range.lowerBound)
        runnel_sum_lanes(range.count * N, scratch.base, dB.storage.base + j)
        runnel_sum_lanes(range.count * N, scratch.base + shares, dC.storage.base + j)
        scratch.base.update(repeating: 0, count: 2 * shares)
      })
    return [
      du, ddelta, sumOfRows(dA).reshaped(A.shape), sumOfRows(dB).reshaped(B.shape),
      sumOfRows(dC).reshaped(C.shape), D.isEmpty ? nil : sumOfRows(dD), dstate,
    ]
  }
}
