/// From logits to a token: what the settings ask for, and a seed.

import RunnelTensors

/// Draws tokens; the same seed and logits give the same tokens, on any machine and number of threads.
public struct Sampler: Sendable {
  /// They may change between two tokens.
  public var settings: SamplingSettings
  /// The source of the draws, as far as they have gone.
  public internal(set) var generator: SeededGenerator
  /// The last tokens seen, at most the settings' window.
  public internal(set) var recent: [Int32] = []

  /// A sampler that has seen no token.
  public init(_ settings: SamplingSettings = SamplingSettings(), seed: UInt64) {
    self.settings = settings
    generator = SeededGenerator(seed: seed)
  }

  /// Begins the draws of another seed; what the stream has said stays known.
  public mutating func reseed(_ seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Notes a token of the stream, drawn here or fed.
  public mutating func observe(_ token: Int32) {
    guard settings.looksBack else { return }
    recent.append(token)
    if recent.count > settings.repetitionWindow {
      recent.removeFirst(recent.count - settings.repetitionWindow)
    }
  }

  /// The next token for logits [V]. A NaN counts as −∞; where nothing is left to draw, it is the first of the largest.
  public mutating func sample(_ logits: Tensor) -> Int32 {
    var distribution = distribution(logits)
    return settings.temperature > 0 ? distribution.draw(using: &generator) : distribution.mostLikely
  }

  /// What is drawn from for logits [V].
  package func distribution(_ logits: Tensor) -> TokenDistribution {
    precondition(logits.count > 0, "sample: no logits")
    return TokenDistribution(adjusted(logits), settings)
  }

  /// The logits with bias and penalties. Ids outside the vocabulary ask for nothing.
  private func adjusted(_ logits: Tensor) -> Tensor {
    guard !settings.logitBias.isEmpty || settings.looksBack && !recent.isEmpty else { return logits }
    var scores = logits
    scores.mutate { scores in
      for (token, bias) in settings.logitBias where Int(token) < logits.count {
        scores[Int(token)] += Float(bias)
      }
      guard settings.looksBack else { return }
      let penalty = Float(settings.repetitionPenalty)
      let frequency = Float(settings.frequencyPenalty), presence = Float(settings.presencePenalty)
      var rest = recent.sorted()[...]
      while let token = rest.first {
        let count = rest.prefix { $0 == token }.count
        rest = rest.dropFirst(count)
        guard (0..<logits.count).contains(Int(token)) else { continue }
        let score = scores[Int(token)]
        scores[Int(token)] =
          (score > 0 ? score / penalty : score * penalty) - Float(count) * frequency - presence
      }
    }
    return scores
  }
}
