/// From the continuous diagonal plus low rank system to a discrete one (Gu et al. 2022, appendix C.2), in
/// Double.
///
/// With A = Λ − p p* the bilinear transition is Ā = (I − Δ/2 A)⁻¹ (I + Δ/2 A) = 2 M − I, where M is
/// (I − Δ/2 A)⁻¹. Let g = 1 / (1 − Δ/2 Λ). Woodbury's identity gives
///
///     M = diag(g) − (g ⊙ p) (p̄ ⊙ g)ᵀ / κ,   κ = 2/Δ + p* diag(g) p
///
/// so Ā is diagonal plus rank one again, and the recurrence of ``LowRankSystem`` has
///
///     d = 2 g − 1,   r = −2/κ v,   w = p̄ ⊙ g,   b̄ = Δ (g ⊙ b − v σ/κ)    with v = g ⊙ p, σ = w · b
///
/// The products run over the states and their conjugates, so κ and σ are real: twice the real part over the
/// half kept.

import RunnelKernels
import RunnelTensors

extension LowRankSystem {
  /// The discrete system of every channel by the bilinear rule.
  ///
  /// - Parameters:
  ///   - logStep: log Δ, [E]; logDecay: log(−Re Λ), [E N]; frequency: Im Λ, [E N].
  ///   - lowRank, input, output: p, b and c, [E 2N], planar.
  /// - Returns: d, r, w, b̄ and c, [E 5 2N].
  public static func bilinear(
    logStep: Tensor, logDecay: Tensor, frequency: Tensor, lowRank: Tensor, input: Tensor, output: Tensor
  ) -> Tensor {
    let (E, N) = (frequency.shape[0], frequency.shape[1])
    precondition(
      logStep.shape == [E] && logDecay.shape == [E, N] && lowRank.shape == [E, 2 * N]
        && input.shape == [E, 2 * N] && output.shape == [E, 2 * N],
      """
      bilinear: log step \(logStep.shape), log decay \(logDecay.shape), frequency \(frequency.shape), low rank \
      \(lowRank.shape), input \(input.shape), output \(output.shape); \
      expected [E], [E N], [E N], [E 2N], [E 2N], [E 2N]
      """)
    Profiler.begin(.recurrence)
    defer { Profiler.end() }
    let operands = [logStep, logDecay, frequency, lowRank, input, output]
    let call = Bilinear(operands: operands.map(\.detached))
    let system = call.system()
    guard operands.contains(where: \.isTracked) else { return system }
    return record(
      [system], from: operands, remake: { [call.system()] }, rule: { $0[0].map(call.gradient) ?? [] })[0]
  }
}

private struct Bilinear: Sendable {
  let operands: [Tensor]
  private var E: Int { operands[2].shape[0] }
  private var N: Int { operands[2].shape[1] }
  private var grain: Int { max(1, 256 / N) }

  /// What one channel's system is made from.
  private struct Channel {
    let dt, kappa, sigma: Double
    let eigenvalues, p, b, g, v, w: [Complex]
  }

  private func channel(_ e: Int) -> Channel {
    let dt = exponential(Double(operands[0].base[e])), one = Complex(1, 0)
    let eigenvalues = (e * N..<(e + 1) * N).map {
      Complex(-exponential(Double(operands[1].base[$0])), Double(operands[2].base[$0]))
    }
    let p = planar(operands[3], e), b = planar(operands[4], e)
    let g = eigenvalues.map { (one - 0.5 * dt * $0).inverse }
    let v = (0..<N).map { g[$0] * p[$0] }, w = (0..<N).map { p[$0].conjugate * g[$0] }
    let kappa = 2 / dt + 2 * (0..<N).reduce(0) { $0 + (w[$1] * p[$1]).real }
    let sigma = 2 * (0..<N).reduce(0) { $0 + (w[$1] * b[$1]).real }
    return Channel(dt: dt, kappa: kappa, sigma: sigma, eigenvalues: eigenvalues, p: p, b: b, g: g, v: v, w: w)
  }

  /// Row i of a planar tensor [… 2N].
  private func planar(_ x: Tensor, _ i: Int) -> [Complex] {
    let re = x.base + i * 2 * N
    return (0..<N).map { Complex(Double(re[$0]), Double(re[N + $0])) }
  }
  private func write(_ x: Complex, _ re: UnsafeMutablePointer<Float>) {
    (re[0], re[N]) = (Float(x.real), Float(x.imaginary))
  }

  func system() -> Tensor {
    Tensor([E, 5, 2 * N]) { system in
      WorkerPool.shared.split(E, grain: grain) { channels in
        for e in channels {
          let own = channel(e), row = system + e * 10 * N, c = planar(operands[5], e)
          for n in 0..<N {
            write(2 * own.g[n] - Complex(1, 0), row + n)
            write(-2 / own.kappa * own.v[n], row + 2 * N + n)
            write(own.w[n], row + 4 * N + n)
            write(own.dt * (own.g[n] * own.b[n] - own.sigma / own.kappa * own.v[n]), row + 6 * N + n)
            write(c[n], row + 8 * N + n)
          }
        }
      }
    }
  }

  @Sendable func gradient(_ dsystem: Tensor) -> [Tensor?] {
    let results = operands.map { Tensor(uninitialized: $0.shape) }
    WorkerPool.shared.split(E, grain: grain) { channels in
      for e in channels {
        let own = channel(e), (dt, kappa, sigma) = (own.dt, own.kappa, own.sigma)
        let parts = (0..<5).map { planar(dsystem, 5 * e + $0) }
        let (dd, dr, dw, dinput) = (parts[0], parts[1], parts[2], parts[3])
        /// Σ Re(x conj(v)) over the kept states.
        func alongV(_ x: [Complex]) -> Double {
          (0..<N).reduce(0) { $0 + (x[$1] * own.v[$1].conjugate).real }
        }
        let along = alongV(dinput)
        let dsigma = -dt / kappa * along
        let dkappa = (2 * alongV(dr) + dt * sigma * along) / (kappa * kappa)
        var dstep = -2 / (dt * dt) * dkappa
        for n in 0..<N {
          let (p, b, g, v, w) = (own.p[n], own.b[n], own.g[n], own.v[n], own.w[n]), i = e * N + n
          dstep += (dinput[n] * (g * b - sigma / kappa * v).conjugate).real
          let dv = -2 / kappa * dr[n] - dt * sigma / kappa * dinput[n]
          let dright = dw[n] + 2 * dsigma * b.conjugate
          let size = (p * p.conjugate).real
          let dg =
            2 * dd[n] + dt * dinput[n] * b.conjugate + dright * p + dv * p.conjugate
            + Complex(2 * size * dkappa, 0)
          let dp = 4 * g.real * dkappa * p + dright.conjugate * g + dv * g.conjugate
          let db = dt * dinput[n] * g.conjugate + 2 * dsigma * w.conjugate
          let A = own.eigenvalues[n], dA = dg * (0.5 * dt * g * g).conjugate
          dstep += (dg * (0.5 * A * g * g).conjugate).real
          results[1].storage.base[i] = Float(dA.real * A.real)
          results[2].storage.base[i] = Float(dA.imaginary)
          write(dp, results[3].storage.base + e * 2 * N + n)
          write(db, results[4].storage.base + e * 2 * N + n)
          write(parts[4][n], results[5].storage.base + e * 2 * N + n)
        }
        results[0].storage.base[e] = Float(dstep * dt)
      }
    }
    return results
  }
}
