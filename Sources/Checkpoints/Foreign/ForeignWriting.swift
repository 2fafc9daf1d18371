/// How a model is said in another library's words, checked by reading them back: what the reader of the family
/// understands must be this model, or it is not written.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

/// Why a model cannot be written for another library.
public struct ForeignWritingError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  /// How far a family is from the model, to show the nearest one.
  var distance = 0

  init(_ description: String) { self.description = description }
}

/// A model in the words of a family.
struct ForeignDraft {
  var family: ForeignFamily
  var library: String
  var model: LanguageModel
  var fields: [String: ForeignValue]
  var names: ForeignNames
}

extension ForeignFamily {
  /// The model as the first family that can express it.
  ///
  /// - Throws: `ForeignWritingError` where none can, with what the nearest one has otherwise.
  static func draft(_ model: LanguageModel) throws -> ForeignDraft {
    let own = Set(model.configuration.mixers.map(\.name))
    let writable = all.filter { $0.isWritten }
    let families = writable.filter { own.isSubset(of: $0.mixers) }
    var nearest: ForeignWritingError?
    for family in families {
      do { return try family.draft(model) } catch let error as ForeignWritingError {
        if error.distance < nearest?.distance ?? .max { nearest = error }
      }
    }
    let known = Registry.names.filter { name in writable.contains { $0.mixers.contains(name) } }
    throw nearest
      ?? ForeignWritingError(
        "no family of transformers or flash-linear-attention has layers of \(model.mixerName); "
          + "models of one of \(known.joined(separator: ", ")) can be written")
  }

  private func draft(_ model: LanguageModel) throws -> ForeignDraft {
    guard let form else { throw ForeignWritingError("\(modelType) of \(library) is only read") }
    let restated = try form.restated(model)
    let configuration = restated.configuration
    let fields = form.fields(configuration).merging(["model_type": .text(modelType)]) { own, _ in own }
    let subject = "\(model.mixerName) cannot be written as \(modelType) of \(library)"
    let read: ForeignModel
    do { read = try form.read(ForeignConfiguration(path: "config.json", fields: fields)) } catch {
      throw ForeignWritingError("\(subject): \(error)")
    }
    let differences = read.configuration.differences(from: configuration)
    guard differences.isEmpty else {
      let shown = differences.prefix(6).map { "\($0.field) \($0.own), not \($0.other)" }
      let rest = differences.count > shown.count ? ", and \(differences.count - shown.count) more" : ""
      var error = ForeignWritingError(
        "\(subject), which has \(shown.joined(separator: ", "))\(rest); keep it in this library's form")
      error.distance = differences.count
      throw error
    }
    return ForeignDraft(
      family: self, library: form.library(configuration) ?? library, model: restated, fields: fields,
      names: read.names)
  }
}

extension ModelConfiguration {
  /// The first mixer of a type.
  func first<Mixer: SequenceMixer>(_: Mixer.Type) -> Mixer.Configuration? {
    mixers.lazy.compactMap { $0.configuration as? Mixer.Configuration }.first
  }

  /// The same with other numbers for the mixers of a type.
  func changing<Mixer: SequenceMixer>(
    _ mixer: Mixer.Type, _ change: (inout Mixer.Configuration) -> Void
  ) -> Self {
    var copy = self
    copy.mixers = mixers.map { choice in
      guard var own = choice.configuration as? Mixer.Configuration else { return choice }
      change(&own)
      return MixerChoice(mixer, own)
    }
    return copy
  }

  /// The same function said in one way.
  private var normalized: Self {
    var copy = self
    // A pattern that repeats itself is its shortest period.
    let period = (1...mixers.count).first { length in
      mixers.count % length == 0 && mixers.indices.allSatisfy { mixers[$0] == mixers[$0 % length] }
    }
    copy.mixers = Array(mixers.prefix(period ?? mixers.count))
    if lastNormEpsilon == normEpsilon { copy.lastNormEpsilon = nil }
    if norm == .rms { copy.hasNormBias = true }
    let gates = mixers.compactMap { choice -> Activation? in
      if case .gated(_, let activation) = choice.feedForward { activation } else { nil }
    }
    if gates.isEmpty { copy.hasFeedForwardBias = false }
    if let own = gates.first, gates.allSatisfy({ $0 == own }) { copy.activation = activation ?? own }
    if mixers.allSatisfy({ $0.feedForward == .none }) { copy.hiddenWidth = 0 }
    return copy
  }

  /// The settings in which this model's function is not the other's.
  fileprivate func differences(from other: Self) -> [(field: String, own: String, other: String)] {
    let (own, other) = (normalized.words, other.normalized.words)
    return Set(own.keys).union(other.keys).sorted().compactMap { field in
      let (mine, theirs) = (own[field] ?? "none", other[field] ?? "none")
      return mine == theirs ? nil : (field, mine, theirs)
    }
  }

  /// Every setting in words, by its name; of those of a pattern, with their place in front.
  private var words: [String: String] {
    var words = Dictionary(uniqueKeysWithValues: Self.settings.map { ($0.name, $0.text(self)) })
    for (place, choice) in mixers.enumerated() {
      let path = mixers.count == 1 ? "mixer" : "mixers.\(place)"
      words[path] = choice.name
      for setting in choice.settings { words[path + "." + setting.name] = setting.value }
    }
    return words
  }
}

extension LanguageModel {
  /// A model of another configuration with the same parameters, some of them changed.
  func restated(_ configuration: ModelConfiguration, _ change: (Parameter) -> Tensor) throws -> Self {
    let own = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    return try LanguageModel(configuration) { own[$0.name].map(change) ?? Tensor(zeros: $0.shape) }
  }
}
