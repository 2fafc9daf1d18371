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
  @Option(help: "D, the width.") var width = 256
  @Option(help: "The number of layers.") var layers = 4
  @Option(help: "V, the vocabulary.") var vocabulary = 256
  @Option(help: "Seconds to measure for.") var seconds = 5.0
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == (mixer == nil) { throw ValidationError("name a model folder, or give --mixer") }
    guard seconds > 0, seconds <= 3600 else {
      throw ValidationError("--seconds is \(seconds); it must lie between 0 and 3600")
    }
    guard vocabulary > 0, width > 0, layers > 0 else {
      throw ValidationError("--width, --layers and --vocabulary must be positive")
    }
  }

  func open() throws -> LanguageModel {
    compute.apply()
    if let model { return try ModelFolder.load(model) }
    guard let mixer else { throw ToolError("name a model folder, or give --mixer") }
    return try LanguageModel(
      ModelConfiguration(mixer.pattern, vocabularySize: vocabulary, width: width, layers: layers), seed: 1)
  }
}

/// What a benchmark prints.
private struct Measurement: Encodable {
  var benchmark: String
  var mixer: String
  var parameters: Int
  var threads: Int
  var batch: Int
  var segment: Int
  /// The median over the run.
  var tokens_per_second: Double
  var peak_gflops: Double?
  var peak_gb_per_second: Double?
  var bytes_per_token: Int?
  /// Of the matrix peak, counting two operations per matrix weight and token forwards and four backwards; or of the
  /// bandwidth peak, counting every weight and state once a token.
  var share_of_peak: Double

  func print(json: Bool) throws {
    if json { return try Output.json(self) }
    Output.line(
      "\(mixer), \(Output.grouped(parameters)) parameters, \(threads) threads, \(batch) × \(segment): "
        + "\(Output.grouped(Int(tokens_per_second))) tokens/s")
    if let peak_gflops {
      Output.line(
        String(
          format: "%.1f %% of the matrix peak of %.1f GFLOP/s measured in this run", share_of_peak * 100,
          peak_gflops))
    }
    if let peak_gb_per_second, let bytes_per_token {
      Output.line(
        String(
          format: "%@ bytes per token, %.1f %% of the read peak of %.1f GB/s measured in this run",
          Output.grouped(bytes_per_token), share_of_peak * 100, peak_gb_per_second))
    }
  }
}

extension LanguageModel {
  /// Elements of the matrices that every token is multiplied with.
  fileprivate var matrixWeights: Int {
    let all = parameters.reduce(0) {
      $0 + ($1.value.shape.rank == 2 && $1.traits.decays ? $1.value.count : 0)
    }
    // A tied embedding is the head; an untied one is looked up, not multiplied.
    return all
      - (head.count == vocabularySize * width && parameters.contains { $0.name == "head.weight" }
        ? head.count : 0)
  }

  fileprivate func randomIds(_ count: Int) -> [Int32] {
    var generator = SeededGenerator(seed: 7)
    return (0..<count).map { _ in Int32(generator.uniform() * Double(vocabularySize)) }
  }
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

/// Times products of matrices over [batch segment] tokens against the matrix peak.
///
/// - Parameter operations: how many a matrix weight and token cost.
private func measure(
  _ model: LanguageModel, _ benchmark: String, batch: Int, segment: Int, operations: Double,
  _ options: BenchModelOptions,
  _ body: () throws -> Void
) throws {
  let before = Machine.peakGFLOPs()
  let speed = Double(batch * segment) / (try medianSeconds(options.seconds, body))
  let peak = max(before, Machine.peakGFLOPs())
  try Measurement(
    benchmark: benchmark, mixer: model.mixerName, parameters: model.parameterCount,
    threads: WorkerPool.shared.threads, batch: batch, segment: segment, tokens_per_second: speed,
    peak_gflops: peak, share_of_peak: operations * Double(model.matrixWeights) * speed / (peak * 1e9)
  ).print(json: options.output.json)
}

private func requirePositive(batch: Int, segment: Int = 1) throws {
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

    func validate() throws { try requirePositive(batch: batch, segment: segment) }
    func run() throws { try run(options.open()) }

    private func run(_ model: LanguageModel) throws {
      var trainer = TrainerBench(model, batch: batch, segment: segment)
      let ids = model.randomIds(batch * segment + 1)
      let inputs = Array(ids.dropLast()), targets = Array(ids.dropFirst())
      try measure(model, "train", batch: batch, segment: segment, operations: 6, options) {
        try trainer.step(inputs, targets: targets)
      }
    }
  }

  struct Prefill: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reading a prompt chunkwise.",
      discussion: "Example: runnel bench prefill --mixer retnet --segment 512")
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Streams side by side.") var batch = 1
    @Option(help: "Tokens of the prompt.") var segment = 512

    func validate() throws { try requirePositive(batch: batch, segment: segment) }
    func run() throws { try run(options.open()) }

    private func run(_ model: LanguageModel) throws {
      let frozen = model.frozen(), ids = model.randomIds(batch * segment)
      try measure(model, "prefill", batch: batch, segment: segment, operations: 2, options) {
        var state = frozen.initialState(batch: batch)
        _ = frozen.logits(ids, batch: batch, form: .mix, state: &state)
      }
    }
  }

  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One token after the other.",
      discussion: "Example: runnel bench decode --mixer mamba --width 768 --layers 24 --vocabulary 50280")
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Streams side by side.") var batch = 1

    func validate() throws {
      try requirePositive(batch: batch)
    }

    func run() throws { try measure(options.open()) }

    private func measure(_ model: LanguageModel) throws {
      let frozen = model.frozen(), ids = model.randomIds(batch)
      var state = frozen.initialState(batch: batch)
      let before = Machine.peakGigabytesPerSecond()
      let steps = 16
      let time = medianSeconds(options.seconds) {
        for _ in 0..<steps { _ = frozen.step(ids, state: &state) }
      }
      let peak = max(before, Machine.peakGigabytesPerSecond()), speed = Double(batch * steps) / time
      // Of an untied embedding one row is read; every other weight once, and the state once each way.
      let bytes = 4 * model.matrixWeights / batch + 2 * state.byteCount / batch
      try Measurement(
        benchmark: "decode", mixer: model.mixerName, parameters: model.parameterCount,
        threads: WorkerPool.shared.threads, batch: batch, segment: 1, tokens_per_second: speed,
        peak_gb_per_second: peak, bytes_per_token: bytes, share_of_peak: Double(bytes) * speed / (peak * 1e9)
      ).print(json: options.output.json)
    }
  }
}
