// The first stage of a build: a thread that reads all inputs and hands out their documents to be encoded.

import Foundation
import RunnelText
import Synchronization

/// Reads inputs on a thread of its own.
final class InputReader: Sendable {
  /// The units in the order of the input, to come from whoever encodes them; an input's failure follows the
  /// units before it.
  let units: BoundedQueue<Promise<EncodedUnit>>
  private let inputs: [CorpusInput]
  private let count = Atomic(0)
  private let blank = Atomic(0)
  private let found = Mutex<[CorpusHeader.Source]>([])

  /// - Parameter capacity: bytes of text that may wait to be encoded and taken.
  init(_ inputs: [CorpusInput], capacity: Int) {
    self.inputs = inputs
    units = BoundedQueue(capacity: capacity)
  }

  /// The bytes read so far.
  var bytesRead: Int { count.load(ordering: .relaxed) }

  /// The blank lines of what has been read to its end, where lines are documents.
  var blankLines: Int { blank.load(ordering: .relaxed) }

  /// What has been read to its end.
  var sources: [CorpusHeader.Source] { found.withLock { $0 } }

  func start<Source: Tokenizer>(encodingOn workers: WorkQueue<BuildTools<Source>>) {
    let thread = Thread { [self] in
      do {
        for input in inputs {
          var cutter = DocumentCutter(input)
          var collector = UnitCollector(input)
          var long: LongEncoding<Source>?
          func handOn(_ unit: DocumentUnit) throws {
            let promise = Promise<EncodedUnit>()
            try units.push(promise, bytes: unit.bytes.count + 1)
            guard case .stretch(let document, let isFirst, let isLast) = unit.kind else {
              workers.submit { tools in
                promise.fulfil(Result { try tools.encoder.encode(unit) })
              }
              return
            }
            if long?.document !== document { long = LongEncoding(document) }
            long?.add(unit, isFirst: isFirst, isLast: isLast, promise, workers)
          }
          let source = try input.read(count: count) { piece in
            try cutter.take(piece) { try collector.take($0, handOn) }
          }
          try cutter.finish { try collector.take($0, handOn) }
          try collector.flush(handOn)
          blank.add(cutter.blankLines, ordering: .relaxed)
          found.withLock { $0.append(source) }
        }
        units.end()
      } catch {
        units.end(error)
      }
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Nobody wants more. The thread ends when it next has something to hand out.
  func close() { units.close() }
}

/// The stretches of one long document, encoded in order by whichever thread is free, one at a time.
private final class LongEncoding<Source: Tokenizer>: Sendable {
  let document: DocumentUnit.LongDocument

  private struct Stretch {
    var unit: DocumentUnit
    var isFirst: Bool
    var isLast: Bool
    var promise: Promise<EncodedUnit>
  }
  private struct State {
    var waiting: [Stretch] = []
    var isBusy = false
    /// The document's own, with what it knows of the stretches so far.
    var encoder: Source.Encoder?
  }
  private let state = Mutex(State())

  init(_ document: DocumentUnit.LongDocument) { self.document = document }

  func add(
    _ unit: DocumentUnit, isFirst: Bool, isLast: Bool, _ promise: Promise<EncodedUnit>,
    _ workers: WorkQueue<BuildTools<Source>>
  ) {
    let mustStart = state.withLock { state in
      state.waiting.append(Stretch(unit: unit, isFirst: isFirst, isLast: isLast, promise: promise))
      defer { state.isBusy = true }
      return !state.isBusy
    }
    if mustStart { submit(to: workers) }
  }

  private func submit(to workers: WorkQueue<BuildTools<Source>>) {
    workers.submit { [self] tools in
      let (next, kept) = state.withLock { state in
        (state.waiting.removeFirst(), state.encoder.take())
      }
      var encoder = kept
      next.promise.fulfil(
        Result {
          try tools.encoder.encode(
            stretch: next.unit, by: &encoder, isFirst: next.isFirst, isLast: next.isLast)
        })
      let goesOn = state.withLock { state in
        state.encoder = encoder
        state.isBusy = !state.waiting.isEmpty
        return state.isBusy
      }
      if goesOn { submit(to: workers) }
    }
  }
}
