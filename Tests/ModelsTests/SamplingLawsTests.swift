import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelStreaming

@Suite("what may be drawn is what the formulas say")
struct SamplingLawsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let settings: SamplingSettings
    init(_ description: String, _ change: (inout SamplingSettings) -> Void) {
      var settings = SamplingSettings()
      change(&settings)
      (testDescription, self.settings) = (description, settings)
    }
  }
  static let cases = [
    Case("everything") { _ in },
    Case("temperature") { $0.temperature = 0.7 },
    Case("bias") { $0.logitBias = [3: 5, 4: -.infinity, 63: -2] },
    Case("repetition") { $0.repetitionPenalty = 1.7 },
    Case("frequency") { $0.frequencyPenalty = 0.4 },
    Case("presence") { $0.presencePenalty = -1.5 },
    Case("a window of five") { ($0.frequencyPenalty, $0.presencePenalty, $0.repetitionWindow) = (1, 0.5, 5) },
    Case("top-k") { $0.topK = 40 },
    Case("top-k beyond the blocks") { $0.topK = 900 },
    Case("top-k 1") { $0.topK = 1 },
    Case("top-p") { $0.topP = 0.9 },
    Case("a high top-p") { $0.topP = 0.9999 },
    Case("a hot top-p") { ($0.temperature, $0.topP) = (30, 0.97) },
    Case("a tiny top-p") { $0.topP = 1e-6 },
    Case("min-p") { $0.minP = 0.05 },
    Case("typical") { $0.typicalP = 0.6 },
    Case("a hot typical") { ($0.temperature, $0.typicalP) = (5, 0.95) },
    Case("typical behind min-p") { ($0.minP, $0.typicalP) = (0.02, 0.9) },
    Case("top-k, top-p, min-p") { ($0.topK, $0.topP, $0.minP) = (40, 0.95, 0.05) },
    Case("all at once") {
      $0.logitBias = [7: 4, 9: -.infinity]
      ($0.repetitionPenalty, $0.frequencyPenalty, $0.presencePenalty) = (1.3, 0.2, 0.1)
      ($0.temperature, $0.topK, $0.topP, $0.minP, $0.typicalP) = (1.4, 60, 0.97, 0.01, 0.8)
    },
  ]

  /// Vocabularies below, at and beyond the borders of blocks; flat and peaked.
  static let sizes = [1, 15, 64, 65, 1000, 5000]

  @Test("every setting keeps the tokens of the reference, with their probabilities", arguments: cases)
  func reference(example: Case) throws {
    try example.settings.validate()
    for size in Self.sizes {
      for (seed, width) in [0.01, 1, 6].enumerated() as EnumeratedSequence<[Float]> {
        var generator = SeededGenerator(seed: UInt64(seed + size))
        let logits = Tensor.normal([size], deviation: width, using: &generator)
        var settings = example.settings
        settings.logitBias = settings.logitBias.filter { Int($0.key) < size }
        guard settings.logitBias.count < size else { continue }
        var sampler = Sampler(settings, seed: 1)
        let recent = (0..<12).map { _ in Int32(generator.next() % UInt64(min(size, 9))) }
        for token in recent { sampler.observe(token) }
        let expected = referenceProbabilities(logits.scalars, recent: recent, settings)
        let found = sampler.distribution(logits).probabilities
        // Tokens below e⁻⁸⁷ of the first are never drawn.
        let kept = expected.indices.filter { expected[$0] > 1e-37 }.map(Int32.init)
        #expect(found.map(\.token) == kept, "\(size) tokens, deviation \(width)")
        for (token, probability) in found {
          let error = abs(probability / expected[Int(token)] - 1)
          // A logit of 100 has seven digits like any other.
          #expect(error <= 1e-5, "token \(token) of \(size): \(probability), not \(expected[Int(token)])")
        }
      }
    }
  }

  /// Worked by hand: q = (1/2, 1/4, 1/8, 1/16, 1/16), whose entropy is 15/8 log 2.
  @Test("five tokens of powers of two")
  func golden() {
    let logits = Tensor([0.5, 0.25, 0.125, 0.0625, 0.0625].map { Float(log($0)) }, [5])
    func kept(_ change: (inout SamplingSettings) -> Void) -> [Int32: Double] {
      var settings = SamplingSettings()
      change(&settings)
      let all = Sampler(settings, seed: 1).distribution(logits).probabilities
      return Dictionary(uniqueKeysWithValues: all.map { ($0.token, ($0.probability * 1e6).rounded() / 1e6) })
    }
    // |−log q − H| / log 2 = 0.875, 0.125, 1.125, 2.125, 2.125: token 1 first, then 0, then 2.
    #expect(kept { $0.typicalP = 0.2 } == [1: 1])
    #expect(kept { $0.typicalP = 0.7 } == [0: 0.666667, 1: 0.333333])
    #expect(kept { $0.typicalP = 0.8 } == [0: 0.571429, 1: 0.285714, 2: 0.142857])
    #expect(kept { $0.topP = 0.8 } == [0: 0.571429, 1: 0.285714, 2: 0.142857])
    #expect(kept { $0.minP = 0.2 } == [0: 0.571429, 1: 0.285714, 2: 0.142857])
    // Equals stay together.
    #expect(kept { $0.topK = 4 }.count == 5 && kept { $0.topP = 0.9 }.count == 5)
    #expect(kept { $0.topK = 3 } == [0: 0.571429, 1: 0.285714, 2: 0.142857])
    // Halves of the top two sum to one before top-p looks: 2/3 alone reach 0.6.
    #expect(kept { ($0.topK, $0.topP) = (2, 0.6) } == [0: 1])
    #expect(kept { $0.temperature = 0.5 }[0] == 0.744186)
    #expect(kept { ($0.logitBias, $0.topK) = ([0: -.infinity], 2) } == [1: 0.666667, 2: 0.333333])
  }

  @Test("draws follow the probabilities", arguments: cases)
  func draws(example: Case) {
    let logits = random([1000], seed: 5)
    let distribution = Sampler(example.settings, seed: 1).distribution(logits)
    let probabilities = distribution.probabilities
    var counts: [Int32: Int] = [:]
    let draws = 4000
    var generator = SeededGenerator(seed: 2)
    for _ in 0..<draws {
      var distribution = distribution
      counts[distribution.draw(using: &generator), default: 0] += 1
    }
    for (token, probability) in probabilities {
      let deviation = (Double(draws) * probability * (1 - probability)).squareRoot()
      #expect(
        abs(Double(counts[token] ?? 0) - probability * Double(draws)) <= 5 * deviation + 4, "token \(token)")
    }
    #expect(counts.keys.allSatisfy { token in probabilities.contains { $0.token == token } })
  }

  /// Found once; another machine, number of threads or instruction set must find the same.
  @Test("a seed draws these tokens everywhere")
  func pinned() {
    let logits = 4 * random([1000], seed: 5)
    func drawn(_ change: (inout SamplingSettings) -> Void) -> [Int32] {
      var settings = SamplingSettings()
      change(&settings)
      var sampler = Sampler(settings, seed: 7)
      return (0..<16).map { _ in sampler.sample(logits) }
    }
    #expect(
      drawn { $0.temperature = 0.8 }
        == [37, 149, 703, 395, 968, 437, 705, 303, 996, 44, 74, 149, 710, 74, 479, 66])
    #expect(
      drawn { $0.topP = 0.7 }
        == [39, 149, 703, 403, 967, 448, 705, 312, 996, 50, 149, 74, 138, 164, 75, 779])
    #expect(
      drawn { ($0.topK, $0.minP, $0.typicalP) = (50, 0.1, 0.8) }
        == [31, 164, 856, 54, 510, 241, 856, 649, 246, 31, 44, 164, 856, 44, 274, 40])
  }

  @Test("numbers that are none do not end a stream")
  func degenerate() {
    func draw(_ logits: [Float], _ change: (inout SamplingSettings) -> Void = { _ in }) -> Int32 {
      var settings = SamplingSettings()
      change(&settings)
      var sampler = Sampler(settings, seed: 3)
      return sampler.sample(Tensor(logits, [logits.count]))
    }
    for change in [
      { _ in }, { $0.topK = 2 }, { $0.topP = 0.5 }, { $0.typicalP = 0.5 }, { $0.temperature = 0 },
    ]
      as [(inout SamplingSettings) -> Void]
    {
      #expect(draw([.nan, 2, .nan], change) == 1)
      #expect(draw([.nan, .nan], change) == 0)
      #expect(draw([-.infinity, -.infinity], change) == 0)
      #expect(draw([0, .infinity, 1], change) == 1)
      #expect(draw([-.infinity, 5, -.infinity], change) == 1)
    }
    #expect(draw([1, 2, 3]) { $0.temperature = .leastNonzeroMagnitude } == 2)
    #expect(draw([1, 2, 3]) { ($0.temperature, $0.minP) = (1e-300, 0.5) } == 2)
    #expect(draw([1, 2, 3]) { $0.logitBias = [2: -.infinity, 1: -.infinity, 9: 4] } == 0)
  }

  @Test("settings go through JSON, and what an older file did not have is as it is by default")
  func coding() throws {
    var settings = SamplingSettings()
    settings.logitBias = [5: -.infinity, 2: 0.1, 70000: -3]
    (settings.typicalP, settings.frequencyPenalty, settings.presencePenalty) = (0.3, 0.25, -1)
    let data = try JSONEncoder().encode(settings)
    #expect(try JSONDecoder().decode(SamplingSettings.self, from: data) == settings)

    let old =
      #"{"temperature":0.8,"topK":20,"topP":1,"minP":0,"repetitionPenalty":1.2,"repetitionWindow":64}"#
    var expected = SamplingSettings()
    (expected.temperature, expected.topK, expected.repetitionPenalty) = (0.8, 20, 1.2)
    #expect(try JSONDecoder().decode(SamplingSettings.self, from: Data(old.utf8)) == expected)
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(SamplingSettings.self, from: Data("{}".utf8))
    }
    for bad in ["5", "5:x", ":1", "1:2:3"] {
      let text = old.dropLast() + #","logitBias":["\#(bad)"]}"#
      #expect(throws: (any Error).self) {
        try JSONDecoder().decode(SamplingSettings.self, from: Data(text.utf8))
      }
    }
  }

  @Test("a stream's state keeps the settings and the recent tokens of every penalty")
  func state() throws {
    let model = try smallModel(RetNet.self)
    var settings = SamplingSettings()
    (settings.frequencyPenalty, settings.presencePenalty, settings.typicalP) = (0.5, 0.2, 0.9)
    settings.logitBias = [3: -.infinity, 4: 1]
    var session = Session(model, sampler: Sampler(settings, seed: 4))
    try session.feed(tokens(100, below: 64, seed: 3))
    try withFolder { folder in
      try StateFile.save(session, to: folder + "/stream")
      var loaded = try StateFile.load(folder + "/stream", into: model).session
      #expect(loaded.sampler.settings == settings && loaded.sampler.recent == session.sampler.recent)
      #expect(loaded.sampler.recent.count == 64)
      let drawn = try (0..<50).map { _ in try session.next() }
      #expect(try drawn == (0..<50).map { _ in try loaded.next() } && !drawn.contains(3))
    }
  }
}
