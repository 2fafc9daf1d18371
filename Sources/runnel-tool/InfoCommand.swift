import ArgumentParser
import Foundation
import Runnel

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Describe a model or a run, or list the mixers.",
    discussion: "Example: runnel info stories")

  @Argument(help: ArgumentHelp("A model or run folder.", valueName: "model")) var model: String?
  @Flag(help: "List the architectures with their papers.") var mixers = false
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == !mixers { throw ValidationError("name a model folder, or give --mixers") }
  }

  func run() throws {
    if mixers { return try listMixers() }
    if let model { try describe(ModelFolder.load(model), folder: model) }
  }

  private struct MixerEntry: Encodable {
    let name, title, paper, recurrence, state, cost, parallel_form: String
    /// For one layer of this width and one stream.
    let state_bytes_at_width_256: Int
  }

  private func listMixers() throws {
    let entries = Registry.mixers.map { entry($0) }
    if output.json { return try Output.json(entries) }
    Output.table(
      [["mixer", "paper", "recurrence", "state (floats)", "cost per token", "parallel form"]]
        + entries.map { [$0.name, $0.paper, $0.recurrence, $0.state, $0.cost, $0.parallel_form] })
  }

  private func entry<Mixer: SequenceMixer>(_ type: Mixer.Type) -> MixerEntry {
    var generator = SeededGenerator(seed: 1)
    let mixer = Mixer(Mixer.Configuration(width: 256), using: &generator)
    let description = Mixer.description
    return MixerEntry(
      name: description.name, title: description.title, paper: description.paper,
      recurrence: description.recurrence, state: description.state, cost: description.cost,
      parallel_form: description.parallelForm,
      state_bytes_at_width_256: mixer.initialState(batch: 1).byteCount)
  }

  private struct Description: Encodable {
    let mixer: String
    let parameters, layers, width, vocabulary_size, state_bytes: Int
    let fingerprint: String
    let run: RunRecord?
  }

  private func describe<M: Model>(_ model: M, folder: String) throws {
    let record = RunFolder.exists(folder) ? try RunFolder.record(folder) : nil
    let stateBytes = model.initialState(batch: 1).byteCount
    if output.json {
      return try Output.json(
        Description(
          mixer: model.mixerName, parameters: model.parameterCount, layers: model.layerCount,
          width: model.width,
          vocabulary_size: model.vocabularySize, state_bytes: stateBytes, fingerprint: model.fingerprint,
          run: record))
    }
    var rows = [
      ["mixer", model.mixerName],
      ["parameters", Output.grouped(model.parameterCount)],
      ["layers", "\(model.layerCount) of width \(model.width)"],
      ["vocabulary", Output.grouped(model.vocabularySize)],
      ["state", "\(Output.grouped(stateBytes)) bytes for a stream of any length"],
    ]
    if let record {
      rows.append(["corpus", record.corpus])
      rows.append([
        "trained",
        "\(Output.grouped(record.steps)) steps, \(Output.grouped(record.tokens)) tokens, \(Output.duration(record.seconds))",
      ])
    }
    Output.table(rows)
  }
}
