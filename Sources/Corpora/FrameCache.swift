// The frames decoded last, and the decompressors waiting for the next: what readers share.

import Synchronization

/// A bounded cache of decoded frames for readers on any thread.
final class FrameCache: Sendable {
  private struct Entry {
    var bytes: [UInt8]
    var used: Int
  }

  private struct Contents {
    var entries: [Int: Entry] = [:]
    var bytes = 0
    var clock = 0
    var idle: [ZstdDecompressor] = []
  }

  private let capacity: Int
  private let contents = Mutex(Contents())

  /// A cache that holds `capacity` bytes of decoded frames, or a single larger frame.
  init(capacity: Int) { self.capacity = capacity }

  /// The decoded frame number `key`, if it is here.
  func frame(_ key: Int) -> [UInt8]? {
    contents.withLock { contents in
      contents.clock += 1
      contents.entries[key]?.used = contents.clock
      return contents.entries[key]?.bytes
    }
  }

  /// Keeps a decoded frame; those unused for longest give way.
  func keep(_ bytes: [UInt8], as key: Int) {
    contents.withLock { contents in
      contents.clock += 1
      if let old = contents.entries[key] { contents.bytes -= old.bytes.count }
      contents.entries[key] = Entry(bytes: bytes, used: contents.clock)
      contents.bytes += bytes.count
      while contents.bytes > capacity, contents.entries.count > 1,
        let oldest = contents.entries.min(by: { $0.value.used < $1.value.used })
      {
        contents.bytes -= oldest.value.bytes.count
        contents.entries[oldest.key] = nil
      }
    }
  }

  /// Lends a decompressor to `body`.
  func withDecompressor<R>(_ body: (ZstdDecompressor) throws -> R) throws -> R {
    let idle = contents.withLock { $0.idle.popLast() }
    let decompressor = try idle ?? ZstdDecompressor()
    defer { contents.withLock { $0.idle.append(decompressor) } }
    return try body(decompressor)
  }
}
