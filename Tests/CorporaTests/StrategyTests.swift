// The laws of every way to read a text: each position once, resets in place, shares kept, places saved.

import Foundation
import Testing

@testable import RunnelCorpora

@Suite("Sampling strategies") struct StrategyTests {
  static let lengths = [10, 0, 25, 1, 40, 30, 2, 0, 100, 7]

  /// A corpus in which each id is its own place plus `offset`.
  private func corpus(
    _ path: String, _ lengths: [Int] = lengths, from offset: Int = 0,
    validation: ValidationSplit = .none
  ) throws -> Corpus {
    var next = Int32(offset)
    let texts = lengths.map { length in
      defer { next += Int32(length) }
      return Array(next..<next + Int32(length))
    }
    try makeCorpus(path, texts, vocabulary: 60_000, frameBytes: 128, validation: validation)
    return try Corpus(path: path)
  }

  /// What a lane reads, segment after segment, as (input, target, whether it resets).
  private struct Reader {
    var sampler: SegmentSampler
    private(set) var lanes: [[(input: Int32, target: Int32, isReset: Bool)]]

    init(_ sampler: SegmentSampler) {
      self.sampler = sampler
      lanes = Array(repeating: [], count: sampler.lanes)
    }

    mutating func read() throws {
      let segment = try sampler.next(), length = segment.length
      for lane in 0..<segment.lanes {
        #expect(segment.resets[lane] == Array(Set(segment.resets[lane])).sorted())
        for t in 0..<length {
          lanes[lane].append(
            (
              segment.inputs[lane * length + t], segment.targets[lane * length + t],
              segment.resets[lane].contains(t)
            ))
        }
      }
    }
  }

  @Test(
    "a permutation meets every number once, and seeds differ", arguments: [1, 2, 3, 5, 16, 17, 1000, 4097])
  func permutation(count: Int) {
    let one = Permutation(count: count, seed: 1), two = Permutation(count: count, seed: 2)
    let order = (0..<count).map { one[$0] }
    #expect(order.sorted() == Array(0..<count))
    guard count > 16 else { return }
    #expect(order != (0..<count).map { two[$0] })
    // No trace of the order before: neighbours stay neighbours about as often as chance has it.
    #expect(zip(order, order.dropFirst()).count { abs($0 - $1) == 1 } < 12)
  }

  @Test(
    "shuffled segments visit every position once an epoch, each from a fresh state", arguments: [1, 3, 5])
  func segments(lanes: Int) throws {
    try withFolder { folder in
      let corpus = try corpus(folder + "/a", [214])
      let sampler = try SegmentSampler(
        corpus, strategy: .segments, lanes: lanes, length: 16, seed: 5, resetAtDocuments: false)
      // 213 positions are 13 segments of 16 and one of 5; lcm(14, lanes) segments end an epoch.
      var reader = Reader(sampler)
      while reader.lanes[0].count / 16 * lanes < 14 * 15 { try reader.read() }
      #expect(reader.sampler.epoch == 15 && reader.sampler.epochs == [15])
      // Rows in the order in which they were taken.
      let rows = (0..<14 * 15).map { row in
        Array(reader.lanes[row % lanes][row / lanes * 16..<row / lanes * 16 + 16])
      }
      var orders: Set<[Int32]> = []
      for epoch in 0..<15 {
        let own = rows[14 * epoch..<14 * (epoch + 1)]
        let visited = own.joined().filter { $0.target >= 0 }
        #expect(visited.map(\.input).sorted() == Array(0..<213))
        #expect(visited.allSatisfy { $0.target == $0.input + 1 })
        #expect(own.allSatisfy { $0[0].isReset })
        #expect(own.joined().count { $0.isReset } <= 14 + 1)  // one where the ring closes
        orders.insert(own.map { $0[0].input })
      }
      #expect(orders.count == 15)
    }
  }

