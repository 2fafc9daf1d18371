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
  /// The settings for the budget, that included.
  public var settings = TrainingSettings()

  /// - Parameter size: without one, the model is chosen so that the budget is well spent on two cores.
  public init(budget: Budget, size: ModelSize?, mixers: [any SequenceMixer.Type]) {
    // A layer with a feed-forward part has about half as many parameters again.
    let isDeep = mixers.contains { $0.feedForward == .none }
    switch size ?? Self.size(for: budget) {
    case .small: (width, layers) = (128, isDeep ? 8 : 5)
    case .medium: (width, layers) = (320, isDeep ? 12 : 8)
    case .large: (width, layers) = (768, isDeep ? 24 : 14)
    }
    adapt(budget, mixers)
  }

  /// How to go on training a model that there is.
  public init(budget: Budget, model: ModelConfiguration) {
    (width, layers) = (model.width, model.layers)
    adapt(budget, model.mixers.map(\.mixer))
  }

  private mutating func adapt(_ budget: Budget, _ mixers: [any SequenceMixer.Type]) {
    settings.budget = budget
    // A short run gains more from many steps than from smooth ones.
    if Self.tokens(of: budget) < 5e6 { settings.batch = 4 }
    // Retention and linear attention take twice the rate that the selective scans do.
    if mixers.allSatisfy({ ["retnet", "linear-attention"].contains($0.name) }) {
      settings.learningRate = 4e-3
    }
    if width > 512 { settings.learningRate = 6e-4 } else if width > 256 { settings.learningRate = 1.5e-3 }
  }

  /// What two cores make of it: some ten thousand tokens a second for a model of a million parameters.
  private static func tokens(of budget: Budget) -> Double {
    switch budget {
    case .steps(let steps): Double(steps) * 2048
    case .tokens(let count): Double(count)
    case .minutes(let minutes): minutes * 60 * 10_000
    }
  }

  /// About twenty tokens per parameter are a good use of computation (Hoffmann et al. 2022).
  private static func size(for budget: Budget) -> ModelSize {
    let tokens = tokens(of: budget)
    return tokens < 1e8 ? .small : tokens < 4e9 ? .medium : .large
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
