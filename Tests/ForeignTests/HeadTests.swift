import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels
import RunnelTensors
import Testing

@Suite("a head is compared with the embedding before it is taken for a copy of it")
struct HeadTests {
  /// Tied cases with the names of their embedding and head.
  private static let tied = [
    ("mamba-tied", "backbone.embeddings.weight", "lm_head.weight"),
    ("mamba2-limits", "backbone.embeddings.weight", "lm_head.weight"),
    ("rwkv-rescaled", "rwkv.embeddings.weight", "head.weight"),
    ("recurrent-gemma-mqa", "model.embed_tokens.weight", "lm_head.weight"),
    ("gla-options", "model.embeddings.weight", "lm_head.weight"),
    ("rwkv7-unfused", "model.embeddings.weight", "lm_head.weight"),
  ]

  @Test("a copy of the embedding changes nothing, and its absence is no fault", arguments: tied.indices)
  func copies(index: Int) throws {
    let (name, embedding, head) = Self.tied[index]
    let golden = try GoldenCase.named(name)
    let text = try golden.configuration([:])
    let plain = try golden.load(configuration: text)
    let doubled = try golden.load(configuration: text) { tensors in
      tensors + tensors.filter { $0.name == embedding }.map { (head, $0.value) }
    }
    #expect(doubled.configuration == plain.configuration && doubled.fingerprint == plain.fingerprint)
    // Some write the shared tensor under the head's name alone.
    let renamed = try golden.load(configuration: text) { tensors in
      tensors.map { ($0.name == embedding ? head : $0.name, $0.value) }
    }
    #expect(renamed.fingerprint == plain.fingerprint)
  }

  @Test("a head of its own is kept in one bit of difference, by export too", arguments: tied.indices)
  func own(index: Int) throws {
    let (name, embedding, head) = Self.tied[index]
    let golden = try GoldenCase.named(name)
    try withFolder { folder in
      let model = try golden.load(configuration: golden.configuration([:])) { tensors in
        tensors
          + tensors.filter { $0.name == embedding }.map { _, value in
            var numbers = value.scalars
            numbers[numbers.count - 1] = numbers[numbers.count - 1].nextUp
            return (head, Tensor(numbers, value.shape))
          }
      }
      #expect(!model.configuration.tiesEmbedding)
      try ModelFolder.saveForeign(model, to: folder + "/written")
      let again = try ModelFolder.load(folder + "/written")
      #expect(again.configuration == model.configuration && again.fingerprint == model.fingerprint)
    }
  }

  @Test(
    "a base model's tensors are the whole model's where the head is tied, and lack a head elsewhere",
    arguments: tied.indices)
  func base(index: Int) throws {
    let (name, embedding, head) = Self.tied[index]
    let golden = try GoldenCase.named(name)
    let word = embedding.prefix { $0 != "." } + "."
    func bare(_ tensors: [(name: String, value: Tensor)]) -> [(name: String, value: Tensor)] {
      tensors.map { ($0.name.hasPrefix(word) ? String($0.name.dropFirst(word.count)) : $0.name, $0.value) }
    }
    golden.check(try golden.load(configuration: golden.configuration([:]), changing: bare))
    let untied = try golden.configuration(["tie_word_embeddings": "false"])
    for change in [bare, { $0 }] {
      let error = #expect(throws: FileError.self) { try golden.load(configuration: untied, changing: change) }
      let text = String(describing: error)
      for part in ["expected a head", "\"\(head)\"", "...ForCausalLM"] {
        #expect(text.contains(part), "\(text)")
      }
    }
  }

  @Test("the base model of a folder that brings its own code lacks a head, too")
  func ownCode() throws {
    let golden = try GoldenCase.named("rwkv6-tuned")
    let folder = try golden.configuration(["model_type": #""rwkv6""#, "head_size_divisor": "8"])
    let names = ["emb": "embeddings", "att": "attention", "ffn": "feed_forward", "ln0": "pre_ln"]
    let error = #expect(throws: FileError.self) {
      try golden.load(configuration: folder) { tensors in
        tensors.filter { $0.name != "head.weight" }.map { tensor in
          (
            tensor.name.split(separator: ".").map { names[String($0)] ?? String($0) }.joined(separator: "."),
            tensor.value
          )
        }
      }
    }
    #expect(error?.expected.hasPrefix("a head") == true, "\(String(describing: error))")
  }

  @Test("without a word the head is what the library's default says")
  func defaults() throws {
    let transformers = try GoldenCase.named("mamba-tied")
    let implicit = try transformers.load(
      configuration: transformers.configuration(["tie_word_embeddings": ""]))
    #expect(implicit.configuration.tiesEmbedding)

    let flash = try GoldenCase.named("fla-mamba")
    let text = try flash.configuration(["tie_word_embeddings": ""])
    flash.check(try flash.load(configuration: text))
    for words in [text, try flash.configuration(["tie_word_embeddings": "false"])] {
      let error = #expect(throws: FileError.self) {
        try flash.load(configuration: words) { $0.filter { $0.name != "lm_head.weight" } }
      }
      #expect(error?.expected.contains("\"lm_head.weight\"") == true, "\(String(describing: error))")
    }
    // Its mamba2 has one group where transformers' has eight.
    let two = try GoldenCase.named("fla-mamba2-one-group")
    two.check(try two.load(configuration: two.configuration(["n_groups": "", "num_heads": ""])))
  }
}
