/// What a fresh model is asked to be, before there is a corpus or a budget.

import RunnelFiles
import RunnelMixers
import RunnelModels

/// The architecture of a model to train. What is nil follows from the budget, as ``TrainingPreset`` says.
public struct ModelShape: Sendable {
  /// The pattern of mixers, repeated over the layers; nil where a run that is resumed has its own.
  public var mixers: [any SequenceMixer.Type]?
  /// About how many parameters, where neither width nor layers are given.
  public var size: ModelSize?
  /// D, the width of the residual stream.
  public var width: Int?
  /// The number of layers.
  public var layers: Int?
  /// H, where the mixers have heads: a word for the setting `heads`.
  public var heads: Int?
  /// Settings of the mixers in words, as `--set` takes them: `state_size` of every mixer that has it, `mamba.state_size` of one.
  public var settings: [(name: String, value: String)]

  /// - Parameters: as the properties.
  public init(
    mixers: [any SequenceMixer.Type]? = nil, size: ModelSize? = nil, width: Int? = nil, layers: Int? = nil,
    heads: Int? = nil, settings: [(name: String, value: String)] = []
  ) {
    (self.mixers, self.size, self.width, self.layers) = (mixers, size, width, layers)
    (self.heads, self.settings) = (heads, settings)
  }

  /// The same for mixers by their names, as `mamba` or `mamba,mamba,attention`.
  ///
  /// - Throws: `ConfigurationError` where the registry has no such mixer.
  public init(_ names: String, size: ModelSize? = nil, width: Int? = nil, layers: Int? = nil) throws {
    self.init(mixers: try Registry.pattern(names), size: size, width: width, layers: layers)
  }

  /// Each setting with the option of the tool that asks for it.
  private var told: [(option: String, setting: (name: String, value: String))] {
    (heads.map { [("heads", ("heads", "\($0)"))] } ?? []) + settings.map { ("set", $0) }
  }

  /// The mixers at a width, with their settings.
  ///
  /// - Throws: ``TrainingError`` where a mixer has no such setting, or the setting no such value.
  public func choices(width: Int) throws -> [MixerChoice] {
    let told = told
    do { return try MixerChoice.pattern(mixers ?? [], width: width, settings: told.map(\.setting)) } catch {
      let options = Set(told.map { "--" + $0.option }).sorted().joined(separator: " or ")
      throw TrainingError(options.isEmpty ? "\(error)" : "\(options): \(error)")
    }
  }

  /// The model of this shape for a preset that was made of it.
  func configuration(_ preset: TrainingPreset, vocabularySize: Int) throws -> ModelConfiguration {
    ModelConfiguration(
      try choices(width: preset.width), vocabularySize: vocabularySize, width: preset.width,
      layers: layers ?? preset.layers)
  }

  /// Refuses another model than the one of a run that is resumed.
  ///
  /// - Parameters:
  ///   - folder: of the run, for the message.
  ///   - budget: of the run: a size asks for another shape with another one.
  func require(_ configuration: ModelConfiguration, in folder: String, budget: Budget) throws {
    func require(_ option: String, _ given: String, _ isSame: Bool, _ own: String) throws {
      guard !isSame else { return }
      throw TrainingError(
        "the run in \(folder) is of \(own), and cannot go on as one of \(given); leave --\(option) out, or begin a new run"
      )
    }
    let shape = "width \(configuration.width) and \(counted(configuration.layers, "layer"))"
    if let mixers {
      let name = mixers.map { $0.name }.joined(separator: ","), own = configuration.mixerName
      try require("mixer", name, name == own, own)
    }
    if let width { try require("width", "width \(width)", width == configuration.width, shape) }
    if let layers { try require("layers", counted(layers, "layer"), layers == configuration.layers, shape) }
    for (option, setting) in told {
      let own = configuration.mixers, given: [MixerChoice]
      do { given = try MixerChoice.changed(own, settings: [setting]) } catch {
        throw TrainingError("--\(option): \(error)")
      }
      let name = setting.name.split(separator: ".").last.map(String.init) ?? setting.name
      func shown(_ mixers: [MixerChoice]) -> String {
        "\(name) " + mixers.compactMap { $0.value(of: name) }.joined(separator: ", ")
      }
      try require(option, shown(given), own == given, shown(own))
    }
    if let size {
      let preset = TrainingPreset(budget: budget, size: size, mixers: configuration.mixers.map(\.mixer))
      let isSame =
        (width ?? preset.width, layers ?? preset.layers) == (configuration.width, configuration.layers)
      try require("size", "size \(size.rawValue)", isSame, shape)
    }
  }
}
