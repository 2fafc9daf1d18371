/// Watches a stream of bytes for any of several stop strings, which may be spread over many tokens.
///
/// Only the longest tail that may still become a stop string is held back. The stream stops at the byte that
/// completes one first; if several end there, the longest counts. How the input is cut does not matter. Each
/// string is followed by the automaton of Knuth, Morris and Pratt (1977): the cost is constant per byte and
/// string, whatever the text.
public struct StopMatcher: Sendable {
  private let stops: [[UInt8]]
  /// For each string and each length matched: the longest shorter beginning that also ends there.
  private let fallbacks: [[Int]]
  /// For each string, how much of its beginning ends the input.
  private var matched: [Int]
  /// The bytes held back; fed to a fresh matcher they restore this one.
  public private(set) var pending: [UInt8] = []
  /// The string that ended the stream.
  public private(set) var found: [UInt8]?

  /// Watches for these strings from the start of a text; an empty one is a precondition failure. Without strings
  /// everything passes at once.
  public init(_ stops: [[UInt8]]) {
    precondition(stops.allSatisfy { !$0.isEmpty }, "StopMatcher: an empty stop string; leave it out")
    self.stops = stops
    fallbacks = stops.map(Self.fallbacks)
    matched = Array(repeating: 0, count: stops.count)
  }
  /// Watches for these strings in UTF-8.
  public init(_ stops: [String]) { self.init(stops.map { Array($0.utf8) }) }

  /// Whether a stop string has come; nothing passes from then on.
  public var isStopped: Bool { found != nil }

  /// Takes bytes, gives those that can no longer belong to a stop string. After a stop nothing passes: the
  /// string itself and what follows it are dropped.
  public mutating func feed(_ bytes: some Collection<UInt8>) -> (emit: [UInt8], stopped: Bool) {
    guard !isStopped else { return ([], true) }
    var all = pending
    all.reserveCapacity(pending.count + bytes.count)
    for byte in bytes {
      all.append(byte)
      if let stop = advance(byte) {
        found = stop
        pending = []
        return (Array(all.dropLast(stop.count)), true)
      }
    }
    let held = matched.max() ?? 0
    pending = Array(all.suffix(held))
    return (Array(all.dropLast(held)), false)
  }

  /// Gives what is held back, as the input has ended without a stop.
  public mutating func flush() -> [UInt8] {
    defer {
      pending = []
      matched = Array(repeating: 0, count: stops.count)
    }
    return pending
  }

  /// The longest string that this byte completes.
  private mutating func advance(_ byte: UInt8) -> [UInt8]? {
    var longest: [UInt8]?
    for index in stops.indices {
      let stop = stops[index]
      var length = matched[index]
      while length > 0 && stop[length] != byte { length = fallbacks[index][length] }
      if stop[length] == byte { length += 1 }
      matched[index] = length
      if length == stop.count && length > longest?.count ?? 0 { longest = stop }
    }
    return longest
  }

  private static func fallbacks(_ stop: [UInt8]) -> [Int] {
    var table = [0, 0]
    var length = 0
    for byte in stop.dropFirst() {
      while length > 0 && stop[length] != byte { length = table[length] }
      if stop[length] == byte { length += 1 }
      table.append(length)
    }
    return table
  }
}
