import RunnelCheckpoints
import RunnelFiles
import RunnelTensors
import RunnelText
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("files of weights are told by their first bytes, and what cannot be read is named")
struct OpeningTests {
  /// First bytes, what the file is called, and what the sentence says.
  private static let strangers: [(bytes: [UInt8], found: String, remedy: String)] = [
    (Array("GGUF".utf8) + [3, 0, 0, 0], "GGUF", "Hugging Face folder or an RWKV .pth"),
    (Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\n".utf8), "Git LFS", "git lfs pull"),
    (Array("<!DOCTYPE html><html>".utf8), "a page of HTML", "download the file itself"),
    ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "gzip", "gunzip"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "xz", "unxz"), ([0x28, 0xB5, 0x2F, 0xFD, 0, 0], "zstd", "unzstd"),
    ([0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0], "a pickle", "safetensors"),
    ([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A], "HDF5", "safetensors"),
  ]

  @Test(
    "in the place of a configuration, an index, a tokenizer or its vocabulary", arguments: misnamed.indices)
  func beside(index: Int) throws {
    let (bytes, found, remedy) = Self.misnamed[index]
    for name in ["config.json", "model.safetensors.index.json", "tokenizer.json", "vocab.json"] {
      let folder = TemporaryFolder()
      if name != "config.json" {
        writeRaw(Array(#"{"model_type": "mamba"}"#.utf8), to: folder("config.json"))
      }
      writeRaw(bytes + [UInt8](repeating: 10, count: 100), to: folder(name))
      writeRaw(Array("#version: 0.2\n".utf8), to: folder("merges.txt"))
      let text = sentence(in: folder) {
        if name == "tokenizer.json" || name == "vocab.json" {
          _ = try Tokenizers.load(folder.path)
        } else if name == "config.json" {
          _ = try ModelFolder.load(folder.path)
        } else {
          _ = try openTensors(at: folder.path)
        }
      }
      #expect(text.hasPrefix("\(name): ") && text.contains(found) && text.contains(remedy), "\(text)")
    }
  }

  private static let misnamed = strangers.filter { ["Git LFS", "a page of HTML", "gzip"].contains($0.found) }

  @Test(
    "a file of a model's folder, named alone, is answered with its folder",
    arguments: [
      "model.safetensors", "config.json", "generation_config.json", "model-00001-of-00002.safetensors",
    ])
  func part(name: String) throws {
    let folder = TemporaryFolder()
    writeRaw(Array("{}".utf8), to: folder("config.json"))
    if name.hasSuffix(".json") {
      writeRaw(Array("{}".utf8), to: folder(name))
    } else {
      var writer = SafetensorsWriter(metadata: [:])
      writer.add("backbone.norm_f.weight", Tensor([1, 2]), as: .float32)
      try writer.write(to: folder(name))
    }
    let text = sentence(in: folder) { _ = try ModelFolder.load(folder(name)) }
    #expect(text.contains("a part of the model in \(folder.path); name that folder"), "\(text)")
  }

  @Test("under any name, alone and as the weights of a folder", arguments: strangers.indices)
  func named(index: Int) throws {
    let (bytes, found, remedy) = Self.strangers[index]
    for name in ["model.gguf", "model.pth", "weights", "model.safetensors"] {
      let folder = TemporaryFolder()
      writeRaw(bytes + [UInt8](repeating: 7, count: 200), to: folder(name))
      for path in name == "model.safetensors" ? [folder(name), folder.path] : [folder(name)] {
        let text = sentence(in: folder) { _ = try openTensors(at: path) }
        #expect(
          text.hasPrefix("\(name): byte 0: ") && text.contains(found) && text.contains(remedy), "\(text)")
      }
      let text = sentence(in: folder) { _ = try ModelFolder.load(folder(name)) }
      #expect(text.contains(found), "\(text)")
    }
  }

  @Test("a header whose length looks like another format is a header", arguments: [0x0480, 0x8B1F])
  func headers(length: Int) throws {
    let folder = TemporaryFolder()
    let start = #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
    let header = start + String(repeating: " ", count: length - start.utf8.count - 1) + "}"
    writeRaw(safetensors(header, data: 1), to: folder("a"))
    #expect(try openTensors(at: folder("a")).names == ["a"])
  }

  /// The file that torch.save would write of vectors.
  private static func archive(_ tensors: [(name: String, values: [Float])]) -> [UInt8] {
    torchArchive(tensors.map { little($0.values) }) { pickle in
      pickle.bytes += Array("}(".utf8)
      for (key, tensor) in tensors.enumerated() {
        pickle.text(tensor.name)
        pickle.tensor(
          "FloatStorage", key: "\(key)", storageCount: tensor.values.count, shape: [tensor.values.count],
          strides: [1])
      }
      pickle.operation("u")
    }
  }

  @Test("a model in several files of torch.save is one model")
  func shards() throws {
    let folder = TemporaryFolder()
    writeRaw(Self.archive([("a", [1, 2]), ("b", [3])]), to: folder("pytorch_model-00001-of-00002.bin"))
    writeRaw(Self.archive([("c", [4, 5, 6])]), to: folder("pytorch_model-00002-of-00002.bin"))
    func index(_ last: String) -> String {
      """
      {"metadata": {"total_size": 24}, "weight_map": {"a": "pytorch_model-00001-of-00002.bin",
       "b": "pytorch_model-00001-of-00002.bin", "\(last)": "pytorch_model-00002-of-00002.bin"}}
      """
    }
    writeRaw(Array(index("c").utf8), to: folder("pytorch_model.bin.index.json"))
    let source = try openTensors(at: folder.path)
    #expect(source.names == ["a", "b", "c"])
    #expect(try source.tensor("c").scalars == [4, 5, 6] && source.tensor("b").scalars == [3])

    writeRaw(Array(index("d").utf8), to: folder("pytorch_model.bin.index.json"))
    let text = sentence(in: folder) { _ = try openTensors(at: folder.path) }
    #expect(text.contains("\"d\"") && text.contains("do not belong together"), "\(text)")
    unlink(folder("pytorch_model-00002-of-00002.bin"))
    let missing = sentence(in: folder) { _ = try openTensors(at: folder.path) }
    #expect(missing.contains("00002-of-00002.bin"), "\(missing)")
  }

  @Test("an adapter of PEFT is named with its base, with and without a configuration beside it")
  func adapters() throws {
    let folder = TemporaryFolder()
    writeRaw(
      Array(#"{"peft_type": "LORA", "base_model_name_or_path": "state-spaces/mamba-130m-hf", "r": 8}"#.utf8),
      to: folder("adapter_config.json"))
    writeRaw(safetensors("{}", data: 0), to: folder("adapter_model.safetensors"))
    for text in ["", #"{"model_type": "mamba"}"#] {
      if !text.isEmpty { writeRaw(Array(text.utf8), to: folder("config.json")) }
      let error = #expect(throws: FileError.self) { try ModelFolder.load(folder.path) }
      #expect(error?.found == "only an adapter (LORA) for state-spaces/mamba-130m-hf")
      #expect(error?.remedy.contains("merge_and_unload()") == true)
    }
  }

  @Test("a folder without a configuration or weights says which files it wants")
  func empty() throws {
    let folder = TemporaryFolder()
    #expect(
      sentence(in: folder) { _ = try ModelFolder.load(folder.path) }.contains("folder that holds config.json")
    )
    writeRaw([0], to: folder("RWKV-x070.pth"))
    #expect(sentence(in: folder) { _ = try ModelFolder.load(folder.path) }.contains("such as RWKV-x070.pth"))
    writeRaw(Array(#"{"model_type": "mamba"}"#.utf8), to: folder("config.json"))
    let text = sentence(in: folder) { _ = try ModelFolder.load(folder.path) }
    #expect(text.contains("model.safetensors, model.safetensors.index.json, pytorch_model.bin"), "\(text)")
  }
}
