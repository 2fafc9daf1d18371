import ArgumentParser
import Foundation
import Runnel

struct StateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "state", abstract: "Look at saved streams, fork, move and compare them.",
    discussion: """
      A state file is what generate --save-state leaves, a journal the folder of generate --journal.
      Example: runnel state info stream.state
      """,
    subcommands: [Info.self, Fork.self, Move.self, Diff.self])

  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What a state file or journal holds.", discussion: "Example: runnel state info stream.state")
    @Argument(help: ArgumentHelp("A state file, or the folder of a journal.", valueName: "file")) var path:
      String
    @OptionGroup var output: OutputOptions

    func run() throws {
      if Journal.exists(path) { return try describe(Journal.summary(of: path)) }
      try describe(StateContents(path))
    }

    private struct TensorEntry: Encodable {
      let name: String
      let shape: [Int]
      /// Euclidean; of what is not finite (a running maximum may be −∞), nothing is said.
      let norm, least, largest: Double?
      /// "nan" or "inf", where there is one that no stream can go on from.
      let holds: String?
    }

    private struct StateEntry: Encodable {
      let mixer, fingerprint: String
      let position, state_bytes, pending_bytes, recent_tokens: Int
      let sampling: SamplingSettings
      let tensors: [TensorEntry]
      let counters: [String: [Int]]
    }

    private func describe(_ state: StateContents) throws {
      let tensors = state.tensors.map { name, value in
        let numbers = value.scalars.map(Double.init), isFinite = numbers.allSatisfy(\.isFinite)
        return TensorEntry(
          name: name, shape: Array(value.shape),
          norm: isFinite ? numbers.reduce(0) { $0 + $1 * $1 }.squareRoot() : nil,
          least: isFinite ? numbers.min() : nil, largest: isFinite ? numbers.max() : nil,
          holds: numbers.first { $0.isNaN || $0 == .infinity }.map { "\($0)" })
      }
      if output.json {
        return try Output.json(
          StateEntry(
            mixer: state.mixer, fingerprint: state.fingerprint, position: state.position,
            state_bytes: state.byteCount, pending_bytes: state.pending.count,
            recent_tokens: state.sampler.recent.count, sampling: state.sampler.settings, tensors: tensors,
            counters: Dictionary(state.counters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })))
      }
      let settings = state.sampler.settings
      var rows = [
        ["mixer", state.mixer], ["model", state.fingerprint],
        ["position", "\(counted(state.position, "token")) read"],
        ["state", counted(state.byteCount, "byte")],
        ["sampling", "temperature \(settings.temperature), top-k \(settings.topK), top-p \(settings.topP)"],
        ["pending", "\(counted(state.pending.count, "byte")) drawn but not printed"],
      ]
      rows += tensors.map { tensor in
        let numbers = [tensor.norm, tensor.least, tensor.largest].map {
          $0.map { String(format: "%.5g", $0) } ?? "-"
        }
        return [
          tensor.name,
          "\(Shape(tensor.shape)): "
            + (tensor.holds.map { "holds \($0): no stream can go on from it" }
              ?? "norm \(numbers[0]), from \(numbers[1]) to \(numbers[2])"),
        ]
      }
      rows += state.counters.map { [$0.name, $0.value.map(String.init).joined(separator: " ")] }
      Output.table(rows)
    }

    private struct JournalEntry: Encodable {
      let mixer, fingerprint: String
      let first_position, position, log_bytes: Int
      let snapshots: [Int]
    }

    private func describe(_ journal: Journal.Summary) throws {
      if output.json {
        return try Output.json(
          JournalEntry(
            mixer: journal.mixer, fingerprint: journal.fingerprint,
            first_position: journal.positions.lowerBound,
            position: journal.positions.upperBound, log_bytes: journal.byteCount, snapshots: journal.snapshots
          ))
      }
      Output.table([
        ["mixer", journal.mixer], ["model", journal.fingerprint],
        [
          "positions",
          "\(grouped(journal.positions.lowerBound)) to \(grouped(journal.positions.upperBound))",
        ],
        ["log", counted(journal.byteCount, "byte")],
        ["snapshots", journal.snapshots.map(grouped).joined(separator: " ")],
      ])
    }
  }

  struct Fork: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a second stream that goes on from here, or from an earlier position of a journal.",
      discussion: """
        Example: runnel state fork stream.state other.state --seed 2
        Example: runnel state fork journal other.state --at 1000 --model stories
        """)
    @Argument(help: ArgumentHelp("A state file, or the folder of a journal.", valueName: "file")) var path:
      String
    @Argument(help: ArgumentHelp("The state file to write.", valueName: "result")) var result: String
    @Option(help: ArgumentHelp("The position in a journal (default: its end).", valueName: "position"))
    var at: Int?
    @Option(help: ArgumentHelp("The model of a journal, which replays it.", valueName: "folder")) var model:
      String?
    @Option(help: "Another seed for the draws that follow.") var seed: UInt64?
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var compute: ComputeOptions

    func run() throws {
      compute.apply()
      try replacing.check(result, for: StateFile.kind, inputs: [path])
      guard Journal.exists(path) else {
        guard at == nil, model == nil else {
          throw ToolError("\(path) is no journal; --at and --model go with the folder of generate --journal")
        }
        var state = try StateContents(path)
        if let seed { state.reseed(seed) }
        return try state.write(to: result)
      }
      guard let model else {
        throw ToolError("\(path) is a journal; name its model with --model, which replays it")
      }
      if let at, at < 0 { throw ToolError("--at is \(at); it must be 0 or more") }
      var session = try Journal.session(in: path, at: at, of: ModelFolder.load(model)) { Output.note($0) }
      if let seed { session.sampler.reseed(seed) }
      try StateFile.save(session, to: result)
    }
  }

  struct Move: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a stream to another precision of its model, and measure what that changes.",
      discussion: """
        Example: runnel state move stream.state moved.state --from stories --to stories-int8
        Both models then go on with the same tokens, drawn by the first, and the distributions of what comes next
        are compared.
        """)
    @Argument(help: ArgumentHelp("A state file.", valueName: "file")) var path: String
    @Argument(help: ArgumentHelp("The state file to write.", valueName: "result")) var result: String
    @Option(help: ArgumentHelp("The model that the stream was saved with.", valueName: "model")) var from:
      String
    @Option(help: ArgumentHelp("A conversion of it.", valueName: "model")) var to: String
    @Option(help: "Tokens to compare on; 0 for none.") var tokens = 64
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if tokens < 0 { throw ValidationError("--tokens is \(tokens); it must be 0 or more") }
    }

    private struct Result: Encodable {
      let result: String
      let position: Int
      let weight_difference: Double
      /// Missing where nothing was compared.
      let difference: StateMove.Difference?
    }

    func run() throws {
      compute.apply()
      guard !Journal.exists(path) else {
        throw ToolError("\(path) is a journal; take a state of it with `runnel state fork` first")
      }
      try replacing.check(result, for: StateFile.kind, inputs: [path])
      let move = try StateMove(path, from: ModelFolder.load(from), to: ModelFolder.load(to)) {
        Output.note($0)
      }
      let difference = try move.measure(tokens: tokens)
      try StateFile.save(move.session, pending: move.pending, to: result)
      if output.json {
        return try Output.json(
          Result(
            result: result, position: move.session.position, weight_difference: move.weightDifference,
            difference: difference.tokens > 0 ? difference : nil))
      }
      Output.line(
        "\(result): \(counted(move.session.position, "token")) read, weights apart by "
          + String(format: "%.2g of their norm", move.weightDifference))
      guard difference.tokens > 0 else { return }
      Output.line(
        String(
          format:
            "over %@ the next one's distribution differs by %.3g nats on average, %.3g at most; a "
            + "probability by at most %.3g; the most likely token is the same in %.1f %%",
          counted(difference.tokens, "token"),
          difference.meanDivergence, difference.largestDivergence, difference.largestProbabilityDifference,
          100 * difference.sameChoice))
    }
  }

  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "How far two states are apart.", discussion: "Example: runnel state diff a.state b.state")
    @Argument(help: ArgumentHelp("A state file.", valueName: "a")) var a: String
    @Argument(help: ArgumentHelp("Another one.", valueName: "b")) var b: String
    @OptionGroup var output: OutputOptions

    private struct Difference: Encodable {
      let name: String
      /// ‖a − b‖ / ‖b‖, and the largest difference of two numbers; missing where that says nothing.
      let relative, largest: Double?
    }
    private struct Result: Encodable {
      let positions: [Int]
      let same_model, same_sampler, equal: Bool
      let differences: [Difference]
    }

    func run() throws {
      let (x, y) = (try StateContents(a), try StateContents(b))
      guard x.tensors.map(\.name) == y.tensors.map(\.name),
        zip(x.tensors, y.tensors).allSatisfy({ $0.value.shape == $1.value.shape })
      else {
        throw ToolError(
          "\(a) (\(x.mixer)) and \(b) (\(y.mixer)) have other tensors; compare streams of one model")
      }
      let differences = zip(x.tensors, y.tensors).map { p, q in
        Difference(
          name: p.name, relative: relativeDifference(p.value.scalars, q.value.scalars).ifFinite,
          largest: zip(p.value.scalars, q.value.scalars).reduce(0) {
            $1.0 == $1.1 || $0.isNaN ? $0 : max(Double(abs($1.0 - $1.1)), $0)
          }.ifFinite)
      }
      let counters = zip(x.counters, y.counters).allSatisfy { $0.value == $1.value }
      let sampler =
        x.sampler.settings == y.sampler.settings && x.sampler.generator == y.sampler.generator
        && x.sampler.recent == y.sampler.recent
      let isEqual =
        x.position == y.position && counters && sampler && x.pending == y.pending
        && zip(x.tensors, y.tensors).allSatisfy { $0.value.scalars == $1.value.scalars }
      if output.json {
        return try Output.json(
          Result(
            positions: [x.position, y.position], same_model: x.fingerprint == y.fingerprint,
            same_sampler: sampler,
            equal: isEqual, differences: differences))
      }
      Output.line(isEqual ? "equal" : "different")
      var rows = [
        ["position", "\(grouped(x.position)), \(grouped(y.position))"],
        ["model", x.fingerprint == y.fingerprint ? "the same" : "\(x.fingerprint), \(y.fingerprint)"],
        ["sampler", sampler ? "the same" : "another place in the draws, settings or tokens seen"],
      ]
      rows += differences.map { difference in
        guard let relative = difference.relative, let largest = difference.largest else {
          return [difference.name, "cannot be compared: one holds what is not finite"]
        }
        return [difference.name, String(format: "relative %.3g, at most %.3g", relative, largest)]
      }
      Output.table(rows)
    }
  }
}
