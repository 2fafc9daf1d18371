import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("numbers on disk that nothing has written are refused, not believed")
struct HostileNumbersTests {
  /// A state file with some of its contents replaced.
  static func replaced(
    _ path: String, metadata: [String: String] = [:], integers: [String: [Int]] = [:]
  ) throws {
    let file = try SafetensorsFile(path)
    var writer = SafetensorsWriter(metadata: file.metadata.merging(metadata) { $1 })
    for name in file.names {
      if let values = integers[name] {
        writer.add(name, values)
      } else if try file.entry(name).elementType == .float32 {
        writer.add(name, try file.tensor(name))
      } else {
        writer.add(name, try file.integers(name))
      }
    }
    try writer.write(to: path)
  }

  @Test(
    "a model too large is told with a whole number of its numbers",
    arguments: [1_280_000_001, 1 << 40, 1 << 58])
  func counts(vocabulary: Int) throws {
    let text = sentence {
      try ModelConfiguration(LRU.self, vocabularySize: vocabulary, width: 1600, layers: 1).validate()
    }
    let count = try #require(text.split(separator: " ").dropFirst(2).first)
    // Above what a whole number holds, a power of ten.
    let size = try #require(Double(count))
    #expect(size >= 1600 * Double(vocabulary) && size < 1700 * Double(vocabulary), "\(text)")
    #expect(!count.contains(".") || size > 1e18, "\(text)")
  }

  @Test("numbers that no stream has written are refused by the name of their place")
  func hostileNumbers() throws {
    let model = try smallModel(RetNet.self)
    func refusal(_ metadata: [String: String] = [:], _ integers: [String: [Int]] = [:]) throws -> String {
      try withFolder { folder in
        try StateFile.save(StateFileTests.session(model), to: folder + "/stream")
        try Self.replaced(folder + "/stream", metadata: metadata, integers: integers)
        return sentence { _ = try StateFile.load(folder + "/stream", into: model) }
      }
    }
    #expect(try refusal() == "no error")
    #expect(try refusal(["position": "-1"]).contains("position"))
    #expect(try refusal(["position": "\(Int.max)"]).contains("position"))
    #expect(try refusal([:], ["counter.layers.0.position": [-1]]).contains("counter.layers.0.position"))
    #expect(try refusal([:], ["counter.layers.0.position": [.max]]).contains("counter.layers.0.position"))
    #expect(try refusal([:], ["recent": [3, -1]]).contains("recent"))
    #expect(try refusal([:], ["recent": [64]]).contains("recent"))
    #expect(try refusal([:], ["pending": [256]]).contains("pending"))
    #expect(try refusal([:], ["generator": [0, 0, 0, 0]]).contains("generator"))
    #expect(try refusal(["sampling": "{}"]).contains("sampling"))
    var settings = SamplingSettings()
    settings.topP = 7
    let json = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    #expect(try refusal(["sampling": json]).contains("sampling"))
  }

  @Test("mutated digits of a run's record load or are refused")
  func fuzz() throws {
    try withFolder { folder in
      let corpus = try TrainerTests.corpus(in: folder)
      let trainer = try TrainerTests.trainer(RetNet.self, corpus)
      let record = RunRecord(
        mixer: "retnet", settings: trainer.settings, corpus: corpus.path,
        cursor: trainer.sampler.cursor, steps: 0, tokens: 0, seconds: 0, threads: 1)
      try RunFolder.save(trainer, record: record, to: folder + "/run")
      let path = folder + "/run/" + RunFolder.optimizerName, original = try bytes(of: path)
      let length = original[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
      let digits = original.indices.prefix(3500).filter { $0 > 8 && (0x2D...0x39).contains(original[$0]) }
      var refusals = 0
      for position in digits {
        for byte in Array("09-e".utf8) where byte != original[position] {
          var changed = original
          changed[position] = byte
          // As if it had been written so.
          var header = Array(changed[8..<8 + length])
          Seal.close(&header)
          changed.replaceSubrange(8..<8 + length, with: header)
          try write(changed, to: path)
          let text = sentence {
            var resumed = try RunFolder.resume(folder + "/run", corpora: CorpusMixture(corpus))
            if resumed.settings.batch == 3 && resumed.settings.segment <= 99 { _ = try resumed.step() }
          }
          #expect(!text.contains("\n"), "\(text)")
          refusals += text == "no error" ? 0 : 1
        }
      }
      #expect(refusals > 0)
    }
  }
}
