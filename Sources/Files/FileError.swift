/// What is wrong with a file, as one sentence a person can act on.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path of the file, or the name that a caller gave for bytes in memory.
  public let file: String
  /// Where in the file: a field, a tensor, a byte offset, or what was being done.
  public let place: String
  /// What a sound file has there.
  public let expected: String
  /// What is there instead.
  public let found: String
  /// What to do about it.
  public let remedy: String

  /// Takes the five parts of the sentence `file: place: expected …, found …; remedy`.
  public init(_ file: String, at place: String, expected: String, found: String, remedy: String) {
    self.file = file
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  public var description: String {
    "\(printable(file)): \(place): expected \(expected), found \(found); \(remedy)"
  }
}

extension FileError {
  /// The advice for a file that cannot be what was saved.
  package static let damaged = "the file is damaged: save or download it again"
}

/// Text from a file as it may stand in an error: one line, of bounded length, without control characters.
package func printable(_ text: some StringProtocol, limit: Int = 120) -> String {
  var shown = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    guard count < limit else { return shown + "…" }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
      shown += "\\u{" + String(scalar.value, radix: 16) + "}"
    default: shown.unicodeScalars.append(scalar)
    }
  }
  return shown
}

/// A name from a file in quotation marks.
package func quoted(_ name: some StringProtocol) -> String { "\"" + printable(name) + "\"" }
