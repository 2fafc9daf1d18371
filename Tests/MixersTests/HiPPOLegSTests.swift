import RunnelMixers
import RunnelReference
import RunnelTensors
import Testing

@Suite("HiPPO-LegS as a mixer")
struct HiPPOLegSTests {
  @Test("every form is the paper's formula, in value and in gradient")
  func forms() {
    expectMixer(
      HiPPOLegS.self,
      .init(width: 3) { ($0.channels, $0.stateSize) = (5, 4) }
    ) { $0.hippoLegS($1) }
  }

  @Test("fresh parameters and the state")
  func fresh() {
    let published = HiPPOLegS.Configuration(width: 6)
    #expect(published.channels == 6 && published.stateSize == 64)
    let mixer = HiPPOLegS.fresh(.init(width: 6) { ($0.channels, $0.stateSize) = (6, 8) })
    #expect(mixer.value("output_linear.bias").allSatisfy { $0 == 0 })
    // A constant is remembered but for half of its first sample, at age one: c_n = f (δ_n0 − φ_n(0) / (2 t +
    // 1)).
    var state = mixer.initialState(batch: 1)
    #expect(state.byteCount == 4 * 6 * 8 + 8)
    for _ in 0..<400 { _ = mixer.step(Tensor(ones: [1, 6]), state: &state) }
    #expect(state.position == [400])
    let f = mixer.value("in_proj.weight")
    var expected = [Double](repeating: 0, count: 6 * 8)
    for e in 0..<6 {
      let value = f[e * 6..<(e + 1) * 6].reduce(0, +)
      for n in 0..<8 {
        let start = (n % 2 == 0 ? 1 : -1) * Double(2 * n + 1).squareRoot()
        expected[e * 8 + n] = value * ((n == 0 ? 1 : 0) - start / 801)
      }
    }
    #expect(relativeError(state["memory"], expected) < 1e-4)
  }
}
