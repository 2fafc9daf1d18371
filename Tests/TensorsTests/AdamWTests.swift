import RunnelReference
import RunnelTensors
import Testing

@Suite("the fused update is AdamW, step after step")
struct AdamWTests {
  @Test(arguments: [1, 63, 40_000], [1, 0.25]) func update(count: Int, gradientScale: Double) {
    var weight = random([count], seed: 1)
    var (first, second) = (Tensor(zeros: [count]), Tensor(zeros: [count]))
    var (w, m, v) = (weight.doubles, first.doubles, second.doubles)
    for step in 1...5 {
      let gradient = random([count], seed: UInt64(10 + step))
      adamWUpdate(
        &weight, gradient: gradient, firstMoment: &first, secondMoment: &second, step: step,
        learningRate: 0.01,
        beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, gradientScale: gradientScale)
      let g = gradient.doubles
      for i in 0..<count {
        (w[i], m[i], v[i]) = adamWReference(
          w[i], gradient: gradientScale * g[i], m[i], v[i], step: step, learningRate: 0.01, beta1: 0.9,
          beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1)
      }
    }
    #expect(relativeError(weight, w) < 1e-6)
    #expect(relativeError(first, m) < 1e-6)
    #expect(relativeError(second, v) < 1e-6)
  }
}
