import Foundation
import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("RWKV-6 and RWKV-7 are their papers' formulas")
struct RWKV67Tests {
  static let rwkv7 = RWKV7.Configuration(width: 6) {
    ($0.heads, $0.headWidth, $0.decayRank, $0.rateRank, $0.valueRank, $0.gateRank, $0.keyNormEpsilon) = (
      2, 3, 2, 3, 2, 4, 1e-6
    )
  }

  @Test("RWKV-6, with keys as wide as values and half as wide", arguments: [4, 2])
  func rwkv6(keyWidth: Int) {
    let configuration = RWKV6.Configuration(width: 8) {
      ($0.heads, $0.keyWidth, $0.valueWidth, $0.shareRank, $0.decayRank) = (2, keyWidth, 4, 3, 2)
    }
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
    func outputs(_ layers: [Subject<RWKV7>], _ x: Tensor) -> Tensor {
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
      tracked[layer] = tracked[layer].changing {
        guard $0 == name else { return $1 }
        leaves.append($1.tracked())
        return leaves[leaves.count - 1]
      }
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
      try RWKV7.Configuration(width: 8) {
        ($0.heads, $0.headWidth, $0.decayRank, $0.rateRank, $0.valueRank, $0.gateRank) = (2, 3, 2, 2, 2, 2)
      }.validate()
    }
    #expect(throws: ConfigurationError.self) { try RWKV7.Configuration(width: 8, settings: [("heads", "3")]) }
    #expect(throws: Never.self) { try RWKV7.Configuration(width: 768).validate() }
  }

  @Test("RWKV-7 of width 768 has the published ranks, 64, 64, 32 and 128")
  func ranks() {
    let published = RWKV7.Configuration(width: 768)
    #expect(published.heads == 12 && published.headWidth == 64)
    #expect(published.decayRank == 64 && published.rateRank == 64)
    #expect(published.valueRank == 32 && published.gateRank == 128)
  }

  @Test("RWKV-7: fresh decays, rates and keys run over the channels as published")
  func freshRWKV7() {
    let configuration = RWKV7.Configuration(width: 128)
    let mixer = RWKV7.fresh(configuration, at: Depth(layer: 0, of: 2))
    func ends(_ name: String, of mixer: Subject<RWKV7>) -> [Double] {
      let values = mixer.value(name)
      return [values[0], values[values.count - 1]]
    }
    // The first and last channel of the first and last head.
    #expect(relativeError(ends("w0", of: mixer), [-8, 3]) < 1e-6)
    #expect(relativeError(ends("a0", of: mixer), [-0.69, 0.31]) < 1e-6)
    #expect(relativeError(ends("k_k", of: mixer), [0.76, 0.66]) < 1e-6)
    #expect(relativeError(ends("x_r", of: mixer), [1, 1 - pow(127.0 / 128, 0.2)]) < 1e-6)
    #expect(mixer.value("v0").isEmpty && mixer.value("v1").isEmpty && mixer.value("v2").isEmpty)
    #expect(mixer.value("ln_x.weight").allSatisfy { abs($0 - pow(0.5, 0.7)) < 1e-6 })
    #expect(mixer.value("output.weight").allSatisfy { $0 == 0 })
    let last = RWKV7.fresh(configuration, at: Depth(layer: 1, of: 2))
    #expect(relativeError(ends("v0", of: last), [0.93, 0.53]) < 1e-6)

    // w2 w2ᵀ = 0.1² I.
    let (R, D) = (configuration.decayRank, 128), w2 = mixer.value("w2")
    let gram = (0..<R * R).map { i in
      (0..<D).reduce(0) { $0 + w2[i / R * D + $1] * w2[i % R * D + $1] }
    }
    #expect(relativeError(gram, (0..<R * R).map { $0 / R == $0 % R ? 0.01 : 0 }) < 1e-5)
  }

  @Test("RWKV-6: fresh decays rise from exp(−e⁻⁶) to exp(−e⁻¹), and the bonus zigzags")
  func freshRWKV6() {
    let mixer = RWKV6.fresh(.init(width: 128), at: Depth(layer: 0, of: 4))
    let decay = mixer.value("time_decay"), bonus = mixer.value("time_faaaa")
    #expect(abs(decay[0] + 6) < 1e-6 && abs(decay[127] + 1) < 1e-6)
    #expect(zip(decay, decay.dropFirst()).allSatisfy { $0 < $1 })
    #expect(relativeError(Array(bonus[..<4]), [0, 0.1, -0.1, 0]) < 1e-6)
    let last = RWKV6.fresh(.init(width: 128), at: Depth(layer: 3, of: 4))
    #expect(relativeError(Array(last.value("time_faaaa")[..<2]), [1, 126.0 / 127 + 0.1]) < 1e-6)
    #expect(last.value("time_maa_v").allSatisfy { $0 < 0.7000001 })
  }

  @Test(
    "the state has the bytes that the description's formula says, and no token leaves it",
    arguments: Form.allCases)
  func states(form: Form) {
    func check<M: SequenceMixer>(_: M.Type, _ configuration: M.Configuration, _ letters: [Character: Int]) {
      expectStateBytes(M.self, configuration, letters)
      let mixer = M.perturbed(configuration, at: Depth(layer: 1, of: 2))
      var state = mixer.initialState(batch: 3)
      let D = configuration.width
      _ = mixer.run(random([3, 5, D], seed: 1), form: form, resets: .none, state: &state)
      let before = state.tensors.map(\.value.scalars)
      let y = mixer.run(Tensor(zeros: [3, 0, D]), form: form, resets: .none, state: &state)
      #expect(y.shape == [3, 0, D])
      #expect(state.tensors.map(\.value.scalars) == before)
    }
    check(
      RWKV6.self,
      .init(width: 6) { ($0.heads, $0.keyWidth, $0.valueWidth) = (3, 4, 5) },
      ["D": 6, "H": 3, "K": 4, "V": 5])
    check(RWKV7.self, Self.rwkv7, ["D": 6, "H": 2, "K": 3, "V": 3])
  }
}
