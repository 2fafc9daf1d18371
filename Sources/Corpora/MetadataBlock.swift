// The payload of our skippable frames: a tag, a version, a body and a checksum (format, section 3).

import RunnelFiles

/// What rides in a skippable frame of a corpus.
enum MetadataBlock {
  /// First frame of the file: enough to read the tokens if all else is lost.
  case preamble(width: Int, vocabularySize: Int)
  /// The starts of consecutive documents, in tokens.
  case documents(first: Int, starts: [Int])
  /// The JSON header.
  case header(CorpusHeader)
  /// The tokenizer's file, compressed; it is unpacked when it is asked for.
  case tokenizer
  /// Somebody else's skippable frame, or a kind of block newer than this reader: passed over.
  case unknown

  /// The magic number of skippable frames that hold our blocks.
  static let magic: UInt32 = 0x184D_2A52

  private static let overhead = 4 + 4 + 8  // tag, version, checksum

  /// Wraps a body as a whole skippable frame.
  static func frame(tag: String, body: [UInt8]) -> [UInt8] {
    var payload = Array(tag.utf8)
    payload.append(littleEndian: UInt32(1))
    payload += body
    payload.append(littleEndian: payload.withUnsafeBytes { xxh64($0) })
    var frame: [UInt8] = []
    frame.append(littleEndian: magic)
    frame.append(littleEndian: UInt32(payload.count))
    return frame + payload
  }

  /// The first frame of a file.
  static func preambleFrame(width: Int, vocabularySize: Int) -> [UInt8] {
    var body: [UInt8] = []
    body.append(littleEndian: UInt32(width))
    body.append(littleEndian: UInt64(vocabularySize))
    return frame(tag: "RNLB", body: body)
  }

  /// Reads the payload of a skippable frame with our magic.
  init(payload: [UInt8]) throws(CorpusProblem) {
    guard payload.count >= Self.overhead else {
      throw CorpusProblem("a metadata frame of \(payload.count) bytes is too short")
    }
    let sealed = payload.count - 8
    let hash = payload.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[..<sealed])) }
    guard hash == payload.integer(at: sealed, as: UInt64.self) else {
      throw CorpusProblem("the checksum of a metadata frame does not match: it is damaged")
    }
    let body = Array(payload[8..<sealed])
    let version = payload.integer(at: 4, as: UInt32.self)
    let tag = payload[..<4]
    guard ["RNLB", "RNLD", "RNLH", "RNLT"].contains(where: { tag.elementsEqual($0.utf8) }) else {
      self = .unknown
      return
    }
    guard version == 1 else {
      throw CorpusProblem("format version \(version), this reader knows 1; use a newer runnel")
    }
    if tag.elementsEqual("RNLH".utf8) {
      self = .header(try CorpusHeader(json: body))
    } else if tag.elementsEqual("RNLT".utf8) {
      self = .tokenizer
    } else if tag.elementsEqual("RNLD".utf8) {
      self = try Self.documents(body)
    } else {
      guard body.count == 12 else { throw CorpusProblem("the preamble has the wrong size") }
      let width = Int(body.integer(at: 0, as: UInt32.self))
      let vocabulary = body.integer(at: 4, as: UInt64.self)
      guard (1...UInt64(Limits.vocabulary)).contains(vocabulary),
        width == CorpusHeader.TokenType(vocabularySize: Int(vocabulary)).width
      else {
        throw CorpusProblem("the preamble has an impossible width or vocabulary")
      }
      self = .preamble(width: width, vocabularySize: Int(vocabulary))
    }
  }

  private static func documents(_ body: [UInt8]) throws(CorpusProblem) -> MetadataBlock {
    guard body.count >= 16 else { throw CorpusProblem("a frame of documents is too short") }
    let first = body.integer(at: 0, as: UInt64.self)
    let count = body.integer(at: 8, as: UInt64.self)
    guard first <= 1 << 48, count <= UInt64(min(body.count - 16, Limits.documentsPerBlock)) else {
      throw CorpusProblem("a frame of documents claims more of them than it can hold")
    }
    var starts: [Int] = []
    starts.reserveCapacity(Int(count))
    var offset = 16
    var start: UInt64 = 0
    for _ in 0..<count {
      var delta: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        guard offset < body.count, shift < 63 else {
          throw CorpusProblem("a document's offset is cut short or too long")
        }
        let byte = body[offset]
        offset += 1
        delta |= UInt64(byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      start &+= delta
      guard start <= 1 << 48 else { throw CorpusProblem("a document's offset is out of range") }
      starts.append(Int(start))
    }
    guard offset == body.count else {
      throw CorpusProblem("a frame of documents has bytes left over")
    }
    return .documents(first: Int(first), starts: starts)
  }
}

/// Collects document starts, compactly, into blocks.
struct DocumentBlocks {
  private(set) var count = 0
  private(set) var frames: [[UInt8]] = []
  private var varints: [UInt8] = []
  private var first = 0
  private var previous = 0

  /// Notes that a document starts at token `start`, not before the one noted last.
  mutating func append(_ start: Int) {
    var delta = UInt64(start - previous)
    while delta >= 0x80 {
      varints.append(UInt8(delta & 0x7F) | 0x80)
      delta >>= 7
    }
    varints.append(UInt8(delta))
    previous = start
    count += 1
    if count - first == Limits.documentsPerBlock { close() }
  }

  /// The start strictly between 0 and `count` tokens that is nearest to `goal`; blocks are closed.
  func start(nearest goal: Int, below count: Int) throws(CorpusProblem) -> Int? {
    var best: Int?
    for frame in frames {
      guard case .documents(_, let starts) = try MetadataBlock(payload: Array(frame[8...])) else {
        continue
      }
      for start in starts where start > 0 && start < count {
        if best.map({ abs(start - goal) < abs($0 - goal) }) ?? true { best = start }
      }
    }
    return best
  }

  /// Adds the documents of `other`, whose blocks are closed, each `shift` tokens later.
  mutating func append(_ other: DocumentBlocks, shiftedBy shift: Int) throws(CorpusProblem) {
    for frame in other.frames {
      guard case .documents(_, let starts) = try MetadataBlock(payload: Array(frame[8...])) else {
        continue
      }
      for start in starts { append(start + shift) }
    }
  }

  /// Ends the current block; the next one starts anew from an absolute offset.
  mutating func close() {
    guard count > first else { return }
    var body: [UInt8] = []
    body.append(littleEndian: UInt64(first))
    body.append(littleEndian: UInt64(count - first))
    frames.append(MetadataBlock.frame(tag: "RNLD", body: body + varints))
    varints.removeAll(keepingCapacity: true)
    (first, previous) = (count, 0)
  }
}

extension [UInt8] {
  mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// The little-endian integer at `offset`; the caller has checked that it lies inside.
  func integer<T: FixedWidthInteger>(at offset: Int, as type: T.Type) -> T {
    withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
  }
}
