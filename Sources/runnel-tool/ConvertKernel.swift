/// `runnel convert` where one side is a convolution: a kernel into the smallest diagonal recurrence, and the
/// kernels of a model's time-invariant layers.

import Foundation
import Runnel

/// From a file of kernels to a file of recurrences.
struct KernelToRecurrence {
  let source, result: String
  var tensors: [String] = []
  var tolerance = Self.usualTolerance
  var maxStates = Self.usualMaxStates
  var force = false

  static let usualTolerance = 1e-4
  static let usualMaxStates = 256

  /// Whether the source is a file of tensors and no model: RWKV's own, which are files too, have an embedding.
  static func applies(to source: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) && !isFolder.boolValue
      && source.hasSuffix(".safetensors") && (try? openTensors(at: source))?.contains("emb.weight") != true
  }

  private struct Spread: Encodable {
    let min, median, max: Int
    init(_ values: [Int]) {
      let sorted = values.sorted()
      (min, median, max) = (
        sorted.first ?? 0, sorted.isEmpty ? 0 : sorted[sorted.count / 2], sorted.last ?? 0
      )
    }
    var text: String { "\(min) / \(median) / \(max)" }
  }

  /// What was made of one kernel.
  private struct Report: Encodable {
    let tensor: String
    let channels, taps: Int
    let states, least_states: Spread
    let total_states, total_least_states: Int
    let max_relative_error, max_tap_error, bound_one_state_fewer, stream_error,
      stream_error_worst_channel: Double
    let seconds: Double
  }

  private struct Result: Encodable {
    let to = "recurrent"
    let result: String
    let bytes: Int
    let tolerance: Double
    let kernels: [Report]
  }

  func run(json: Bool) throws {
    try Destination.check(result, for: RecurrenceFile.kind, inputs: [source], force: force)
    var entries: [RecurrenceFile.Entry] = [], reports: [Report] = []
    for kernel in try KernelFile.read(source, tensors: tensors) {
      let (entry, report) = try convert(kernel)
      entries.append(entry)
      reports.append(report)
    }
    try RecurrenceFile.write(entries, to: result)
    let bytes = try InputFile(result).size
    if json {
      return try Output.json(Result(result: result, bytes: bytes, tolerance: tolerance, kernels: reports))
    }
    for report in reports { show(report) }
    Output.line("\(result): \(counted(bytes, "byte"))")
  }

  private func convert(_ kernel: KernelTensor) throws -> (RecurrenceFile.Entry, Report) {
    let start = ContinuousClock.now, count = kernel.filters.count
    var progress = ProgressLine()
    let fits = DiagonalRealization.fit(kernel.filters, tolerance: tolerance, maxStates: maxStates) { done in
      progress.show(Double(done) / Double(count), "\(kernel.name): \(done) of \(counted(count, "channel"))")
    }
    progress.finish()
    let elapsed = start.duration(to: .now)
    if let worst = fits.indices.max(by: { fits[$0].error < fits[$1].error }), fits[worst].error > tolerance {
      throw ToolError(refusal(kernel, fits, worst))
    }
    // What is measured is what is written.
    let filters = DiagonalFilters(fits.map(\.realization))
    let divergence = filters.divergence(from: kernel.filters)
    let states = fits.map(\.realization.states), least = fits.map(\.leastStates)
    let report = Report(
      tensor: kernel.name, channels: count, taps: kernel.length, states: Spread(states),
      least_states: Spread(least), total_states: states.reduce(0, +), total_least_states: least.reduce(0, +),
      max_relative_error: fits.map(\.error).max() ?? 0, max_tap_error: fits.map(\.largestError).max() ?? 0,
      bound_one_state_fewer: fits.map(\.boundBelow).min() ?? 0, stream_error: divergence.relative,
      stream_error_worst_channel: divergence.worst, seconds: elapsed / .seconds(1))
    return (RecurrenceFile.Entry(name: kernel.name, filters: filters), report)
  }

  private func refusal(_ kernel: KernelTensor, _ fits: [DiagonalRealization.Fit], _ worst: Int) -> String {
    let failing = fits.filter { $0.error > tolerance }.count, fit = fits[worst]
    let number = String(format: "%.2g", fit.error)
    let why =
      fit.leastStates > maxStates
      ? "no recurrence of fewer than \(fit.leastStates) states can meet it"
      : "a kernel that grows, or that repeats taps after a pause, is no sum of few decaying waves"
    return
      "\(source): tensor \"\(printable(kernel.name))\", \(failing) of \(counted(fits.count, "channel")): the tolerance "
      + "\(tolerance) is not met with at most \(maxStates) states; channel \(worst) reaches \(number) with "
      + "\(fit.realization.states); \(why); raise --tolerance or --max-state"
  }

  private func show(_ report: Report) {
    Output.line("\(report.tensor): \(counted(report.channels, "channel")) of \(counted(report.taps, "tap"))")
    Output.table([
      ["states per channel", report.states.text + " (min / median / max)"],
      ["no fewer than", report.least_states.text + " by the singular values of the Hankel matrix"],
      [
        "error",
        String(
          format: "%.2e of the worst channel's norm, %.2e of its largest tap", report.max_relative_error,
          report.max_tap_error),
      ],
      [
        "streamed",
        String(
          format: "%.2e from the convolution over %d random inputs, %.2e in the worst channel",
          report.stream_error, report.taps, report.stream_error_worst_channel),
      ],
      ["fitted in", Output.duration(report.seconds)],
    ])
  }
}

