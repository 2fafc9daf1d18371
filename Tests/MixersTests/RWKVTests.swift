import Foundation
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("RWKV is its papers' formulas, in value and in gradient")
struct RWKVTests {
  @Test("RWKV-4, as wide as the stream, narrower and wider", arguments: [3, 2, 5])
  func rwkv4(attentionWidth: Int) {
    expectMixer(
      RWKV4.self,
      .init(width: 3) { $0.attentionWidth = attentionWidth }, at: Depth(layer: 1, of: 3)
    ) {
      $0.rwkv4($1)
    }
  }

  @Test(
    "RWKV-5: decays and bonuses per channel and per head, with and without a gate",
    arguments: [true, false], [true, false])
  func rwkv5(decayPerChannel: Bool, hasGate: Bool) {
    let configuration = RWKV5.Configuration(width: 6) {
      ($0.heads, $0.headWidth, $0.hasGate, $0.decayPerChannel, $0.groupNormEpsilon) = (
        2, 4, hasGate, decayPerChannel, 64e-5
      )
    }
    expectMixer(RWKV5.self, configuration, at: Depth(layer: 1, of: 3)) {
      $0.rwkv5($1, heads: 2, epsilon: Double(configuration.groupNormEpsilon))
    }
  }

  @Test("the channel mixes", arguments: 4...7)
  func channelMix(version: Int) {
    let fresh = Subject(seed: 1) {
      ChannelMix(version: version, width: 3, hidden: 5, at: Depth(layer: 1, of: 3), from: $0)
    }
    expectLayer(fresh.perturbed, "version \(version)", width: 3) {
      $0.channelMix($1, version: version)
    }
  }

  @Test("a version has the parameters of its checkpoints, and no others")
  func names() {
    func mix(_ version: Int) -> Set<String> {
      Set(Subject { ChannelMix(version: version, width: 4, hidden: 8, at: .alone, from: $0) }.names)
    }
    let weights: Set = ["key.weight", "receptance.weight", "value.weight"]
    #expect(mix(4) == weights.union(["time_mix_k", "time_mix_r"]) && mix(5) == mix(4))
    #expect(mix(6) == weights.union(["time_maa_k", "time_maa_r"]))
    #expect(mix(7) == ["x_k", "key.weight", "value.weight"])
    let perHead = RWKV5.Configuration(width: 4) {
      ($0.heads, $0.headWidth, $0.hasGate, $0.decayPerChannel) = (2, 2, false, false)
    }
    let old = Set(RWKV5.fresh(perHead).names)
    let new = Set(RWKV5.fresh(.init(width: 4) { ($0.heads, $0.headWidth) = (2, 2) }).names)
    #expect(new.subtracting(old) == ["time_faaaa", "time_mix_g", "gate.weight"])
    #expect(old.subtracting(new) == ["time_first"])
  }

  @Test("a fresh layer writes nothing yet, and its mixing and decays follow the depth")
  func initialization() {
    let first = PublishedFacts.fresh(RWKV4.self, .init(width: 32))
    let last = RWKV4.fresh(.init(width: 32), at: Depth(layer: 3, of: 4))
    #expect(first.value("output.weight").allSatisfy { $0 == 0 })
    #expect(relativeError(first.value("time_mix_k"), (0..<32).map { Double($0) / 32 }) < 1e-6)
    for (mixer, middle) in [(first, 0.7), (last, 2)] {
      let decay = mixer.value("time_decay")
      #expect(abs(decay[0] + 5) < 1e-6 && abs(decay[31] - 3) < 1e-5)
      #expect(abs(decay[10] - (8 * pow(10.0 / 31, middle) - 5)) < 1e-5)
    }
    #expect(abs(last.value("time_mix_v")[0] - 0.3) < 1e-6)
    #expect(abs(last.value("time_mix_k")[1] - pow(1.0 / 32, 0.25)) < 1e-6)
  }

  @Test("numbers that no model can have are refused")
  func refusals() {
    func refuses(_ change: (inout RWKV5.Configuration) -> Void) -> Bool {
      var configuration = RWKV5.Configuration(width: 64)
      change(&configuration)
      do {
        try ModelConfiguration(
          [MixerChoice(RWKV5.self, configuration)], vocabularySize: 16, width: 64, layers: 1
        ).validate()
        return false
      } catch { return true }
    }
    #expect(!refuses { $0.heads = 3 })
    #expect(refuses { $0.heads = 0 } && refuses { $0.headWidth = -1 } && refuses { $0.headWidth = 1 << 40 })
    #expect(refuses { $0.groupNormEpsilon = 0 } && refuses { $0.groupNormEpsilon = .infinity })
    #expect(throws: ConfigurationError.self) {
      try RWKV4.Configuration(width: 4) { $0.attentionWidth = -1 }.validate()
    }
  }

  @Test("the state has the bytes that the description's formula says")
  func stateBytes() {
    expectStateBytes(
      RWKV4.self,
      .init(width: 3) { $0.attentionWidth = 5 }, ["D": 3, "A": 5])
    expectStateBytes(
      RWKV5.self,
      .init(width: 6) { ($0.heads, $0.headWidth) = (2, 4) }, ["D": 6, "H": 2, "K": 4])
  }
}
