import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("RWKV-6 and RWKV-7 are their papers' formulas")
struct RWKV67Tests {
  static let rwkv7 = RWKV7.Configuration(
    width: 6, heads: 2, headWidth: 3, decayRank: 2, rateRank: 3, valueRank: 2, gateRank: 4,
    keyNormEpsilon: 1e-6)

  @Test("RWKV-6, with keys as wide as values and half as wide", arguments: [4, 2])
  func rwkv6(keyWidth: Int) {
    let configuration = RWKV6.Configuration(
      width: 8, heads: 2, keyWidth: keyWidth, valueWidth: 4, shareRank: 3, decayRank: 2)
    for layer in [0, 2] {
      expectMixer(RWKV6.self, configuration, at: Depth(layer: layer, of: 4)) {
        $0.rwkv6($1, heads: 2, epsilon: 64e-5)
      }
    }
  }

  @Test("RWKV-7, in the first layer and in one behind it that runs alone", arguments: [0, 2])
  func rwkv7(layer: Int) {
    expectMixer(RWKV7.self, Self.rwkv7, at: Depth(layer: layer, of: 4)) {
      $0.rwkv7($1, heads: 2, epsilon: 64e-5, keyEpsilon: 1e-6).y
    }
  }

  @Test(
    "RWKV-7: layers behind the first mix its values in, in value and in gradient", arguments: Form.allCases)
  func firstValues(form: Form) {
    let layers = (0..<3).map {
      RWKV7.perturbed(Self.rwkv7, at: Depth(layer: $0, of: 3), seed: UInt64(10 + $0))
    }
    let (T, D) = (37, 6)
    let x = random([1, T, D], seed: 2), seed = random([1, T, D], seed: 3)
    func expected(_ parameters: [[String: [Double]]], _ x: [Double]) -> [Double] {
      var rows = (0..<T).map { Array(x[$0 * D..<($0 + 1) * D]) }, first: [[Double]] = []
      for own in parameters {
        let (y, values) = MixerReference(own).rwkv7(
          rows, heads: 2, epsilon: 64e-5, keyEpsilon: 1e-6, first: first)
        if first.isEmpty { first = values }
        rows = zip(rows, y).map { RunnelReference.sum($0, $1) }
      }
      return rows.flatMap { $0 }
    }
    func outputs(_ layers: [RWKV7], _ x: Tensor) -> Tensor {
      var x = x, shared = SharedValues()
      for layer in layers {
        var state = layer.initialState(batch: 1)
        x = x + layer.run(x, form: form, resets: .none, state: &state, shared: &shared)
      }
      return x
    }
    let parameters = layers.map(\.doubles)
    #expect(relativeError(outputs(layers, x), expected(parameters, x.doubles)) <= 1e-5)

    // The first layer's values reach the output by their own layer and by the mixes behind it.
    let names: [(layer: Int, name: String)] = [
      (0, "value.weight"), (0, "x_v"), (1, "v0"), (1, "v1"), (2, "v2"), (2, "v0"),
    ]
    var tracked = layers
    var leaves: [Tensor] = []
    for (layer, name) in names {
      guard let field = RWKV7.fields.first(where: { $0.name == name }) else { continue }
      tracked[layer][keyPath: field.path] = layers[layer][keyPath: field.path].tracked()
      leaves.append(tracked[layer][keyPath: field.path])
    }
    let leaf = x.tracked()
    let gradient = gradients(of: [(outputs(tracked, leaf), seed)], for: leaves + [leaf])
    for (i, (layer, name)) in names.enumerated() {
      let slopes = centralDifferences(at: parameters[layer][name] ?? []) {
        var changed = parameters
        changed[layer][name] = $0
        return dot(expected(changed, x.doubles), seed.doubles)
      }
      #expect(relativeError(gradient[i], slopes) <= 1e-4, "\(name) of layer \(layer)")
    }
    let slopes = centralDifferences(at: x.doubles) { dot(expected(parameters, $0), seed.doubles) }
    #expect(relativeError(gradient[names.count], slopes) <= 1e-4)
  }

  @Test("RWKV-7: shapes that contradict each other are refused")
  func contradictions() {
    #expect(throws: ConfigurationError.self) {
      try RWKV7.Configuration(
        width: 8, heads: 2, headWidth: 3, decayRank: 2, rateRank: 2, valueRank: 2, gateRank: 2
      ).validate()
    }
    #expect(throws: ConfigurationError.self) { try RWKV7.Configuration(width: 8).withHeads(3) }
    #expect(throws: Never.self) { try RWKV7.Configuration(width: 768).validate() }
  }

  @Test("RWKV-7 of width 768 has the published ranks, 64, 64, 32 and 128")
  func ranks() {
    let published = RWKV7.Configuration(width: 768)
    #expect(published.heads == 12 && published.headWidth == 64)
    #expect(published.decayRank == 64 && published.rateRank == 64)
    #expect(published.valueRank == 32 && published.gateRank == 128)
  }
}
