import ArgumentParser
import Foundation
import Runnel

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed against the peaks of this machine, in one run.",
    discussion: "Example: runnel bench train --mixer mamba --width 256 --layers 4",
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

/// What a benchmark of training prints.
private struct Measurement: Encodable {
  var benchmark: String
  var mixer: String
  var parameters: Int
  var threads: Int
  var batch: Int
  var segment: Int
  /// The median over the run.
  var tokens_per_second: Double
  var peak_gflops: Double
  /// Of the matrix peak, counting two operations per matrix weight and token forwards and four backwards.
  var share_of_peak: Double
  var instructions = "\(InstructionSet.current)"

  func print(json: Bool) throws {
    if json { return try Output.json(self) }
    Output.line(
      "\(mixer), \(counted(parameters, "parameter")), \(counted(threads, "thread")), \(instructions), "
        + "\(batch) × \(segment): \(grouped(Int(tokens_per_second))) tokens/s")
    Output.line(
      String(
        format: "%.1f %% of the matrix peak of %.1f GFLOP/s measured in this run", share_of_peak * 100,
        peak_gflops))
  }
}

extension LanguageFunction {
  func randomIds(_ count: Int) -> [Int32] {
    var generator = SeededGenerator(seed: 7)
    return (0..<count).map { _ in Int32(generator.uniform() * Double(vocabularySize)) }
  }
}

/// Runs `peak` and `body` in turn for about `seconds`, after one of each: the fastest times of the two, and the median of
/// peak over body of the turns, which other work on the machine disturbs less.
func inTurn(
  _ seconds: Double, _ peak: () -> Void, _ body: () -> Void
) -> (peak: Double, body: Double, ratio: Double) {
  let clock = ContinuousClock()
  var peaks: [Double] = [], bodies: [Double] = []
  peak()
  body()
  let begin = clock.now
  repeat {
    peaks.append(Machine.fastest(of: 1, peak))
    bodies.append(Machine.fastest(of: 1, body))
  } while (clock.now - begin) / .seconds(1) < seconds || peaks.count < 3
  let ratios = zip(peaks, bodies).map { $0 / $1 }.sorted()
  return (peaks.min() ?? 0, bodies.min() ?? 0, ratios[ratios.count / 2])
}

/// Runs `body` for about `seconds` after two warm-up runs; the median time of one run in seconds.
private func medianSeconds(_ seconds: Double, _ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  for _ in 0..<2 { try body() }
  var times: [Double] = []
  let begin = clock.now
  repeat {
    let start = clock.now
    try body()
    times.append((clock.now - start) / .seconds(1))
  } while (clock.now - begin) / .seconds(1) < seconds || times.count < 3
  return times.sorted()[times.count / 2]
}

func requirePositive(batch: Int, segment: Int = 1) throws {
  guard batch > 0, segment > 0 else { throw ValidationError("--batch and --segment must be positive") }
}

extension BenchCommand {
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forward, backward and update on random tokens.",
      discussion: "Example: runnel bench train --mixer mamba --width 256 --layers 4 --batch 8 --segment 512")
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Lanes side by side.") var batch = 8
    @Option(help: "Tokens per lane.") var segment = 512
    @Option(help: "What products with weights are made in.") var precision = TrainingPrecision.f32

    func validate() throws { try requirePositive(batch: batch, segment: segment) }
    func run() throws { try run(options.open().trainable()) }

    private func run(_ model: LanguageModel) throws {
      var trainer = try TrainerBench(model, batch: batch, precision: precision)
      let ids = model.randomIds(batch * segment + 1)
      let inputs = Array(ids.dropLast()), targets = Array(ids.dropFirst())
      let before = Machine.peakGFLOPs()
      let time = try medianSeconds(options.seconds) { try trainer.step(inputs, targets: targets) }
      let speed = Double(batch * segment) / time, peak = max(before, Machine.peakGFLOPs())
      try Measurement(
        benchmark: "train", mixer: model.mixerName, parameters: model.parameterCount,
        threads: WorkerPool.shared.threads, batch: batch, segment: segment, tokens_per_second: speed,
        peak_gflops: peak, share_of_peak: 6 * Double(model.weightsPerToken) * speed / (peak * 1e9)
      ).print(json: options.output.json)
    }
  }
}
