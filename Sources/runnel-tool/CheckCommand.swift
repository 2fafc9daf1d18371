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
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String?
  @Option(help: "Check a fresh model of this mixer, or of such a pattern, instead.") var mixer: MixerName?
  @Option(help: "The number of random tokens, at least 16.") var tokens = 2048
  @Option(help: "The seed of the tokens, and of a fresh model.") var seed: UInt64 = 1
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == (mixer == nil) { throw ValidationError("name a model folder, or give --mixer") }
    guard (16...1 << 20).contains(tokens) else {
      throw ValidationError("--tokens is \(tokens); it must lie between 16 and \(1 << 20)")
    }
  }

  func run() throws {
    compute.apply()
    if let model { return try check(ModelFolder.load(model)) }
    if let mixer {
      let configuration = ModelConfiguration(
        mixer.pattern, vocabularySize: 256, width: 64, layers: max(2, mixer.pattern.count))
      try check(LanguageModel(configuration, seed: seed).perturbed(seed: seed &+ 1))
    }
  }

  private struct Result: Encodable {
    let mixer: String
    let tokens: Int
    let passed: Bool
    let laws: [CheckResult]
  }

  private func check(_ model: LanguageModel) throws {
    if !output.json {
      Output.line("\(model.mixerName), \(Output.grouped(model.parameterCount)) parameters, \(tokens) tokens")
    }
    let results = try ModelCheck(model, tokens: tokens, seed: seed).run { result in
      if !output.json {
        Output.line(
          String(
            format: "%@  %8.1e (at most %.0e)  ", result.passed ? "passed" : "FAILED",
            result.maxRelativeError,
            result.tolerance) + result.law)
      }
    }
    let passed = results.allSatisfy(\.passed)
    if output.json {
      try Output.json(Result(mixer: model.mixerName, tokens: tokens, passed: passed, laws: results))
    }
    if !passed { throw ExitCode(1) }
  }
}
