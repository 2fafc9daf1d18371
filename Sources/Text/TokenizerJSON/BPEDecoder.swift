/// Ids into bytes, by the text of each token.

/// The texts of all tokens.
struct BPEDecoding: Sendable {
  private var bytes: [UInt8] = []
  private var starts: [Int] = [0]
  /// Up to so many of these bytes are left out at the beginning of a text.
  var leading: (byte: UInt8, count: Int) = (0x20, 0)
  /// The first token of a text without its signs for spaces, where that differs.
  var firsts: [Int32: [UInt8]] = [:]
  /// The last token of a text, where that differs.
  var lasts: [Int32: [UInt8]] = [:]
  /// Between two tokens.
  var separator: [UInt8] = []

  /// Adds the text of the next id.
  mutating func append(_ text: some Collection<UInt8>) {
    bytes.append(contentsOf: text)
    starts.append(bytes.count)
  }
  var count: Int { starts.count - 1 }

  /// Nil for an id that is none.
  subscript(id: Int32) -> ArraySlice<UInt8>? {
    guard let index = Int(exactly: id), index >= 0, index < count else { return nil }
    return bytes[starts[index]..<starts[index + 1]]
  }
}

/// The stream from ids to bytes of a ``BPETokenizer``; some tokens have other bytes at the start of a text.
public struct BPEDecoder: TokenDecoder {
  private let plan: BPEPlan
  private var isFirst: Bool
  /// How many more bytes may be left out.
  private var leading: Int
  /// What the token before goes on with where another follows, and where it is the last.
  private var ending: (next: [UInt8], last: [UInt8]) = ([], [])

  init(_ plan: BPEPlan, continuing: Bool) {
    self.plan = plan
    isFirst = !continuing
    leading = continuing ? 0 : plan.decoding.leading.count
  }

  public mutating func feed(_ id: Int32, into bytes: inout [UInt8]) {
    let decoding = plan.decoding
    guard var text = decoding[id] else { return }
    bytes += ending.next
    ending = ([], [])
    if isFirst {
      if let first = decoding.firsts[id] { text = first[...] }
    } else {
      bytes += decoding.separator
    }
    isFirst = false
    while leading > 0, let first = text.first {
      guard first == decoding.leading.byte else {
        leading = 0
        break
      }
      text = text.dropFirst()
      leading -= 1
    }
    guard let last = decoding.lasts[id] else {
      bytes += text
      return
    }
    let shared = zip(text, last).prefix { $0 == $1 }.count
    bytes += text.prefix(shared)
    ending = (Array(text.dropFirst(shared)), Array(last.dropFirst(shared)))
  }

  public mutating func finish(into bytes: inout [UInt8]) {
    bytes += ending.last
    ending = ([], [])
    isFirst = true
    leading = plan.decoding.leading.count
  }
}
