// The last stage of a build: encoded documents in the order of the input become frames, in that order.

import RunnelText

/// Sorts documents into the parts of a corpus and has their frames compressed by the workers.
struct OrderedWriter<Source: Tokenizer>: ~Copyable {
  private var assembly: CorpusAssembly
  private let workers: WorkQueue<BuildTools<Source>>
  /// Frames that may wait for their turn.
  private let mayWait: Int
  private let validationFraction: Double?
  private let removesDuplicates: Bool

  private var fillers: [FrameFiller]
  private var bytes = [0, 0]  // of token ids in each part
  private var frames: [(part: CorpusPart, frame: Promise<CompressedFrame>)] = []
  private var seen: Set<DocumentHash.Content> = []
  private var duplicates = 0
  private(set) var badLines = BadLines()
  private var part = CorpusPart.training  // of the document that is open

  init(
    assembly: consuming CorpusAssembly, workers: WorkQueue<BuildTools<Source>>, mayWait: Int,
    validationFraction: Double?, removesDuplicates: Bool
  ) {
    fillers = CorpusPart.allCases.map { [frameBytes = assembly.plan.frameBytes] _ in
      FrameFiller(frameBytes: frameBytes)
    }
    self.assembly = assembly
    (self.workers, self.mayWait) = (workers, mayWait)
    (self.validationFraction, self.removesDuplicates) = (validationFraction, removesDuplicates)
  }

  /// Tokens taken so far.
  var tokens: Int { (bytes[0] + bytes[1]) / assembly.plan.dtype.width }

  /// Takes the next documents, waiting for frames to be compressed where too many wait.
  mutating func take(_ unit: EncodedUnit, _ idle: () throws -> Void) throws {
    badLines.add(unit.badLines)
    var start = 0
    for (index, document) in unit.documents.enumerated() {
      defer { start = document.end }
      if index > 0 || unit.isBeginning {
        if removesDuplicates, let content = document.content, !seen.insert(content).inserted {
          duplicates += 1
          continue
        }
        part = .training
        if let validationFraction,
          DocumentHash.isValidation(hash: document.splitHash, fraction: validationFraction)
        {
          part = .validation
        }
        assembly.documents[part.rawValue].append(bytes[part.rawValue] / assembly.plan.dtype.width)
      }
      bytes[part.rawValue] += document.end - start
      let full = unit.tokens.withUnsafeBytes { tokens in
        fillers[part.rawValue].take(UnsafeRawBufferPointer(rebasing: tokens[start..<document.end]))
      }
      for frame in full { submit(frame) }
    }
    try write(leaving: mayWait, idle)
  }

  private mutating func submit(_ content: [UInt8]) {
    let promise = Promise<CompressedFrame>()
    workers.submit(isUrgent: true) { [path = assembly.path] tools in
      promise.fulfil(Result { try tools.compress(content, for: path) })
    }
    frames.append((part, promise))
  }

  /// Writes frames until no more than `count` wait, and those that are ready anyway.
  private mutating func write(leaving count: Int, _ idle: () throws -> Void) throws {
    var done = 0
    while done < frames.count, frames.count - done > count || frames[done].frame.isFulfilled {
      try assembly.append(frames[done].frame.value(idle), to: frames[done].part)
      done += 1
    }
    frames.removeFirst(done)
  }

  /// Writes what is left and what describes it.
  consuming func finish(
    validation: ValidationSplit, _ idle: () throws -> Void, _ complete: (inout CorpusHeader) -> Void
  ) throws -> CorpusHeader {
    for part in CorpusPart.allCases {
      self.part = part
      for frame in fillers[part.rawValue].flush() { submit(frame) }
    }
    try write(leaving: 0, idle)
    let start = try validation.start(in: &assembly)
    let duplicates = removesDuplicates ? self.duplicates : nil
    return try assembly.finish { header in
      header.validationStart = start
      header.record(validation)
      header.duplicatesRemoved = duplicates
      complete(&header)
    }
  }
}
