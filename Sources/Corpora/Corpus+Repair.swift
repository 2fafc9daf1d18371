// What is left of a damaged corpus, made a sound one.

import RunnelFiles
import RunnelText

/// What a repair kept and what was lost.
public struct CorpusRepair: Sendable, Equatable, Encodable {
  /// Of the repaired corpus, as written.
  public var header: CorpusHeader
  /// Every damage, by the places of the damaged corpus.
  public var findings: [CorpusFinding]
  /// Tokens lost; nil where the header that counted them is lost too.
  public var tokensLost: Int?
  /// Data frames that were found but not sound.
  public var framesLost: Int
  /// Documents of which nothing is left.
  public var documentsLost: Int
  /// Documents that lost some of their tokens; each gap ends a document.
  public var documentsCut: Int

  enum CodingKeys: String, CodingKey {
    case header, findings
    case tokensLost = "tokens_lost"
    case framesLost = "frames_lost"
    case documentsLost = "documents_lost"
    case documentsCut = "documents_cut"
  }
}

extension Corpus {
  /// Writes a sound corpus of the undamaged frames, which are copied as they are.
  ///
  /// Documents that lost nothing keep their boundaries, empty ones too; one that lost tokens becomes a document for each
  /// stretch that is left of it. Where the boundaries are lost, each stretch between gaps is a document. The
  /// tokenizer's block is kept if it can be read. Nothing of the validation split moves into training.
  /// Memory: as the corpus itself.
  ///
  /// - Parameter path: of the new corpus.
  /// - Parameter progress: called with the share done; what it throws ends the work.
  /// - Throws: a sentence when no frame is sound or the disk is full; what stood at `path` stays then.
  public func repair(
    to path: String, progress: (Double) throws -> Void = { _ in }
  ) throws -> CorpusRepair {
    var found = findings
    var kept: TokenizerFile?
    do { kept = try tokenizerFile() } catch {
      let problem = error as? CorpusError
      found.append(CorpusFinding(problem?.message ?? "\(error)", offset: problem?.offset))
    }
    var assembly = try CorpusAssembly(path: path, plan: plan(keeping: kept))
    guard file.isCurrent else {
      throw CorpusError(self.path, "another process replaced it after it was read; repair it again")
    }
    var stretches: [Stretch] = []
    var count = 0
    var framesLost = 0
    var buffer = FrameBuffer()
    var end = 0  // of the frame before, in the file
    for (number, frame) in frames.enumerated() {
      defer { end = frame.entry.offset + frame.entry.size }
      let isWhole = frame.entry.contentSize % header.dtype.width == 0  // or a finding already
      let finding = damage(of: frame, &buffer)
      if let finding { found.append(finding) }
      guard isWhole, finding == nil else {
        framesLost += 1
        continue
      }
      try assembly.append(
        CompressedFrame(
          bytes: file.bytes(at: frame.entry.offset, count: frame.entry.size),
          contentSize: frame.entry.contentSize))
      let follows =
        stretches.last?.tokens.upperBound == frame.tokens.lowerBound
        && (knowsDocuments || end == frame.entry.offset)
      if follows {
        stretches[stretches.count - 1].extend(to: frame.tokens.upperBound)
      } else {
        stretches.append(Stretch(tokens: frame.tokens, start: count))
      }
      count += frame.tokens.count
      try progress(Double(number + 1) / Double(frames.count))
    }
    guard count > 0 else {
      throw CorpusError(self.path, "cannot be repaired: none of its frames is sound")
    }
    let documents = cut(into: stretches, of: count) { assembly.documents[0].append($0) }
    let boundary = Self.place(of: header.validationStart, in: stretches, count)
    let header = header
    let written = try assembly.finish { new in
      new.validationStart = boundary
      new.validationBy = header.validationBy
      new.validationFraction = header.validationFraction
      new.endOfDocument = header.endOfDocument
      new.duplicatesRemoved = header.duplicatesRemoved
      new.sources = header.sources
      new.task = header.task
    }
    return CorpusRepair(
      header: written, findings: found, tokensLost: declaredCount.map { max(0, $0 - count) },
      framesLost: framesLost, documentsLost: documents.lost, documentsCut: documents.cut)
  }

  /// Sound tokens without a gap, and where they stand in the repaired corpus.
  private struct Stretch {
    var tokens: Range<Int>
    var start: Int

    mutating func extend(to end: Int) { tokens = tokens.lowerBound..<end }
  }

  private func plan(keeping kept: TokenizerFile?) -> CorpusPlan {
    var tokenizer = header.tokenizer
    if declaredCount == nil {
      if let kept {
        tokenizer = .init(name: kept.name, sha256: kept.sha256)
      } else if (try? self.tokenizer()) is ByteTokenizer {
        tokenizer = .bytes
      }
    }
    return CorpusPlan(
      tokenizer: tokenizer, tokenizerFile: kept, vocabularySize: header.vocabularySize,
      level: declaredCount == nil ? 3 : header.level,
      frameBytes: declaredCount == nil
        ? frames.reduce(0) { max($0, $1.entry.contentSize) } : header.frameBytes)
  }

  /// Passes on where documents start in the repaired corpus.
  private func cut(
    into stretches: [Stretch], of kept: Int, _ append: (Int) -> Void
  ) -> (lost: Int, cut: Int) {
    var (lost, cut, next) = (0, 0, 0)
    for index in documentStarts.indices {
      let start = documentStarts[index]
      let end = index + 1 < documentStarts.count ? documentStarts[index + 1] : count
      while next < stretches.count, stretches[next].tokens.upperBound <= start { next += 1 }
      if start == end {
        append(Self.place(of: start, in: stretches[next...], kept))
        continue
      }
      var left = 0
      var i = next
      while i < stretches.count, stretches[i].tokens.lowerBound < end {
        let part = stretches[i].tokens.clamped(to: start..<end)
        append(stretches[i].start + part.lowerBound - stretches[i].tokens.lowerBound)
        left += part.count
        i += 1
      }
      if left == 0 { lost += 1 } else if left < end - start { cut += 1 }
    }
    return (lost, cut)
  }

  /// Where a token would stand in the repaired corpus: after all sound ones before it.
  private static func place(
    of token: Int, in stretches: some Sequence<Stretch>, _ total: Int
  ) -> Int {
    for stretch in stretches where token < stretch.tokens.upperBound {
      return stretch.start + max(0, token - stretch.tokens.lowerBound)
    }
    return total
  }
}
