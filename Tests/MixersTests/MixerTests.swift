import RunnelMixers
import RunnelRecurrences
import RunnelReference
import Testing

@Suite("every form of a mixer is its paper's formula, in value and in gradient")
struct MixerTests {
  @Test(
    "S4D", arguments: S4D.Initialization.allCases, Discretization.allCases)
  func s4d(initialization: S4D.Initialization, discretization: Discretization) {
    let configuration = S4D.Configuration(width: 3) {
      ($0.stateSize, $0.initialization, $0.discretization) = (4, initialization, discretization)
    }
    expectMixer(S4D.self, configuration) { $0.s4d($1, isBilinear: discretization == .bilinear) }
  }

  @Test("LRU")
  func lru() {
    expectMixer(
      LRU.self,
      .init(width: 3) { ($0.stateSize, $0.innerRadius, $0.outerRadius) = (5, 0.2, 0.98) }, seed: 3
    ) { $0.lru($1) }
  }

  @Test("Mamba")
  func mamba() {
    let configuration = Mamba.Configuration(width: 3) {
      ($0.expandedWidth, $0.stateSize, $0.convolutionWidth, $0.stepRank) = (6, 4, 3, 2)
    }
    expectMixer(Mamba.self, configuration) { $0.mamba($1) }
  }

  @Test("Mamba-2, one and two groups", arguments: [1, 2])
  func mamba2(groups: Int) {
    let configuration = Mamba2.Configuration(width: 4) {
      ($0.heads, $0.headWidth, $0.groups, $0.stateSize, $0.convolutionWidth) = (4, 2, groups, 3, 4)
    }
    expectMixer(Mamba2.self, configuration) {
      $0.mamba2($1, groups: groups, stateSize: 3, epsilon: Double(configuration.normEpsilon))
    }
  }

  @Test("RetNet")
  func retNet() {
    let configuration = RetNet.Configuration(width: 4) { ($0.heads, $0.keyWidth, $0.valueWidth) = (2, 4, 3) }
    expectMixer(RetNet.self, configuration) {
      $0.retNet($1, heads: 2, keyWidth: 4, epsilon: Double(configuration.normEpsilon))
    }
  }

  @Test("linear attention, with and without rotation", arguments: [true, false])
  func linearAttention(rotates: Bool) {
    let configuration = LinearAttention.Configuration(width: 8) { ($0.heads, $0.rotates) = (2, rotates) }
    expectMixer(LinearAttention.self, configuration) {
      $0.linearAttention($1, heads: 2, epsilon: Double(configuration.epsilon), rotates: rotates)
    }
  }
}
