// Text for a corpus: which files, of which format, and where their documents end.

import Foundation
import RunnelFiles

/// One input of `corpus build`.
public struct CorpusInput: Sendable, Equatable {
  /// What the bytes of an input are.
  public enum Format: String, Sendable, CaseIterable {
    /// Text, cut into documents as `documents` says. It is unpacked from zstd, and made UTF-8 of what a byte order mark says
    /// is UTF-16 or UTF-32; what is not valid stays as it is.
    case text
    /// Every line is a JSON object with a field that is a document; blank lines are passed over.
    case jsonLines = "jsonl"
    /// As `text`, but taken as it is: nothing is unpacked, and a byte order mark is text.
    case bytes
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
    /// Where a document of a text ends.
    public var documents: Documents
    /// The field of a line of JSON that holds the text, as names of fields from the outermost one.
    public var field: [String]
    /// Whether lines that are no JSON, or have no such field, are counted and left out rather than end the work.
    public var skipsBadLines: Bool

    /// By default the name tells the format, and a file is one document; an empty `field` is a precondition failure.
    public init(
      format: Format? = nil, documents: Documents = .file, field: [String] = ["text"],
      skipsBadLines: Bool = false
    ) {
      precondition(!field.isEmpty, "the field of the text has no name")
      (self.format, self.documents, self.field) = (format, documents, field)
      self.skipsBadLines = skipsBadLines
    }
  }

  /// A file, or `-` for standard input.
  public var path: String
  /// What the corpus calls it: the name of the file, with those of folders below the one that was given.
  public var name: String
  /// What its bytes are.
  public var format: Format
  /// Where its documents end, if it is text.
  public var documents: Documents
  /// The field of a line of JSON that holds the text, as names of fields from the outermost one.
  public var field: [String]
  /// Whether lines that are no JSON, or have no such field, are counted and left out rather than end the work.
  public var skipsBadLines: Bool
  /// A line of JSON of more bytes is bad, and never held in memory.
  var longestLine = 256 << 20
  /// The bytes of a path that is not UTF-8; `path` shows it.
  var location: [UInt8]?

  /// Takes the file at `path`, or `-`, for what its name says. A pipe, such as a shell's `<(command)`, is taken for text.
  ///
  /// - Throws: `CorpusError` when neither the name nor `reading` tells the format.
  public init(_ path: String, _ reading: Reading = Reading(), name: String? = nil) throws {
    guard let format = reading.format ?? Self.format(ofName: path) ?? (isPipe(path) ? .text : nil) else {
      if let kind = Self.otherKind(path) { throw CorpusError(path, "is " + kind) }
      throw CorpusError(
        path,
        "unknown kind of input; expected .txt, .jsonl, either with .zst, a folder of these, or -; a --format "
          + "of text or jsonl takes it for that")
    }
    self.init(path, reading, as: format, name: name ?? fileName(of: path))
  }

  init(_ path: String, _ reading: Reading, as format: Format, name: String, location: [UInt8]? = nil) {
    (self.path, self.name, self.format, self.location) = (path, name, format, location)
    (documents, field, skipsBadLines) = (reading.documents, reading.field, reading.skipsBadLines)
  }

  func isTooLong(line: Int) -> FileError {
    FileError(
      path, at: "line \(line)", expected: "at most \(longestLine) bytes", found: "more",
      remedy: "check that it is .jsonl; --skip-bad-lines leaves such lines out")
  }

  /// The format that a name stands for, in letters of either case.
  static func format(ofName path: String) -> Format? {
    let whole = path.lowercased(), name = isNamedZstd(path) ? whole.dropLast(4) : whole[...]
    if name.hasSuffix(".jsonl") { return .jsonLines }
    return name.hasSuffix(".txt") || path == "-" ? .text : nil
  }

  static func isNamedZstd(_ path: String) -> Bool { path.lowercased().hasSuffix(".zst") }

  /// The command that takes the text of a file that cannot be read as it is.
  static func command(takingLines isLines: Bool) -> String {
    "runnel corpus build OUT -" + (isLines ? " --format jsonl" : "")
  }

  /// What a file is by its name that is no text, and the way to its text.
  static func otherKind(_ path: String) -> String? {
    Signature.named(path).map {
      "\($0.what) by its name, not text; \($0.advice(for: command(takingLines: path.lowercased().contains(".jsonl"))))"
    }
  }

  /// The size on disk; nil for standard input and what cannot be asked.
  public var fileBytes: Int? {
    var status = stat()
    guard path != "-", (location ?? Array(path.utf8)).withPath({ stat($0, &status) }) == 0,
      status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return Int(status.st_size)
  }
}
