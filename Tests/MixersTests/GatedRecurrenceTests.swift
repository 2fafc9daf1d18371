import Foundation
import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("gated diagonal mixers are their papers' formulas, in value and in gradient")
struct GatedRecurrenceTests {
  @Test("minGRU, with and without a convolution", arguments: [1, 4])
  func minGRU(taps: Int) {
    let configuration = MinGRU.Configuration(width: 3) { ($0.expandedWidth, $0.convolutionWidth) = (5, taps) }
    expectMixer(MinGRU.self, configuration) { $0.minGRU($1, convolves: taps > 1) }
  }

  @Test("RG-LRU, one block and several", arguments: [1, 3])
  func rgLRU(heads: Int) {
    let configuration = RGLRU.Configuration(width: 4) { ($0.expandedWidth, $0.heads) = (6, heads) }
    expectMixer(RGLRU.self, configuration) { $0.rgLRU($1, heads: heads) }
  }

  @Test("RG-LRU's input is accurate where the decay is next to one, and its gradient finite at one")
  func slowDecays() {
    let rates: [Float] = [1e-7, 1e-5, 1e-3, 0.1, 3]
    let x = random([1, 40, rates.count], seed: 1, 0.5...1), zeros = Tensor(zeros: x.shape)
    let later = Tensor(zeros: [1, 40, 1])
    let input = RGLRU.gates(x, zeros, zeros, Tensor(rates), later).1
    let expected = x.doubles.enumerated().map { i, x in
      // −expm1(−rate) is 1 − a² for σ(0) = ½.
      (-expm1(-Double(rates[i % rates.count]))).squareRoot() * 0.5 * x
    }
    for i in rates.indices {
      func channel(_ x: [Double]) -> [Double] { x.indices.filter { $0 % rates.count == i }.map { x[$0] } }
      #expect(relativeError(channel(input.doubles), channel(expected)) < 1e-6, "rate \(rates[i])")
    }
    let rate = Tensor(zeros: [rates.count]).tracked()
    let still = RGLRU.gates(x, zeros, zeros, rate, later).1
    let gradient = gradients(of: sum(still), for: [rate])[0]
    #expect(gradient.scalars.allSatisfy { $0.isFinite && $0 > 0 })
  }

  @Test("a head's decay is exp(−e^A softplus(z)), with its slopes, where e^A or softplus(z) is no Float")
  func headDecays() {
    let rates: [Float] = [-5, 0, 2.8, 80, 130, 300, 1e4]
    let near: [Float] = rates.flatMap { [-3 - $0, -$0, 2.5 - $0] }
    let steps: [Float] = [-1e4, -50, -17.1, -16.9, -5, 0, 3, 1e4] + near
    let H = rates.count, A = Tensor(rates).tracked()
    let z = Tensor((0..<steps.count * H).map { steps[$0 / H] }, [steps.count, H]).tracked()
    let decays = evaluate(exp(headLogDecay(of(z), rate: of(A))))
    let slopes = gradients(of: sum(decays), for: [z, A])
    var byRate = [Double](repeating: 0, count: H)
    for i in 0..<z.count {
      let z = Double(steps[i / H]), rate = Double(rates[i % H])
      // e^A softplus(z), and e^A σ(z).
      let u = exp(rate + (z < -30 ? z : log(softplus(z))))
      let slope = exp(rate + (z < -30 ? z : log(sigmoid(z))))
      let decay = exp(-u), product = decay == 0 ? 0 : decay * u
      byRate[i % H] -= product
      // A + z is off by a rounding of at most 100 where something is left, and exp by 2e-7; u e^{-u} < ½.
      let allowed = 100 * 0x1p-24 / 2 + 2e-7
      #expect(
        abs(decays.doubles[i] - decay) < allowed, "A \(rate), z \(z): \(decays.doubles[i]), not \(decay)")
      let expected = decay == 0 ? 0 : -decay * slope
      #expect(abs(slopes[0].doubles[i] - expected) < 2 * allowed, "slope at A \(rate), z \(z)")
    }
    for (found, expected) in zip(slopes[1].doubles, byRate) {
      #expect(abs(found - expected) < 2 * 100 * 0x1p-24, "\(slopes[1]), not \(byRate)")
    }
  }

  @Test("RG-LRU: a fresh decay at r = 1/8 lies in [0.9, 0.999]")
  func freshDecays() {
    let mixer = PublishedFacts.fresh(RGLRU.self, .init(width: 300))
    #expect(mixer.own.configuration.expandedWidth == 400 && mixer.own.configuration.heads == 16)
    let decays = mixer.value("rg_lru.recurrent_param").map { exp(-log1p(exp($0))) }
    #expect(decays.allSatisfy { (0.899999...0.9990001).contains($0) })
    let mean = decays.reduce(0) { $0 + $1 * $1 } / 400, width = 0.999 * 0.999 - 0.81
    #expect(abs(mean - 0.81 - width / 2) < 5 * width / 12.0.squareRoot() / 20)
  }

  @Test("the state has the bytes that the description's formula says")
  func stateBytes() {
    expectStateBytes(
      MinGRU.self,
      .init(width: 3) { $0.expandedWidth = 5 }, ["D": 3, "E": 5, "W": 4])
    expectStateBytes(
      RGLRU.self,
      .init(width: 4) { ($0.expandedWidth, $0.heads, $0.convolutionWidth) = (6, 2, 3) }, ["E": 6, "W": 3])
  }
}
