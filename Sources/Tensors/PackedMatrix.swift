/// A weight matrix [out in], packed for y = W x at the speed of memory, in 32, 16, 8.5 or 4.5 bits a weight.
///
/// The packed bytes are the same on every machine, so a file of them can be mapped and multiplied as it is; their layout
/// is told in `runnel_packed.h`. Sixteen rows lie interleaved, so the bytes are read once, in the order of memory, and each
/// of sixteen lanes adds up its own row.
///
/// int8 and int4 are symmetric: in a row, every 32 columns share one scale in bf16, which has the range of a Float. The
/// vectors that such a matrix meets are quantised to int8 in the same blocks, with a scale in Float, and the sums of a
/// block are exact in integers. Sums over blocks, and all of those for f32 and bf16, are Float. bf16 weights are widened;
/// the vectors they meet are not rounded.
///
/// A product does not depend on the number of threads, nor on how many vectors are multiplied at once. For int8 and int4
/// it is the same on every machine; for f32 and bf16, one with fused multiply-add rounds otherwise than one without.

import RunnelKernels

public struct PackedMatrix: Sendable {
  public let element: PackedElement
  public let rows: Int
  public let columns: Int
  private let memory: PackedMemory

  /// Packs a `weight` [out in]: f32 as it is, bf16 to the nearest, int8 and int4 to the nearest for the scales chosen, for
  /// int8 that of the largest weight of the block, for int4 the best of several in the sum of squares.
  ///
  /// - Throws: `PackingError` where an element is not a finite number; it tells `name` and the place.
  public init(_ weight: Tensor, as element: PackedElement, name: String) throws(PackingError) {
    precondition(weight.shape.rank == 2, "PackedMatrix: \(weight.shape) is not a matrix [out in]")
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    if let index = weight.firstNonFinite {
      throw PackingError(
        name: name, row: index / columns, column: index % columns, value: weight.base[index])
    }
    let memory = PackedMemory(
      byteCount: PackedProduct.byteCount(element, rows: rows, columns: columns)
    ) { PackedProduct.pack(element, rows: rows, columns: columns, weight.base, into: $0) }
    self.init(element, rows: rows, columns: columns, memory: memory)
  }

  /// A matrix over bytes that are there already, such as those of a mapped file.
  ///
  /// - Parameter bytes: `byteCount(_:rows:columns:)` of them, beginning at a multiple of 64.
  /// - Parameter owner: keeps the bytes alive and unchanged.
  package init(
    _ element: PackedElement, rows: Int, columns: Int, over bytes: UnsafeRawBufferPointer,
    owner: any AnyObject & Sendable
  ) {
    let count = Self.byteCount(element, rows: rows, columns: columns)
    precondition(
      bytes.count == count && UInt(bitPattern: bytes.baseAddress) % UInt(Self.alignment) == 0,
      "PackedMatrix: \(bytes.count) bytes are not the \(count) of [\(rows) \(columns)] in \(element), aligned to 64"
    )
    self.init(element, rows: rows, columns: columns, memory: PackedMemory(over: bytes, owner: owner))
  }

  private init(_ element: PackedElement, rows: Int, columns: Int, memory: PackedMemory) {
    self.element = element
    self.rows = rows
    self.columns = columns
    self.memory = memory
  }

  /// Bytes of a packed matrix: rows are filled up to a multiple of 16, columns to one of 32 (of 2 for bf16).
  public static func byteCount(_ element: PackedElement, rows: Int, columns: Int) -> Int {
    PackedProduct.byteCount(element, rows: rows, columns: columns)
  }
  public var byteCount: Int { memory.bytes.count }
  /// Packed bytes begin at a multiple of this many bytes of memory, and so of a file that is mapped.
  package static let alignment = 64

