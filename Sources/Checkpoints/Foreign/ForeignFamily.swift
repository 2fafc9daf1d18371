/// Checkpoints of other libraries, read as they stand and written for them: one file for each family says what its
/// configuration means and what its parameters are called.

import RunnelFiles
import RunnelModels
import RunnelTensors

public struct ForeignFamily: Sendable {
  /// `model_type` in the configuration.
  public let modelType: String
  /// The library that wrote it.
  public let library: String
  /// The mixers its layers become.
  public let mixers: [String]
  /// Whether models can be written as this family, see ``ModelFolder/saveForeign(_:tokenizer:to:as:metadata:)``.
  public var isWritten: Bool { writing != nil }
  /// How its folders are written; nil where they are only read.
  let writing: ForeignWriting?
  let read: @Sendable (ForeignConfiguration, any TensorSource) throws -> ForeignModel

  init(
    modelType: String, library: String, mixers: [String], writing: ForeignWriting? = nil,
    read: @escaping @Sendable (ForeignConfiguration, any TensorSource) throws -> ForeignModel
  ) {
    self.modelType = modelType
    self.library = library
    self.mixers = mixers
    self.writing = writing
    self.read = read
  }

  /// Every family that is read. mamba and mamba2 stand for both libraries: their files have one form.
  /// The first of a model type reads its folders.
  public static let all: [ForeignFamily] =
    transformersMamba + [rwkv, authorsRWKV, folderRWKV5, recurrentGemma] + flashLinearAttention
}

/// What a foreign configuration says.
struct ForeignModel {
  var configuration: ModelConfiguration
  var names: ForeignNames

  /// The same with the head that the files have, as the libraries treat a configuration that calls it tied: a head
  /// that is not the embedding stays a head of its own, and where only one of the two is there it is both.
  func settingHead(from source: any TensorSource) throws -> ForeignModel {
    var copy = self
    if let older = names.olderEmbedding, !source.contains(names.embedding), source.contains(older) {
      copy.names.embedding = older
    }
    let (embedding, head) = (copy.names.embedding, names.head)
    guard configuration.tiesEmbedding, source.contains(head) else { return copy }
    if !source.contains(embedding) {
      copy.names.embedding = head
    } else if try source.holdsEqual(embedding, head) {
      copy.names.copies.insert(head)
    } else {
      copy.configuration.tiesEmbedding = false
    }
    return copy
  }
}

extension TensorSource {
  fileprivate func holdsEqual(_ a: String, _ b: String) throws(FileError) -> Bool {
    guard try entry(a).shape == entry(b).shape else { return false }
    return try tensor(a).scalars == tensor(b).scalars
  }
}

extension ForeignFamily {
  /// The model of a folder whose configuration names one of the families.
  static func load(
    _ configuration: ForeignConfiguration, weights source: any TensorSource
  ) throws -> StreamingModel {
    try configuration.require(
      "quantization_config", isAbsentBecause: "weights that others packed are not read")
    let source = source.withoutPrefixes(wrapperPrefixes)
    if isAuthorsMamba(configuration) {
      return try load(authorsMamba(configuration), path: configuration.path, weights: source)
    }
    let type = try configuration.text("model_type")
    if ["rwkv5", "rwkv6"].contains(type), let source = AuthorsRWKV.ofFolder(source) {
      return try load(
        AuthorsRWKV(source, configuration).model(), path: configuration.path, weights: source)
    }
    guard let family = all.first(where: { $0.modelType == type }) else {
      throw configuration.error(
        "model_type", expected: "one of \(Set(all.map(\.modelType)).sorted().joined(separator: ", "))",
        remedy: "use a model of one of these families")
    }
    return try load(family.read(configuration, source), path: configuration.path, weights: source)
  }

  static func load(_ foreign: ForeignModel, path: String, weights source: any TensorSource) throws
    -> StreamingModel
  {
    let source = foreign.names.completed(source)
    let foreign = try foreign.settingHead(from: source)
    do { try foreign.configuration.validate() } catch {
      throw FileError(
        path, at: "configuration", expected: "numbers that fit together", found: "\(error)",
        remedy: "use the configuration that belongs to these weights")
    }
    try ModelFolder.bound(foreign.configuration, by: source)
    return try LanguageModel(foreign.configuration, parametersOf: source, names: foreign.names)
      .stream(packing: false)
  }
}
