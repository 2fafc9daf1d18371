// Which tokens are kept for validation: the tail, or documents chosen by their content.

import RunnelFiles

/// Where the validation split begins.
public enum ValidationSplit: Sendable, Equatable {
  /// Everything is for training.
  case none
  /// The last `fraction` of the tokens: training is ⌊count · (1 − fraction)⌋ tokens.
  case tail(Double)
  /// As `tail`, moved to the nearest start of a document so that none is cut.
  case tailOfDocuments(Double)
  /// From this token on.
  case token(Int)
  /// Each document by its content, about this fraction of them: those whose XXH64 (seed 0) of the first MiB of text, as a
  /// fraction of 2⁶⁴, is below it. In whatever order the documents come, and whatever others there are, each lands on the
  /// same side, and equal ones together.
  case byDocument(Double)

  /// What the header's `validation_by` calls it.
  var rule: String? {
    switch self {
    case .none, .token: nil
    case .tail: "tail"
    case .tailOfDocuments: "tail-of-documents"
    case .byDocument: "document"
    }
  }

  var fraction: Double? {
    switch self {
    case .none, .token: nil
    case .tail(let fraction), .tailOfDocuments(let fraction), .byDocument(let fraction): fraction
    }
  }

  var isByDocument: Bool {
    if case .byDocument = self { true } else { false }
  }

  /// The split that a header records, with another fraction if one is given; nil if it does not say.
  init?(recordedIn header: CorpusHeader, fraction: Double? = nil) {
    let isWhole = header.validationStart == header.tokens && header.validationBy == nil
    guard let fraction = fraction ?? header.validationFraction ?? (isWhole ? 0 : nil),
      (0..<1).contains(fraction)
    else { return nil }
    switch header.validationBy {
    case "document": self = .byDocument(fraction)
    case "tail-of-documents": self = .tailOfDocuments(fraction)
    default: self = fraction > 0 ? .tail(fraction) : .none
    }
  }

  /// The first token of the validation split of what has been written.
  func start(in assembly: inout CorpusAssembly) throws -> Int {
    let training = assembly.tokens(in: .training)
    switch self {
    case .none, .byDocument: return training
    case .token(let start):
      precondition((0...training).contains(start), "a split at token \(start) of \(training)")
      return start
    case .tail(let fraction): return try Self.tail(fraction, of: training, in: assembly.path)
    case .tailOfDocuments(let fraction):
      let goal = try Self.tail(fraction, of: training, in: assembly.path)
      assembly.documents[0].close()
      guard let start = try assembly.documents[0].start(nearest: goal, below: training) else {
        throw CorpusError(
          assembly.path, "holds no document boundary to split at; split by tokens instead")
      }
      return start
    }
  }

  /// ⌊count · (1 − fraction)⌋, with fractions such as 0.1 taken for the decimals they stand for.
  private static func tail(_ fraction: Double, of count: Int, in path: String) throws -> Int {
    guard (0..<1).contains(fraction) else {
      throw CorpusError(path, "a validation fraction of \(fraction) is not in 0 ..< 1")
    }
    let tokens = Double(count) * fraction
    return count - Int((tokens - 2 * tokens.ulp).rounded(.up))
  }
}

extension CorpusHeader {
  /// Notes how the validation split was chosen.
  mutating func record(_ split: ValidationSplit) {
    (validationBy, validationFraction) = (split.rule, split.fraction)
  }
}

/// What decides the split of a document, and what tells equal ones: hashes of its text.
enum DocumentHash {
  /// The bytes from its start that count for the split.
  static let splitBytes = 1 << 20

  static func split(_ text: UnsafeRawBufferPointer) -> UInt64 {
    xxh64(UnsafeRawBufferPointer(rebasing: text.prefix(splitBytes)))
  }

  /// Whether a document belongs to the validation split.
  static func isValidation(hash: UInt64, fraction: Double) -> Bool {
    // 53 bits: a Double holds them exactly.
    Double(hash >> 11) < fraction * 0x1p53
  }

  /// 128 bits that equal documents share and others do not.
  struct Content: Hashable, Sendable {
    var low: UInt64
    var high: UInt64

    init(_ text: UnsafeRawBufferPointer) {
      low = xxh64(text)
      high = xxh64(text, seed: 0x9E37_79B9)
    }
  }
}