  /// The packed bytes, as a file keeps them.
  package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(memory.bytes)
  }

  /// The same numbers in memory of their own.
  package func copied() -> PackedMatrix {
    let bytes = memory.bytes
    return PackedMatrix(
      element, rows: rows, columns: columns,
      memory: PackedMemory(byteCount: bytes.count) {
        UnsafeMutableRawBufferPointer(start: $0, count: bytes.count).copyMemory(from: bytes)
      })
  }

  /// The weights that products are made with, as a matrix [out in].
  public func unpacked() -> Tensor {
    Tensor([rows, columns]) { w in
      guard let base = memory.bytes.baseAddress else { return }
      PackedProduct.unpack(element, rows: rows, columns: columns, base, into: w)
    }
  }

  /// One row of that matrix, [in].
  package func unpackRow(_ row: Int, into w: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows, "PackedMatrix: row \(row) outside \(rows)")
    guard let base = memory.bytes.baseAddress else { return }
    PackedProduct.unpackRow(element, row, columns: columns, base, into: w)
  }

  /// Whether rows from this one on are a packed matrix by themselves.
  private static func isBorder(_ row: Int) -> Bool { row % PackedProduct.tileRows == 0 }

  /// Rows `range`, which begins at a multiple of 16, as a matrix over the same bytes.
  private func rows(_ range: Range<Int>) -> PackedMatrix {
    let start = Self.byteCount(element, rows: range.lowerBound, columns: columns)
    let count = Self.byteCount(element, rows: range.count, columns: columns)
    let bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[start..<start + count])
    return PackedMatrix(
      element, rows: range.count, columns: columns, memory: PackedMemory(over: bytes, owner: memory))
  }

  /// The same in parts: the first `sizes[0]` rows of the weight make the first part, and so on.
  fileprivate func products(_ x: Tensor, bias: Tensor?, sizes: [Int]) -> [Tensor] {
    precondition(
      !isTracked(x, bias), "linear: gradients through a packed weight [\(rows) \(columns)]; take its numbers")
    precondition(
      sizes.reduce(0, +) == rows, "linear: parts \(sizes) do not sum to \(rows) rows of the weight")
    var ends = sizes
    for i in ends.indices.dropFirst() { ends[i] += ends[i - 1] }
    if x.shape.rows == 1 {
      // The parts of one vector lie one after the other.
      let y = linear(x, self, bias: bias)
      return zip(sizes, ends).map {
        Tensor(shape: x.shape.with(width: $0), storage: y.storage, offset: $1 - $0)
      }
    }
    guard bias == nil, ends.dropLast().allSatisfy(Self.isBorder) else {
      return split(linear(x, self, bias: bias), sizes: sizes)
    }
    let vectors = PackedVectors(x, for: element)
    return zip(sizes, ends).map { size, end in
      let part = rows(end - size..<end)
      return Tensor(x.shape.with(width: size)) { part.multiply(vectors, into: $0) }
    }
  }

  /// y = x Wᵀ, or y + x Wᵀ, for y [… out].
  package func multiply(
    _ x: PackedVectors, adding: Bool = false, into y: UnsafeMutablePointer<Float>,
    on instructions: InstructionSet = .current
  ) {
    require(x)
    guard let base = memory.bytes.baseAddress else { return }
    PackedProduct.run(
      element, rows: rows, columns: columns, base, count: x.count, x.base, adding: adding, into: y,
      on: instructions)
  }

  /// Rows `range`, which begin at a multiple of 16, of the same product; on the calling thread.
  package func multiply(_ x: PackedVectors, rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
    require(x)
    precondition(
      Self.isBorder(range.lowerBound) && range.upperBound <= rows,
      "PackedMatrix: rows \(range) of \(rows), or not from a multiple of 16 on")
    guard let base = memory.bytes.baseAddress else { return }
    PackedProduct.run(
      element, rows: rows, of: range, columns: columns, base, count: x.count, x.base, into: y)
  }

  private func require(_ x: PackedVectors) {
    precondition(
      x.columns == columns && x.isQuantised == element.isQuantised,
      "PackedMatrix: [\(rows) \(columns)] in \(element) by vectors of \(x.columns) prepared for another type")
  }
}

/// Vectors prepared for packed matrices of a type: once for all matrices that they meet.
package struct PackedVectors: Sendable {
  package let count: Int
  package let columns: Int
  private let element: PackedElement
  private let storage: Storage

  /// Columns that are prepared together.
  package static let block = 32

  /// `count` vectors that are still to be filled.
  package init(count: Int, columns: Int, for element: PackedElement) {
    (self.count, self.columns, self.element) = (count, columns, element)
    storage = Storage(
      capacity: PackedProduct.vectorBytes(element, count: count, columns: columns)
        / MemoryLayout<Float>.stride)
  }

  /// The vectors `x` [… in]. In a block of 32 that is quantised, what is below 1e-36 counts as zero; where it holds a NaN
  /// or an infinity, all products become NaN.
  package init(_ x: Tensor, for element: PackedElement) {
    self.init(count: x.shape.rows, columns: x.shape.width, for: element)
    PackedProduct.prepare(element, count: count, columns: columns, x.base, into: storage.base)
  }

  /// Prepares columns `range` of the only vector, x [in]; it begins at a multiple of 32, and ends at one or with the vector.
  package func fill(_ range: Range<Int>, from x: UnsafePointer<Float>) {
    precondition(
      count == 1 && range.lowerBound % Self.block == 0 && range.upperBound <= columns
        && (range.upperBound % Self.block == 0 || range.upperBound == columns),
      "PackedVectors: columns \(range) of \(count) vectors of \(columns)")
    PackedProduct.prepare(
      element, count: 1, columns: range.count, x + range.lowerBound,
      into: UnsafeMutableRawPointer(storage.base)
        + PackedProduct.vectorBytes(element, count: 1, columns: range.lowerBound))
  }

  /// Whether they are for int8 and int4, or for f32 and bf16.
  package var isQuantised: Bool { element.isQuantised }
  fileprivate var base: UnsafeRawPointer { UnsafeRawPointer(storage.base) }
}

