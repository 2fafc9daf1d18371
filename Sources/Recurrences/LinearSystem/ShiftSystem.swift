/// What H3's two state spaces make of their parameters (Fu et al. 2023, §3.2).

import RunnelKernels
import RunnelTensors

/// The filter of a shift state space, per channel: its state moves on by one place a token,
///
///     s_t = (0, s_{t−1,1}, …, s_{t−1,N−1}) + B k_t,   y_t = C s_t + D k_t
///
/// so it remembers N tokens exactly, and is the causal convolution whose tap l is Σ_i C_{i+l} B_i, and D more
/// at l = 0.
///
/// - Parameters: input: B, [E N]; output: C, [1 E N]; skip: D, [E].
/// - Returns: the filter, [E N], its last tap for the current token.
public func shiftFilter(input: Tensor, output: Tensor, skip: Tensor) -> Tensor {
  let (E, N) = (input.shape[0], input.shape[1])
  precondition(
    output.shape == [1, E, N] && skip.shape == [E],
    "shiftFilter: B \(input.shape), C \(output.shape), D \(skip.shape); expected [E N], [1 E N], [E]")
  Profiler.begin(.recurrence)
  defer { Profiler.end() }
  let grain = max(1, 4096 / (N * N))
  let filter = Tensor([E, N]) { filter in
    WorkerPool.shared.split(E, grain: grain) { channels in
      for e in channels {
        let (B, C) = (input.base + e * N, output.base + e * N)
        for l in 0..<N {
          var sum = l == 0 ? skip.base[e] : 0
          for i in 0..<N - l { sum += C[i + l] * B[i] }
          filter[e * N + N - 1 - l] = sum
        }
      }
    }
  }
  guard isTracked(input, output, skip) else { return filter }
  return record(filter, from: [input, output, skip]) {
    [input = input.detached, output = output.detached] dfilter in
    let dinput = Tensor(zeros: [E, N]), doutput = Tensor(zeros: [1, E, N]), dskip = Tensor(zeros: [E])
    WorkerPool.shared.split(E, grain: grain) { channels in
      for e in channels {
        let (B, C) = (input.base + e * N, output.base + e * N)
        let (dB, dC) = (dinput.storage.base + e * N, doutput.storage.base + e * N)
        for l in 0..<N {
          let d = dfilter.base[e * N + N - 1 - l]
          if l == 0 { dskip.storage.base[e] = d }
          for i in 0..<N - l {
            dB[i] += d * C[i + l]
            dC[i + l] += d * B[i]
          }
        }
      }
    }
    return [dinput, doutput, dskip]
  }
}

/// C ⊙ B for complex numbers as pairs, [E N 2] after leading ones: planar, [E 2N], as ``DiagonalSystem``
/// reads its c.
public func planarProduct(_ C: Tensor, _ B: Tensor) -> Tensor {
  let (E, N) = (B.shape[0], B.shape[1])
  precondition(
    B.shape == [E, N, 2] && C.count == B.count,
    "planarProduct: \(C.shape) and \(B.shape); expected [1 E N 2] and [E N 2]")
  Profiler.begin(.recurrence)
  defer { Profiler.end() }
  let product = Tensor([E, 2 * N]) { product in
    for i in 0..<E * N {
      let value = complex(C, i) * complex(B, i), re = product + i / N * 2 * N + i % N
      (re[0], re[N]) = (Float(value.real), Float(value.imaginary))
    }
  }
  guard isTracked(C, B) else { return product }
  return record(product, from: [C, B]) { [C = C.detached, B = B.detached] dproduct in
    let dC = Tensor(uninitialized: C.shape), dB = Tensor(uninitialized: B.shape)
    for i in 0..<E * N {
      let re = dproduct.base + i / N * 2 * N + i % N, d = Complex(Double(re[0]), Double(re[N]))
      let (c, b) = (d * complex(B, i).conjugate, d * complex(C, i).conjugate)
      (dC.storage.base[2 * i], dC.storage.base[2 * i + 1]) = (Float(c.real), Float(c.imaginary))
      (dB.storage.base[2 * i], dB.storage.base[2 * i + 1]) = (Float(b.real), Float(b.imaginary))
    }
    return [dC, dB]
  }
}
