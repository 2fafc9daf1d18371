/// PyTorch's own format, read.

import RunnelFiles

/// A file that torch.save wrote: a zip archive of one pickle, which describes the tensors, and their numbers.
///
///     let file = try PyTorchFile("RWKV-x070-World-0.1B.pth")
///     let weight = try file.tensor("emb.weight")
///
/// Opening reads the archive's directory and the pickle, which is interpreted without running anything from it,
/// and checks that every tensor lies inside its storage and every storage inside its entry. Tensors in
/// dictionaries and lists inside the outermost one are named by the path to them, with dots: a training
/// checkpoint's `{"model": {"emb.weight": …}}` has `model.emb.weight`.
package struct PyTorchFile: TensorSource, TensorFile {
  /// The largest pickle that is read, in bytes; a hundred for each tensor are usual.
  static let maximumPickle = 1 << 24
  static let maximumRank = 16
  /// Bytes of a tensor's name with the path to it.
  static let maximumName = 512

  package let path: String
  package private(set) var names: [String] = []
  package var metadata: [String: String] { [:] }
  private var entries: [String: TensorEntry] = [:]
  private let input: InputFile

  /// Opens the file and interprets its pickle.
  ///
  /// - Throws: ``FileError`` for the format before PyTorch 1.6, big-endian numbers, and a pickle that holds more than
  ///   tensors.
  package init(_ path: String) throws(FileError) {
    self.path = path
    input = try InputFile(path)
    try Self.refuseOldFormat(input)
    let directory = try ZipDirectory(input)
    let root = try Self.root(directory, path)
    guard let pickle = directory.entries[root + "data.pkl"], pickle.count <= Self.maximumPickle else {
      throw FileError(
        path, at: "data.pkl", expected: "at most \(Self.maximumPickle) bytes", found: "more",
        remedy: "save only tensors, torch.save(model.state_dict(), …)")
    }
    if let order = directory.entries[root + "byteorder"] {
      let text = try input.bytes(at: order.lowerBound, count: min(order.count, 16))
      guard text == Array("little".utf8) else {
        throw FileError(
          path, at: "byteorder", expected: "little", found: quoted(String(decoding: text, as: UTF8.self)),
          remedy: "save the file again on a little-endian machine")
      }
    }
    var machine = PickleMachine(try input.bytes(at: pickle.lowerBound, count: pickle.count), file: path)
    let value = try machine.run()
    guard case .container = value else {
      throw FileError(
        path, at: "data.pkl", expected: "a dictionary of tensors", found: "another value",
        remedy: "save a state dictionary, torch.save(model.state_dict(), …)")
    }
    var collector = TensorCollector(path: path, root: root, directory: directory, machine: machine)
    try collector.collect(value)
    names = collector.names
    entries = collector.entries
  }

  static let zipStart: [UInt8] = [0x50, 0x4B, 3, 4]
  static let oldStart: [UInt8] = [0x80, 2, 0x8A, 10]

  /// Before version 1.6, torch.save wrote bare pickles, one after the other.
  private static func refuseOldFormat(_ input: InputFile) throws(FileError) {
    let start = try input.bytes(at: 0, count: min(4, input.size))
    guard start == Self.oldStart else { return }
    throw FileError(
      input.path, at: "byte 0", expected: "a zip archive",
      found: "the format of torch.save before version 1.6",
      remedy: "load it in Python and save it again with torch.save(weights, path)")
  }

  /// The folder inside the archive that holds everything.
  private static func root(_ directory: ZipDirectory, _ path: String) throws(FileError) -> String {
    let roots = directory.names.filter { $0.hasSuffix("/data.pkl") && $0.utf8.count { $0 == 0x2F } == 1 }
    guard roots.count == 1, let name = roots.first else {
      throw FileError(
        path, at: "zip directory", expected: "one folder with a data.pkl", found: "\(roots.count)",
        remedy: "check that this is a file that torch.save wrote")
    }
    return String(name.dropLast("data.pkl".count))
  }

  package func contains(_ name: String) -> Bool { entries[name] != nil }

  package func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry) {
    guard let entry = entries[name] else {
      throw FileError(
        path, at: "data.pkl", expected: "a tensor named \(quoted(name))", found: "none among \(names.count)",
        remedy: "check that the file belongs to this kind of model")
    }
    return (self, entry)
  }

  package func read(
    at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    try input.read(at: offset, into: buffer)
  }
}

