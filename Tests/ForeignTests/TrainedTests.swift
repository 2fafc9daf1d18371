import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import Testing

/// Small trained models beside the project; the tests pass over them, with a word, where they are absent.
enum Trained {
  private static let data =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../../shared/data"
  static let names = ["rwkv-4v0-660k", "rwkv-5v1-730k", "rwkv-5v2-730k", "rwkv-6v0-3m", "rwkv-7v0-834k"]

  static func folder(_ name: String) -> String? {
    let folder = data + "/weights/" + name
    guard FileManager.default.fileExists(atPath: folder + "/model.safetensors") else {
      print("skipped: ../shared/data/weights/\(name) is absent")
      return nil
    }
    return folder
  }

  /// The first bytes of an English novel that no model was trained on.
  static let novel: [UInt8]? = {
    let path = data + "/novels/test.txt.zst"
    guard FileManager.default.isReadableFile(atPath: path),
      let pipe = popen("zstd -dcq '\(path)' 2>/dev/null", "r")
    else { return nil }
    defer { pclose(pipe) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, pipe)
    // Behind the front matter.
    return count == bytes.count ? Array(bytes[500_000..<520_000]) : nil
  }()
}

@Suite("trained models of RWKV")
struct TrainedTests {
  @Test("logits are those of the authors' package and of rwkv.cpp", arguments: Trained.names)
  func logits(name: String) throws {
    guard let folder = Trained.folder(name) else { return }
    let oracle = try SafetensorsFile(folder + "/oracle.safetensors")
    let ids = try oracle.integers("input_ids").map(Int32.init)
    let expected = try oracle.tensor("logits").scalars
    func check(_ model: some LanguageFunction) {
      for form in Form.allCases {
        var state = model.initialState(batch: 1)
        let logits = model.logits(ids, batch: 1, form: form, state: &state).scalars
        let difference = zip(logits, expected).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
        let size = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
        #expect((difference / size).squareRoot() <= 1e-5, "\(name), \(form)")
      }
    }
    try check(ModelFolder.load(folder))
  }

  /// What a trained model of this size needs; a guess needs eight. Version 6 was trained on pairs of a byte and zero, and
  /// version 7 hardly at all.
  private static let bits = [
    "rwkv-4v0-660k": 3..<4.2, "rwkv-5v1-730k": 2..<3.2, "rwkv-5v2-730k": 2..<3.1,
    "rwkv-6v0-3m": 1.8..<2.9, "rwkv-7v0-834k": 4..<6,
  ]

  @Test("bits per byte of a novel are a trained model's, and equal in all forms", arguments: Trained.names)
  func bitsPerByte(name: String) throws {
    guard let folder = Trained.folder(name) else { return }
    guard let novel = Trained.novel else {
      print("skipped: ../shared/data/novels or the zstd tool is absent")
      return
    }
    func check(_ model: some LanguageFunction) throws {
      func bits(_ text: ArraySlice<UInt8>, _ form: Form) -> Double {
        let ids = name.contains("6v0") ? text.flatMap { [Int32($0), 0] } : text.map { Int32($0) }
        var state = model.initialState(batch: 1)
        let losses = model.loss(
          Array(ids.dropLast()), targets: Array(ids.dropFirst()), batch: 1, form: form, state: &state
        ).perToken.scalars
        return losses.reduce(0.0) { $0 + Double($1) } / log(2) / Double(text.count)
      }
      let whole = bits(novel[...], .mix)
      #expect(try #require(Self.bits[name]).contains(whole), "\(name): \(whole) bits per byte")
      let part = novel.prefix(1000), mixed = bits(part, .mix)
      for form in [Form.step, .parallel] {
        #expect(abs(bits(part, form) - mixed) <= 1e-5 * mixed, "\(name), \(form)")
      }
    }
    try check(ModelFolder.load(folder))
  }

  private struct Continuation: Decodable {
    let prompt: String
    let ids: [Int32]
  }

  @Test("a greedy continuation is the authors' package's", arguments: Trained.names)
  func continuation(name: String) throws {
    guard let folder = Trained.folder(name) else { return }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/Continuations/\(name).json")
    let golden = try JSONDecoder().decode(Continuation.self, from: Data(contentsOf: file))
    func check(_ model: some LanguageFunction) {
      let frozen = model.stream()
      var state = frozen.initialState(batch: 1)
      let prompt = golden.prompt.utf8.map { Int32($0) }
      _ = frozen.logits(prompt.dropLast(), batch: 1, form: .mix, state: &state)
      var next = prompt[prompt.count - 1]
      let ids = golden.ids.map { _ in
        let logits = frozen.step([next], state: &state).scalars
        next = Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
        return next
      }
      #expect(ids == golden.ids, "\(name)")
    }
    try check(ModelFolder.load(folder))
  }
}
