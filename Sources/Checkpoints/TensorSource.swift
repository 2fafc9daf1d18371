/// What tensors are loaded from.

import RunnelFiles
import RunnelTensors

/// Named tensors on disk, in one file or in several: what model loading asks for its parameters.
public protocol TensorSource: Sendable {
  /// The file a person should look at.
  var path: String { get }
  /// In the order of the file.
  var names: [String] { get }
  /// What the file says beside its tensors; empty where the format has no place for it.
  var metadata: [String: String] { get }
  /// Whether there is a tensor of that name.
  func contains(_ name: String) -> Bool
  /// The file that holds a tensor, and what its header says of it; throws where there is none of that name.
  func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry)
}

/// A file whose tensors lie in it as plain little-endian numbers, whatever the format around them.
public protocol TensorFile: Sendable {
  /// The file's path; errors begin with it.
  var path: String { get }
  /// Fills the whole buffer from the bytes at `offset`, counted from the start of the file.
  ///
  /// - Throws: ``FileError`` where the file ends before or cannot be read.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError)
}

extension TensorSource {
  /// What the header says of a tensor; throws where there is none of that name.
  public func entry(_ name: String) throws(FileError) -> TensorEntry { try locate(name).1 }

  /// The tensor in Float, from any of the floating-point types of 16, 32 and 64 bits. Read whole, with its
  /// checksum compared where the file has one.
  ///
  /// - Throws: ``FileError`` where there is none of that name, its type is another, its bytes are damaged, or with
  ///   `requireFinite` at the first infinity or NaN.
  public func tensor(_ name: String, requireFinite: Bool = false) throws(FileError) -> Tensor {
    let (file, entry) = try locate(name)
    guard entry.shape.count <= Shape.maximumRank else {
      throw file.mismatch(
        entry, "shape", expected: "at most \(Shape.maximumRank) axes", found: "\(entry.shape.count)")
    }
    let tensor = Tensor(uninitialized: Shape(entry.shape))
    let values = UnsafeMutableBufferPointer(start: tensor.storage.base, count: entry.count)
    if let strides = entry.strides {
      let span = UnsafeMutableBufferPointer<Float>.allocate(capacity: entry.spanCount)
      defer { span.deallocate() }
      try file.floats(entry, into: span)
      var next = 0
      entry.forEachPlace(strides) { place in
        values[next] = span[place]
        next += 1
      }
    } else {
      try file.floats(entry, into: values)
    }
    if requireFinite, let index = values.firstIndex(where: { !$0.isFinite }) {
      throw FileError(
        file.path, at: "tensor \(quoted(name)), element \(index)", expected: "a finite number",
        found: "\(values[index])",
        remedy: "the weights are damaged or their training diverged: use another checkpoint")
    }
    return tensor
  }

  /// The numbers in Double, which loses nothing; throws as `tensor` does.
  public func doubles(_ name: String) throws(FileError) -> [Double] {
    let (file, entry) = try locate(name)
    guard entry.elementType != .float64 else { return try file.elements(entry, zero: 0.0) }
    return try tensor(name).scalars.map(Double.init)
  }

  /// The whole numbers of a tensor of any integer type; truth values are 0 and 1.
  ///
  /// - Throws: ``FileError`` for another type, damaged bytes, and numbers beyond `Int`.
  public func integers(_ name: String) throws(FileError) -> [Int] {
    let (file, entry) = try locate(name)
    switch entry.elementType {
    case .uint8: return try file.elements(entry, zero: UInt8(0)).map(Int.init)
    case .int8: return try file.elements(entry, zero: Int8(0)).map(Int.init)
    case .uint16: return try file.elements(entry, zero: UInt16(0)).map(Int.init)
    case .int16: return try file.elements(entry, zero: Int16(0)).map(Int.init)
    case .uint32: return try file.elements(entry, zero: UInt32(0)).map(Int.init)
    case .int32: return try file.elements(entry, zero: Int32(0)).map(Int.init)
    case .int64: return try file.elements(entry, zero: Int64(0)).map(Int.init)
    case .uint64:
      let words = try file.elements(entry, zero: UInt64(0))
      if let large = words.first(where: { $0 > UInt64(Int.max) }) {
        throw file.mismatch(entry, "data", expected: "numbers of at most 63 bits", found: "\(large)")
      }
      return words.map(Int.init)
    case .bool:
      let flags = try file.elements(entry, zero: UInt8(0))
      if let other = flags.first(where: { $0 > 1 }) {
        throw file.mismatch(entry, "data", expected: "truth values 0 and 1", found: "\(other)")
      }
      return flags.map(Int.init)
    default:
      throw file.mismatch(entry, "dtype", expected: "an integer type", found: entry.elementType.rawValue)
    }
  }

