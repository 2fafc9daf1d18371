/// A MODEL on disk: a folder with `config.json`, `model.safetensors` and, unless it reads bytes, `tokenizer.json`.
/// Its weights are numbers, or packed for streaming (`PackedWeights`).

import Foundation
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

public enum ModelFolder {
  public static let configurationName = "config.json"
  public static let weightsName = "model.safetensors"
  /// In the metadata of weights: the fingerprint of the model that a conversion made them of.
  package static let sourceKey = "converted_from"
  /// What a conversion may replace: its like, which can be made again; a model that was trained cannot.
  package static let conversion = FileKind("a folder that convert has written") { folder in
    guard let source = try? openTensors(at: folder) else { return false }
    return source.metadata[sourceKey] != nil || source.metadata["form"] == PackedWeights.form
  }
  /// The largest configuration that is read, in bytes.
  static let maximumConfiguration = 1 << 20

  /// Reads the model of a folder, of this library or a foreign one, or one of RWKV's own files.
  public static func load(_ folder: String) throws -> StreamingModel {
    let path = folder + "/" + configurationName
    guard isFolder(folder) else {
      if fileExists(folder) {
        // A file of weights that say what they are.
        let isText = folder.hasSuffix(".json") && !folder.hasSuffix(".index.json")
        let source = isText ? nil : AuthorsRWKV.named(try openTensors(at: folder))
        guard let source, source.contains(AuthorsRWKV.embedding) else { throw partError(folder) }
        let model = try AuthorsRWKV(source, ForeignConfiguration(path: folder)).model()
        return try ForeignFamily.load(model, path: folder, weights: source)
      }
      throw FileError(
        folder, at: "path", expected: "a model folder",
        found: "nothing",
        remedy: "name the folder that holds \(configurationName)")
    }
    guard fileExists(path) else { return try loadOther(folder) }
    let bytes = try readSmallFile(path)
    try Seal.check(bytes, path)
    let foreign = try ForeignConfiguration(bytes, path: path)
    let isForeign = foreign.contains("model_type") || ForeignFamily.isAuthorsMamba(foreign)
    if isForeign, !foreign.contains("mixer"), !foreign.contains("mixers") {
      return try ForeignFamily.load(foreign, weights: openTensors(at: folder))
    }
    let configuration = try configuration(from: bytes, path: path)
    let source = try openTensors(at: folder + "/" + weightsName)
    try bound(configuration, by: source)
    return try StreamingModel(configuration, parametersOf: source)
  }

  /// What to say of a file of a model that is not read by itself.
  private static func partError(_ path: String) -> FileError {
    let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let isBeside = fileExists(parent + "/" + configurationName)
    return FileError(
      path, at: "path",
      expected:
        "a model folder, or weights of RWKV-4, 5, 6 or 7 with the tensor \"\(AuthorsRWKV.embedding)\"",
      found: isBeside ? "a part of the model in \(printable(parent))" : "another file",
      remedy: isBeside ? "name that folder" : "name the folder that holds it with its \(configurationName)")
  }

  /// The configuration of a folder of this library.
  package static func configuration(_ folder: String) throws -> ModelConfiguration {
    let path = folder + "/" + configurationName, bytes = try readSmallFile(path)
    try Seal.check(bytes, path)
    return try configuration(from: bytes, path: path)
  }

  /// The configuration of this library that `bytes` of a file are.
  package static func configuration(from bytes: [UInt8], path: String) throws -> ModelConfiguration {
    do {
      let configuration = try decode(ModelConfiguration.self, from: bytes, path: path)
      try configuration.validate()
      return configuration
    } catch let error as UnknownMixer {
      throw FileError(
        path, at: "field \"mixer\"", expected: "one of \(Registry.names.joined(separator: ", "))",
        found: quoted(error.name), remedy: "mend the file or use a version that has this mixer")
    } catch let error as ConfigurationError {
      throw FileError(
        path, at: "configuration", expected: "numbers that fit together", found: "\(error)",
        remedy: "mend the file or train the model again")
    }
  }