/// Walks the containers for tensors and checks each against its storage.
private struct TensorCollector {
  let path: String
  let root: String
  let directory: ZipDirectory
  let machine: PickleMachine
  var names: [String] = []
  var entries: [String: TensorEntry] = [:]
  /// Each container is entered once: a few that hold each other in pairs would make names without end.
  private var entered: Set<Int> = []

  private static let maximumDepth = 32

  init(path: String, root: String, directory: ZipDirectory, machine: PickleMachine) {
    self.path = path
    self.root = root
    self.directory = directory
    self.machine = machine
  }

  mutating func collect(_ value: PickleValue, name: String = "", depth: Int = 0) throws(FileError) {
    if case .tensor(let index) = value {
      guard entries.updateValue(try entry(name, machine.tensors[index]), forKey: name) == nil else {
        throw FileError(
          path, at: "data.pkl", expected: "each name once", found: "\(quoted(name)) twice",
          remedy: "save the tensors under different names")
      }
      names.append(name)
    }
    guard case .container(let index) = value, depth < Self.maximumDepth, entered.insert(index).inserted else {
      return
    }
    let container = machine.containers[index]
    for (i, value) in container.values.enumerated() {
      let key: String
      if container.kind == .dictionary {
        switch container.keys[i] {
        case .text(let text): key = text
        case .integer(let number): key = "\(number)"
        default: continue
        }
      } else {
        key = "\(i)"
      }
      guard name.utf8.count + key.utf8.count < PyTorchFile.maximumName else {
        throw FileError(
          path, at: "data.pkl, \(quoted(key))", expected: "names of at most \(PyTorchFile.maximumName) bytes",
          found: "a longer one", remedy: FileError.damaged)
      }
      try collect(value, name: name.isEmpty ? key : name + "." + key, depth: depth + 1)
    }
  }

  private func entry(_ name: String, _ tensor: PickleTensor) throws(FileError) -> TensorEntry {
    let storage = tensor.storage
    let size = storage.type.size
    func failure(_ field: String, expected: String, found: String) -> FileError {
      FileError(
        path, at: "tensor \(quoted(name)), \(field)", expected: expected, found: found,
        remedy: FileError.damaged)
    }
    let file = root + "data/" + storage.key
    guard let bytes = directory.entries[file] else {
      throw failure("storage", expected: "the entry \(quoted(file))", found: "none")
    }
    guard storage.count >= 0, storage.count <= bytes.count / size else {
      throw failure(
        "storage", expected: "at most the \(bytes.count / size) elements of \(quoted(file))",
        found: "\(storage.count)")
    }
    guard tensor.shape.count == tensor.strides.count, tensor.offset >= 0,
      !tensor.shape.contains(where: { $0 < 0 }), !tensor.strides.contains(where: { $0 < 0 })
    else {
      throw failure(
        "shape", expected: "no negative number and a stride for each axis",
        found: "\(tensor.shape), \(tensor.strides) from \(tensor.offset)")
    }
    // No more elements than the storage has: what is allocated is bounded by the file.
    guard let needed = TensorEntry.byteCount(tensor.shape, storage.type), needed / size <= storage.count
    else {
      throw failure(
        "shape", expected: "at most the storage's \(storage.count) elements", found: "shape \(tensor.shape)")
    }
    let start = bytes.lowerBound
    guard needed > 0 else {
      return TensorEntry(
        name: name, elementType: storage.type, shape: tensor.shape, bytes: start..<start)
    }
    guard let last = Self.lastElement(tensor), last < storage.count else {
      throw failure(
        "strides", expected: "elements within the storage's \(storage.count)",
        found: "shape \(tensor.shape), strides \(tensor.strides) from \(tensor.offset)")
    }
    return TensorEntry(
      name: name, elementType: storage.type, shape: tensor.shape,
      bytes: start + tensor.offset * size..<start + (last + 1) * size, strides: tensor.strides)
  }

  /// The place in the storage of the element whose indices are all at their end; nil beyond 63 bits.
  private static func lastElement(_ tensor: PickleTensor) -> Int? {
    var last = tensor.offset
    for (extent, stride) in zip(tensor.shape, tensor.strides) {
      let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, carry) = last.addingReportingOverflow(reach)
      guard !overflow, !carry else { return nil }
      last = sum
    }
    return last
  }
}
