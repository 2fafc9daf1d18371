// What a model is fed: every target right, every reset in place, the same after a resume.

import Foundation
import Testing

@testable import RunnelCorpora

@Suite("Samplers") struct SamplerTests {
  /// A corpus in which each id is its own place, so that ids tell where they come from.
  private func withCorpus(
    _ lengths: [Int], _ body: (Corpus) throws -> Void
  ) throws {
    try withFolder { folder in
      var next: Int32 = 0
      let texts = lengths.map { length in
        defer { next += Int32(length) }
        return Array(next..<next + Int32(length))
      }
      try makeCorpus(folder + "/a", texts, vocabulary: 60_000, frameBytes: 128)
      try body(Corpus(path: folder + "/a"))
    }
  }

  @Test(
    "lanes are contiguous text but for resets, and resets are where documents start",
    arguments: [(1, 7), (3, 10), (4, 64), (50, 3), (200, 5)])
  func lanes(_ shape: (lanes: Int, length: Int)) throws {
    let lengths = [10, 0, 25, 1, 40, 30]
    try withCorpus(lengths) { corpus in
      let starts = Set(corpus.documentStarts)
      var sampler = try SegmentSampler(
        corpus, range: 0..<corpus.count, lanes: shape.lanes, length: shape.length, seed: 9)
      var previous = [Int32?](repeating: nil, count: shape.lanes)
      var walked = 0
      for _ in 0..<60 {
        let segment = try sampler.next()
        for lane in 0..<shape.lanes {
          #expect(segment.resets[lane] == segment.resets[lane].sorted())
          let resets = Set(segment.resets[lane])
          #expect(resets.count == segment.resets[lane].count)
          for t in 0..<shape.length {
            let (input, target) = (
              segment.inputs[lane * shape.length + t], segment.targets[lane * shape.length + t]
            )
            #expect(target == input + 1)
            let isStretch = (walked + t) % max(1, 105 / shape.lanes) == 0
            let isBroken = previous[lane].map { $0 + 1 != input } ?? true
            if isBroken || starts.contains(Int(input)) { #expect(resets.contains(t)) }
            if resets.contains(t) { #expect(isBroken || isStretch || starts.contains(Int(input))) }
            previous[lane] = input
          }
        }
        walked += shape.length
      }
    }
  }

  @Test("an epoch covers all positions but fewer than there are lanes, each once")
  func coverage() throws {
    try withCorpus([500, 503]) { corpus in
      var sampler = try SegmentSampler(corpus, range: 100..<1003, lanes: 4, length: 225)
      for epoch in 0..<5 {
        #expect(sampler.epoch == epoch)
        let inputs = try sampler.next().inputs
        #expect(Set(inputs).count == 900 && inputs.allSatisfy { (100..<1002).contains($0) })
        if epoch == 0 { #expect(inputs[225] == 325) }
      }
    }
  }

  @Test("without resets at documents, only stretches and the end of the range reset")
  func carried() throws {
    try withCorpus([10, 10, 10, 10]) { corpus in
      var sampler = try SegmentSampler(
        corpus, range: 0..<40, lanes: 1, length: 39, seed: 1, resetAtDocuments: false)
      #expect(try sampler.next().resets == [[0]])
      #expect(try sampler.next().resets[0].count <= 2)
    }
  }

  @Test("a cursor goes on bit for bit, through JSON")
  func resume() throws {
    try withCorpus([300, 77, 400]) { corpus in
      var sampler = try SegmentSampler(corpus, lanes: 3, length: 50, seed: 4)
      for _ in 0..<7 { _ = try sampler.next() }
      let saved = try JSONEncoder().encode(sampler.cursor)
      let expected = try (0..<20).map { _ in try sampler.next() }
      let cursor = try JSONDecoder().decode(SegmentSampler.Cursor.self, from: saved)
      var resumed = try SegmentSampler(corpus, lanes: 3, length: 50, seed: 4)
      try resumed.restore(cursor)
      #expect(try (0..<20).map { _ in try resumed.next() } == expected)

      var other = try SegmentSampler(corpus, lanes: 3, length: 50, seed: 5)
      #expect(sentence { try other.restore(cursor) }.contains("is for the seed 4, here it is 5; resume with"))
      var fresh = try SegmentSampler(corpus, lanes: 3, length: 50, seed: 5)
      #expect(try fresh.next() == other.next())
    }
  }

  @Test("other seeds turn later epochs otherwise, the first is the text in order")
  func seeds() throws {
    try withCorpus([1000]) { corpus in
      var (a, b) = (
        try SegmentSampler(corpus, lanes: 2, length: 374, seed: 1),
        try SegmentSampler(corpus, lanes: 2, length: 374, seed: 2)
      )
      #expect(try a.next() == b.next())
      #expect(try a.next() != b.next())
    }
  }

  @Test(
    "a walk meets every target once, in order within its lane",
    arguments: [(1, 10), (1, 2000), (7, 16), (64, 3), (5000, 8)])
  func walk(_ shape: (lanes: Int, length: Int)) throws {
    try withCorpus([400, 0, 603]) { corpus in
      var walk = try SequentialSegments(
        corpus, range: 3..<1003, lanes: shape.lanes, length: shape.length)
      var targets: [Int32] = []
      var fresh: [Int32] = []
      while let segment = try walk.next() {
        #expect(segment.length <= shape.length)
        #expect(zip(segment.inputs, segment.targets).allSatisfy { $0 + 1 == $1 })
        targets += segment.targets
        for (lane, resets) in segment.resets.enumerated() {
          fresh += resets.map { segment.inputs[lane * segment.length + $0] }
        }
      }
      #expect(targets.count == walk.targetCount && targets.sorted() == Array(4..<1003))
      #expect(fresh.contains(3) && fresh.contains(400))
      if shape.lanes == 1 { #expect(targets == Array(4..<1003) && fresh == [3, 400]) }
    }
  }

  @Test("too little text is one sentence")
  func tooShort() throws {
    try withCorpus([3]) { corpus in
      for range in [0..<0, 1..<2] {
        #expect(
          sentence { _ = try SegmentSampler(corpus, range: range, lanes: 1, length: 1) }
            .contains("are too few to predict any: a split needs two"))
      }
      #expect(
        sentence { _ = try SequentialSegments(corpus, range: 2..<4, length: 1) }
          .hasSuffix("it holds 0..<3"))
      var sampler = try SegmentSampler(corpus, range: 0..<2, lanes: 3, length: 4)
      #expect(try sampler.next().inputs == [Int32](repeating: 0, count: 12))
    }
  }
}
