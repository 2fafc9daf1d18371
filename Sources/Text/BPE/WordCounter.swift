/// What BPE is trained from: how often each word occurs.

import Dispatch
import Synchronization

/// Counts the words of documents as they stream by, cut as GPT-2 cuts them, on several threads.
///
/// Text is cut into pieces before a space that follows a word, where a word ends whatever comes, and the pieces
/// are counted wherever there is room. Each thread has a table of its own; adding them up at the end gives the
/// same counts for any number of threads. Memory is that of the distinct words and a few pieces for each
/// thread; a stretch of text without any space is held whole.
public final class WordCounter {
  private static let pieceSize = 1 << 18
  /// Pieces that wait for one thread before the caller's own thread counts too.
  private static let depth = 3

  private final class Worker: @unchecked Sendable {
    let queue = DispatchQueue(label: "runnel.words")
    /// Touched on the queue alone until the end.
    var counts = WordCounts()
    let waiting = Atomic<Int>(0)

    func take(_ piece: [UInt8]) {
      waiting.add(1, ordering: .relaxed)
      queue.async {
        WordCounter.count(piece, into: &self.counts)
        self.waiting.subtract(1, ordering: .relaxed)
      }
    }
  }

  private let workers: [Worker]
  private var own = WordCounts()
  private var pending: [UInt8] = []
  /// No cut lies before this place in `pending`.
  private var searched = 0

  /// All bytes of finished documents.
  public private(set) var bytes = 0
  /// How many documents have ended.
  public private(set) var documents = 0

  /// - Parameter threads: how many count, the caller's own among them.
  public init(threads: Int = 1) {
    precondition(threads > 0, "WordCounter: the number of threads must be positive, not \(threads)")
    workers = (1..<threads).map { _ in Worker() }
  }

  /// Takes bytes of the document.
  public func feed(_ text: UnsafeRawBufferPointer) {
    bytes += text.count
    var rest = text[...]
    while !rest.isEmpty {
      let room = max(Self.pieceSize, pending.count) + Self.pieceSize - pending.count
      pending.append(contentsOf: rest.prefix(room))
      rest = rest.dropFirst(room)
      if pending.count >= Self.pieceSize { cut() }
    }
  }
  /// Takes bytes of the document, from any collection.
  public func feed(_ text: some Collection<UInt8>) {
    ContiguousArray(text).withUnsafeBytes { feed($0) }
  }

  /// The document ends: words never span two.
  public func finishDocument() {
    if !pending.isEmpty { hand(pending) }
    pending.removeAll(keepingCapacity: true)
    searched = 0
    documents += 1
  }

  /// The counts of everything so far, once all threads are done.
  package func withCounts<Result>(_ body: (borrowing WordCounts) -> Result) -> Result {
    if !pending.isEmpty { finishDocument() }
    for worker in workers {
      worker.queue.sync {}
      own.add(worker.counts)
      worker.counts.removeAll()
    }
    return body(own)
  }

  /// Hands on what lies before the last place where a word surely ends.
  private func cut() {
    let place = pending.withUnsafeBufferPointer { bytes in
      var index = bytes.count - 1
      while index > searched {
        if (bytes[index] == 0x20 || bytes[index] == 0x0A) && Self.endsWord(bytes[index - 1]) { return index }
        index -= 1
      }
      return 0
    }
    guard place > 0 else {
      searched = pending.count - 1
      return
    }
    hand(Array(pending[..<place]))
    pending.removeSubrange(..<place)
    searched = 0
  }

  /// Whether a character that ends with this byte cannot be a space. The wider spaces end with a few bytes that
  /// end other characters as well.
  private static func endsWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x09...0x0D, 0x20, 0x80...0x8A, 0x9F, 0xA0, 0xA8, 0xA9, 0xAF: false
    default: true
    }
  }

  private func hand(_ piece: [UInt8]) {
    let loads = workers.map { $0.waiting.load(ordering: .relaxed) }
    if let least = loads.min(), least < Self.depth, let index = loads.firstIndex(of: least) {
      workers[index].take(piece)
    } else {
      Self.count(piece, into: &own)
    }
  }

  private static func count(_ piece: [UInt8], into counts: inout WordCounts) {
    let table = CharacterClasses.table
    piece.withUnsafeBufferPointer { bytes in
      var start = 0
      while start < bytes.count {
        let end = WordScanner.gpt2.end(bytes, start, isFinal: true, table)
        counts.add(UnsafeBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
    }
  }
}
