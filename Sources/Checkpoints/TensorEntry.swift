/// What a safetensors header says about one tensor.

import RunnelFiles

/// How a number lies in a file; the raw value is the format's own word.
public enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case uint8 = "U8"
  case int8 = "I8"
  case float8e4m3 = "F8_E4M3"
  case float8e5m2 = "F8_E5M2"
  case uint16 = "U16"
  case int16 = "I16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case uint32 = "U32"
  case int32 = "I32"
  case float32 = "F32"
  case uint64 = "U64"
  case int64 = "I64"
  case float64 = "F64"
  case complex64 = "C64"

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .uint8, .int8, .float8e4m3, .float8e5m2: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .complex64: 8
    }
  }
}

/// A tensor of a file: its type, its shape and where its bytes lie.
public struct TensorEntry: Sendable, Equatable {
  /// Its name in the file.
  public let name: String
  /// How its numbers lie in the file.
  public let elementType: ElementType
  /// The extents, outermost first; empty for a single number.
  public let shape: [Int]
  /// Where its bytes lie, counted from the start of the file: the elements in row-major order, unless there
  /// are strides.
  public let bytes: Range<Int>
  /// For each axis, how many elements apart its neighbours lie in `bytes`; nil for row-major order.
  public let strides: [Int]?
  /// XXH64 of these bytes, where the file says it.
  var checksum: UInt64?

  init(name: String, elementType: ElementType, shape: [Int], bytes: Range<Int>, strides: [Int]? = nil) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
    self.strides = strides.flatMap { Self.isRowMajor(shape, $0) ? nil : $0 }
  }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// Refuses bytes that are not those that were written.
  func check(_ bytes: UnsafeRawBufferPointer, _ path: String) throws(FileError) {
    guard checksum != nil else { return }
    try check(xxh64(bytes), path)
  }

  func check(_ own: UInt64, _ path: String) throws(FileError) {
    guard let checksum, own != checksum else { return }
    throw Seal.mismatch(
      path, at: "tensor \(quoted(name))", stored: hexadecimal(checksum, digits: 16),
      computed: hexadecimal(own, digits: 16), remedy: SafetensorsFile.resealing)
  }

  private static func isRowMajor(_ shape: [Int], _ strides: [Int]) -> Bool {
    var expected = 1
    for (extent, stride) in zip(shape, strides).reversed() {
      // The stride of an axis of extent one is never taken.
      guard stride == expected || extent == 1 else { return false }
      expected *= extent
    }
    return true
  }

  /// Calls `body` with the place of each element among those in `bytes`, in row-major order.
  @inline(__always)
  func forEachPlace(_ strides: [Int], _ body: (Int) -> Void) {
    var index = [Int](repeating: 0, count: shape.count)
    var place = 0
    for _ in 0..<count {
      body(place)
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        place += strides[axis]
        if index[axis] < shape[axis] { break }
        place -= shape[axis] * strides[axis]
        index[axis] = 0
        axis -= 1
      }
    }
  }

  /// The bytes that a tensor of this shape takes; nil if they do not fit Int. An axis of extent zero does not
  /// excuse the others, since shapes are multiplied piecewise later.
  static func byteCount(_ shape: [Int], _ type: ElementType) -> Int? {
    var product = type.size
    for extent in shape where extent != 0 {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      product = next
    }
    return shape.contains(0) ? 0 : product
  }
}
