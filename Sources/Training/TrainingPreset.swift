/// Sizes and rates that suit a budget, measured in `docs/log.md`.

import RunnelMixers
import RunnelModels

/// About how many parameters a model has: 1, 10 or 100 million with a vocabulary of bytes.
public enum ModelSize: String, Sendable, CaseIterable {
  case small = "1m"
  case medium = "10m"
  case large = "100m"
}

/// A model's shape and how to train it, where the user names neither.
public struct TrainingPreset: Sendable {
  /// The width of the residual stream, and the number of layers.
  public var width, layers: Int
  /// The settings for the budget, that included, where a lane's state goes on from segment to segment.
  public var settings = TrainingSettings()
  /// The peak rate where segments begin afresh.
  private var separateRate = TrainingSettings().learningRate

  /// - Parameters:
  ///   - size: without one, the model is chosen so that the budget is well spent on two cores.
  ///   - width: where the user names it: the rate goes by it.
  public init(budget: Budget, size: ModelSize?, mixers: [any SequenceMixer.Type], width: Int? = nil) {
    // A layer with a feed-forward part has about half as many parameters again.
    let isDeep = mixers.contains { $0.feedForward == .none }
    switch size ?? Self.size(for: budget) {
    case .small: (self.width, layers) = (128, isDeep ? 8 : 5)
    case .medium: (self.width, layers) = (320, isDeep ? 12 : 8)
    case .large: (self.width, layers) = (768, isDeep ? 24 : 14)
    case nil: (self.width, layers) = Self.shape(for: budget, isDeep: isDeep)
    }
    (self.width, layers) = (width ?? self.width, max(layers, mixers.count))
    adapt(budget)
    if mixers.contains(where: { $0.name == "gla" }) { settings.learningRate /= 2 }
    // Of separate segments, too, retention and linear attention take twice the rate that the selective scans do.
    if mixers.allSatisfy({ ["retnet", "linear-attention"].contains($0.name) }) {
      separateRate = settings.learningRate
    }
  }

  /// How to go on training a model that there is.
  public init(budget: Budget, model: ModelConfiguration) {
    (width, layers) = (model.width, model.layers)
    adapt(budget)
    // What it has learnt in long segments is kept so.
    separateSegments()
  }

  /// Makes segments as long as what a model is to remember of them, where each begins afresh.
  mutating func separateSegments() {
    let usual = TrainingSettings()
    settings.segment = usual.segment
    settings.batch = Self.tokens(of: settings.budget) < 5e6 ? usual.batch / 2 : usual.batch
    settings.learningRate = separateRate
  }

  private mutating func adapt(_ budget: Budget) {
    settings.budget = budget
    // A short run gains more from many steps than from gradients that reach far back: the state does.
    let tokens = Self.tokens(of: budget)
    settings.segment = tokens < 3e6 ? 64 : tokens < 1.2e7 ? 128 : settings.segment
    settings.learningRate =
      switch width {
      case ...128: 4e-3
      case ...192: 3e-3
      case ...256: 2e-3
      case ...512: 1.5e-3
      default: 6e-4
      }
    separateRate = min(separateRate, settings.learningRate)
  }

  /// What two cores make of it: some ten thousand tokens a second for a model of a million parameters.
  private static func tokens(of budget: Budget) -> Double {
    switch budget {
    case .steps(let steps): Double(steps) * 1024
    case .tokens(let count): Double(count)
    case .minutes(let minutes): minutes * 60 * 10_000
    }
  }

  /// Beyond hours, about twenty tokens per parameter are a good use of computation (Hoffmann et al. 2022); nil for less.
  private static func size(for budget: Budget) -> ModelSize? {
    let tokens = tokens(of: budget)
    return tokens < 1e8 ? nil : tokens < 4e9 ? .medium : .large
  }

  /// The shape that learns most in less, small enough to see several times as many tokens as it has parameters; up to three
  /// minutes as measured in `docs/log.md`, beyond carried on from there.
  private static func shape(for budget: Budget, isDeep: Bool) -> (width: Int, layers: Int) {
    let minutes = tokens(of: budget) / tokens(of: .minutes(1))
    return switch minutes {
    case ..<0.5: (128, 2)
    case ..<2: (128, isDeep ? 4 : 3)
    case ..<6: (128, isDeep ? 6 : 4)
    case ..<20: (192, isDeep ? 6 : 4)
    case ..<60: (256, isDeep ? 6 : 4)
    default: (320, isDeep ? 8 : 5)
    }
  }
}

extension TrainingSettings {
  /// Changes a rate and a decay that suit AdamW to those that suit another optimiser, as measured in `docs/log.md`, and says its
  /// momentum.
  mutating func suit(_ optimizer: OptimizerName) {
    (self.optimizer, momentum) = (optimizer, optimizer.usualMomentum)
    switch optimizer {
    case .adamw, .muon: break
    case .adam: weightDecay = 1e-4
    case .sgd: (learningRate, weightDecay) = (25 * learningRate, 1e-4)
    case .lion: (learningRate, weightDecay) = (learningRate / 3, min(1, 3 * weightDecay))
    }
  }
}
