import ArgumentParser
import Foundation
import Runnel

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Describe a model or a run, or list the mixers.",
    discussion: "Example: runnel info stories")

  @Argument(help: ArgumentHelp("A model or run folder, or a .pth file of RWKV.", valueName: "model"))
  var model: String?
  @Flag(help: "List the architectures with their papers.") var mixers = false
  @Option(help: "Lanes trained side by side, for the memory that training takes.") var batch: Int?
  @Option(help: "Tokens per lane and step, for the same.") var segment: Int?
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (model == nil) == !mixers { throw ValidationError("name a model folder, or give --mixers") }
    if mixers, batch != nil || segment != nil {
      throw ValidationError("--batch and --segment go with a model; leave them out")
    }
    for (name, value) in [("batch", batch), ("segment", segment)] {
      if let value, !(1...1 << 24).contains(value) {
        throw ValidationError("--\(name) is \(value); it must lie between 1 and \(1 << 24)")
      }
    }
  }

  func run() throws {
    if mixers { return try listMixers() }
    if let model { try describe(ModelFolder.load(model), folder: model) }
  }

  /// A setting of a mixer, as `--set` takes it.
  private struct SettingEntry: Encodable {
    let name, help, bounds: String
    /// At the width of the model, or at 256.
    let value: String

    static func all(_ choice: MixerChoice) -> [SettingEntry] {
      choice.settings.map { SettingEntry(name: $0.name, help: $0.help, bounds: $0.bounds, value: $0.value) }
    }
  }

  private struct MixerEntry: Encodable {
    let name, title, paper, recurrence, state, cost: String
    /// For one layer of this width and one stream.
    let state_bytes_at_width_256: Int
    let forms: [String]
    let parallel_form: String
    let settings: [SettingEntry]
    /// Whose model folders become layers of this mixer: "library model_type".
    let foreign_families: [String]
  }

  private func listMixers() throws {
    let entries = Registry.mixers.map { entry($0) }
    if output.json { return try Output.json(entries) }
    Output.line("\(entries.count) mixers. A state is that of one layer and stream.")
    for entry in entries {
      let forms = entry.forms.map { $0 == "parallel" ? "parallel (\(entry.parallel_form))" : $0 }
      var rows = [
        [entry.name, "\(entry.title): \(entry.paper)"],
        ["  recurrence", entry.recurrence],
        [
          "  state",
          "\(entry.state) floats, \(counted(entry.state_bytes_at_width_256, "byte")) at width 256",
        ],
        ["  cost", "\(entry.cost) operations per token, projections apart"],
        ["  forms", forms.joined(separator: ", ")],
      ]
      for (place, setting) in entry.settings.enumerated() {
        rows.append([place == 0 ? "  settings" : "", "\(setting.name)=\(setting.value)  \(setting.help)"])
      }
      if !entry.foreign_families.isEmpty {
        rows.append(["  reads", entry.foreign_families.joined(separator: ", ")])
      }
      Output.line("")
      Output.table(rows)
    }
  }

  private func entry<Mixer: SequenceMixer>(_ type: Mixer.Type) -> MixerEntry {
    let mixer = Mixer(Mixer.Configuration(width: 256), at: .alone, from: .none)
    let description = Mixer.description
    return MixerEntry(
      name: description.name, title: description.title, paper: description.paper,
      recurrence: description.recurrence, state: description.state, cost: description.cost,
      state_bytes_at_width_256: mixer.initialState(batch: 1).byteCount,
      forms: Form.allCases.map(\.rawValue), parallel_form: description.parallelForm,
      settings: SettingEntry.all(MixerChoice(type, width: 256)),
      foreign_families: ForeignFamily.all.filter { $0.mixers.contains(description.name) }.flatMap { family in
        family.library.split(separator: ",").map {
          "\($0.trimmingCharacters(in: .whitespaces)) \(family.modelType)"
        }
      })
  }

  private struct Description: Encodable {
    let mixer: String
    let parameters, layers, width, vocabulary_size, state_bytes: Int
    let fingerprint: String
    /// Of each mixer of the pattern.
    let mixer_settings: [[SettingEntry]]
    /// How weights are packed; missing in the parallel form.
    let dtype: PackedElement?
    /// What training it takes, with the settings of its run or of one that begins with it.
    let training_memory: TrainingMemory
    let run: RunRecord?
  }

  private func describe(_ model: StreamingModel, folder: String) throws {
    let record = RunFolder.exists(folder) ? try RunFolder.record(folder) : nil
    var settings = record?.settings ?? TrainingPreset(budget: .usual, model: model.configuration).settings
    if let batch { settings.batch = batch }
    if let segment { settings.segment = segment }
    let memory = try TrainingMemory(model.configuration, settings)
    let stateBytes = model.initialState(batch: 1).byteCount
    if output.json {
      return try Output.json(
        Description(
          mixer: model.mixerName, parameters: model.parameterCount, layers: model.layerCount,
          width: model.width,
          vocabulary_size: model.vocabularySize, state_bytes: stateBytes, fingerprint: model.fingerprint,
          mixer_settings: model.configuration.mixers.map { SettingEntry.all($0) },
          dtype: model.packing, training_memory: memory, run: record))
    }
    var rows = [
      ["mixer", model.mixerName],
      ["parameters", grouped(model.parameterCount)],
      ["layers", "\(model.layerCount) of width \(model.width)"],
      ["vocabulary", grouped(model.vocabularySize)],
      ["state", "\(counted(stateBytes, "byte")) for a stream of any length"],
      ["form", model.packing.map { "recurrent, packed in \($0)" } ?? "parallel"],
      [
        "to train it",
        "about \(TrainingMemory.text(memory.total)) with \(counted(settings.batch, "lane")) of \(settings.segment): \(memory.parts)",
      ],
    ]
    for choice in model.configuration.mixers {
      let own = choice.settings.map { "\($0.name)=\($0.value)" }
      rows.append(["settings", "\(choice.name): " + own.joined(separator: ", ")])
    }
    if let record {
      rows.append(["corpus", record.corpus])
      if let origin = record.settings.origin { rows.append(["began with", origin]) }
      rows.append([
        "trained",
        "\(counted(record.steps, "step")), \(counted(record.tokens, "token")), \(Output.duration(record.seconds))",
      ])
      for change in record.changes {
        rows.append([
          "changed",
          "from step \(change.step) on: \(change.setting) \(change.to ?? "none"), before \(change.from ?? "none")",
        ])
      }
    }
    Output.table(rows)
  }
}
