import Foundation
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("linear attention with each feature map is its formula, in value and in gradient")
struct FeatureMapTests {
  @Test(arguments: FeatureMap.allCases, [true, false])
  func forms(map: FeatureMap, rotates: Bool) {
    for featureWidth in [4, 6] {
      let configuration = LinearAttention.Configuration(width: 8) {
        ($0.heads, $0.rotates, $0.featureMap, $0.featureWidth) = (2, rotates, map, featureWidth)
      }
      // The memory is a sum of features, and a Float ends at e^88: of ten times the weights the map exp makes e^18 at most, of
      // a hundred times e^181.
      expectMixer(LinearAttention.self, configuration, upTo: map == .exp ? 10 : 1e4) {
        $0.linearAttention(
          $1, heads: 2, map: map.rawValue, epsilon: Double(configuration.epsilon),
          normEpsilon: Double(configuration.normEpsilon), rotates: rotates)
      }
    }
  }

  @Test("products of features: 1 + cos(q, k), and 1 + s + s²/2 for s = q · k / √F")
  func products() {
    let q = random([7, 6], seed: 1), k = random([7, 6], seed: 2)
    func rows(_ x: Tensor) -> [[Double]] {
      let width = x.shape[1]
      return (0..<7).map { Array(x.doubles[$0 * width..<($0 + 1) * width]) }
    }
    for (q, k) in zip(zip(rows(q), rows(taylorFeatures(q))), zip(rows(k), rows(taylorFeatures(k)))) {
      let s = dot(q.0, k.0) / 6.0.squareRoot()
      #expect(abs(dot(q.1, k.1) - (1 + s + s * s / 2)) < 1e-6)
    }
    for row in rows(softmax(q)) { #expect(abs(row.reduce(0, +) - 1) < 1e-6) }
  }

  @Test("the default map is elu + 1 with as many features as values; Based has sixteen")
  func defaults() throws {
    let configuration = LinearAttention.Configuration(width: 12) { $0.heads = 3 }
    #expect(configuration.featureMap == .eluPlusOne && configuration.featureWidth == 4)
    let based = LinearAttention.Configuration(width: 128) { ($0.heads, $0.featureMap) = (2, .taylor) }
    #expect(based.featureWidth == 16)
    #expect(
      try JSONDecoder().decode(LinearAttention.Configuration.self, from: JSONEncoder().encode(based)) == based
    )
    #expect(throws: ConfigurationError.self) {
      let own = LinearAttention.Configuration(width: 8) {
        ($0.heads, $0.featureMap, $0.featureWidth) = (1, .taylor, 1 << 24)
      }
      try ModelConfiguration(
        [MixerChoice(LinearAttention.self, own)], vocabularySize: 16, width: 8, layers: 1
      )
      .validate()
    }
  }

  @Test("the state follows the map", arguments: FeatureMap.allCases)
  func stateBytes(map: FeatureMap) {
    let mixer = PublishedFacts.fresh(
      LinearAttention.self,
      .init(width: 12) { ($0.heads, $0.featureMap, $0.featureWidth) = (3, map, 6) })
    let features = map == .taylor ? 1 + 6 + 21 : map == .cosine ? 7 : map == .hedgehog ? 12 : 6
    let values = map.isPositive ? 5 : 4
    #expect(mixer.initialState(batch: 3).byteCount == 3 * (4 * 3 * features * values + 8))
  }
}