  @Test(
    "documents come whole, each of their tokens once an epoch, and nothing is predicted across their ends",
    arguments: [(1, 7), (3, 16), (4, 300)])
  func documents(_ shape: (lanes: Int, length: Int)) throws {
    try withFolder { folder in
      let corpus = try corpus(folder + "/a")
      var reader = Reader(
        try SegmentSampler(
          corpus, strategy: .documents, lanes: shape.lanes, length: shape.length, seed: 3))
      while reader.sampler.epoch < 4 { try reader.read() }
      var read: [Int32: Int] = [:]  // how often the document that starts with an id was read whole
      for lane in reader.lanes {
        var rest = lane[...]
        while let start = rest.first {
          #expect(start.isReset)
          let index = try corpus.document(containing: Int(start.input))
          let document = try corpus.documentRange(index)
          #expect(document.lowerBound == Int(start.input))
          let own = rest.prefix(document.count)
          #expect(own.map(\.input) == document.prefix(own.count).map(Int32.init))
          #expect(own.dropFirst().allSatisfy { !$0.isReset })
          for token in own {
            #expect(token.target == (Int(token.input) + 1 == document.upperBound ? -1 : token.input + 1))
          }
          if own.count == document.count { read[start.input, default: 0] += 1 }
          rest = rest.dropFirst(document.count)
        }
      }
      let whole = Self.lengths.count { $0 > 0 }
      #expect(read.count == whole && read.values.allSatisfy { $0 >= 4 })
      // Documents of an epoch are taken before those of the next; each lane is in the middle of one.
      #expect((read.values.max() ?? 0) - (read.values.min() ?? 0) <= 1 + shape.lanes)
    }
  }

  @Test("a split cuts the document that it cuts, and no more is read")
  func splitDocument() throws {
    try withFolder { folder in
      let corpus = try corpus(folder + "/a", [50, 50], validation: .tail(0.25))
      var sampler = try SegmentSampler(corpus, strategy: .documents, lanes: 1, length: 75, seed: 1)
      let segment = try sampler.next()
      #expect(Set(segment.inputs) == Set(0..<75) && segment.targets.count { $0 < 0 } == 2)
      #expect(segment.targets.max() == 74)
    }
  }

  @Test(
    "two or more corpora have their shares, to within one unit at every moment",
    arguments: [[0.7, 0.3], [0.5, 0.25, 0.25], [1, 5, 2, 0.1], [3, 3, 3]],
    [SamplingStrategy.segments, .lanes])
  func shares(_ weights: [Double], _ strategy: SamplingStrategy) throws {
    try withFolder { folder in
      // Lengths that are whole numbers of units, so that every unit has one size.
      let unit = strategy == .lanes ? 2 * SegmentSampler.stretchSegments : 2
      let corpora = try weights.indices.map {
        try corpus(folder + "/\($0)", [unit * (3 + $0) + 1], from: 10_000 * $0)
      }
      let mixture = try CorpusMixture(zip(corpora, weights).map { ($0, $1) })
      #expect(abs(mixture.parts.reduce(0) { $0 + $1.weight } - 1) < 1e-12)
      var sampler = try SegmentSampler(mixture, strategy: strategy, lanes: 3, length: 2, seed: 8)
      var counts = [Int](repeating: 0, count: weights.count)
      for step in 1...400 {
        for input in try sampler.next().inputs { counts[Int(input) / 10_000] += 1 }
        guard strategy == .segments || step % SegmentSampler.stretchSegments == 0 else { continue }
        for (part, count) in zip(mixture.parts, counts) {
          let exact = part.weight * Double(6 * step)
          #expect(abs(Double(count) - exact) <= Double(unit), "\(weights), step \(step)")
        }
      }
    }
  }

  @Test("a mixture's shares hold in tokens when documents differ in length")
  func documentShares() throws {
    try withFolder { folder in
      let mixture = try CorpusMixture([
        (corpus(folder + "/a", [3, 90, 5, 7, 60]), 0.7),
        (corpus(folder + "/b", [20, 20, 21], from: 10_000), 0.3),
      ])
      var sampler = try SegmentSampler(mixture, strategy: .documents, lanes: 2, length: 64, seed: 8)
      var count = 0
      for step in 1...300 {
        count += try sampler.next().inputs.count { $0 < 10_000 }
        // The longest document, and what lanes have begun but not read.
        #expect(abs(Double(count) - 0.7 * Double(128 * step)) < 90 + 2 * 90)
      }
      #expect(sampler.epochs[0] >= 300 * 128 * 7 / 10 / 165 - 2)
    }
  }

