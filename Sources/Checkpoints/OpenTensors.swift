/// Which file of tensors a path means.

import RunnelFiles

/// The tensors of a safetensors file, of a file from torch.save, of an index of either, or of a model's folder that
/// holds one of them.
///
/// - Throws: ``FileError`` where there is no such file, or its header is damaged or of a format that is not read.
public func openTensors(at path: String) throws(FileError) -> any TensorSource {
  if isFolder(path) { return try openTensors(at: weights(in: path)) }
  if path.hasSuffix(".json") { return try TensorIndex(path) }
  return try openTensorFile(path)
}

/// One file, by its first bytes; its name decides only where they say nothing.
func openTensorFile(_ path: String) throws(FileError) -> any TensorSource {
  let input = try InputFile(path)
  let start = try input.bytes(at: 0, count: min(32, input.size))
  // The length of a header, and the header: some lengths look like the beginning of another format.
  if start.count > 8, start[8] == UInt8(ascii: "{"), start[4..<8].allSatisfy({ $0 == 0 }) {
    return try SafetensorsFile(path)
  }
  if start.starts(with: PyTorchFile.zipStart) || start.starts(with: PyTorchFile.oldStart) {
    return try PyTorchFile(path)
  }
  let stranger = strangers.first { start.starts(with: $0.magic) }.map { ($0.format, $0.remedy) }
  if let (found, remedy) = stranger ?? Misnamed(start).map({ ($0.what, $0.remedy) }) {
    throw FileError(
      path, at: "byte 0", expected: "a safetensors file or one that torch.save wrote", found: found,
      remedy: remedy)
  }
  return path.hasSuffix(".pth") || path.hasSuffix(".pt") ? try PyTorchFile(path) : try SafetensorsFile(path)
}

/// Formats of weights that are not read, and what to do with them.
private let strangers: [(magic: [UInt8], format: String, remedy: String)] = [
  (
    Array("GGUF".utf8), "a GGUF file of llama.cpp, whose weights are quantised",
    "name the model that it was made from, as a Hugging Face folder or an RWKV .pth"
  ),
  ([0x89] + Array("HDF".utf8), "an HDF5 file", "save the weights as safetensors"),
  ([0x80, 4, 0x95], "a pickle", "save only tensors with torch.save(weights, path), or as safetensors"),
]

/// What a folder's weights may be called, the first that is there being the model.
private let weightNames = [
  ModelFolder.weightsName, TensorIndex.fileName, "pytorch_model.bin",
  "pytorch_model.bin.index.json", "consolidated.safetensors",
]

private func weights(in folder: String) throws(FileError) -> String {
  if let name = weightNames.first(where: { fileExists(folder + "/" + $0) }) { return folder + "/" + name }
  if let adapter = ModelFolder.adapterError(folder) { throw adapter }
  throw FileError(
    folder, at: "weights", expected: "one of \(weightNames.joined(separator: ", "))", found: "none",
    remedy: "download the folder again, or name the file of weights")
}

extension ModelFolder {
  /// What to say of a folder that holds an adapter of PEFT alone; nil for any other.
  static func adapterError(_ folder: String) -> FileError? {
    let name = "adapter_config.json"
    guard fileExists(folder + "/" + name) else { return nil }
    let fields = try? ForeignConfiguration(readSmallFile(folder + "/" + name), path: name)
    let kind = (try? fields?.text("peft_type")) ?? "PEFT"
    let base = (try? fields?.text("base_model_name_or_path")) ?? "its base model"
    return FileError(
      folder, at: "weights", expected: "a whole model",
      found: "only an adapter (\(printable(kind))) for \(printable(base))",
      remedy: "merge it into its base with PEFT's merge_and_unload(), save that, and name that folder")
  }
}
