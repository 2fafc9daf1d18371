/// What a family's folders say of a model, in both directions: its keys, and its names of tensors.

import RunnelMixers
import RunnelModels

struct ForeignForm: Sendable {
  /// The class that loads such folders.
  let architecture: String
  /// The mixers of its models; a pattern of several is what a key of the model makes of them.
  let mixers: [ForeignMixer]
  let model: [ForeignKey<ModelConfiguration>]
  /// The libraries that load a configuration, where not all of the family's do.
  var library: @Sendable (ModelConfiguration) -> String? = { _ in nil }
  /// The same function with its numbers as the family has them; of most models there is only one way.
  var restated: @Sendable (LanguageModel) throws -> LanguageModel = { $0 }
  let names: @Sendable (ForeignConfiguration, ModelConfiguration) throws -> ForeignNames

  func read(_ json: ForeignConfiguration) throws -> ForeignModel {
    let width = try json.count("hidden_size", least: 1)
    var configuration = ModelConfiguration(
      try mixers.map { try $0.read(json, width) }, vocabularySize: 0, width: width, layers: 0)
    for key in model { try key.read(&configuration, json) }
    return ForeignModel(configuration: configuration, names: try names(json, configuration))
  }

  /// The fields of `config.json`. What the family has no word for is left out.
  func fields(_ configuration: ModelConfiguration) -> [String: ForeignValue] {
    var fields: [String: ForeignValue] = ["architectures": .list([.text(architecture)])]
    for mixer in mixers { mixer.write(configuration, &fields) }
    for key in model { key.write(configuration, &fields) }
    return fields
  }
}

/// The keys of a mixer, whichever it is.
struct ForeignMixer: Sendable {
  let name: String
  let read: @Sendable (_ json: ForeignConfiguration, _ width: Int) throws -> MixerChoice
  let write: @Sendable (ModelConfiguration, inout [String: ForeignValue]) -> Void

  init<Mixer: SequenceMixer>(_ mixer: Mixer.Type, _ keys: [ForeignKey<Mixer.Configuration>]) {
    name = mixer.description.name
    read = { json, width in
      MixerChoice(
        mixer, try Mixer.Configuration(width: width) { for key in keys { try key.read(&$0, json) } })
    }
    write = { model, fields in
      guard let own = model.first(mixer) else { return }
      for key in keys { key.write(own, &fields) }
    }
  }
}

extension [ForeignKey<ModelConfiguration>] {
  /// What every family says of a model.
  ///
  /// - Parameter isTied: whether head and embedding are one where the configuration does not say it.
  static func common(isTied: @escaping @Sendable (ForeignConfiguration) -> Bool = { _ in false }) -> Self {
    [
      .count("vocab_size", \.vocabularySize), .count("hidden_size", \.width),
      .count("num_hidden_layers", \.layers),
      ForeignKey("tie_word_embeddings", \.tiesEmbedding, write: ForeignValue.flag) { json, _ in
        try json.flag("tie_word_embeddings", default: isTied(json))
      },
    ]
  }
}
