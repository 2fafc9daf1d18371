import ArgumentParser
import Foundation
import Runnel

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed against the peaks of this machine, in one run.",
    discussion: """
      Training and prompts are compared with the FMA peak, the most that this machine multiplies and adds in single \
      precision, in registers alone (peak_gflops, share_of_peak), and with products of 1,024 × 1,024 matrices \
      by OpenBLAS (sgemm_gflops, share_of_sgemm); decoding with the speed of reading memory \
      (peak_gb_per_second, share_of_peak).
      Example: runnel bench train --mixer mamba --width 256 --layers 4
      """,
    subcommands: [
      Train.self, Decode.self, Prefill.self, Product.self, Data.self, Corpus.self,
    ])
}

/// The model to measure: a folder, or random weights of any shape.
struct BenchModelOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("A model folder or .pth file (default: random weights).", valueName: "model"))
  var model: String?
  @Option(help: "The architecture of random weights.") var mixer: MixerName?
  @OptionGroup var settings: SettingOptions
  @Option(help: "D, the width of random weights (default: 256).") var width: Int?
  @Option(help: "The number of their layers (default: 4).") var layers: Int?
  @Option(help: "V, their vocabulary (default: 256).") var vocabulary: Int?
  @Option(help: "Seconds to measure for.") var seconds = 5.0
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == (mixer == nil) { throw ValidationError("name a model folder, or give --mixer") }
    guard seconds > 0, seconds <= 3600 else {
      throw ValidationError("--seconds is \(seconds); it must be more than 0 and at most 3600")
    }
    let shape = [width, layers, vocabulary].compactMap { $0 }
    guard shape.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--width, --layers and --vocabulary must be positive")
    }
    guard model == nil || (shape.isEmpty && settings.set.isEmpty) else {
      throw ValidationError(
        "--width, --layers, --vocabulary and --set are of random weights; a model has its own")
    }
  }

  func open() throws -> any LanguageFunction {
    compute.apply()
    if let model { return try ModelFolder.load(model) }
    guard let mixer else { throw ToolError("name a model folder, or give --mixer") }
    let width = width ?? 256
    return try LanguageModel(
      ModelConfiguration(
        try settings.mixers(of: mixer.pattern, width: width), vocabularySize: vocabulary ?? 256, width: width,
        layers: layers ?? 4), seed: 1)
  }
}

extension LanguageFunction {
  func randomIds(_ count: Int) -> [Int32] {
    var generator = SeededGenerator(seed: 7)
    return (0..<count).map { _ in Int32(generator.uniform() * Double(vocabularySize)) }
  }
}

func requirePositive(batch: Int, segment: Int = 1) throws {
  guard batch > 0, segment > 0 else { throw ValidationError("--batch and --segment must be positive") }
}
