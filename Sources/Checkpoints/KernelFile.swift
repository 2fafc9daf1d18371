/// Convolution kernels in files: one filter per channel, [channels taps] or, as depthwise layers keep them,
/// [channels 1 taps].

import RunnelFiles
import RunnelMixers

/// The filters of one tensor, checked.
public struct KernelTensor: Sendable {
  /// The tensor's name in its file.
  public let name: String
  /// [channels][taps], tap 0 first.
  public let filters: [[Double]]
  /// Taps of a filter; 0 without channels.
  public var length: Int { filters.first?.count ?? 0 }
}

/// Reads and writes convolution kernels in safetensors files; of PyTorch's files they are read too.
public enum KernelFile {
  /// What `format` in the metadata says of files that hold kernels and nothing else.
  public static let format = "runnel-kernel-1"
  package static let kind = FileKind.tensors("a file of kernels", format: format)
  /// The most numbers that are written, so that a length too many is an error rather than a full disk.
  package static let maximumElements = Double(1 << 30)

  /// The named tensors; without names all of a file of ``format``, else the only one of shape [channels taps] or [channels 1
  /// taps].
  ///
  /// - Throws: ``FileError`` where a tensor is absent, of another shape or not finite, or the choice is not clear.
  public static func read(_ path: String, tensors names: [String] = []) throws(FileError) -> [KernelTensor] {
    let source = try openTensors(at: path)
    var chosen = names
    if chosen.isEmpty {
      chosen = try kernels(in: source)
      guard !chosen.isEmpty else {
        throw FileError(
          path, at: "tensors", expected: "a kernel of shape [channels taps] or [channels 1 taps]",
          found: "none among \(source.names.count)",
          remedy: "check the file; of a kernel [outputs inputs taps] only one pair at a time is a filter")
      }
      guard chosen.count == 1 || source.metadata["format"] == format else {
        let shown = chosen.prefix(8).map { quoted($0) }.joined(separator: ", ")
        throw FileError(
          path, at: "tensors", expected: "one kernel, or a file that says it holds nothing else",
          found: "\(chosen.count) that could be: \(shown)\(chosen.count > 8 ? ", …" : "")",
          remedy: "name those to convert with --tensor")
      }
    }
    var result: [KernelTensor] = []
    for name in chosen { result.append(try kernel(name, in: source)) }
    return result
  }

  private static func kernels(in source: any TensorSource) throws(FileError) -> [String] {
    var names: [String] = []
    for name in source.names where try isKernel(source.entry(name)) { names.append(name) }
    return names
  }

  private static func isKernel(_ entry: TensorEntry) -> Bool {
    let isNumber = [.float16, .bfloat16, .float32, .float64].contains(entry.elementType)
    let shape = entry.shape
    return isNumber && entry.count > 0 && (shape.count == 2 || shape.count == 3 && shape[1] == 1)
  }

  private static func kernel(_ name: String, in source: any TensorSource) throws(FileError) -> KernelTensor {
    let entry = try source.entry(name)
    guard isKernel(entry) else {
      throw FileError(
        source.path, at: "tensor \(quoted(name))",
        expected: "numbers of shape [channels taps] or [channels 1 taps]",
        found: "\(entry.elementType.rawValue) of shape \(entry.shape)",
        remedy: "name a tensor that holds one filter per channel")
    }
    let numbers = try source.doubles(name), taps = entry.shape.last ?? 0
    if let i = numbers.firstIndex(where: { !$0.isFinite }) {
      throw FileError(
        source.path, at: "tensor \(quoted(name)), channel \(i / taps), tap \(i % taps)",
        expected: "a finite number", found: "\(numbers[i])",
        remedy: "the weights are damaged or their training diverged: use another file")
    }
    return KernelTensor(
      name: name,
      filters: (0..<entry.shape[0]).map { Array(numbers[$0 * taps..<($0 + 1) * taps]) })
  }

  /// Writes kernels under their names, in 32-bit numbers, atomically.
  ///
  /// - Throws: ``FileError`` where the disk or the folder refuses the file.
  public static func write(_ kernels: [ImpulseResponse], to path: String) throws(FileError) {
    var writer = SafetensorsWriter(metadata: ["format": format])
    for kernel in kernels { writer.add(kernel.name, kernel.kernel) }
    try writer.write(to: path)
  }
}
