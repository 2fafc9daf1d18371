/// From continuous parameters to a discrete diagonal system: the few numbers per channel are made in Double, with the
/// gradients that complex analysis gives (for an analytic f, the gradient of its argument is the gradient of its value
/// times conj(f′)).

import RunnelKernels
import RunnelTensors

/// How a continuous system becomes a discrete one.
public enum Discretization: String, Codable, Sendable, CaseIterable {
  /// a = exp(Δ A), b = (a − 1) / A: exact for inputs held constant over a step.
  case zeroOrderHold = "zoh"
  /// a = (1 + Δ A / 2) / (1 − Δ A / 2), b = Δ / (1 − Δ A / 2).
  case bilinear
}

extension Complex {
  package var conjugate: Complex { Complex(real, -imaginary) }
  package var inverse: Complex {
    let norm = real * real + imaginary * imaginary
    return Complex(real / norm, -imaginary / norm)
  }
  package static func * (x: Double, y: Complex) -> Complex { Complex(x * y.real, x * y.imaginary) }
  package static func exponential(_ x: Complex) -> Complex {
    let size = RunnelKernels.exponential(x.real)
    return Complex(size * cosine(x.imaginary), size * sine(x.imaginary))
  }
}

extension Discretization {
  /// a, b for one state, and their derivatives with respect to A and Δ.
  func discrete(_ A: Complex, _ dt: Double) -> (
    a: Complex, b: Complex, aByA: Complex, aByStep: Complex, bByA: Complex, bByStep: Complex
  ) {
    let one = Complex(1, 0), z = dt * A
    switch self {
    case .zeroOrderHold:
      let a = Complex.exponential(z), inverse = A.inverse
      let b = (a - one) * inverse
      return (a, b, dt * a, A * a, (dt * a - b) * inverse, a)
    case .bilinear:
      let g = (one - 0.5 * z).inverse, squared = g * g
      return ((one + 0.5 * z) * g, dt * g, dt * squared, A * squared, 0.5 * dt * dt * squared, squared)
    }
  }

  /// The discrete system of every channel, with the input matrix B = 1 folded into c.
  ///
  /// - Parameters:
  ///   - logStep: log Δ, [E]; logDecay: log(−Re A), [E N]; frequency: Im A, [E N]; output: C, [E 2N].
  /// - Returns: a and c = C b, each [E 2N], for ``DiagonalSystem``.
  public func system(
    logStep: Tensor, logDecay: Tensor, frequency: Tensor, output: Tensor
  ) -> (a: Tensor, c: Tensor) {
    let (E, N) = (frequency.shape[0], frequency.shape[1])
    precondition(
      logStep.shape == [E] && logDecay.shape == [E, N] && output.shape == [E, 2 * N],
      """
      system: log step \(logStep.shape), log decay \(logDecay.shape), frequency \(frequency.shape), \
      output \(output.shape); expected [E], [E N], [E N], [E 2N]
      """)
    Profiler.begin(.recurrence)
    defer { Profiler.end() }
    let operands = [logStep, logDecay, frequency, output], inputs = operands.map(\.detached)
    var values = values(inputs)
    if operands.contains(where: \.isTracked) {
      values = record(
        values, from: operands, remake: { self.values(inputs) },
        rule: { gradient(inputs, da: $0[0], dc: $0[1]) })
    }
    return (values[0], values[1])
  }

  /// a and c.
  private func values(_ inputs: [Tensor]) -> [Tensor] {
    let (logStep, logDecay, frequency, output) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let (E, N) = (frequency.shape[0], frequency.shape[1])
    let a = Tensor(uninitialized: [E, 2 * N]), c = Tensor(uninitialized: [E, 2 * N])
    WorkerPool.shared.split(E, grain: max(1, 256 / max(1, N))) { channels in
      for e in channels {
        let dt = exponential(Double(logStep.base[e]))
        for n in 0..<N {
          let re = e * 2 * N + n, im = re + N
          let A = Complex(-exponential(Double(logDecay.base[e * N + n])), Double(frequency.base[e * N + n]))
          let discrete = discrete(A, dt)
          let product = Complex(Double(output.base[re]), Double(output.base[im])) * discrete.b
          (a.storage.base[re], a.storage.base[im]) = (Float(discrete.a.real), Float(discrete.a.imaginary))
          (c.storage.base[re], c.storage.base[im]) = (Float(product.real), Float(product.imaginary))
        }
      }
    }
    return [a, c]
  }

