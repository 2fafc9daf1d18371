import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelReference
import RunnelTensors
import Testing

@Suite("RWKV's own files need no configuration")
struct AuthorsRWKVTests {
  private static let mixers: [any SequenceMixer.Type] = [RWKV4.self, RWKV5.self, RWKV6.self, RWKV7.self]

  /// The name of a parameter in the authors' files.
  private static func name(_ ours: String) -> String {
    var name = ours
    for (from, to) in [
      ("layers.", "blocks."), (".norm.", ".ln1."), (".mlp_norm.", ".ln2."), (".mixer.", ".att."),
      (".mlp.", ".ffn."), ("embedding_norm.", "blocks.0.ln0."), ("embedding.", "emb."),
    ] {
      if let range = name.range(of: from) { name.replaceSubrange(range, with: to) }
    }
    return name.hasPrefix("norm.") ? "ln_out." + name.dropFirst(5) : name
  }

  private static func model(_ mixer: any SequenceMixer.Type) throws -> LanguageModel {
    var generator = SeededGenerator(seed: 5)
    let configuration = ModelConfiguration(
      mixer, vocabularySize: 32, width: 32, layers: 3, tiesEmbedding: false)
    return try LanguageModel(configuration, seed: 1).replacingParameters {
      $0.value + Tensor.uniform($0.value.shape, in: -0.1...0.1, using: &generator)
    }
  }

  /// The file torch.save would write of these tensors.
  private static func archive(_ model: some LanguageFunction, leavingOut missing: String = "") -> [UInt8] {
    let parameters = model.parameters.filter { name($0.name) != missing }
    return torchArchive(parameters.map { little($0.value.scalars) }) { pickle in
      pickle.bytes += Array("}(".utf8)
      for (key, parameter) in parameters.enumerated() {
        let shape = Array(parameter.value.shape)
        let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
        pickle.text(name(parameter.name))
        pickle.tensor(
          "FloatStorage", key: "\(key)", storageCount: parameter.value.count, shape: shape, strides: strides)
      }
      pickle.operation("u")
    }
  }

  private static func logits(_ model: some LanguageFunction) -> [Float] {
    var state = model.initialState(batch: 1)
    return model.logits((0..<40).map { $0 * 7 % 32 }, batch: 1, form: .mix, state: &state).scalars
  }

  @Test("a .pth of every version is the model", arguments: 0..<4)
  func versions(index: Int) throws {
    let folder = TemporaryFolder()
    let model = try Self.model(Self.mixers[index])
    // Versions 5 to 7 have an ε that files do not tell; a fresh model of 5 has another.
    let path = folder("model.pth")
    writeRaw(Self.archive(model), to: path)
    let loaded = try ModelFolder.load(path)
    #expect(loaded.mixerName == model.mixerName && loaded.identity.weights == model.identity.weights)
    // Another ε is another function.
    let isSame = index != 1
    #expect((loaded.fingerprint == model.fingerprint) == isSame)
    #expect((Self.logits(loaded) == Self.logits(model)) == isSame)
  }

  @Test("what is missing is named, and so is a file of something else")
  func refusals() throws {
    let folder = TemporaryFolder()
    let model = try Self.model(RWKV7.self)
    for missing in ["blocks.1.att.v1", "blocks.2.ffn.x_k", "ln_out.bias", "emb.weight"] {
      let path = folder("model.pth")
      writeRaw(Self.archive(model, leavingOut: missing), to: path)
      let text = sentence(in: folder) { _ = try ModelFolder.load(path) }
      #expect(text.contains("\"\(missing)\""), "\(text)")
    }
    let path = folder("text.pth")
    writeRaw(Array("not a model".utf8), to: path)
    #expect(sentence(in: folder) { _ = try ModelFolder.load(path) }.contains("text.pth"))
  }
}
