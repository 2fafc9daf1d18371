// The pieces of work of a build: many short documents together, or one stretch of a long one.

/// Documents as they were read, to be encoded by one thread.
struct DocumentUnit: Sendable {
  enum Kind: Sendable {
    /// Whole texts.
    case texts
    /// Whole lines of JSON, the first one's number, and the input that says what is read of them.
    case lines(first: Int, CorpusInput)
    /// A stretch of a document too long to be held.
    case stretch(LongDocument, isFirst: Bool, isLast: Bool)
  }
  var path: String
  var kind: Kind
  var bytes: [UInt8] = []
  /// Where each document ends in `bytes`.
  var ends: [Int] = []
  /// The lines, by their places in `ends`, that were too long and are left out; they are empty here.
  var tooLong: Set<Int> = []

  /// What tells a long document from others; its stretches are encoded one after the other.
  final class LongDocument: Sendable {}

  /// A unit is handed on when it has so many bytes, …
  static let bytes = 1 << 20
  /// … or so many documents.
  static let documents = 1 << 14
  /// A longer text is handed on in stretches. A line of JSON never is: it is read as a whole.
  static let longDocument = 8 << 20
}

/// Collects what a cutter finds into units.
struct UnitCollector {
  private let input: CorpusInput
  private var unit: DocumentUnit
  private var start = 0  // of the open document in the unit
  private var long: DocumentUnit.LongDocument?
  private var isFirstStretch = true
  private var line = 1
  /// Whether the rest of the open line is passed over.
  private var isSkipping = false

  init(_ input: CorpusInput) {
    self.input = input
    unit = DocumentUnit(path: input.path, kind: .texts)
  }

  mutating func take(_ event: DocumentEvent, _ body: (DocumentUnit) throws -> Void) throws {
    switch event {
    case .start: (start, isSkipping) = (unit.bytes.count, false)
    case .bytes(let bytes):
      guard !isSkipping else { return }
      var rest = bytes
      while !rest.isEmpty {
        let room = long == nil ? rest.count : max(1, DocumentUnit.bytes - unit.bytes.count)
        unit.bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(room)))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(room))
        try checkLength(body)
      }
    case .end:
      if let document = long {
        unit.kind = .stretch(document, isFirst: isFirstStretch, isLast: true)
        long = nil
        try handOn(body)
      } else {
        unit.ends.append(unit.bytes.count)
        if unit.bytes.count >= DocumentUnit.bytes || unit.ends.count >= DocumentUnit.documents {
          try flush(body)
        }
      }
    }
  }

  /// Hands on the documents collected.
  mutating func flush(_ body: (DocumentUnit) throws -> Void) throws {
    guard !unit.ends.isEmpty else { return }
    if input.format == .jsonLines {
      unit.kind = .lines(first: line, input)
      line += unit.ends.count
    } else {
      unit.kind = .texts
    }
    try handOn(body)
  }

  private mutating func checkLength(_ body: (DocumentUnit) throws -> Void) throws {
    let length = unit.bytes.count - start
    if input.format == .jsonLines {
      guard length > input.longestLine else { return }
      guard input.skipsBadLines else { throw input.isTooLong(line: line + unit.ends.count) }
      unit.bytes.removeLast(length)
      unit.tooLong.insert(unit.ends.count)
      isSkipping = true
    } else if let document = long {
      guard unit.bytes.count >= DocumentUnit.bytes else { return }
      unit.kind = .stretch(document, isFirst: isFirstStretch, isLast: false)
      isFirstStretch = false
      try handOn(body)
    } else if length > DocumentUnit.longDocument {
      let beginning = Array(unit.bytes[start...])
      unit.bytes.removeLast(length)
      try flush(body)
      let document = DocumentUnit.LongDocument()
      (long, isFirstStretch) = (document, false)
      unit.bytes = beginning
      unit.kind = .stretch(document, isFirst: true, isLast: false)
      try handOn(body)
    }
  }

  private mutating func handOn(_ body: (DocumentUnit) throws -> Void) throws {
    try body(unit)
    unit.bytes = []
    (unit.ends, unit.tooLong) = ([], [])
    start = 0
  }
}
