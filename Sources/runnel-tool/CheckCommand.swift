import ArgumentParser
import Foundation
import Runnel

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Prove a model: every form against the fold of its step.",
    discussion: """
      Example: runnel check stories
      Without a model, --mixer NAME checks a fresh one, every parameter moved a
      little, so that no part is silent. The exit code is 1 if a law fails.
      A long stream: runnel check stories --long 1000000
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String?
  @Option(help: "Check a fresh model of this mixer, or of such a pattern, instead.") var mixer: MixerName?
  @OptionGroup var settings: SettingOptions
  @Option(help: "The number of random tokens, at least 16.") var tokens = 2048
  @Option(
    help: ArgumentHelp(
      "Instead of all laws, prove in constant memory that the state after n tokens by step is that by mix.",
      valueName: "n"))
  var long: Int?
  @Option(help: "The seed of the tokens, and of a fresh model.") var seed: UInt64 = 1
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == (mixer == nil) { throw ValidationError("name a model folder, or give --mixer") }
    if model != nil, !settings.set.isEmpty {
      throw ValidationError("--set is of a fresh model; a model folder has its settings")
    }
    guard (16...1 << 20).contains(tokens) else {
      throw ValidationError(
        "--tokens is \(tokens); it must lie between 16 and \(1 << 20) (--long takes more)")
    }
    if let long, !(1...1 << 40).contains(long) {
      throw ValidationError("--long is \(long); it must lie between 1 and \(1 << 40)")
    }
  }

  func run() throws {
    compute.apply()
    if let model { return try check(ModelFolder.load(model)) }
    if let mixer {
      let configuration = ModelConfiguration(
        try settings.mixers(of: mixer.pattern, width: 64), vocabularySize: 256, width: 64,
        layers: max(2, mixer.pattern.count))
      try check(
        LanguageModel(configuration, seed: seed).perturbed(seed: seed &+ 1).stream(packing: false))
    }
  }

  private struct Result: Encodable {
    let mixer: String
    let tokens: Int
    let passed: Bool
    /// Of a model in int8 or int4: how far apart rounding leaves its forms.
    let rounded_forms_relative_error: Double?
    let laws: [CheckResult]
  }

  private func check(_ model: StreamingModel) throws {
    if let long { return try checkLong(model, tokens: long) }
    if !output.json {
      Output.line(
        "\(model.mixerName), \(counted(model.parameterCount, "parameter")), \(counted(tokens, "token"))")
    }
    let check = ModelCheck(model, tokens: tokens, seed: seed)
    var line = ProgressLine()
    var begun = 0.0
    let results = try check.run { law in
      line.show(begun / ModelCheck.parts, "measuring: \(law)")
      begun += 1
    } report: { result in
      line.finish()
      if !output.json {
        Output.line(
          String(
            format: "%@  %8.1e (at most %.0e)  ", result.passed ? "passed" : "FAILED",
            result.maxRelativeError,
            result.tolerance) + result.law)
      }
    }
    let passed = results.allSatisfy(\.passed), rounded = check.roundedForms()
    if output.json {
      try Output.json(
        Result(
          mixer: model.mixerName, tokens: tokens, passed: passed,
          rounded_forms_relative_error: rounded?.ifFinite,
          laws: results))
    } else if let rounded {
      Output.line(
        String(
          format:
            "measured %8.1e                  mix against step as packed, with rounded activations; the laws are of "
            + "the numbers that the weights stand for", rounded))
    }
    if !passed { throw ExitCode(1) }
  }

  private struct LongResult: Encodable {
    let mixer: String
    let forgets: Bool
    let tokens: Int
    let max_relative_error: Double
    let tolerance: Double?
    let passed: Bool
    let points: [LongCheck.Point]
  }

  private func checkLong(_ model: StreamingModel, tokens: Int) throws {
    let check = LongCheck(model, tokens: tokens, seed: seed)
    if !output.json {
      let bound =
        check.tolerance.map { String(format: "states may differ by %.0e", $0) }
        ?? "the recurrence never forgets, nor does it forget rounding: no bound"
      Output.line("\(model.mixerName), \(counted(model.parameterCount, "parameter")); \(bound)")
      Output.line("     tokens    state   logits  µs a step   memory  worst in")
    }
    let points = try check.run { point in
      if output.json { return }
      Output.line(
        String(
          format: "%11d  %.1e  %.1e  %9.2f  %@  ", point.tokens, point.maxRelativeError,
          point.logitsRelativeError, point.microsecondsPerStep,
          point.residentBytes.map { String(format: "%5.1f M", Double($0) / 1e6) } ?? "      -")
          + point.tensor)
    }
    let passed = check.accepts(points)
    if output.json {
      try Output.json(
        LongResult(
          mixer: model.mixerName, forgets: model.configuration.forgets, tokens: tokens,
          max_relative_error: points.map(\.maxRelativeError).max() ?? 0, tolerance: check.tolerance,
          passed: passed, points: points))
    } else {
      Output.line(passed ? "passed" : "FAILED")
    }
    if !passed { throw ExitCode(1) }
  }
}
