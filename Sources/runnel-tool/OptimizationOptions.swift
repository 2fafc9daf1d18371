/// How `runnel train` moves the weights: the optimiser, the rate and its schedule, averages, and what ends a run early.

import ArgumentParser
import Foundation
import Runnel

/// What a run has where nobody asks for something else, as the help tells it.
let usual = TrainingSettings()

/// A number as people write it: 3, 0.05.
func shown(_ number: Double) -> String { String(format: "%g", number) }

struct OptimizationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The rule of a step: adamw; adam, whose decay is added to the gradient, as is that of sgd; lion; or muon for the matrices \
      inside the model, with adamw for the rest (default: \(usual.optimizer.rawValue)).
      """, valueName: "name"))
  var optimizer: OptimizerName?
  @Option(
    help: ArgumentHelp(
      """
      The share of its velocity that a step of sgd or muon keeps (default: \(shown(OptimizerName.sgd.usualMomentum ?? 0)); \
      muon: \(shown(OptimizerName.muon.usualMomentum ?? 0))).
      """))
  var momentum: Double?
  @Flag(inversion: .prefixedNo, help: "Let the momentum of sgd be Nesterov's (default: no).") var nesterov:
    Bool?
  @Option(help: "The peak learning rate.") var learningRate: Double?
  @Option(
    help: ArgumentHelp(
      """
      A factor on the rate of the parameters whose names have these parts, as in embedding=0.5, layers.0=0 or \
      'mixer.*_proj=2'. Can be repeated; a pattern that names none is answered with all; none takes all factors off.
      """, valueName: "pattern=factor"))
  var rate: [RateArgument] = []
  @Option(
    help: ArgumentHelp(
      """
      How the rate moves behind its rise: cosine, linear, constant; wsd, which stays and falls at the end as 1 - sqrt; or \
      robbins-monro, a / (t + b)^γ behind t steps (default: \(usual.schedule.rawValue)).
      """, valueName: "name"))
  var schedule: Schedule?
  @Option(help: "The share of the budget over which the rate rises (default: \(shown(usual.warmup))).")
  var warmup: Double?
  @Option(
    help: "The share of the budget over which wsd lets the rate fall (default: \(shown(usual.decayShare))).")
  var decay: Double?
  @Option(help: "b of robbins-monro, in steps (default: \(shown(usual.offset))).") var offset: Double?
  @Option(
    help: "γ of robbins-monro; its proof wants more than 0.5 (default: \(shown(usual.exponent))).")
  var exponent: Double?
  @Option(help: "Weight decay on matrices (default: what suits the optimiser).") var weightDecay: Double?
  @Option(help: "The largest norm of the gradient (default: \(shown(usual.clip))).") var clip: Double?
  @Option(
    help: ArgumentHelp(
      "Leave out a step whose gradient's norm is this many times the mean of those before (default: 0, none is left out).",
      valueName: "factor"))
  var spikeGuard: Double?
  @Option(
    help: ArgumentHelp(
      "Segments of every lane that one step takes the mean gradient of (default: \(usual.accumulate)).",
      valueName: "n")
  )
  var accumulate: Int?
  @Option(
    help: ArgumentHelp(
      """
      Keep a mean of the weights, ema:0.999 or polyak (of all steps of the last half; polyak:0.8 of the last fifth), validate \
      it too, and let the model be the better of the two.
      """, valueName: "mean"))
  var average: WeightAverage?
  @Flag(
    inversion: .prefixedNo,
    help: "Keep the model of the best validation on the way in the folder best of the run's (default: no).")
  var keepBest: Bool?
  @Option(
    help: ArgumentHelp(
      "End the run after this many validations on the way without a better loss (default: 0, for no such end).",
      valueName: "n"))
  var patience: Int?

  /// Which numbers can be is the library's matter.
  func validate() throws {
    for case .factor(let pattern, let text) in rate where Double(text) == nil {
      throw ValidationError("--rate \(pattern)=\(text): the factor must be a number, 0 or more")
    }
    if Set(rate.map(\.pattern)).count < rate.count {
      throw ValidationError("--rate gives two factors for one pattern; give one of them")
    }
    if rate.count > 1, rate.contains(where: { $0.pattern == nil }) {
      throw ValidationError("--rate none takes all factors off; leave the others out")
    }
  }

  /// What is left out is the library's choice.
  func apply(to options: inout TrainingOptions) {
    options.optimizer = optimizer
    options.momentum = momentum.map(Optional.some)
    options.nesterov = nesterov
    options.learningRate = learningRate
    if !rate.isEmpty {
      let factors = rate.compactMap { rate -> (String, Double)? in
        guard case .factor(let pattern, let text) = rate else { return nil }
        return Double(text).map { (pattern, $0) }
      }
      options.rates = .some(factors.isEmpty ? nil : RateFactors(Dictionary(factors) { $1 }))
    }
    options.schedule = schedule
    options.warmup = warmup
    options.decayShare = decay
    options.offset = offset
    options.exponent = exponent
    options.weightDecay = weightDecay
    options.clip = clip
    options.spikeGuard = spikeGuard.map { $0 == 0 ? nil : $0 }
    options.accumulate = accumulate
    options.average = average.map(Optional.some)
    options.keepBest = keepBest
    options.patience = patience.map { $0 == 0 ? nil : $0 }
  }
}

/// PATTERN=FACTOR, or none.
enum RateArgument: ExpressibleByArgument {
  case off
  case factor(pattern: String, text: String)

  init?(argument: String) {
    if argument == "none" {
      self = .off
    } else if let setting = SettingArgument(argument: argument) {
      self = .factor(pattern: setting.name, text: setting.value)
    } else {
      return nil
    }
  }

  /// Nil where all factors are taken off.
  var pattern: String? { if case .factor(let pattern, _) = self { pattern } else { nil } }
}

extension OptimizerName: ExpressibleByArgument {}
extension Schedule: ExpressibleByArgument {}
extension WeightAverage: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
