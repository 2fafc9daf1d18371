// Each task's documents are what the papers say, and every answer follows from what stands before.

import Foundation
import RunnelFiles
import RunnelSynthesis
import Testing

@testable import RunnelCorpora

@Suite("Synthetic tasks") struct TaskTests {
  private func documents<Task: SyntheticTask>(_ task: Task, _ count: Int, seed: UInt64 = 5) -> [[Int32]] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in task.document(using: &generator) }
  }

  /// Tasks of every kind in several sizes, the smallest among them.
  private static let sizes: [(name: String, settings: [String: Double])] = [
    ("selective-copy", [:]), ("selective-copy", ["length": 3, "data": 1, "vocabulary": 3]),
    ("selective-copy", ["length": 64, "data": 30, "vocabulary": 300]),
    ("selective-copy", ["length": 64, "shortest": 17, "data": 8]),
    ("induction", [:]), ("induction", ["length": 40, "shortest": 4]),
    ("induction", ["length": 4, "vocabulary": 2]),
    ("induction", ["length": 5000, "vocabulary": 64]),
    ("mqar", [:]), ("mqar", ["length": 4, "pairs": 1, "vocabulary": 4]),
    ("mqar", ["length": 65, "pairs": 16, "vocabulary": 34, "power": 1]),
    ("dyck", [:]), ("dyck", ["length": 2, "kinds": 1, "depth": 1]),
    ("dyck", ["length": 300, "kinds": 3, "depth": 40]),
    ("modular", [:]), ("modular", ["modulus": 2, "terms": 1, "operators": 1]),
    ("modular", ["modulus": 7, "terms": 60, "fewest_terms": 60, "operators": 2]),
  ]

  @Test("have ids in the vocabulary, at least one answer, and an oracle that is always right")
  func oracle() throws {
    func check<Task: SyntheticTask>(_ type: Task.Type, _ settings: [String: Double]) throws {
      let task = try Task(settings: settings)
      for document in documents(task, 60) {
        #expect(document.allSatisfy { $0 >= 0 && Int($0) < task.vocabularySize })
        let answers = task.answers(in: document)
        let isAsked = !answers.isEmpty || Task.self == Dyck.self
        #expect(isAsked, "\(document)")
        for place in answers {
          let known = Array(document[..<place])
          #expect(solve(task, known, count: document.count) == document[place], "\(type) \(document)")
        }
      }
    }
    for (name, settings) in Self.sizes {
      let type = try #require(SyntheticTasks.named(name) as (any SyntheticTask.Type)?)
      try check(type, settings)
    }
  }

  /// Answers from what stands before, by other means than the generators'.
  private func solve(_ task: some SyntheticTask, _ known: [Int32], count: Int) -> Int32? {
    switch task {
    case is SelectiveCopying:
      guard let marker = known.firstIndex(of: 1) else { return nil }
      let data = known[..<marker].filter { $0 != 0 }
      return data[known.count - marker - 1]
    case is InductionHeads:
      guard let place = known.firstIndex(of: 0) else { return nil }
      return known[place + 1]
    case let task as AssociativeRecall:
      guard let query = known.last else { return nil }
      let keys = stride(from: 0, to: 2 * task.pairs, by: 2)
      return keys.first { known[$0] == query }.map { known[$0 + 1] }
    case let task as Dyck:
      // The last bracket that no later one closes: read backwards.
      var closed = 0
      for token in known.reversed() {
        if token >= task.kinds {
          closed += 1
        } else if closed == 0 {
          return token + Int32(task.kinds)
        } else {
          closed -= 1
        }
      }
      return nil
    case let task as ModularArithmetic:
      let text = known.map { task.symbol(for: $0) }
      guard text.last == "=" else { return nil }
      return Int32(value(Array(text.dropLast()), modulus: task.modulus))
    default: return nil
    }
  }

  /// Splits at the last + or −, then at ×: grammar school.
  private func value(_ text: [String], modulus: Int) -> Int {
    if let place = text.lastIndex(where: { $0 == "+" || $0 == "-" }) {
      let left = value(Array(text[..<place]), modulus: modulus)
      let right = value(Array(text[(place + 1)...]), modulus: modulus)
      return (text[place] == "+" ? left + right : left - right + modulus) % modulus
    }
    return text.filter { $0 != "×" }.reduce(1) { $0 * (Int($1) ?? -1) % modulus }
  }

  @Test("selective copying: as many data tokens as told, noise between, marker, data again")
  func selectiveCopying() throws {
    let task = try SelectiveCopying(settings: ["length": 100, "data": 9, "vocabulary": 12])
    var places = Set<Int>()
    for document in documents(task, 200) {
      #expect(document.count == 100 && document[90] == 1)
      let data = document[..<90].filter { $0 != 0 }
      #expect(data.count == 9 && data == Array(document[91...]) && !data.contains(1))
      places.formUnion(document[..<90].indices.filter { document[$0] != 0 })
      #expect(task.answers(in: document) == Array(91..<100))
    }
    #expect(places.count == 90)
  }

  @Test("induction heads: the special token twice, the second time before its follower, at the end")
  func inductionHeads() throws {
    let task = try InductionHeads(settings: ["length": 20])
    var places = Set<Int>()
    for document in documents(task, 400) {
      let special = document.indices.filter { document[$0] == 0 }
      #expect(document.count == 20 && special.count == 2 && special[1] == 18)
      places.insert(special[0])
      #expect(task.answers(in: document) == [19])
    }
    #expect(places == Set(0..<17))
    let varied = try InductionHeads(settings: ["length": 20, "shortest": 11])
    #expect(Set(documents(varied, 400).map(\.count)) == Set(11...20))
  }

  @Test("associative recall: pairs of distinct keys and values, each asked once, most of them soon")
  func associativeRecall() throws {
    let task = try AssociativeRecall(settings: ["length": 256, "pairs": 16])
    let even = try AssociativeRecall(settings: ["length": 256, "pairs": 16, "power": 1])
    func meanPlace(_ task: AssociativeRecall) -> Double {
      var places: [Int] = []
      for document in documents(task, 200) {
        let keys = stride(from: 0, to: 32, by: 2).map { document[$0] }
        let values = stride(from: 1, to: 32, by: 2).map { document[$0] }
        #expect(Set(keys).count == 16 && keys.allSatisfy { (1..<64).contains($0) })
        #expect(Set(values).count == 16 && values.allSatisfy { (64..<128).contains($0) })
        let answers = task.answers(in: document)
        #expect(Set(answers.map { document[$0 - 1] }) == Set(keys) && answers.count == 16)
        #expect(document[32...].count { $0 != 0 } == 32)
        places += answers
      }
      return Double(places.reduce(0, +)) / Double(places.count)
    }
    // Evenly, the 112 slots of two tokens from 32 on lie at 144 in the mean.
    #expect(abs(meanPlace(even) - 144) < 5)
    #expect((60..<100).contains(meanPlace(task)))
  }

  @Test("Dyck-(k, m): balanced, no deeper than m, of all kinds; every closing bracket is asked for")
  func dyck() throws {
    let task = try Dyck(settings: ["length": 120, "kinds": 3, "depth": 5])
    var deepest = 0
    var kinds = Set<Int32>()
    for document in documents(task, 200) {
      var open: [Int32] = []
      for token in document {
        if token < 3 { open.append(token) } else { #expect(open.popLast() == token - 3) }
        deepest = max(deepest, open.count)
        kinds.insert(token)
      }
      #expect(open.isEmpty && document.count == 120)
      #expect(task.answers(in: document) == document.indices.filter { document[$0] >= 3 })
    }
    #expect(deepest == 5 && kinds == Set(0..<6))
  }

  @Test("modular arithmetic: digits and operators in turn, lengths spread evenly")
  func modularArithmetic() throws {
    let task = try ModularArithmetic(settings: ["modulus": 3, "terms": 8, "fewest_terms": 3])
    var lengths = [Int: Int]()
    for document in documents(task, 1200) {
      lengths[document.count, default: 0] += 1
      for (i, token) in document.dropLast(2).enumerated() { #expect((token < 3) == (i % 2 == 0)) }
      #expect(document[document.count - 2] == 6 && document[document.count - 1] < 3)
      #expect(task.answers(in: document) == [document.count - 1])
    }
    #expect(Set(lengths.keys) == Set(stride(from: 7, through: 17, by: 2)))
    #expect(lengths.values.allSatisfy { abs($0 - 200) < 60 })
    #expect(value(["2", "×", "2", "-", "1", "×", "2"], modulus: 5) == 2)
  }

  @Test("are the same for a seed on every platform, and others for another")
  func deterministic() throws {
    let expected = [
      "selective-copy": "01a9222b2b44f7a1473e7b9bb99cec3e31be2cbc0fd95feb0ff05ec18d49ec16",
      "induction": "6af1a9b67d41085262763ab59c71e6db278502ec0019b17438045054a2d53c46",
      "mqar": "33de97091078c113d82cf2e89cb808d80b57e032af1b0ab15188a591e0e3ddb5",
      "dyck": "cf76f0eac29fc8e95d7fb2b8f710c4f0cc16b72822006dac7ab52617869c21b5",
      "modular": "fa3ad7dd92e71731e0b2af28c10ea87a70b37a0b3c44f69efd355ed583c4ffe8",
    ]
    func digest<Task: SyntheticTask>(_ type: Task.Type, seed: UInt64) -> String {
      SHA256.hex(of: documents(Task(), 50, seed: seed).joined().map { UInt8($0) })
    }
    for type in SyntheticTasks.all {
      let name = type.name
      #expect(digest(type, seed: 11) == expected[name], "\(name)")
      #expect(digest(type, seed: 12) != digest(type, seed: 11))
    }
  }

  @Test("write a corpus that records the task, and masks what is not asked, wherever a segment begins")
  func corpus() throws {
    func check<Task: SyntheticTask>(_ type: Task.Type) throws {
      try withFolder { folder in
        let (path, task) = (folder + "/t", Task())
        let header = try task.write(to: path, documents: 12, seed: 5, validation: .tailOfDocuments(0.25))
        #expect(header.task?.name == Task.name && header.task?.bestAccuracy == 1)
        #expect(header.task?.settings == task.recordedSettings && header.tokenizer.name == "task")
        let corpus = try Corpus(path: path), whole = try Corpus(path: path, targets: .all)
        #expect(corpus.task as? Task == task)
        let texts = documents(task, 12)
        let text = texts.joined().map { $0 }
        #expect(try corpus.read(0..<corpus.count) == text)
        var isAsked = [Bool]()
        for document in texts {
          let answers = Set(task.answers(in: document))
          isAsked += document.indices.map { answers.contains($0) }
        }
        for first in [0, 1, 7, 20, corpus.count - 9] {
          let positions = first..<min(first + 301, corpus.count - 1)
          func segment(_ corpus: Corpus) throws -> Segment {
            var segment = Segment(lanes: 1, length: positions.count)
            try segment.fill(
              lane: 0, at: 0, from: corpus, positions, isStart: true, resetAtDocuments: true)
            return segment
          }
          let (asked, all) = (try segment(corpus), try segment(whole))
          #expect(asked.inputs == all.inputs && all.targets == positions.map { text[$0 + 1] })
          for (i, position) in positions.enumerated() {
            #expect(asked.targets[i] == (isAsked[position + 1] ? text[position + 1] : -1))
          }
        }
      }
    }
    for type in SyntheticTasks.all { try check(type) }
  }

  @Test("are shown as symbols, a document a line, from any token on")
  func symbols() throws {
    try withFolder { folder in
      let task = try ModularArithmetic(settings: ["terms": 4])
      try task.write(to: folder + "/t", documents: 3, seed: 5)
      let corpus = try Corpus(path: folder + "/t")
      var text = ""
      try corpus.writeSymbols(of: 0..<corpus.count) { text += $0 }
      let lines = documents(task, 3).map { $0.map { task.symbol(for: $0) }.joined(separator: " ") }
      #expect(text == lines.joined(separator: "\n") + "\n")
      var part = ""
      try corpus.writeSymbols(of: 1..<corpus.count) { part += $0 }
      #expect(part == text.dropFirst(2))
      try corpus.writeSymbols(of: 0..<0) { part += $0 }
      #expect(part == text.dropFirst(2))
    }
  }

  @Test("refuse settings they do not have, out of range, or that do not fit together")
  func badSettings() {
    for (name, settings, words) in [
      ("dyck", ["pairs": 3], "dyck has no setting pairs; it has length, kinds, depth"),
      ("dyck", ["length": 7], "odd"), ("dyck", ["kinds": 0], "kinds is 0"),
      ("induction", ["length": 3], "length is 3"), ("induction", ["length": 1e300], "length is 1e+300"),
      ("induction", ["length": .nan], "length is nan"), ("induction", ["length": 9.5], "length is 9.5"),
      ("selective-copy", ["length": 32], "at least 33"),
      ("selective-copy", ["shortest": 32], "0 or in 33...256"),
      ("induction", ["shortest": 257], "0 or in 4...256"), ("mqar", ["length": 31], "at least 32"),
      ("mqar", ["vocabulary": 17], "at least 18"), ("mqar", ["power": 0], "power is 0"),
      ("modular", ["fewest_terms": 21], "more than the terms 20"), ("modular", ["operators": 4], "1...3"),
    ] as [(String, [String: Double], String)] {
      guard let type = SyntheticTasks.named(name) else { continue }
      let found = sentence { _ = try type.init(settings: settings) }
      #expect(found.contains(words), "\(found)")
    }
  }

  @Test("a header whose task does not fit its vocabulary is refused, one of an unknown task asks nothing")
  func hostileHeader() throws {
    try withFolder { folder in
      func write(_ task: CorpusHeader.Task) throws -> String {
        let path = folder + "/t"
        var writer = try CorpusWriter(path: path, tokenizer: .task, vocabularySize: 16)
        try writer.append([1, 2, 3, 4])
        try writer.finish(task: task)
        return path
      }
      let wrong = try write(.init(name: "induction", seed: 1, settings: ["length": 8, "vocabulary": 9]))
      #expect(sentence { _ = try Corpus(path: wrong) }.contains("9 kinds of token, the header says 16"))
      #expect(try Corpus(path: wrong, salvage: true).task == nil)
      let huge = try write(.init(name: "induction", seed: 1, settings: ["length": -1e18]))
      #expect(sentence { _ = try Corpus(path: huge) }.contains("length is -1000000000000000000"))
      let other = try Corpus(path: try write(.init(name: "riddles", seed: 1)))
      #expect(other.task == nil)
      var segment = Segment(lanes: 1, length: 3)
      try segment.fill(lane: 0, at: 0, from: other, 0..<3, isStart: true, resetAtDocuments: true)
      #expect(segment.targets == [2, 3, 4])
      var shown = ""
      try other.writeSymbols(of: 0..<4) { shown += $0 }
      #expect(shown == "1 2 3 4\n")
    }
  }
}
