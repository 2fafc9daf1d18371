import ArgumentParser
import Foundation
import Runnel

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a model in another form or precision, and measure what that changes.",
    discussion: """
      Example: runnel convert stories stories-int8 --to recurrent --dtype int8
      recurrent    for streaming: matrices packed as --dtype, mapped into memory when loaded;
                   recurrences, norms and decays stay f32
      parallel     for training: plain numbers, those that packed weights stand for
      huggingface  for transformers or flash-linear-attention, whichever has the architecture
                   (RWKV's own .pth files are read, but not written)
      Each is a model for every verb. Source and result read a text (--text, or seeded
      stories), and their differences are printed. Where int4 or int8 would cost more on it
      than --loss-limit, the matrices that cost most are kept finer, and named.
      A convolution is converted as well: runnel convert KERNEL.safetensors RESULT.safetensors
      --to recurrent makes of filters [channels taps] the smallest diagonal recurrences, and
      runnel convert stories RESULT.safetensors --to kernel --length 1024 writes the kernels of
      layers that are convolutions.
      """)

  enum Target: String, ExpressibleByArgument, CaseIterable {
    case parallel, recurrent, huggingface, kernel
  }

  @Argument(
    help: ArgumentHelp("A model folder, a .pth file of RWKV, or a file of kernels.", valueName: "source"))
  var source: String
  @Argument(help: ArgumentHelp("The folder that receives the result, or its file.", valueName: "result"))
  var result: String
  @Option(name: .customLong("to"), help: "The form of the result.") var destination: Target
  @Option(help: "How weights are stored: f32, bf16, int8 or int4, the last two in blocks of 32 with a scale.")
  var dtype = PackedElement.f32
  @Option(
    help: ArgumentHelp(
      "What int8 or int4 may cost, in per cent of the source's loss on the text, before matrices are kept finer (default: 3).",
      valueName: "percent"))
  var lossLimit: Double?
  @Flag(help: "Store every matrix as --dtype, whatever it costs; those that make decays stay bf16.")
  var uniform = false
  @Option(help: ArgumentHelp("The text on which source and result are compared.", valueName: "file"))
  var text: String?
  @Option(help: "Tokens of it to compare on.") var tokens = 2048
  @Option(help: ArgumentHelp("Taps of the kernels to write.", valueName: "taps")) var length: Int?
  @Option(
    help: ArgumentHelp(
      "How far a recurrence may be from its kernel, relative to the kernel's 2-norm (default: 1e-4).",
      valueName: "share"))
  var tolerance: Double?
  @Option(
    help: ArgumentHelp(
      "A kernel to convert; more may be named. Needed where a file has others.", valueName: "name"))
  var tensor: [String] = []
  @Option(
    help: ArgumentHelp("The most states of a channel (default: 256).", valueName: "n")) var maxState: Int?
  @OptionGroup var replacing: ReplacingOptions
  @OptionGroup var tokenizer: TokenizerOptions
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (destination == .kernel) == (length != nil) else {
      throw ValidationError(
        destination == .kernel
          ? "--to kernel needs --length, the taps to write" : "--length goes with --to kernel")
    }
    if let length, length < 1 { throw ValidationError("--length is \(length); it must be at least 1") }
    if let tolerance, !(tolerance > 0 && tolerance < 1) {
      throw ValidationError("--tolerance is \(tolerance); it must be more than 0 and less than 1")
    }
    if let maxState, !(1...4096).contains(maxState) {
      throw ValidationError("--max-state is \(maxState); it must lie between 1 and 4096")
    }
    if destination != .recurrent, tolerance != nil || maxState != nil || !tensor.isEmpty {
      throw ValidationError("--tolerance, --max-state and --tensor go with a kernel and --to recurrent")
    }
    guard tokens > 1 else { throw ValidationError("--tokens is \(tokens); it must be 2 or more") }
    let isQuantised = dtype == .int8 || dtype == .int4
    if destination != .recurrent, isQuantised {
      throw ValidationError(
        "the \(destination) form is stored in f32 or bf16; --dtype \(dtype) goes with --to recurrent")
    }
    if let lossLimit, !(lossLimit >= 0) {
      throw ValidationError("--loss-limit is \(lossLimit); it must be 0 or more")
    }
    if lossLimit != nil || uniform, !isQuantised || uniform && lossLimit != nil {
      throw ValidationError("--loss-limit or --uniform goes with --dtype int8 or int4, not both of them")
    }
  }

  func run() throws {
    compute.apply()
    if let length {
      return try ModelToKernel(source: source, result: result, length: length, force: replacing.force)
        .run(json: output.json)
    }
    if destination == .recurrent, !tensor.isEmpty || KernelToRecurrence.applies(to: source) {
      return try KernelToRecurrence(
        source: source, result: result, tensors: tensor,
        tolerance: tolerance ?? KernelToRecurrence.usualTolerance,
        maxStates: maxState ?? KernelToRecurrence.usualMaxStates, force: replacing.force
      ).run(json: output.json)
    }
    guard tolerance == nil, maxState == nil else {
      throw ToolError(
        "\(source) is no file of kernels; leave --tolerance and --max-state out, or name a safetensors file")
    }
    try replacing.check(result, for: ModelFolder.conversion, inputs: [source])
    let original = try ModelFolder.load(source)
    let isInPlace = Destination.isSame(source, result)
    let tokenizer: (any Tokenizer)?
    do { tokenizer = try self.tokenizer.open(for: original, at: source) } catch
      where self.tokenizer.tokenizer == nil
    {
      if !isInPlace, !replacing.force { try ModelFolder.checkTokenizerIsAbsent(result) }
      Output.note("\(error); the result has no tokenizer")
      tokenizer = nil
    }
    let marks = try ModelFolder.marks(
      of: original, at: source, tokenizer: tokenizer, from: self.tokenizer.tokenizer ?? source)
    let templates = try ChatTemplates(in: self.tokenizer.tokenizer ?? source)
    let sample = try ComparisonText(text, tokens: tokens, for: original, tokenizer)
    let finer = try choose(for: original, sample)
    let isNew = !fileExists(result)
    try ModelFolder.makeFolder(result)
    // What has no form there leaves no folder.
    defer { if isNew { rmdir(result) } }
    // Of two that write at once, one's weights would lie beside the other's configuration.
    let lock = try FileLock(result)
    defer { withExtendedLifetime(lock) {} }
    // Before the weights: those of an earlier model say which tokenizer they had, these may say none.
    if !isInPlace { try ModelFolder.removeTokenizer(from: result) }
    try write(original, tokenizer, marks, finer)
    if let tokenizer, destination != .huggingface { try ModelFolder.save(tokenizer, to: result) }
    try ModelFolder.save(marks, to: result)
    if tokenizer != nil { try templates.write(to: result) }
    // What is measured is what lies on the disk.
    let converted = try ModelFolder.load(result)
    let form = destination == .recurrent ? Form.step : .mix
    let divergence: Divergence
    do throws(Divergence.Failure) {
      divergence = try Divergence(
        from: original, to: converted.stream(), form: form, on: sample.ids,
        byteLengths: tokenizer?.byteLengths() ?? [])
    } catch {
      throw ToolError("\(result) is written, but cannot be measured: \(sentence(error))")
    }
    try report(converted, divergence, sample, finer)
  }

  private func sentence(_ failure: Divergence.Failure) -> String {
    switch failure {
    case .source(let numbers): "\(source): \(numbers)"
    case .result(let numbers): "\(numbers)"
    }
  }

  /// The matrices that are stored finer than --dtype.
  private func choose(for model: StreamingModel, _ sample: ComparisonText) throws -> [String: PackedElement] {
    guard dtype == .int8 || dtype == .int4, !uniform else { return [:] }
    var line = ProgressLine()
    defer { line.finish() }
    return try PrecisionChoice(dtype, for: model, limit: (lossLimit ?? 3) / 100, on: sample.ids) {
      line.show(Double($1) / Double($2), "measured \($0), \($1) of \($2) matrices")
    }.finer
  }

  private func write(
    _ model: StreamingModel, _ tokenizer: (any Tokenizer)?, _ marks: TextMarks,
    _ finer: [String: PackedElement]
  ) throws {
    let metadata = [ModelFolder.sourceKey: model.fingerprint]
    let numbers = dtype == .bf16 ? ElementType.bfloat16 : .float32
    switch destination {
    case .kernel: break
    case .parallel:
      try ModelFolder.save(
        model, to: result, as: numbers, metadata: metadata, tokenizer: tokenizer?.file?.sha256)
    case .huggingface:
      let family = try ModelFolder.saveForeign(
        model, tokenizer: tokenizer, marks: marks, to: result, as: numbers, metadata: metadata)
      Output.note("\(result) is \(family.modelType) of \(family.library)")
    case .recurrent:
      if let packing = model.packing, packing != dtype {
        Output.note(
          "\(source) is packed as \(packing) already; what that lost does not come back")
      }
      try ModelFolder.savePacked(
        model.trainable(), to: result, as: dtype, finer: finer, metadata: metadata,
        tokenizer: tokenizer?.file?.sha256)
    }
  }

  private struct Result: Encodable {
    let mixer, to: String
    let dtype: PackedElement
    let parameters, bytes, tokens: Int
    let text: String
    let max_logit_difference, mean_logit_difference, mean_kl_divergence: Double
    let source_loss, loss: Double
    let source_bits_per_byte, bits_per_byte: Double?
    /// How every matrix is packed.
    let matrices: [String: PackedElement]?
  }

  private func report(
    _ model: StreamingModel, _ divergence: Divergence, _ sample: ComparisonText,
    _ finer: [String: PackedElement]
  ) throws {
    let bytes = try InputFile(result + "/" + ModelFolder.weightsName).size
    let (before, after) = (divergence.source, divergence.result)
    if output.json {
      return try Output.json(
        Result(
          mixer: model.mixerName, to: destination.rawValue, dtype: dtype, parameters: model.parameterCount,
          bytes: bytes, tokens: divergence.tokens, text: sample.name,
          max_logit_difference: divergence.largest,
          mean_logit_difference: divergence.mean, mean_kl_divergence: divergence.klDivergence,
          source_loss: before.loss, loss: after.loss,
          source_bits_per_byte: before.bytes > 0 ? before.bitsPerByte : nil,
          bits_per_byte: after.bytes > 0 ? after.bitsPerByte : nil,
          matrices: model.packing == nil
            ? nil : Dictionary(uniqueKeysWithValues: model.packings.map { ($0.name, $0.element) })))
    }
    Output.line(
      "\(result): \(model.mixerName), \(counted(model.parameterCount, "parameter")), \(destination.rawValue) in "
        + "\(dtype.rawValue), \(counted(bytes, "byte"))")
    let others = model.packings.filter { $0.element != dtype }
    for element in PackedElement.allCases {
      let names = others.filter { $0.element == element && finer[$0.name] != nil }.map(\.name)
      if !names.isEmpty { Output.line("in \(element.rawValue): \(names.joined(separator: ", "))") }
    }
    let delicate = others.count { finer[$0.name] == nil }
    if delicate > 0 { Output.line("in bf16: the \(delicate) matrices that make decays and steps") }
    Output.line(
      String(
        format:
          "on %@ of %@: logits differ by at most %.3g, on average by %.3g; the next token's distribution by "
          + "%.3g nats",
        counted(divergence.tokens, "token"), sample.name, divergence.largest, divergence.mean,
        divergence.klDivergence))
    let (unit, x, y) =
      before.bytes > 0
      ? ("bits per byte", before.bitsPerByte, after.bitsPerByte) : ("nats per token", before.loss, after.loss)
    Output.line(
      String(format: "%@ before %.6f, after %.6f (%+.3f %%)", unit, x, y, 100 * (y - x) / max(x, .ulpOfOne)))
  }
}

