// The text in a stream of bytes, by whatever its first bytes say: unpacked, in UTF-8, without a byte order mark.

import RunnelFiles

/// Takes bytes as they come and gives out text in pieces, in constant memory but for the window of zstd.
///
/// Text is not checked: what is not UTF-8 passes as it is. What is known to be no text is refused in a sentence that says how
/// text comes out of it.
package struct TextStream: ~Copyable {
  private let path: String
  private let reader: String
  private let mustBeZstd: Bool
  private let comesLive: Bool

  private var hasBegun = false
  private var zstd: ZstdStream?
  private var wide: WideText?
  /// Text that has been made and not given out.
  private var ready: [UInt8] = []

  /// - Parameters:
  ///   - path: of the file, for errors.
  ///   - reader: the command that text can be piped into, for advice.
  ///   - mustBeZstd: whether its name says so.
  ///   - comesLive: text is given out as it comes, rather than once enough is there to know tar from text.
  package init(_ path: String, reader: String, mustBeZstd: Bool = false, comesLive: Bool = false) {
    (self.path, self.reader) = (path, reader)
    (self.mustBeZstd, self.comesLive) = (mustBeZstd, comesLive)
  }

  /// Whether text can be had that waits for no more bytes.
  package var isReady: Bool { !ready.isEmpty || zstd?.isReady == true }

  /// The next piece of text; nil at its end.
  ///
  /// - Parameter source: gives the next bytes; nil, or none, at their end.
  /// - Throws: `CorpusError` for what is no text, or damaged.
  package mutating func next(_ source: () throws -> [UInt8]?) throws -> [UInt8]? {
    if !hasBegun { try begin(source) }
    while true {
      if !ready.isEmpty {
        defer { ready = [] }
        return ready
      }
      let piece = try bytes(source)
      guard wide != nil else { return piece }
      ready = try widened(piece ?? [], isLast: piece == nil)
      if piece == nil && ready.isEmpty { return nil }
    }
  }

  /// Looks at the first bytes, and where these are zstd's, at those inside.
  private mutating func begin(_ source: () throws -> [UInt8]?) throws {
    hasBegun = true
    var (head, kind) = try beginning(source)
    switch kind {
    // What it is instead is told below.
    case .zstd, .other: break
    case .text, .wide:
      guard !mustBeZstd else {
        throw CorpusError(path, "does not begin as zstd data does: it is damaged, or not what its name says")
      }
    }
    if kind == .zstd {
      zstd = try ZstdStream(of: path, reader: reader)
      zstd?.take(head)
      (head, kind) = try beginning(source)
    }
    switch kind {
    case .text(let mark): ready = Array(head.dropFirst(mark))
    case .wide(let unit):
      wide = WideText(unit)
      ready = try widened(Array(head.dropFirst(unit.width)), isLast: false)
    case .zstd: throw CorpusError(path, "is zstd data within zstd data; unpack it first, with zstd -d")
    case .other(let signature):
      let place = zstd == nil ? "is" : "holds"
      let way = comesLive ? "" : "; --format bytes takes bytes as they are"
      throw CorpusError(path, "\(place) \(signature.what), not text; \(signature.advice(for: reader))\(way)")
    }
  }

  private mutating func beginning(_ source: () throws -> [UInt8]?) throws -> ([UInt8], FirstBytes) {
    var head: [UInt8] = []
    let patience = comesLive ? 1 : FirstBytes.enough
    while true {
      let more = try bytes(source)
      head += more ?? []
      if more == nil || head.count >= patience, let kind = FirstBytes(head, isAll: more == nil) {
        return (head, kind)
      }
    }
  }

  /// The next bytes that are not empty, unpacked where they are packed.
  private mutating func bytes(_ source: () throws -> [UInt8]?) throws -> [UInt8]? {
    while true {
      if let zstd, let piece = try zstd.next() { return piece }
      guard let more = try source(), !more.isEmpty else {
        try zstd?.finish()
        return nil
      }
      guard let zstd else { return more }
      zstd.take(more)
    }
  }

  private mutating func widened(_ bytes: [UInt8], isLast: Bool) throws -> [UInt8] {
    guard let unit = wide?.unit else { return bytes }
    do {
      return try wide?.decode(bytes, isLast: isLast) ?? []
    } catch {
      throw CorpusError(
        path, "is not sound \(unit.name): expected a character, found \(error.found)",
        offset: unit.width + error.offset)
    }
  }
}