  /// Samplers of every strategy, of one corpus and of a mixture.
  private func samplers(_ folder: String) throws -> [SegmentSampler] {
    let a = try corpus(folder + "/a"), b = try corpus(folder + "/b", [31, 4, 60], from: 10_000)
    let mixture = try CorpusMixture([(a, 0.6), (b, 0.4)])
    return try SamplingStrategy.allCases.flatMap { strategy in
      try [CorpusMixture(a), mixture].map {
        try SegmentSampler($0, strategy: strategy, lanes: 3, length: 7, seed: 11)
      }
    }
  }

  @Test("from every place, a saved cursor goes on with the same bits, and a copy is independent")
  func cursors() throws {
    try withFolder { folder in
      for fresh in try samplers(folder) {
        var sampler = fresh
        for _ in 0..<80 {
          let saved = try JSONEncoder().encode(sampler.cursor)
          var resumed = fresh, copy = sampler
          try resumed.restore(JSONDecoder().decode(SegmentSampler.Cursor.self, from: saved))
          #expect(resumed.cursor == sampler.cursor)
          let expected = try (0..<4).map { _ in try copy.next() }
          #expect(try (0..<4).map { _ in try resumed.next() } == expected)
          #expect(try sampler.next() == expected[0])
        }
      }
    }
  }

