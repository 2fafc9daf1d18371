/// The weights of a model in its recurrent form: a safetensors file whose matrices are packed, to be mapped and multiplied
/// as they lie.
///
/// A matrix NAME [out in] is a tensor NAME.TYPE, with TYPE one of f32, bf16, int8, int4: bytes in the layout of
/// `runnel_packed.h`, the same on every machine, from a multiple of 64 bytes of the file on. All other parameters are tensors
/// in F32 under their own names. The metadata says `form`: `recurrent`, and has the `fingerprint` of the numbers that the
/// weights stand for, which a stream's state file asks for. Numbers in packed matrices are not checked to be finite.

import RunnelFiles
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelTensors

struct PackedWeights {
  static let form = "recurrent"
  private let file: SafetensorsFile
  private let mapping: MappedFile
  let fingerprint: String

  /// nil where the weights of `source` are numbers.
  init?(of source: any TensorSource) throws(FileError) {
    guard source.metadata["form"] == Self.form else { return nil }
    guard let file = source as? SafetensorsFile, let fingerprint = file.metadata["fingerprint"] else {
      throw FileError(
        source.path, at: "metadata", expected: "one file, with a fingerprint",
        found: source is SafetensorsFile ? "none" : "several", remedy: "convert the model again")
    }
    self.file = file
    self.fingerprint = fingerprint
    mapping = try MappedFile(source.path)
    try check()
  }

  /// Refuses matrices that are not those that were written. Their bytes are read here first, on all threads, and stay in
  /// memory for the products.
  private func check() throws(FileError) {
    var matrices: [TensorEntry] = []
    for name in file.names where Self.element(ofName: name) != nil { matrices.append(try file.entry(name)) }
    guard matrices.contains(where: { $0.checksum != nil }) else { return }
    let hashes = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: matrices.count)
    defer { hashes.deallocate() }
    WorkerPool.shared.run(matrices.count) {
      hashes[$0] = xxh64(UnsafeRawBufferPointer(rebasing: mapping.bytes[matrices[$0].bytes]))
    }
    for (matrix, hash) in zip(matrices, hashes) { try matrix.check(hash, file.path) }
  }

  /// How a tensor of this name is packed; nil where it is numbers.
  static func element(ofName name: String) -> PackedElement? {
    name.lastIndex(of: ".").flatMap { PackedElement(rawValue: String(name[name.index(after: $0)...])) }
  }

  /// The packed matrix of a parameter whose numbers have this shape in this layout, and its name in the file.
  func find(
    _ parameter: String, _ shape: Shape, _ layout: Weight.Layout
  ) throws(FileError) -> (name: String, matrix: PackedMatrix)? {
    let candidates = PackedElement.allCases.map { (element: $0, name: "\(parameter).\($0.rawValue)") }
    guard let (element, name) = candidates.first(where: { file.contains($0.name) }) else { return nil }
    let entry = try file.entry(name)
    let (rows, columns) = layout == .outputByInput ? (shape[0], shape[1]) : (shape[1], shape[0])
    let needed = PackedMatrix.byteCount(element, rows: rows, columns: columns)
    guard entry.elementType == .uint8, entry.count == needed else {
      throw FileError(
        file.path, at: "tensor \(quoted(name))", expected: "\(needed) bytes U8 for \(shape)",
        found: "\(entry.elementType.rawValue) \(entry.shape)",
        remedy: "use the configuration that belongs to these weights")
    }
    let begin = entry.bytes.lowerBound
    guard begin % PackedMatrix.alignment == 0, entry.bytes.upperBound <= mapping.bytes.count else {
      throw FileError(
        file.path, at: "tensor \(quoted(name))",
        expected: "bytes from a multiple of \(PackedMatrix.alignment) on", found: "them from \(begin) on",
        remedy: "convert the model again")
    }
    let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[entry.bytes])
    return (name, PackedMatrix(element, rows: rows, columns: columns, over: bytes, owner: mapping))
  }
}

extension ModelFolder {
  /// Writes the configuration and the weights as they stream: packed as `element`, but for those that are packed already;
  /// each file is replaced in one step. The folder is made if need be.
  ///
  /// - Parameter finer: weights that are packed otherwise, by name.
  /// - Throws: `PackingError` where a weight is not a finite number, `FileError` where a file cannot be written.
  public static func savePacked(
    _ model: some LanguageFunction, to folder: String, as element: PackedElement,
    finer: [String: PackedElement] = [:],
    metadata: [String: String] = [:], tokenizer sha256: String? = nil
  ) throws {
    let packed = try model.stream(packing: false).packed(as: element, finer: finer)
    try makeFolder(folder)
    let own = ["format": "pt", "form": PackedWeights.form, "fingerprint": packed.identity.weights]
    var writer = SafetensorsWriter(metadata: metadata.merging(own) { $1 })
    writer.metadata[tokenizerKey] = sha256
    for entry in packed.entries {
      if let matrix = entry.matrix {
        writer.add("\(entry.place.name).\(matrix.element.rawValue)", matrix)
      } else {
        writer.add(entry.place.name, entry.stored.numbers)
      }
    }
    // The weights say that a conversion has made the folder, which another may then replace, whenever this one ends.
    try writer.write(to: folder + "/" + weightsName)
    try saveConfiguration(of: model, to: folder)
  }
}
