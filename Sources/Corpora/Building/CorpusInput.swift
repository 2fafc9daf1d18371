// Text for a corpus: which files, of which format, and where their documents end.

import Foundation
import RunnelFiles

/// One input of `corpus build`.
public struct CorpusInput: Sendable, Equatable {
  public enum Format: String, Sendable, CaseIterable {
    /// Bytes as they are, cut into documents as `documents` says.
    case text
    /// Every line is a JSON object with a field that is a document; blank lines are passed over.
    case jsonLines = "jsonl"
  }

  /// Where a document of a text ends. A document does not hold what separates it from the next, and a text
  /// makes no empty ones.
  public enum Documents: Sendable, Equatable {
    /// At the end of the file.
    case file
    /// With its line.
    case line
    /// At the next blank line.
    case paragraph
    /// At these bytes wherever they occur, and the line break that follows them if they do not end with one.
    case separator([UInt8])
  }

  /// How inputs are read, apart from their names.
  public struct Reading: Sendable, Equatable {
    /// What all inputs are taken for; nil to tell by the name.
    public var format: Format?
    public var documents: Documents
    /// The field of a line of JSON that holds the text, as names of fields from the outermost one.
    public var field: [String]

    public init(format: Format? = nil, documents: Documents = .file, field: [String] = ["text"]) {
      precondition(!field.isEmpty, "the field of the text has no name")
      (self.format, self.documents, self.field) = (format, documents, field)
    }
  }

  /// A file, or `-` for standard input.
  public var path: String
  /// What the corpus calls it: the name of the file, with those of folders below the one that was given.
  public var name: String
  public var format: Format
  public var documents: Documents
  public var field: [String]
  /// Whether the bytes are zstd frames; nil to tell by their first four.
  public var isCompressed: Bool?

  /// Takes the file at `path`, or `-`, for what its name says.
  ///
  /// - Throws: `CorpusError` when neither the name nor `reading` tells the format.
  public init(_ path: String, _ reading: Reading = Reading(), name: String? = nil) throws {
    let isCompressed = path.hasSuffix(".zst")
    guard let format = reading.format ?? Self.format(ofName: path) else {
      if path.hasSuffix(".gz") {
        throw CorpusError(
          path, "is compressed by gzip; give it through a pipe, as in: zcat FILE | runnel corpus build OUT -")
      }
      throw CorpusError(
        path,
        "unknown kind of input; expected .txt, .jsonl, either with .zst, a folder of these, or -; a --format "
          + "of text or jsonl takes it for that")
    }
    self.path = path
    self.name = name ?? fileName(of: path)
    self.format = format
    self.documents = reading.documents
    self.field = reading.field
    self.isCompressed = path == "-" ? nil : isCompressed
  }

  /// The format that a name stands for.
  static func format(ofName path: String) -> Format? {
    let name = path.hasSuffix(".zst") ? path.dropLast(4) : path[...]
    if name.hasSuffix(".jsonl") { return .jsonLines }
    return name.hasSuffix(".txt") || path == "-" ? .text : nil
  }

  /// The inputs that arguments stand for: files, `-`, and folders, which stand for the files below them whose
  /// names say what they are, in the order of their paths' bytes. With a format given they stand for all files.
  /// What begins with a dot is passed over, and so are links to folders.
  ///
  /// - Throws: `CorpusError` for a name that stands for nothing, or stdin named twice.
  public static func all(
    _ arguments: [String], _ reading: Reading = Reading()
  ) throws -> [CorpusInput] {
    guard arguments.filter({ $0 == "-" }).count < 2 else {
      throw CorpusError("-", "standard input can be read once; name it once")
    }
    return try arguments.flatMap { argument in
      guard argument != "-", isFolder(argument) else { return [try CorpusInput(argument, reading)] }
      var inputs: [CorpusInput] = []
      try collect(argument, below: "", reading, into: &inputs)
      guard !inputs.isEmpty else {
        throw CorpusError(
          argument,
          reading.format == nil
            ? "holds no .txt or .jsonl, nor either with .zst; a --format takes all its files"
            : "holds no files")
      }
      return inputs
    }
  }

  private static func collect(
    _ folder: String, below prefix: String, _ reading: Reading, into inputs: inout [CorpusInput]
  ) throws {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
      throw CorpusError(folder, "cannot be listed; check its permissions")
    }
    // A folder's name sorts as it stands in paths, with the slash behind it.
    let entries = names.filter { !$0.hasPrefix(".") }.map { name in
      (name: name, isFolder: isFolder(folder + "/" + name))
    }.sorted {
      ($0.name + ($0.isFolder ? "/" : "")).utf8.lexicographicallyPrecedes(
        ($1.name + ($1.isFolder ? "/" : "")).utf8)
    }
    for (name, isFolder) in entries {
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
      if isFolder {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
        try collect(path, below: prefix + name + "/", reading, into: &inputs)
      } else if reading.format != nil || format(ofName: name) != nil {
        inputs.append(try CorpusInput(path, reading, name: prefix + name))
      }
    }
  }

  /// The size on disk; nil for standard input and what cannot be asked.
  public var fileBytes: Int? {
    var status = stat()
    guard path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return nil
    }
    return Int(status.st_size)
  }
}