/// From a model to a file of the kernels of its time-invariant layers.
struct ModelToKernel {
  let source, result: String
  let length: Int
  let force: Bool

  private struct Entry: Encodable {
    let tensor: String
    let shape: [Int]
  }
  private struct Result: Encodable {
    let to = "kernel"
    let result, mixer: String
    let length: Int
    let kernels: [Entry]
  }

  func run(json: Bool) throws {
    let model = try ModelFolder.load(source)
    try Destination.check(result, for: KernelFile.kind, inputs: [source], force: force)
    let elements = model.kernelElements(length: length)
    guard elements > 0 else {
      throw ToolError(
        "\(source): no layer of \(model.mixerName) is a convolution, since its recurrence depends on the input or "
          + "the position; the mixers that have kernels are \(Self.mixers)")
    }
    guard elements <= KernelFile.maximumElements else {
      throw ToolError(
        "\(source): kernels of length \(length) would be \(String(format: "%.2g", elements)) numbers, more than "
          + "\(Int(KernelFile.maximumElements)); give a smaller --length")
    }
    let kernels = model.kernels(length: length)
    if let bad = kernels.first(where: { $0.kernel.scalars.contains { !$0.isFinite } }) {
      throw ToolError(
        "\(source): \(bad.name) overflows within \(counted(length, "tap")); give a smaller --length")
    }
    try KernelFile.write(kernels, to: result)
    let entries = kernels.map { Entry(tensor: $0.name, shape: Array($0.kernel.shape)) }
    if json {
      return try Output.json(Result(result: result, mixer: model.mixerName, length: length, kernels: entries))
    }
    Output.table(
      entries.map { entry in
        let axes = entry.shape.count == 2 ? "[channels taps]" : "[outputs inputs taps]"
        return [entry.tensor, entry.shape.map(String.init).joined(separator: " × "), axes]
      })
    let skipped = model.layerCount - Set(kernels.map { $0.name.split(separator: ".")[1] }).count
    if skipped > 0 {
      Output.note(
        "\(skipped) of \(counted(model.layerCount, "layer")) without a kernel, as they are no convolutions")
    }
  }

  private static var mixers: String {
    Registry.mixers.filter { $0 is any ConvolutionalMixer.Type }.map { $0.name }.joined(separator: ", ")
  }
}