  private func gradient(_ inputs: [Tensor], da: Tensor?, dc: Tensor?) -> [Tensor?] {
    let (logStep, logDecay, frequency, output) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let (E, N) = (frequency.shape[0], frequency.shape[1])
    var results = inputs.map { Tensor(zeros: $0.shape) }
    func value(_ x: Tensor?, _ re: Int) -> Complex {
      x.map { Complex(Double($0.base[re]), Double($0.base[re + N])) } ?? Complex(0, 0)
    }
    for e in 0..<E {
      let dt = exponential(Double(logStep.base[e]))
      var dstep = 0.0
      for n in 0..<N {
        let re = e * 2 * N + n, i = e * N + n
        let A = Complex(-exponential(Double(logDecay.base[i])), Double(frequency.base[i]))
        let discrete = discrete(A, dt)
        let dA = value(da, re), dC = value(dc, re)
        let db = dC * value(output, re).conjugate
        let dcontinuous = dA * discrete.aByA.conjugate + db * discrete.bByA.conjugate
        dstep += (dA * discrete.aByStep.conjugate).real + (db * discrete.bByStep.conjugate).real
        let doutput = dC * discrete.b.conjugate
        results[1].mutate { $0[i] = Float(dcontinuous.real * A.real) }
        results[2].mutate { $0[i] = Float(dcontinuous.imaginary) }
        results[3].mutate { ($0[re], $0[re + N]) = (Float(doutput.real), Float(doutput.imaginary)) }
      }
      results[0].mutate { $0[e] = Float(dstep * dt) }
    }
    return results
  }
}

/// The eigenvalues of a linear recurrent unit (Orvieto et al. 2023, §3.3): λ = exp(−exp(ν) + i exp(θ)), inside the unit
/// circle for every ν.
///
/// - Parameters: logDecay: ν, [N]; logFrequency: θ, [N].
/// - Returns: λ, [2N], planar.
public func ringEigenvalues(logDecay: Tensor, logFrequency: Tensor) -> Tensor {
  let N = logDecay.count
  precondition(
    logFrequency.count == N,
    "ringEigenvalues: \(logDecay.shape) and \(logFrequency.shape); they must be equal")
  Profiler.begin(.recurrence)
  defer { Profiler.end() }
  @Sendable func values(_ n: Int, _ logDecay: Tensor, _ logFrequency: Tensor) -> (
    rate: Double, turn: Double, Complex
  ) {
    let rate = exponential(Double(logDecay.base[n])), turn = exponential(Double(logFrequency.base[n]))
    return (rate, turn, Complex.exponential(Complex(-rate, turn)))
  }
  let lambda = Tensor([2 * N]) { lambda in
    for n in 0..<N {
      let value = values(n, logDecay, logFrequency).2
      (lambda[n], lambda[N + n]) = (Float(value.real), Float(value.imaginary))
    }
  }
  guard isTracked(logDecay, logFrequency) else { return lambda }
  return record(lambda, from: [logDecay, logFrequency]) {
    [logDecay = logDecay.detached, logFrequency = logFrequency.detached] dlambda in
    var ddecay = Tensor(uninitialized: logDecay.shape), dfrequency = ddecay
    for n in 0..<N {
      let (rate, turn, value) = values(n, logDecay, logFrequency)
      let d = Complex(Double(dlambda.base[n]), Double(dlambda.base[N + n])) * value.conjugate
      ddecay.mutate { $0[n] = Float(-rate * d.real) }
      dfrequency.mutate { $0[n] = Float(turn * d.imaginary) }
    }
    return [ddecay, dfrequency]
  }
}
