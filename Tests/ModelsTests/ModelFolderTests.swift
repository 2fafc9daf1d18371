import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@Suite("a model folder holds the model, bit for bit, or is refused by name")
struct ModelFolderTests {
  static func logits(_ model: some LanguageFunction) -> [Float] {
    var state = model.initialState(batch: 2)
    return model.logits(tokens(40, below: model.vocabularySize, seed: 1), batch: 2, form: .mix, state: &state)
      .scalars
  }

  @Test("saved and loaded again it is the same", arguments: Registry.names, [true, false])
  func roundTrip(name: String, tied: Bool) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type, tied: tied)
      try withFolder { folder in
        try ModelFolder.save(model, to: folder + "/new/model")
        let loaded = try ModelFolder.load(folder + "/new/model")
        #expect(Self.logits(loaded) == Self.logits(model))
        #expect(try loaded.encodeConfiguration() == model.encodeConfiguration())
        #expect(loaded.configuration == model.configuration)
        #expect(loaded.fingerprint == model.fingerprint)
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("a missing, extra, misshaped or non-finite tensor is named")
  func tensors() throws {
    let model = try smallModel(Mamba.self, layers: 1)
    /// The refusal after the weights were written in another way.
    func refusal(_ write: (inout SafetensorsWriter, Parameter) -> Void, more: [String] = []) throws -> String
    {
      try withFolder { folder in
        try ModelFolder.save(model, to: folder)
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        for parameter in model.parameters { write(&writer, parameter) }
        for name in more { writer.add(name, Tensor(ones: [3])) }
        try writer.write(to: folder + "/" + ModelFolder.weightsName)
        return sentence { _ = try ModelFolder.load(folder) }
      }
    }
    for name in model.parameters.map(\.name) {
      let missing = try refusal { if $1.name != name { $0.add($1.name, $1.value) } }
      #expect(missing.contains("\"\(name)\""))
      let misshaped = try refusal {
        $0.add($1.name, $1.name == name ? $1.value.reshaped([1, $1.value.count]) : $1.value)
      }
      #expect(misshaped.contains("\"\(name)\"") && misshaped.contains("shape"))
    }
    for number in [Float.nan, .infinity, -.infinity] {
      let broken = try refusal {
        var value = $1.value
        if $1.name == "layers.0.mixer.A_log" { value[5] = number }
        $0.add($1.name, value)
      }
      #expect(broken.contains("\"layers.0.mixer.A_log\", element 5"))
    }
    let extra = try refusal({ $0.add($1.name, $1.value) }, more: ["layers.1.norm.weight"])
    #expect(extra.contains("\"layers.1.norm.weight\""))
  }

  @Test("an absent folder, an unknown mixer and a missing field are named")
  func configurations() throws {
    try withFolder { folder in
      #expect(sentence { _ = try ModelFolder.load(folder + "/nowhere") }.contains("nowhere"))
      #expect(sentence { _ = try ModelFolder.load(folder) }.contains("config.json"))
      try ModelFolder.save(try smallModel(LRU.self), to: folder)
      let path = folder + "/config.json", text = try unsealedText(path)
      func refusal(_ old: String, _ new: String) throws -> String {
        #expect(text.contains(old))
        try write(Array(text.replacingOccurrences(of: old, with: new).utf8), to: path)
        return sentence { _ = try ModelFolder.load(folder) }
      }
      #expect(try refusal("\"lru\"", "\"lur\"").contains("lur"))
      #expect(try refusal("\"layers\"", "\"layer\"").contains("layers"))
      #expect(try refusal("\"layers\" : 2", "\"layers\" : -2").contains("layers is -2"))
      #expect(try refusal("\"layers\" : 2", "\"layers\" : 999999999999").contains("memory"))
      #expect(try refusal("\"layers\" : 2", "\"layers\" : true").contains("layers"))
      #expect(
        try refusal("\"vocabulary_size\" : 64", "\"vocabulary_size\" : 65").contains("embedding.weight"))
      #expect(
        try refusal("\"outer_radius\" : 0.999", "\"outer_radius\" : 1.5").contains(
          "outer_radius is 1.5; it must"))
    }
  }

  @Test("one bit of one parameter changes the fingerprint")
  func fingerprint() throws {
    let model = try smallModel(RetNet.self)
    var seen: Set<String> = [model.fingerprint]
    for parameter in model.parameters {
      for bit in [0, 31] {
        let changed = model.replacingParameters {
          var value = $0.value
          if $0.name == parameter.name {
            value[value.count - 1] = Float(bitPattern: value[value.count - 1].bitPattern ^ (1 << bit))
          }
          return value
        }
        #expect(seen.insert(changed.fingerprint).inserted, "\(parameter.name), bit \(bit)")
      }
    }
  }

  @Test("300 mutations of a byte of config.json load or are refused", arguments: ["s4d", "mamba2", "retnet"])
  func fuzz(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type, vocabulary: 20, width: 16, layers: 1)
      try withFolder { folder in
        try ModelFolder.save(model, to: folder)
        let path = folder + "/config.json", original = Array(try unsealedText(path).utf8)
        var generator = SeededGenerator(seed: 12)
        var loaded = 0
        for i in 0..<100 {
          var changed = original
          // A third hits digits, to which a configuration is most sensitive.
          let digits = original.indices.filter { (0x30...0x39).contains(original[$0]) }
          let position =
            i % 3 == 0
            ? digits[Int(generator.next() % UInt64(digits.count))]
            : Int(generator.next() % UInt64(changed.count))
          let byte = UInt8(truncatingIfNeeded: generator.next())
          changed[position] = i % 3 == 0 ? 0x30 + byte % 10 : i % 3 == 1 ? byte : 0x20 + byte % 95
          try write(changed, to: path)
          let text = sentence {
            _ = Self.logits(try ModelFolder.load(folder))
            loaded += 1
          }
          #expect(!text.contains("\n"), "\(text)")
        }
        #expect(loaded < 100)
      }
    }
    try check(try Registry.mixer(named: name))
  }
}