/// x Wᵀ + b + r: `x` [… in], `weight` [out in], `bias` [out] or none, `residual` [… out] or none → [… out]. A packed
/// weight streams: operands on the tape are refused, since no gradient would reach them.
public func linear(
  _ x: Tensor, _ weight: PackedMatrix, bias: Tensor? = nil, residual: Tensor? = nil
) -> Tensor {
  let bias = bias?.isEmpty == true ? nil : bias
  let shape = x.shape.with(width: weight.rows)
  precondition(
    !isTracked(x, bias, residual),
    "linear: gradients through a packed weight [\(weight.rows) \(weight.columns)]; take its numbers")
  precondition(
    x.shape.width == weight.columns,
    "linear: \(x.shape) by a packed weight [\(weight.rows) \(weight.columns)]; the last extents must be equal"
  )
  precondition(
    bias == nil || bias?.count == weight.rows, "linear: a bias of \(bias?.count ?? 0) for \(weight.rows) rows"
  )
  precondition(
    residual == nil || residual?.shape == shape,
    "linear: a residual of \(residual?.shape ?? []) for \(shape); they must be equal")
  return product(PackedVectors(x, for: weight.element), weight, shape, bias: bias, residual: residual)
}

/// The same of vectors that are prepared: → [shape… out].
package func linear(_ x: PackedVectors, _ weight: PackedMatrix, bias: Tensor? = nil, shape: Shape) -> Tensor {
  precondition(shape.elements == x.count, "linear: \(x.count) vectors do not fill the shape \(shape)")
  var out = shape
  out.append(weight.rows)
  return product(x, weight, out, bias: bias?.isEmpty == true ? nil : bias, residual: nil)
}

private func product(
  _ vectors: PackedVectors, _ weight: PackedMatrix, _ shape: Shape, bias: Tensor?, residual: Tensor?
) -> Tensor {
  var y = residual?.detached ?? Tensor(uninitialized: shape)
  if let bias {
    if residual != nil {
      y = added(y, bias.detached)
    } else {
      splitRows(shape.rows, width: bias.count) {
        for row in $0 { (y.storage.base + row * bias.count).update(from: bias.base, count: bias.count) }
      }
    }
  }
  let adding = bias != nil || residual != nil
  y.mutate { weight.multiply(vectors, adding: adding, into: $0) }
  return y
}

/// x Wᵀ + b in parts, as over numbers.
package func linear(_ x: Tensor, _ weight: PackedMatrix, bias: Tensor? = nil, sizes: [Int]) -> [Tensor] {
  weight.products(x, bias: bias?.isEmpty == true ? nil : bias, sizes: sizes)
}

/// A number that cannot be packed.
public struct PackingError: Error, CustomStringConvertible, Sendable, Equatable {
  public let name: String
  public let row: Int
  public let column: Int
  public let description: String

  init(name: String, row: Int, column: Int, value: Float) {
    (self.name, self.row, self.column) = (name, row, column)
    description =
      "\(name): element [\(row), \(column)] is \(value); weights must be finite numbers to be packed, so take a checkpoint from before they diverged"
  }
}

/// The bytes of a packed matrix, which are written once, before anyone reads them, and who keeps them.
private final class PackedMemory: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  private let owner: any AnyObject & Sendable

  init(byteCount: Int, filledBy fill: (UnsafeMutableRawPointer) -> Void) {
    let (base, owner) = LargePages.allocate(byteCount: byteCount)
    fill(base)
    bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
    self.owner = owner
  }
  init(over bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
    self.bytes = bytes
    self.owner = owner
  }
}
