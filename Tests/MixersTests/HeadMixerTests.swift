import Foundation
import RunnelMixers
import RunnelReference
import RunnelTensors
import Testing

private func relu(_ x: Double) -> Double { max(x, 0) }

@Suite("mixers with keys, queries and values are their papers' formulas")
struct HeadMixerTests {
  @Test("GLA, plain and with every option", arguments: [false, true])
  func gla(hasOptions: Bool) {
    let configuration =
      hasOptions
      ? GLA.Configuration(width: 6) {
        (
          $0.heads, $0.keyValueHeads, $0.keyWidth, $0.valueWidth, $0.gateRank, $0.temperature,
          $0.leastLogDecay, $0.featureMap, $0.convolutionWidth, $0.gateActivation
        ) = (4, 2, 3, 2, 3, 2, -0.4, .relu, 3, .sigmoid)
      }
      : GLA.Configuration(width: 6) {
        ($0.heads, $0.keyWidth, $0.valueWidth, $0.gateRank, $0.temperature) = (2, 3, 4, 2, 4)
      }
    expectMixer(GLA.self, configuration) {
      $0.gla(
        $1, heads: configuration.heads, groups: configuration.keyValueHeads, keyWidth: 3,
        temperature: Double(configuration.temperature),
        least: configuration.leastLogDecay.map(Double.init) ?? -.infinity,
        epsilon: Double(configuration.normEpsilon), feature: hasOptions ? relu : { $0 },
        gate: hasOptions ? sigmoid : silu)
    }
  }

  @Test("HGRN2, in the first layer and behind it, without and with convolutions", arguments: [0, 3])
  func hgrn2(convolutionWidth: Int) {
    let configuration = HGRN2.Configuration(width: 6) {
      ($0.heads, $0.keyWidth, $0.convolutionWidth) = (2, 3, convolutionWidth)
    }
    for layer in [0, 2] {
      expectMixer(HGRN2.self, configuration, at: Depth(layer: layer, of: 4)) {
        $0.hgrn2($1, heads: 2, keyWidth: 3, epsilon: Double(configuration.normEpsilon))
      }
    }
  }

  @Test("DeltaNet, plain and with every option", arguments: [false, true])
  func deltaNet(hasOptions: Bool) {
    let configuration =
      hasOptions
      ? DeltaNet.Configuration(width: 6) {
        (
          $0.heads, $0.keyWidth, $0.valueWidth, $0.convolutionWidth, $0.keyActivation, $0.keyNorm,
          $0.allowsNegativeEigenvalues, $0.hasGate
        ) = (2, 3, 2, 0, .eluPlusOne, .sum, true, true)
      }
      : DeltaNet.Configuration(width: 6) {
        ($0.heads, $0.keyWidth, $0.valueWidth, $0.convolutionWidth, $0.hasConvolutionBias) = (
          2, 3, 4, 3, true
        )
      }
    expectMixer(DeltaNet.self, configuration, seed: 2) {
      $0.deltaNet(
        $1, heads: 2, keyWidth: 3, epsilon: Double(configuration.normEpsilon), isSum: hasOptions,
        isNegative: hasOptions, activation: hasOptions ? { $0 > 0 ? $0 + 1 : exp($0) } : silu)
    }
  }

  @Test("Gated DeltaNet, plain and with every option", arguments: [false, true])
  func gatedDeltaNet(hasOptions: Bool) {
    let configuration =
      hasOptions
      ? GatedDeltaNet.Configuration(width: 6) {
        (
          $0.heads, $0.valueHeads, $0.keyWidth, $0.valueWidth, $0.convolutionWidth,
          $0.allowsNegativeEigenvalues, $0.gateActivation
        ) = (2, 4, 3, 2, 0, true, .sigmoid)
      }
      : GatedDeltaNet.Configuration(width: 6) {
        ($0.heads, $0.keyWidth, $0.valueWidth, $0.convolutionWidth) = (2, 3, 4, 3)
      }
    expectMixer(GatedDeltaNet.self, configuration) {
      $0.gatedDeltaNet(
        $1, heads: 2, valueHeads: configuration.valueHeads, keyWidth: 3,
        epsilon: Double(configuration.normEpsilon), isNegative: hasOptions,
        gate: hasOptions ? sigmoid : silu)
    }
  }
}
