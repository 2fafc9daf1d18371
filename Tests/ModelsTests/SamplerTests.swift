import Foundation
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("the sampler draws what its settings keep, in their proportions")
struct SamplerTests {
  static let shares = [0.05, 0.3, 0.1, 0.25, 0.15, 0.08, 0.05, 0.02]
  // The logits are shifted, since only differences count.
  static let logits = Tensor(shares.map { log($0) + 3 }, [8])

  @Test("temperature 0 takes the largest logit, the first of equals")
  func greedy() {
    var settings = SamplingSettings()
    settings.temperature = 0
    for seed in 0..<20 {
      let logits = random([50], seed: UInt64(seed))
      let best = logits.scalars.enumerated().max { ($0.1, -$0.0) < ($1.1, -$1.0) }?.offset
      var sampler = Sampler(settings, seed: UInt64(seed))
      #expect(sampler.sample(logits) == best.map(Int32.init))
    }
    var sampler = Sampler(settings, seed: 1)
    #expect(sampler.sample(Tensor([Float](arrayLiteral: 0, 2, 2, 1), [4])) == 1)
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let kept: Set<Int>
    let settings: SamplingSettings
    init(_ description: String, _ kept: Set<Int>, _ change: (inout SamplingSettings) -> Void) {
      var settings = SamplingSettings()
      change(&settings)
      (testDescription, self.kept, self.settings) = (description, kept, settings)
    }
  }
  static let cases = [
    Case("everything", Set(0..<8)) { _ in },
    Case("top-k 1", [1]) { $0.topK = 1 },
    Case("top-k 3", [1, 3, 4]) { $0.topK = 3 },
    Case("top-k beyond the vocabulary", Set(0..<8)) { $0.topK = 100 },
    Case("top-p below three shares", [1, 3, 4]) { $0.topP = 0.69 },
    Case("top-p above three shares", [1, 2, 3, 4]) { $0.topP = 0.71 },
    Case("a tiny top-p", [1]) { $0.topP = 1e-9 },
    Case("min-p 0.3", [1, 2, 3, 4]) { $0.minP = 0.3 },
    Case("min-p 1", [1]) { $0.minP = 1 },
    Case("top-p within top-k", [1, 3]) { ($0.topK, $0.topP) = (4, 0.6) },
    Case("min-p within top-p", [1, 3, 4]) { ($0.minP, $0.topP) = (0.3, 0.6) },
    Case("temperature 0.5 before min-p", [1, 3]) { ($0.temperature, $0.minP) = (0.5, 0.3) },
    Case("temperature 2 before top-p", [1, 2, 3, 4, 5]) { ($0.temperature, $0.topP) = (2, 0.72) },
  ]

  @Test("exactly the right tokens, as often as their shares within five deviations", arguments: cases)
  func proportions(_ example: Case) throws {
    try example.settings.validate()
    var sampler = Sampler(example.settings, seed: 11)
    var counts = [Int](repeating: 0, count: 8)
    let draws = 10_000
    for _ in 0..<draws { counts[Int(sampler.sample(Self.logits))] += 1 }
    let weights = Self.shares.indices.map {
      example.kept.contains($0) ? pow(Self.shares[$0], 1 / example.settings.temperature) : 0
    }
    let total = weights.reduce(0, +)
    for (token, weight) in weights.enumerated() {
      let share = weight / total, deviation = (Double(draws) * share * (1 - share)).squareRoot()
      #expect(
        abs(Double(counts[token]) - Double(draws) * share) <= 5 * deviation + 1e-6,
        "token \(token): \(counts[token]) of \(draws), expected \(share)")
    }
  }

  @Test("the repetition penalty divides positive and multiplies negative logits of the recent tokens")
  func repetition() {
    var settings = SamplingSettings()
    (settings.temperature, settings.repetitionPenalty, settings.repetitionWindow) = (0, 2, 3)
    let positive = Tensor([Float](arrayLiteral: 2, 1.5, 0.5, -1), [4])
    let negative = Tensor([Float](arrayLiteral: -1, -1.5, -4, -5), [4])
    var sampler = Sampler(settings, seed: 1)
    #expect(sampler.sample(positive) == 0)
    sampler.observe(0)
    #expect(sampler.sample(positive) == 1)
    #expect(sampler.sample(negative) == 1)
    // Seen again, it is not punished twice: 2 / 2 is still above 0.5 where 1.5 / 2 is not above 1.
    sampler.observe(0)
    sampler.observe(1)
    #expect(sampler.sample(positive) == 0)
    for token in [3, 3, 3] { sampler.observe(Int32(token)) }
    #expect(sampler.sample(positive) == 0 && sampler.recent == [3, 3, 3])
  }

  @Test("the same seed draws the same tokens, another seed others")
  func seeds() {
    func draw(_ seed: UInt64) -> [Int32] {
      var sampler = Sampler(seed: seed)
      return (0..<100).map { _ in sampler.sample(Self.logits) }
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
  }

  @Test("settings outside their ranges are refused by a sentence with the number")
  func settings() {
    func refusal(_ change: (inout SamplingSettings) -> Void) -> String {
      var settings = SamplingSettings()
      change(&settings)
      return sentence { try settings.validate() }
    }
    #expect(refusal { $0.temperature = -1 }.contains("-1.0"))
    #expect(refusal { $0.temperature = .nan }.contains("temperature"))
    #expect(refusal { $0.topK = -2 }.contains("-2"))
    #expect(refusal { $0.topP = 0 }.contains("top-p is 0.0"))
    #expect(refusal { $0.minP = 1.5 }.contains("min-p is 1.5"))
    #expect(refusal { $0.repetitionPenalty = 0 }.contains("repetition penalty"))
    #expect(refusal { $0.frequencyPenalty = .nan }.contains("frequency penalty"))
    #expect(refusal { $0.presencePenalty = .infinity }.contains("presence penalty"))
    #expect(refusal { $0.typicalP = 0 }.contains("typical-p is 0.0"))
    #expect(refusal { $0.logitBias = [3: .nan] }.contains("token 3"))
    #expect(refusal { $0.logitBias = [-3: 1] }.contains("token -3"))
    #expect(refusal { $0.repetitionWindow = -1 }.contains("repetition window"))
  }
}