  @Test("other data, other settings and impossible places are refused in a line that names them")
  func refusals() throws {
    try withFolder { folder in
      let all = try samplers(folder)
      var mixed = all[3]
      _ = try mixed.next()
      let cursor = mixed.cursor
      func refusal(_ change: (inout SegmentSampler.Cursor) -> Void) -> String {
        var changed = cursor, sampler = all[3]
        change(&changed)
        let text = sentence { try sampler.restore(changed) }
        #expect(sampler.cursor == all[3].cursor || text == "no error")
        #expect(!text.contains("\n"))
        return text
      }
      #expect(refusal { _ in } == "no error")
      #expect(refusal { $0.strategy = .lanes }.contains("the strategy lanes, here it is segments"))
      #expect(refusal { $0.lanes = 4 }.contains("the number of lanes 4, here it is 3"))
      #expect(refusal { $0.length = 8 }.contains("the segment length 8, here it is 7"))
      #expect(refusal { $0.seed = 1 }.contains("the seed 1, here it is 11"))
      #expect(refusal { $0.resetAtDocuments = false }.contains("reset at documents false"))
      #expect(refusal { $0.parts.removeLast() }.contains("number of corpora 1, here it is 2"))
      #expect(
        refusal { $0.parts[1].weight = 0.5 }.hasPrefix("\(folder)/b: the saved place is for the weight 0.5"))
      #expect(refusal { $0.parts[1].end = 90 }.contains("the last token 89, here it is 94"))
      #expect(
        refusal { $0.parts[0].fingerprint.tokens = 5 }.contains(
          "/a: the saved place is for the number of tokens 5"))
      #expect(
        refusal { $0.parts[0].fingerprint.documents = 5 }.contains("number of documents 5, here it is 10"))
      #expect(refusal { $0.parts[0].fingerprint.frameTable = "00" }.contains("hash of the frames 00"))
      #expect(refusal { $0.parts[0].fingerprint.frameTable = nil } == "no error")
      for change: (inout SegmentSampler.Cursor) -> Void in [
        { $0.places.removeLast() }, { $0.parts[0].taken = -1 }, { $0.parts[0].assigned = .max },
        { $0.places[0] = .init(part: 2, unit: 0, offset: 0) },
        { $0.places[0] = .init(part: 0, unit: 99, offset: 0) },
        { $0.places[0] = .init(part: 0, unit: 0, offset: 7) },
        { $0.places[0] = .init(part: 0, unit: -1, offset: 0) },
        { $0.places[0] = .init(part: 0, unit: 0, offset: -1) },
      ] {
        #expect(refusal(change).contains("none that a sampler of these settings comes to"))
      }
    }
  }

  @Test("a user's list of corpora is read as it is written")
  func names() throws {
    try withFolder { folder in
      let a = folder + "/a", b = folder + "/b:2", both = folder + "/a:1,b"
      for path in [a, b, both] { _ = try corpus(path, [20]) }
      func parts(_ text: String) throws -> [String: Double] {
        let mixture = try CorpusMixture(named: text)
        #expect(try CorpusMixture(named: mixture.name).parts.map(\.weight) == mixture.parts.map(\.weight))
        return Dictionary(uniqueKeysWithValues: mixture.parts.map { ($0.corpus.path, $0.weight) })
      }
      #expect(try parts(a) == [a: 1])
      #expect(try parts(both) == [both: 1])
      #expect(try parts("\(a):3,\(b):1") == [a: 0.75, b: 0.25])
      #expect(try parts("\(a),\(b)") == [a: 0.5, b: 0.5])
      #expect(try parts("\(a):0.3") == [a: 1])
      #expect(sentence { _ = try parts("\(a):1,\(b)") }.contains("1 of 2 corpora have a weight"))
      // A sum beyond all numbers is none of the user's business.
      let large = try CorpusMixture(named: "\(a):1.7e308,\(b):0.85e308").parts.map(\.weight)
      #expect(abs(large[0] - 2.0 / 3) < 1e-12 && abs(large[1] - 1.0 / 3) < 1e-12, "\(large)")
      #expect(sentence { _ = try parts("\(a):1e-300,\(b):1e300") }.contains("leave it out or raise it"))
      #expect(sentence { _ = try parts("\(a):0,\(b):1") }.contains("its weight in the mixture is 0.0"))
      #expect(sentence { _ = try parts("\(a):nan,\(b):1") }.contains("weight in the mixture is nan"))
      #expect(sentence { _ = try parts("\(a):1,\(folder)/c:1") }.contains("\(folder)/c"))
    }
  }

  @Test("a mixture has one tokenizer")
  func tokenizers() throws {
    try withFolder { folder in
      let a = try corpus(folder + "/a", [20])
      try makeCorpus(folder + "/b", [[1, 2, 3]], vocabulary: 256)
      let text = sentence { _ = try CorpusMixture([(a, 1), (Corpus(path: folder + "/b"), 1)]) }
      #expect(
        text.hasPrefix("\(folder)/b: its tokens are of tokenizer bytes with 256 ids, those of \(folder)/a of")
      )
    }
  }

  @Test("documents without a second token are nothing to predict")
  func singleTokens() throws {
    try withFolder { folder in
      let corpus = try corpus(folder + "/a", [1, 1, 0, 1])
      #expect(
        sentence { _ = try SegmentSampler(corpus, strategy: .documents, lanes: 1, length: 4) }
          .contains("no document has two tokens"))
    }
  }

  @Test("working ahead gives the same segments, shared by copies")
  func prefetching() throws {
    try withFolder { folder in
      for sampler in try samplers(folder) {
        var plain = sampler, ahead = Prefetcher(sampler), beside = Prefetcher(sampler, isAhead: false)
        for _ in 0..<30 {
          let expected = try plain.next()
          var copy = ahead
          #expect(try ahead.next() == expected)
          #expect(try copy.next() == expected)
          #expect(try beside.next() == expected)
          #expect(ahead.sampler.cursor == plain.cursor && copy.sampler.cursor == plain.cursor)
          ahead = copy
        }
        #expect(ahead.secondsWaited > 0)
      }
    }
  }

  @Test("a damaged frame fails the segment that it is in, every time, and not the ones before")
  func damage() throws {
    try withFolder { folder in
      let corpus = try corpus(folder + "/a", [640])
      var file = try bytes(of: folder + "/a")
      let frame = corpus.frames[4]
      for i in 12..<24 { file[frame.entry.offset + i] ^= 0x55 }
      try write(file, to: folder + "/a")
      var data = Prefetcher(try SegmentSampler(Corpus(path: folder + "/a"), lanes: 1, length: 64))
      // A frame holds 64 tokens, and the target of the fourth segment's last input is in the fifth frame.
      for _ in 0..<3 { _ = try data.next() }
      let place = data.sampler.cursor
      for _ in 0..<3 {
        #expect(sentence { _ = try data.next() }.contains("frame \(frame.number)"))
        #expect(data.sampler.cursor == place)
      }
    }
  }
}
