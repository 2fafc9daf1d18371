/// Chat templates: what transformers makes one text of a conversation with.

import Foundation
import RunnelFiles

/// The chat templates of a folder, to be kept beside a copy of its tokenizer; they are not applied here.
public struct ChatTemplates: Sendable, Equatable {
  static let fileName = "chat_template.jinja"
  /// Holds those that have names, each as NAME.jinja.
  static let folderName = "additional_chat_templates"
  private static let standard = "default", ending = ".jinja"
  private static let largest = 16 << 20

  /// By their names.
  private var texts: [String: [UInt8]] = [:]

  /// Those of a folder, in files of their own or in its `tokenizer_config.json`, as older ones have them; none of a file.
  ///
  /// - Throws: ``FileError`` where a template is too large, or `chat_template` is none.
  public init(in folder: String) throws(FileError) {
    guard isFolder(folder) else { return }
    let path = folder + "/" + TokenizerSettings.configurationName
    try read(try TokenizerSettings.object(path)?["chat_template"] ?? .null, in: path)
    // A file counts more than what is said elsewhere.
    let file = folder + "/" + Self.fileName
    if fileExists(file) { texts[Self.standard] = try Self.contents(of: file) }
    let named = folder + "/" + Self.folderName
    for name in (try? FileManager.default.contentsOfDirectory(atPath: named)) ?? []
    where name.hasSuffix(Self.ending) {
      texts[String(name.dropLast(Self.ending.count))] = try Self.contents(of: named + "/" + name)
    }
  }

  private static func contents(of path: String) throws(FileError) -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= largest else {
      throw FileError(
        path, at: "size", expected: "at most \(largest) bytes of a template", found: "\(file.size)",
        remedy: FileError.damaged)
    }
    return try file.bytes(at: 0, count: file.size)
  }

  /// A template, or a list of objects with `name` and `template`.
  private mutating func read(_ value: JSONValue, in path: String) throws(FileError) {
    func refuse(_ value: JSONValue) -> FileError {
      FileError(
        path, at: "field \"chat_template\"", expected: "a template, or a list of templates with names",
        found: value.description, remedy: "save the tokenizer again with its own library")
    }
    switch value {
    case .null: break
    case .string(let text): texts[Self.standard] = Array(text.utf8)
    case .array(let elements):
      for element in elements {
        // It becomes the name of a file.
        guard case .string(let name) = element["name"], case .string(let text) = element["template"],
          !name.isEmpty, !name.hasPrefix("."),
          !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
        else { throw refuse(element) }
        texts[name] = Array(text.utf8)
      }
    default: throw refuse(value)
    }
  }

  /// Writes them as transformers does, each into a file of its own; throws ``FileError`` where the folder refuses one.
  public func write(to folder: String) throws {
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
      guard name != Self.standard else {
        try AtomicFile.write(text, to: folder + "/" + Self.fileName)
        continue
      }
      let named = folder + "/" + Self.folderName
      try FileManager.default.createDirectory(atPath: named, withIntermediateDirectories: true)
      try AtomicFile.write(text, to: named + "/" + name + Self.ending)
    }
  }
}
