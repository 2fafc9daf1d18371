/// The tokens that begin and end a model's texts, as its folder says: `generation_config.json`, else `config.json`, else the
/// settings of its tokenizer.

import Foundation
import RunnelFiles
import RunnelModels
import RunnelText

public struct TextMarks: Sendable, Equatable {
  /// What a text begins with where nothing is there to continue.
  public var begin: Int32?
  /// A stream ends with any of these.
  public var ends: Set<Int32>

  public init(begin: Int32? = nil, ends: Set<Int32> = []) { (self.begin, self.ends) = (begin, ends) }
  public var isEmpty: Bool { begin == nil && ends.isEmpty }

  /// As transformers' configurations have them.
  var fields: [String: ForeignValue] {
    let ends = ends.sorted().map { ForeignValue.count(Int($0)) }
    var fields: [String: ForeignValue] = [:]
    if let begin { fields["bos_token_id"] = .count(Int(begin)) }
    if let first = ends.first { fields["eos_token_id"] = ends.count == 1 ? first : .list(ends) }
    return fields
  }
}

extension ModelFolder {
  package static let generationName = "generation_config.json"

  /// The tokens that begin and end texts. Each is what the first file says that names one; ids outside the vocabulary, which
  /// no stream can draw, say nothing.
  ///
  /// - Parameters:
  ///   - path: the model folder, or a file of weights.
  ///   - tokenizer: nil where none can be read; the settings beside it then say nothing.
  ///   - tokenizerPath: where the tokenizer is from: the model, or another folder or file.
  public static func marks(
    of model: some LanguageFunction, at path: String, tokenizer: (any Tokenizer)?, from tokenizerPath: String
  ) throws -> TextMarks {
    var begin: [Int32]?, ends: [Int32]?
    for name in [generationName, configurationName] where isFolder(path) && fileExists(path + "/" + name) {
      let fields = try ForeignConfiguration(readSmallFile(path + "/" + name), path: path + "/" + name)
      begin = try begin ?? fields.tokens("bos_token_id")
      ends = try ends ?? fields.tokens("eos_token_id")
    }
    let own = try tokenizer.map { try Tokenizers.marks(in: tokenizerPath, of: $0) }
    let known: (Int32) -> Bool = { (0..<model.vocabularySize).contains(Int($0)) }
    return TextMarks(
      begin: (begin ?? own?.begin.map { [$0] })?.first(where: known),
      ends: Set((ends ?? own?.end.map { [$0] } ?? []).filter(known)))
  }

  /// Keeps the marks beside the weights, as transformers does; those of an earlier model go.
  public static func save(_ marks: TextMarks, to folder: String) throws {
    guard !marks.isEmpty else {
      try? FileManager.default.removeItem(atPath: folder + "/" + generationName)
      return
    }
    try makeFolder(folder)
    let json = ForeignValue.object(marks.fields).json() + "\n"
    try AtomicFile.write(Array(json.utf8), to: folder + "/" + generationName)
  }
}

extension ForeignConfiguration {
  /// One id or several; nil where the field is not there.
  fileprivate func tokens(_ name: String) throws -> [Int32]? {
    let values: [ForeignValue]
    switch value(name) {
    case nil, .null?: return nil
    case .list(let list)?: values = list
    case let one?: values = [one]
    }
    return try values.map { value in
      guard case .count(let count) = value, let id = Int32(exactly: count) else {
        throw error(name, expected: "the id of a token or a list of ids", remedy: "mend the file")
      }
      return id
    }
  }
}
