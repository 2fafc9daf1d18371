import RunnelMixers
import RunnelReference
import RunnelTensors
import Testing

@Suite("mLSTM")
struct MLSTMTests {
  @Test("every form is the paper's formula, in value and in gradient", arguments: [2, 4])
  func formula(blockWidth: Int) {
    // Three heads of four; blocks that are joined by twos or not at all.
    let configuration = MLSTM.Configuration(width: 6) {
      ($0.heads, $0.convolutionWidth, $0.blockWidth) = (3, blockWidth, blockWidth)
    }
    expectMixer(MLSTM.self, configuration) {
      $0.mlstm($1, heads: 3, blockWidth: blockWidth, epsilon: Double(configuration.normEpsilon))
    }
  }

  @Test("fresh gates are the authors': forget gates from σ(3) to σ(6), input gates near one")
  func initialization() {
    let mixer = MLSTM.fresh(.init(width: 64), at: Depth(layer: 0, of: 4))
    #expect(relativeError(mixer.value("mlstm_cell.fgate.bias"), [3, 4, 5, 6]) < 1e-6)
    #expect(mixer.value("mlstm_cell.igate.bias").allSatisfy { $0 != 0 && abs($0) < 0.6 })
    let gates = mixer.value("mlstm_cell.fgate.weight") + mixer.value("mlstm_cell.igate.weight")
    #expect(gates.count == 8 * 3 * 128 && gates.allSatisfy { $0 == 0 })
    func deviation(_ name: String) -> Double {
      let x = mixer.value(name)
      return (x.reduce(0) { $0 + $1 * $1 } / Double(x.count)).squareRoot()
    }
    #expect(abs(deviation("proj_up.weight") / (2.0 / (5 * 64)).squareRoot() - 1) < 0.05)
    #expect(abs(deviation("proj_down.weight") / (2 / 4 / 64.0.squareRoot()) - 1) < 0.05)
  }
}
