/// What a run takes of the machine's memory, known before it begins.

import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// Bytes of a training run. Keys in `--json` are these in snake_case.
///
/// AdamW takes sixteen bytes per parameter: the parameter, its gradient and two moments, each once; other optimisers keep fewer.
/// Activations are what the tape keeps of a segment of every lane until the gradients are known, with what their computation
/// needs beside.
public struct TrainingMemory: Codable, Sendable, Equatable {
  /// The parameters and their gradient, of two segments where gradients are accumulated, as Float.
  public let parameters, gradients: Int
  /// What the optimiser keeps of the parameters, and the average of them.
  public let moments, averages: Int
  /// Estimated: measured on a small model of the same layers, and multiplied.
  public let activations: Int
  /// The sum of these.
  public let total: Int
  /// Whether activations are computed twice already.
  private var recomputes = false
  /// How many numbers the model has.
  public var parameterCount: Int { parameters / 4 }

  enum CodingKeys: String, CodingKey {
    case parameters = "parameter_bytes"
    case gradients = "gradient_bytes"
    case moments = "moment_bytes"
    case averages = "average_bytes"
    case activations = "activation_bytes"
    case total = "total_bytes"
  }

  /// Of a model with the settings that a run has where nobody asks for others.
  ///
  /// - Throws: where the numbers of either do not fit together.
  public init(_ configuration: ModelConfiguration, batch: Int, segment: Int) throws {
    var settings = TrainingSettings()
    (settings.batch, settings.segment) = (batch, segment)
    try self.init(configuration, settings)
  }

  /// - Throws: where the numbers of the configuration or of the settings do not fit together.
  public init(_ configuration: ModelConfiguration, _ settings: TrainingSettings) throws {
    try configuration.validate()
    try settings.validate()
    let (batch, segment) = (settings.batch, settings.segment)
    recomputes = settings.recomputes
    let places = configuration.places, bytes = 4 * places.reduce(0) { $0 + $1.shape.elements }
    (parameters, gradients) = (bytes, settings.accumulate > 1 ? 2 * bytes : bytes)
    let rules = places.map { (rule: UpdateRule(settings, for: $0), shape: $0.shape) }
    moments = rules.reduce(0) { $0 + 4 * $1.rule.fields.count * $1.shape.elements }
    averages = settings.average == nil ? 0 : bytes
    let scratch = rules.map { 4 * $0.rule.scratch($0.shape) }.max() ?? 0

    // Periods of the pattern are alike, and so are rows: one and two of each tell what every further one takes.
    let (tokens, period) = (min(segment, 256), configuration.mixers.count)
    let rows = max(1, 128 / tokens), vocabulary = min(configuration.vocabularySize, 512)
    let isRepeated = configuration.layers > period
    func peak(layers: Int, rows: Int) throws -> Double {
      var small = configuration
      (small.layers, small.vocabularySize) = (layers, vocabulary)
      return Double(
        try Self.peakBeyondGradients(
          small, rows: rows, tokens: tokens, recomputes: settings.recomputes))
    }
    func allLayers(rows: Int) throws -> Double {
      let one = try peak(layers: period, rows: rows)
      guard isRepeated else { return one }
      let more = try peak(layers: 2 * period, rows: rows) - one
      return one + more * Double(configuration.layers - period) / Double(period)
    }
    let some = try allLayers(rows: rows), twice = try allLayers(rows: 2 * rows)
    let further = Double(batch) * Double(segment) / Double(rows * tokens) - 1
    // A tied table has two gradients for a moment, that of the lookup and that of the head.
    let table =
      configuration.tiesEmbedding ? 4 * configuration.width * (configuration.vocabularySize - vocabulary) : 0
    // When the optimiser needs some, the activations are gone.
    activations = max(scratch, Int(min(1e17, max(0, some + (twice - some) * further))) + table)
    total = parameters + gradients + moments + averages + activations
  }

  /// The most bytes of tensors in a step, without parameters, gradients and moments.
  private static func peakBeyondGradients(
    _ configuration: ModelConfiguration, rows: Int, tokens: Int, recomputes: Bool
  ) throws -> Int {
    let model = try LanguageModel(configuration) { Tensor(zeros: $0.shape) }
    var leaves: [Tensor] = []
    let tracked = model.replacingParameters {
      let leaf = $0.value.tracked()
      leaves.append(leaf)
      return leaf
    }
    let gauge = MemoryGauge()
    gauge.measure {
      var state = model.initialState(batch: rows)
      let ids = [Int32](repeating: 0, count: rows * tokens)
      // In the middle of a run, windows are full.
      for _ in 0..<max(1, 512 / tokens) {
        _ = model.hidden(ids, batch: rows, form: .mix, resets: .none, state: &state)
      }
      let loss = tracked.loss(ids, targets: ids, batch: rows, state: &state, recomputes: recomputes)
      _ = RunnelTensors.gradients(of: loss.mean, for: leaves)
    }
    return gauge.peak - 4 * tracked.parameterCount
  }

  /// Refuses what this machine, or what this process is given of it, cannot hold.
  ///
  /// - Parameter available: bytes.
  public func check(fitsInto available: Int = Machine.usableMemory) throws {
    guard total > available else { return }
    throw TrainingError(
      "training takes about \(Self.text(total)) of memory (\(parts)), and there are \(Self.text(available)); "
        + "lower --batch or --segment, \(recomputes ? "" : "take --recompute, ")or take a smaller model")
  }

  /// What it is made of, in words.
  public var parts: String {
    "parameters \(Self.text(parameters)), gradients \(Self.text(gradients)), moments \(Self.text(moments)), "
      + (averages > 0 ? "average \(Self.text(averages)), " : "") + "activations \(Self.text(activations))"
  }

  /// 1.2 GB, 340 MB.
  public static func text(_ bytes: Int) -> String {
    func rounded(_ value: Double) -> String {
      value < 10 ? "\((value * 10).rounded() / 10)" : "\(Int(value.rounded()))"
    }
    let megabytes = Double(bytes) / 1e6
    return megabytes < 1000 ? rounded(megabytes) + " MB" : rounded(megabytes / 1000) + " GB"
  }
}