  /// The model of a folder without a `config.json`.
  private static func loadOther(_ folder: String) throws -> StreamingModel {
    let parameters = folder + "/params.json"
    guard fileExists(parameters) else {
      if let adapter = adapterError(folder) { throw adapter }
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      let files = names.filter { name in [".pth", ".gguf"].contains { name.hasSuffix($0) } }.sorted()
      throw FileError(
        folder, at: configurationName, expected: "the file", found: "none",
        remedy: files.first.map { "name a file in the folder, such as \(printable($0))" }
          ?? "name the folder that holds \(configurationName)")
    }
    let json = try ForeignConfiguration(readSmallFile(parameters), path: parameters)
    let source = try openTensors(at: folder).withoutPrefixes(["model."])
    return try ForeignFamily.load(ForeignFamily.codestral(json), path: parameters, weights: source)
  }

  /// Refuses configurations that ask for far more memory than the weights in the file could fill.
  package static func bound(
    _ configuration: ModelConfiguration, by source: any TensorSource
  ) throws {
    let stored = try source.names.reduce(0.0) { sum, name in
      let count = Double(try source.entry(name).count)
      return sum + (PackedWeights.element(ofName: name).map { 8 * count / $0.bitsPerWeight } ?? count)
    }
    guard configuration.leastParameters <= stored else {
      throw FileError(
        source.path, at: "tensors", expected: "the weights of the configuration beside it",
        found: "only \(counted(Int(stored), "number"))",
        remedy: "use the \(configurationName) that belongs to this file"
      )
    }
  }

  /// Writes the configuration and the weights as numbers, those of a packed model unpacked; each file is replaced in one
  /// step. The folder is made if need be.
  ///
  /// - Parameter sha256: of the tokenizer's file that is put beside them; another one is refused then.
  public static func save(
    _ model: some LanguageFunction, to folder: String, as type: ElementType = .float32,
    metadata: [String: String] = [:], tokenizer sha256: String? = nil
  ) throws {
    try makeFolder(folder)
    var writer = SafetensorsWriter(metadata: metadata.merging(["format": "pt"]) { own, _ in own })
    writer.metadata[tokenizerKey] = sha256
    for parameter in model.parameters { writer.add(parameter.name, parameter.value, as: type) }
    // The weights say whether a conversion has made the folder, which another may then replace, whenever this one ends.
    try writer.write(to: folder + "/" + weightsName)
    try saveConfiguration(of: model, to: folder)
  }

  /// Writes the configuration, with a checksum.
  static func saveConfiguration(of model: some LanguageFunction, to folder: String) throws {
    try AtomicFile.write(
      Seal.sealed(try model.encodeConfiguration()), to: folder + "/" + configurationName)
  }

  /// Makes a folder, with those above it, where there is none.
  public static func makeFolder(_ path: String) throws {
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw FileError(
        path, at: "path", expected: "a folder that can be made",
        found: fileExists(path) ? "a file of that name" : "a place that cannot be written",
        remedy: "choose another folder")
    }
  }

  /// Decodes JSON; the error names the field.
  static func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8], path: String) throws -> T {
    let decoder = JSONDecoder()
    do { return try decoder.decode(type, from: Data(bytes)) } catch let error as DecodingError {
      throw FileError(
        path, at: error.place, expected: error.expectation, found: error.finding,
        remedy: "mend the file or train the model again")
    }
  }

  static func readSmallFile(_ path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= maximumConfiguration else {
      throw FileError(
        path, at: "size", expected: "at most \(maximumConfiguration) bytes of JSON",
        found: "\(file.size) bytes",
        remedy: "name the right file")
    }
    guard file.size > 0 else {
      throw FileError(
        path, at: "size", expected: "one object of JSON", found: "an empty file",
        remedy: "copy or download the file again")
    }
    return try file.bytes(at: 0, count: file.size)
  }
}

extension DecodingError {
  /// The field at fault, as a path.
  var place: String {
    let path =
      switch self {
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
        context.codingPath
      case .keyNotFound(let key, let context): context.codingPath + [key]
      @unknown default: [any CodingKey]()
      }
    return path.isEmpty ? "JSON" : "field \"" + path.map(\.stringValue).joined(separator: ".") + "\""
  }
  var finding: String {
    if case .keyNotFound = self { "none" } else { "something else" }
  }
  var expectation: String {
    switch self {
    case .typeMismatch(let type, _), .valueNotFound(let type, _): "a value of type \(type)"
    case .keyNotFound: "the field to be there"
    case .dataCorrupted: "JSON with a value that the field may have"
    @unknown default: "valid JSON"
    }
  }
}
