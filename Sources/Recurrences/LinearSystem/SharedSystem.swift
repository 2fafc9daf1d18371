/// One diagonal system that all channels drive and read (Smith et al. 2023, §3): its discrete matrices, made
/// in Double.

import RunnelKernels
import RunnelTensors

extension Discretization {
  /// No eigenvalue's real part comes closer to zero than this, so that no stream grows without bound.
  package static let largestRealPart = -1e-4

  /// Ā, B̄ and C as real matrices over planar states, for a constant complex ``Diagonal`` between two
  /// products.
  ///
  /// - Parameters:
  ///   - realPart, frequency: Re Λ and Im Λ, [N], one of each conjugate pair; logStep: log Δ, [N 1].
  ///   - input: B, [N D 2]; output: C, [D N 2]; real and imaginary parts side by side.
  /// - Returns: a [2N]; B̄ [2N D], the real rows first; [2 Re C, −2 Im C], [D 2N], which gives 2 Re(C x).
  public func system(
    realPart: Tensor, frequency: Tensor, logStep: Tensor, input: Tensor, output: Tensor
  ) -> (a: Tensor, input: Tensor, output: Tensor) {
    let N = frequency.count, D = output.shape[0]
    precondition(
      realPart.shape == [N] && frequency.shape == [N] && logStep.shape == [N, 1] && input.shape == [N, D, 2]
        && output.shape == [D, N, 2],
      """
      system: real part \(realPart.shape), frequency \(frequency.shape), log step \(logStep.shape), \
      input \(input.shape), output \(output.shape); expected [N], [N], [N 1], [N D 2], [D N 2]
      """)
    Profiler.begin(.recurrence)
    defer { Profiler.end() }
    let call = SharedSystem(
      discretization: self, realPart: realPart.detached, frequency: frequency.detached,
      logStep: logStep.detached, input: input.detached, output: output.detached)
    var values = call.values()
    let operands = [realPart, frequency, logStep, input, output]
    if operands.contains(where: \.isTracked) {
      values = record(values, from: operands, remake: call.values, rule: call.gradient)
    }
    return (values[0], values[1], values[2])
  }
}

private struct SharedSystem: Sendable {
  let discretization: Discretization
  let realPart, frequency, logStep, input, output: Tensor

  private var N: Int { frequency.count }
  private var D: Int { output.shape[0] }
  private var grain: Int { max(1, 4096 / max(1, D)) }

  private func eigenvalue(_ n: Int) -> Complex {
    Complex(min(Double(realPart.base[n]), Discretization.largestRealPart), Double(frequency.base[n]))
  }
  private func step(_ n: Int) -> Double { exponential(Double(logStep.base[n])) }

  @Sendable func values() -> [Tensor] {
    let a = Tensor(uninitialized: [2 * N]), B = Tensor(uninitialized: [2 * N, D])
    WorkerPool.shared.split(N, grain: grain) { states in
      for n in states {
        let discrete = discretization.discrete(eigenvalue(n), step(n))
        (a.storage.base[n], a.storage.base[N + n]) = (Float(discrete.a.real), Float(discrete.a.imaginary))
        let re = B.storage.base + n * D, im = re + N * D
        for d in 0..<D {
          let b = discrete.b * complex(input, n * D + d)
          (re[d], im[d]) = (Float(b.real), Float(b.imaginary))
        }
      }
    }
    let C = Tensor([D, 2 * N]) { C in
      for d in 0..<D {
        for n in 0..<N {
          C[d * 2 * N + n] = 2 * output.base[2 * (d * N + n)]
          C[d * 2 * N + N + n] = -2 * output.base[2 * (d * N + n) + 1]
        }
      }
    }
    return [a, B, C]
  }

  @Sendable func gradient(_ gradients: [Tensor?]) -> [Tensor?] {
    let (da, dB, dC) = (gradients[0], gradients[1], gradients[2])
    let drealPart = Tensor(zeros: [N]), dfrequency = Tensor(zeros: [N]), dlogStep = Tensor(zeros: [N, 1])
    let dinput = Tensor(zeros: input.shape)
    WorkerPool.shared.split(N, grain: grain) { states in
      for n in states {
        let A = eigenvalue(n), dt = step(n), discrete = discretization.discrete(A, dt)
        let db = dB.map { dB in  // of the factor between B and B̄
          let re = dB.base + n * D, im = re + N * D
          return (0..<D).reduce(Complex(0, 0)) { sum, d in
            let i = n * D + d, gradient = Complex(Double(re[d]), Double(im[d]))
            let own = gradient * discrete.b.conjugate
            dinput.storage.base[2 * i] = Float(own.real)
            dinput.storage.base[2 * i + 1] = Float(own.imaginary)
            return sum + gradient * complex(input, i).conjugate
          }
        }
        let dtransition = da.map { Complex(Double($0.base[n]), Double($0.base[N + n])) }
        let (x, z) = (dtransition ?? Complex(0, 0), db ?? Complex(0, 0))
        let dA = x * discrete.aByA.conjugate + z * discrete.bByA.conjugate
        let dstep = (x * discrete.aByStep.conjugate).real + (z * discrete.bByStep.conjugate).real
        let isClipped = Double(realPart.base[n]) > Discretization.largestRealPart
        drealPart.storage.base[n] = isClipped ? 0 : Float(dA.real)
        dfrequency.storage.base[n] = Float(dA.imaginary)
        dlogStep.storage.base[n] = Float(dstep * dt)
      }
    }
    let doutput = dC.map { dC in
      Tensor(output.shape) { doutput in
        for d in 0..<D {
          for n in 0..<N {
            doutput[2 * (d * N + n)] = 2 * dC.base[d * 2 * N + n]
            doutput[2 * (d * N + n) + 1] = -2 * dC.base[d * 2 * N + N + n]
          }
        }
      }
    }
    return [drealPart, dfrequency, dlogStep, dinput, doutput]
  }
}

/// Element i of a tensor of pairs.
func complex(_ x: Tensor, _ i: Int) -> Complex {
  Complex(Double(x.base[2 * i]), Double(x.base[2 * i + 1]))
}
