/// `runnel bench decode` and `runnel bench prefill`: a stream's two speeds, in turn with the peaks of the machine.

import ArgumentParser
import Runnel

extension BenchCommand {
  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One token after the other: the bytes of weights that are read, against the speed of memory.",
      discussion:
        "Example: runnel bench decode --mixer mamba --width 768 --layers 24 --vocabulary 50280 --dtype int8")
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Pack the weights so (default: as they are, numbers as f32).") var dtype: PackedElement?
    @Option(help: "Streams side by side.") var batch = 1

    func validate() throws { try requirePositive(batch: batch) }
    func run() throws { try run(options.open(packedAs: dtype)) }

    private func run(_ model: StreamingModel) throws {
      let ids = model.randomIds(batch), bytes = model.weightBytesPerToken
      var state = model.initialState(batch: batch)
      // As many tokens a turn as make the reading of their weights one of 256 MB or more.
      let steps = max(1, (1 << 28) / max(1, bytes))
      let probe = ReadProbe(byteCount: max(bytes, 1 << 28))
      let times = try inTurn(
        options.seconds, [{ probe.read() }, { for _ in 0..<steps { _ = model.step(ids, state: &state) } }])
      try Measurement(
        benchmark: "decode", model, batch: batch, segment: 1,
        speed: Double(batch * steps) / fastest(times[1]),
        bytes_per_token: bytes / batch, state_bytes: state.byteCount / batch,
        peak_gb_per_second: 1e-9 * Double(probe.byteCount) / fastest(times[0]),
        share_of_peak: medianRatio(times[0], times[1]) * Double(bytes * steps) / Double(probe.byteCount)
      ).print(json: options.output.json)
    }
  }

  struct Prefill: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Reading a prompt chunkwise, up to the scores of what comes next, against the FMA peak and sgemm.",
      discussion: "Example: runnel bench prefill --mixer retnet --segment 512")
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Pack the weights so (default: as they are, numbers as f32).") var dtype: PackedElement?
    @Option(help: "Streams side by side.") var batch = 1
    @Option(help: "Tokens of the prompt.") var segment = 512

    func validate() throws { try requirePositive(batch: batch, segment: segment) }
    func run() throws { try run(options.open(packedAs: dtype)) }

    private func run(_ model: StreamingModel) throws {
      let ids = model.randomIds(batch * segment)
      // The head works for the last token of each stream.
      let head = model.head.shape.elements
      let operations = 2 * batch * (segment * (model.weightsPerToken - head) + head)
      let times = try productsInTurn(options.seconds, operations: operations) {
        var state = model.initialState(batch: batch)
        _ = model.lastLogits(ids, batch: batch, form: .mix, state: &state)
      }
      try Measurement(
        benchmark: "prefill", model, batch: batch, segment: segment,
        speed: Double(batch * segment) / times.fastest, share_of_peak: times.shareOfPeak,
        share_of_sgemm: times.shareOfSgemm
      ).print(json: options.output.json, times)
    }
  }
}

extension BenchModelOptions {
  /// The model as it streams.
  fileprivate func open(packedAs element: PackedElement?) throws -> StreamingModel {
    let model = try open()
    return try (element.map { try model.trainable().packed(as: $0) } ?? model).stream()
  }
}

private struct Measurement: Encodable {
  let benchmark, mixer: String
  let dtype: PackedElement?
  let parameters, threads, batch, segment: Int
  /// Of the fastest turn, as is the peak; the shares are medians of the turns.
  let tokens_per_second: Double
  /// Of weights, for a token of one stream; the state is read and written beside them.
  let bytes_per_token, state_bytes: Int?
  let peak_gb_per_second: Double?
  let share_of_peak: Double
  let share_of_sgemm: Double?
  let instructions = "\(InstructionSet.current)"

  init(
    benchmark: String, _ model: StreamingModel, batch: Int, segment: Int, speed: Double,
    bytes_per_token: Int? = nil, state_bytes: Int? = nil, peak_gb_per_second: Double? = nil,
    share_of_peak: Double, share_of_sgemm: Double? = nil
  ) {
    self.benchmark = benchmark
    (mixer, dtype, parameters) = (model.mixerName, model.packing, model.parameterCount)
    (threads, self.batch, self.segment) = (WorkerPool.shared.threads, batch, segment)
    tokens_per_second = speed
    (self.bytes_per_token, self.state_bytes) = (bytes_per_token, state_bytes)
    self.peak_gb_per_second = peak_gb_per_second
    (self.share_of_peak, self.share_of_sgemm) = (share_of_peak, share_of_sgemm)
  }

  func print(json: Bool, _ products: ProductTimes? = nil) throws {
    if json {
      return try products.map { try Output.json(Joined(first: self, second: $0.peaks)) } ?? Output.json(self)
    }
    Output.line(
      "\(mixer), \(counted(parameters, "parameter")) in \(dtype?.rawValue ?? "f32"), \(counted(threads, "thread")), "
        + "\(instructions), \(batch) × \(segment): \(grouped(Int(tokens_per_second))) tokens/s")
    if let bytes_per_token, let peak_gb_per_second {
      Output.line(
        "\(counted(bytes_per_token, "byte")) of weights per token, \(Output.decimals(100 * share_of_peak, 1)) % of the read peak of "
          + "\(Output.decimals(peak_gb_per_second, 1)) GB/s, measured in turn")
    }
    if let products { Output.line(products.sentence) }
  }
}
