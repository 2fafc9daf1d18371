/// How `runnel train` moves the weights: the optimiser, the rate and its schedule, averages, and what ends a run early.

import ArgumentParser
import Runnel

struct OptimizationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The rule of a step: adamw; adam, whose decay is added to the gradient, as is that of sgd; lion; or muon for the matrices \
      inside the model, with adamw for the rest (default: adamw).
      """, valueName: "name"))
  var optimizer: OptimizerName?
  @Option(help: "The share of its velocity that a step of sgd or muon keeps (default: 0.9; muon: 0.95).")
  var momentum: Double?
  @Flag(inversion: .prefixedNo, help: "Let the momentum of sgd be Nesterov's (default: no).") var nesterov:
    Bool?
  @Option(help: "The peak learning rate.") var learningRate: Double?
  @Option(
    help: ArgumentHelp(
      """
      A factor on the rate of the parameters whose names have these parts, as in embedding=0.5, layers.0=0 or \
      'mixer.*_proj=2'. Can be repeated; a pattern that names none is answered with all.
      """, valueName: "pattern=factor"))
  var rate: [SettingArgument] = []
  @Option(
    help: ArgumentHelp(
      """
      How the rate moves behind its rise: cosine, linear, constant; wsd, which stays and falls at the end as 1 - sqrt; or \
      robbins-monro, a / (t + b)^γ behind t steps (default: cosine).
      """, valueName: "name"))
  var schedule: Schedule?
  @Option(help: "The share of the budget over which the rate rises (default: 0.05).") var warmup: Double?
  @Option(help: "The share of the budget over which wsd lets the rate fall (default: 0.2).") var decay:
    Double?
  @Option(help: "b of robbins-monro, in steps (default: 1000).") var offset: Double?
  @Option(help: "γ of robbins-monro; its proof wants more than 0.5 (default: 0.75).") var exponent: Double?
  @Option(help: "Weight decay on matrices (default: what suits the optimiser).") var weightDecay: Double?
  @Option(help: "The largest norm of the gradient (default: 1).") var clip: Double?
  @Option(
    help: ArgumentHelp(
      "Leave out a step whose gradient's norm is this many times the mean of those before (default: none is left out).",
      valueName: "factor"))
  var spikeGuard: Double?
  @Option(
    help: ArgumentHelp(
      "Segments of every lane that one step takes the mean gradient of (default: 1).", valueName: "n")
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
      "End the run after this many validations on the way without a better loss.", valueName: "n"))
  var patience: Int?

  func validate() throws {
    func require<Value>(_ name: String, _ value: Value?, _ words: String, _ holds: (Value) -> Bool) throws {
      if let value, !holds(value) { throw ValidationError("--\(name) is \(value); it must \(words)") }
    }
    try require("momentum", momentum, "lie in [0, 1)") { $0 >= 0 && $0 < 1 }
    try require("decay", decay, "lie in [0, 1]") { (0...1).contains($0) }
    try require("offset", offset, "be a positive number of steps") { $0 > 0 && $0.isFinite }
    try require("exponent", exponent, "lie in (0, 1]") { $0 > 0 && $0 <= 1 }
    try require("spike-guard", spikeGuard, "be a number above 1") { $0 > 1 && $0.isFinite }
    try require("accumulate", accumulate, "lie between 1 and \(1 << 20)") { (1...1 << 20).contains($0) }
    try require("patience", patience, "be positive") { $0 > 0 }
    for factor in rate {
      guard let number = Double(factor.value), number >= 0, number.isFinite else {
        throw ValidationError("--rate \(factor.name)=\(factor.value): the factor must be a number, 0 or more")
      }
    }
    if Set(rate.map(\.name)).count < rate.count {
      throw ValidationError("--rate gives two factors for one pattern; give one of them")
    }
  }

  /// What is left out is the library's choice.
  func apply(to options: inout TrainingOptions) {
    options.optimizer = optimizer
    options.momentum = momentum.map(Optional.some)
    options.nesterov = nesterov
    options.learningRate = learningRate
    if !rate.isEmpty {
      let factors = rate.map { ($0.name, Double($0.value) ?? 1) }
      options.rates = RateFactors(Dictionary(factors) { $1 })
    }
    options.schedule = schedule
    options.warmup = warmup
    options.decayShare = decay
    options.offset = offset
    options.exponent = exponent
    options.weightDecay = weightDecay
    options.clip = clip
    options.spikeGuard = spikeGuard.map(Optional.some)
    options.accumulate = accumulate
    options.average = average.map(Optional.some)
    options.keepBest = keepBest
    options.patience = patience.map(Optional.some)
  }
}

extension OptimizerName: ExpressibleByArgument {}
extension Schedule: ExpressibleByArgument {}
extension WeightAverage: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