  /// The elements' bytes as the file has them, whatever their type; throws where there is no such tensor or it is damaged.
  public func bytes(_ name: String) throws(FileError) -> [UInt8] {
    let (file, entry) = try locate(name)
    let span = try file.span(entry, zero: UInt8(0))
    guard let strides = entry.strides else { return span }
    let size = entry.elementType.size
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entry.count * size)
    entry.forEachPlace(strides) { bytes += span[$0 * size..<($0 + 1) * size] }
    return bytes
  }
}

extension TensorEntry {
  /// How many elements lie in `bytes`, of which strides may leave some out.
  fileprivate var spanCount: Int { bytes.count / elementType.size }
}

extension TensorFile {
  fileprivate func mismatch(
    _ entry: TensorEntry, _ field: String, expected: String, found: String
  ) -> FileError {
    FileError(
      path, at: "tensor \(quoted(entry.name)), \(field)", expected: expected, found: found,
      remedy: "check that the file belongs to this kind of model")
  }

  /// The numbers in `entry.bytes`, as they lie there.
  fileprivate func span<Element: BitwiseCopyable>(
    _ entry: TensorEntry, zero: Element
  ) throws(FileError) -> [Element] {
    var elements = [Element](repeating: zero, count: entry.bytes.count / MemoryLayout<Element>.size)
    try elements.withUnsafeMutableBufferPointer { buffer throws(FileError) in
      try read(at: entry.bytes.lowerBound, into: UnsafeMutableRawBufferPointer(buffer))
      try entry.check(UnsafeRawBufferPointer(buffer), path)
    }
    return elements
  }

  /// The tensor's elements in row-major order, in the type that they are stored in.
  fileprivate func elements<Element: BitwiseCopyable>(
    _ entry: TensorEntry, zero: Element
  ) throws(FileError) -> [Element] {
    let span = try span(entry, zero: zero)
    guard let strides = entry.strides else { return span }
    var elements: [Element] = []
    elements.reserveCapacity(entry.count)
    entry.forEachPlace(strides) { elements.append(span[$0]) }
    return elements
  }

  /// Converts the numbers in `entry.bytes`, of any of the floating-point types.
  fileprivate func floats(
    _ entry: TensorEntry, into values: UnsafeMutableBufferPointer<Float>
  ) throws(FileError) {
    switch entry.elementType {
    case .float32:
      try read(at: entry.bytes.lowerBound, into: UnsafeMutableRawBufferPointer(values))
      try entry.check(UnsafeRawBufferPointer(values), path)
    case .float16: try convert(entry, UInt16.self, into: values, floatFromHalf)
    case .bfloat16: try convert(entry, UInt16.self, into: values) { Float(bitPattern: UInt32($0) << 16) }
    case .float64: try convert(entry, Double.self, into: values) { Float($0) }
    default:
      throw mismatch(
        entry, "dtype", expected: "F16, BF16, F32 or F64", found: entry.elementType.rawValue)
    }
  }

  /// Converts block by block, so that no second copy of the tensor is made.
  @inline(__always)
  fileprivate func convert<Stored: BitwiseCopyable>(
    _ entry: TensorEntry, _: Stored.Type, into values: UnsafeMutableBufferPointer<Float>,
    _ value: (Stored) -> Float
  ) throws(FileError) {
    let size = MemoryLayout<Stored>.size
    let block = UnsafeMutableBufferPointer<Stored>.allocate(capacity: min(1 << 16, max(1, values.count)))
    defer { block.deallocate() }
    var hash = XXH64()
    for start in stride(from: 0, to: values.count, by: block.count) {
      let count = min(block.count, values.count - start)
      let part = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(block)[..<(count * size)])
      try read(at: entry.bytes.lowerBound + start * size, into: part)
      if entry.checksum != nil { hash.update(UnsafeRawBufferPointer(part)) }
      for i in 0..<count { values[start + i] = value(block[i]) }
    }
    try entry.check(hash.finish(), path)
  }
}

/// IEEE half to single: the exponent is rebased by a product with 2¹¹², which sets subnormal numbers right as
/// well.
@inline(__always)
private func floatFromHalf(_ half: UInt16) -> Float {
  let magnitude = UInt32(half & 0x7FFF) << 13
  let isSpecial = half & 0x7C00 == 0x7C00
  let bits = isSpecial ? magnitude | 0x7F80_0000 : (Float(bitPattern: magnitude) * 0x1p112).bitPattern
  return Float(bitPattern: bits | UInt32(half & 0x8000) << 16)
}