/// The tokens on which two models are compared: those of a file, or of seeded stories; random ones where nothing says what
/// text a model's tokens are.
struct ComparisonText {
  let name: String
  let ids: [Int32]

  init(_ path: String?, tokens: Int, for model: StreamingModel, _ tokenizer: (any Tokenizer)?) throws {
    guard let tokenizer else {
      if let path {
        throw ToolError("the tokens of the model are unknown, so \(path) cannot be read; give --tokenizer")
      }
      (name, ids) = ("random ids", model.randomIds(tokens))
      return
    }
    var text: [UInt8] = []
    let label = path ?? "stories"
    // No token of a text is longer on average.
    let needed = 16 * tokens
    if let path {
      let file = FileHandle(
        fileDescriptor: try openForReading(Array(path.utf8), path), closeOnDealloc: true)
      let zstd = path.lowercased().hasSuffix(".zst")
      var stream = TextStream(path, reader: "runnel convert --text /dev/stdin", mustBeZstd: zstd)
      while text.count < needed,
        let more = try stream.next({ try file.read(upToCount: 1 << 16).map { Array($0) } })
      {
        text += more
      }
      text = Array(text.prefix(needed))
    } else {
      var stories = Stories(seed: 1)
      while text.count < needed { text += Array(stories.next().utf8) }
    }
    let encoded = Array(tokenizer.encode(text).prefix(tokens))
    guard encoded.count > 1 else { throw ToolError("\(label) has fewer than two tokens; give a longer text") }
    do { try model.requireKnown(encoded) } catch {
      guard path != nil else {
        (name, ids) = ("random ids", model.randomIds(tokens))
        return
      }
      throw ToolError("\(label): \(error)")
    }
    (name, ids) = (label, encoded)
  }
}
