import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a model in its recurrent form is the model, in packed numbers")
struct ConversionTests {
  static let text = tokens(70, below: 64, seed: 3)

  /// Logits by `step`, and a state's bits after them.
  static func stepped(_ model: some LanguageFunction) -> [[Float]] {
    var state = model.initialState(batch: 1), logits: [Float] = []
    for id in text { logits += model.step([id], state: &state).scalars }
    return [logits] + state.tensors.map(\.value.scalars)
  }

  /// Whether both give the same bits; a truth value, so that a failure does not print them all.
  static func agree(_ a: some LanguageFunction, _ b: some LanguageFunction) -> Bool {
    stepped(a) == stepped(b)
  }

  @Test("packed as f32, saved, mapped and unpacked again: the same bits", arguments: Registry.names)
  func exact(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type, tied: name.count % 2 == 0)
      try withFolder { folder in
        try ModelFolder.savePacked(model, to: folder + "/recurrent", as: .f32)
        let loaded = try ModelFolder.load(folder + "/recurrent")
        #expect(loaded.packing == .f32 && loaded.configuration == model.configuration)
        #expect(loaded.parameterCount == model.parameterCount)
        #expect(Self.agree(loaded.stream(), model.stream()))
        for (a, b) in zip(model.parameters, loaded.parameters) {
          #expect(a.name == b.name && a.value.scalars == b.value.scalars, "\(a.name)")
        }
        try ModelFolder.save(loaded, to: folder + "/parallel")
        let back = try ModelFolder.load(folder + "/parallel")
        #expect(back.packing == nil)
        // As a stream knows it, it is one model.
        #expect([loaded.fingerprint, back.fingerprint] == [model.fingerprint, model.fingerprint])
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("packed coarser, it is exactly what its numbers say", arguments: Registry.names)
  func coarse(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      for element in [PackedElement.bf16, .int8, .int4] {
        try withFolder { folder in
          try ModelFolder.savePacked(model, to: folder + "/a", as: element)
          let loaded = try ModelFolder.load(folder + "/a")
          #expect(loaded.packing == element)
          #expect(try Self.agree(loaded.stream(), model.packed(as: element).stream()))
          // Packing what packed weights stand for loses nothing more.
          let numbers = loaded.trainable()
          #expect(numbers.fingerprint == loaded.fingerprint && numbers.fingerprint != model.fingerprint)
          if element == .bf16 {
            #expect(try numbers.packed(as: element).trainable().fingerprint == loaded.fingerprint)
          }
          // int8 keeps about two decimals of a weight; logits follow.
          let divergence = try Divergence(from: model, to: loaded.stream(), form: .step, on: Self.text)
          #expect(divergence.largest > 0 && divergence.largest < 60 && divergence.mean < divergence.largest)
        }
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("norms, decays and recurrences stay f32, what makes decays at least bf16")
  func precision() throws {
    let packed = try smallModel(Mamba.self).packed(as: .int4)
    let elements = Dictionary(uniqueKeysWithValues: packed.packings.map { ($0.name, $0.element) })
    #expect(elements["layers.0.mixer.in_proj.weight"] == .int4)
    #expect(elements["layers.0.mixer.dt_proj.weight"] == .bf16)
    #expect(elements["embedding.weight"] == .int4)
    for name in ["norm.weight", "layers.0.mixer.A_log", "layers.0.mixer.conv1d.weight"] {
      #expect(elements[name] == nil && packed.parameters.contains { $0.name == name })
    }
  }

  @Test("a stream moves between the forms and goes on")
  func stream() throws {
    let model = try smallModel(Mamba2.self)
    try withFolder { folder in
      try ModelFolder.savePacked(model, to: folder + "/recurrent", as: .f32)
      let recurrent = try ModelFolder.load(folder + "/recurrent")
      var session = Session(model, sampler: Sampler(seed: 1))
      try session.feed(Self.text)
      try StateFile.save(session, to: folder + "/state")
      var (moved, _) = try StateFile.load(folder + "/state", into: recurrent)
      for _ in 0..<20 { #expect(try session.next() == moved.next()) }
      let isSame = session.logits?.scalars == moved.logits?.scalars
      #expect(isSame)
      // Another precision is another model.
      try ModelFolder.savePacked(model, to: folder + "/int8", as: .int8)
      let int8 = try ModelFolder.load(folder + "/int8")
      #expect(sentence { _ = try StateFile.load(folder + "/state", into: int8) }.contains("fingerprint"))
    }
  }

  @Test("divergence is zero from a model to itself and counts what a text costs")
  func divergence() throws {
    let model = try smallModel(RetNet.self)
    let same = try Divergence(from: model, to: model, form: .mix, on: Self.text)
    #expect(same.largest == 0 && same.mean == 0 && same.tokens == Self.text.count)
    #expect(same.source == same.result && same.source.tokens == Self.text.count - 1)
    var scorer = StreamScorer(model, form: .mix)
    try scorer.feed(Self.text)
    #expect(abs(scorer.score.nats - same.source.nats) < 1e-3)
    let stepped = try Divergence(from: model, to: model, form: .step, on: Self.text)
    #expect(stepped.largest > 0 && stepped.largest < 1e-3)
  }

  @Test("files that do not fit are refused by name")
  func refusals() throws {
    let model = try smallModel(RWKV7.self)
    try withFolder { folder in
      try ModelFolder.savePacked(model, to: folder, as: .int8)
      let path = folder + "/" + ModelFolder.weightsName
      // Without its checksum, which would find every change first.
      var whole = try bytes(of: path)
      for seal in whole.ranges(of: Array("xxh64".utf8)) {
        whole.replaceSubrange(seal, with: Array("xxh--".utf8))
      }
      func refusal(_ old: String, _ new: String) throws -> String {
        let range = try #require(whole.firstRange(of: Array(old.utf8)))
        #expect(old.utf8.count == new.utf8.count)
        try write(whole[..<range.lowerBound] + Array(new.utf8) + whole[range.upperBound...], to: path)
        return sentence { _ = try ModelFolder.load(folder) }
      }
      #expect(try refusal("\"fingerprint\"", "\"fingerprnit\"").contains("fingerprint"))
      #expect(try refusal("embedding.weight.int8", "embedding.weight.int7").contains("embedding.weight"))
      #expect(try refusal("embedding.weight.int8", "embedding.weight.bf16").contains("bytes U8"))
      #expect(try refusal("\"recurrent\"", "\"parallel!\"").contains("embedding.weight"))
      try write(Array(whole.dropLast(7)), to: path)
      #expect(sentence { _ = try ModelFolder.load(folder) }.contains("cut short"))
      // A header that is eight bytes longer moves every matrix off its place.
      let length = whole.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
      let header = whole[8..<8 + length] + Array(repeating: UInt8(ascii: " "), count: 8)
      let size = withUnsafeBytes(of: UInt64(length + 8).littleEndian) { Array($0) }
      try write(size + header + whole[(8 + length)...], to: path)
      #expect(sentence { _ = try ModelFolder.load(folder) }.contains("multiple of 64"))
      try write(whole, to: path)
      #expect(try ModelFolder.load(folder).packing == .int8)
    }
  }

  @Test("a weight that is no number is named, and nothing is written")
  func nonFinite() throws {
    let model = try smallModel(Mamba.self).replacingParameters {
      var value = $0.value
      if $0.name == "layers.1.mixer.in_proj.weight" { value[33] = .nan }
      return value
    }
    try withFolder { folder in
      let words = sentence { try ModelFolder.savePacked(model, to: folder + "/x", as: .int8) }
      #expect(words.contains("layers.1.mixer.in_proj.weight: element [1, 1] is nan"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
      // Frozen as it is, its logits tell.
      #expect(Self.stepped(model.stream())[0].contains { $0.isNaN })
    }
  }
}
