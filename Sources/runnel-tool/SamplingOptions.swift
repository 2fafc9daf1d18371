/// How the next token is drawn, as options of the command line.

import ArgumentParser
import Runnel

/// Each replaces what a saved stream says; the help names them in the order in which they act.
struct SamplingOptions: ParsableArguments {
  @Option(
    name: .customLong("logit-bias"),
    help: ArgumentHelp(
      "Add to the logit of a token; -inf bans it. May be given several times.", valueName: "id:value"))
  var biases: [LogitBias] = []
  @Option(help: "Make recent tokens less likely by this factor.") var repetitionPenalty: Double?
  @Option(
    parsing: .unconditional, help: "Take this from a logit for each time that its token is a recent one.")
  var frequencyPenalty: Double?
  @Option(parsing: .unconditional, help: "Take this from the logits of recent tokens.")
  var presencePenalty: Double?
  @Option(help: "How many of the last tokens, the prompt's too, are recent to the penalties (default: 64).")
  var repetitionWindow: Int?
  @Option(parsing: .unconditional, help: "Divides the logits; 0 always takes the most likely token.")
  var temperature: Double?
  @Option(help: "Keep the k most likely tokens (0: all).") var topK: Int?
  @Option(help: "Keep the most likely tokens whose probabilities reach p.") var topP: Double?
  @Option(help: "Keep tokens of at least this share of the largest probability.") var minP: Double?
  @Option(
    help:
      "Keep the tokens nearest to the expected information whose probabilities reach p (typical sampling)."
  )
  var typicalP: Double?
  @Option(help: "The seed of the draws.") var seed: UInt64?

  /// What is added to a token's logit.
  struct LogitBias: ExpressibleByArgument {
    let token: Int32, value: Double
    init?(argument: String) {
      guard let (token, value) = SamplingSettings.bias(argument) else { return nil }
      (self.token, self.value) = (token, value)
    }
  }

  func validate() throws {
    do { try changed(SamplingSettings()).validate() } catch { throw ValidationError("\(error)") }
  }

  /// The settings with this call's options in place of those given.
  func changed(_ settings: SamplingSettings) -> SamplingSettings {
    var settings = settings
    for bias in biases { settings.logitBias[bias.token] = bias.value }
    if let repetitionPenalty { settings.repetitionPenalty = repetitionPenalty }
    if let frequencyPenalty { settings.frequencyPenalty = frequencyPenalty }
    if let presencePenalty { settings.presencePenalty = presencePenalty }
    if let repetitionWindow { settings.repetitionWindow = repetitionWindow }
    if let temperature { settings.temperature = temperature }
    if let topK { settings.topK = topK }
    if let topP { settings.topP = topP }
    if let minP { settings.minP = minP }
    if let typicalP { settings.typicalP = typicalP }
    return settings
  }

  /// The same for the draws of a model.
  func changed(_ settings: SamplingSettings, for model: StreamingModel) throws -> SamplingSettings {
    let settings = changed(settings)
    guard settings.leavesAny(of: model.vocabularySize) else {
      throw ToolError(
        "the logit biases ban all \(model.vocabularySize) tokens of the model; leave one that can be drawn")
    }
    return settings
  }

  /// The seed of the first stream, or of the one `offset` places behind it.
  func seed(offset: Int = 0) -> UInt64 { (seed ?? 1) &+ UInt64(offset) }

  /// Throws where the model has no token that a bias names.
  func check(fits model: StreamingModel) throws {
    for bias in biases where Int(bias.token) >= model.vocabularySize {
      throw ToolError(
        "--logit-bias names token \(bias.token); the model's ids are below \(model.vocabularySize)")
    }
  }
}
