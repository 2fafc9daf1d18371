/// Bytes that a stage of a stream keeps because later ones may change what they mean.
///
/// A stage looks at what it kept each time more comes. Where that is much, one endless word say, it waits for an eighth
/// more, so that the time stays linear in the length of the text however it is cut.

struct HeldBytes: Sendable {
  private var bytes: [UInt8] = []
  private var patience = 0
  private static let isMuch = 4_096

  var isEmpty: Bool { bytes.isEmpty }

  /// Calls `body` with what was kept and the new bytes; it returns how many of these are done with.
  mutating func take(
    _ new: UnsafeBufferPointer<UInt8>, isFinal: Bool, _ body: (UnsafeBufferPointer<UInt8>) -> Int
  ) {
    if bytes.isEmpty {
      guard !new.isEmpty || isFinal else { return }
      let done = body(new)
      keep(UnsafeBufferPointer(rebasing: new[done...]))
      return
    }
    bytes.append(contentsOf: new)
    guard isFinal || bytes.count >= patience else { return }
    let done = bytes.withUnsafeBufferPointer(body)
    if done == bytes.count {
      // What was kept for one endless word is given back.
      bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 16)
    } else {
      bytes.removeFirst(done)
    }
    setPatience()
  }

  private mutating func keep(_ rest: UnsafeBufferPointer<UInt8>) {
    bytes.append(contentsOf: rest)
    setPatience()
  }
  private mutating func setPatience() {
    patience = bytes.count > Self.isMuch ? bytes.count + bytes.count / 8 : 0
  }
}
