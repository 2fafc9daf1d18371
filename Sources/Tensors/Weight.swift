/// The weight matrices of a model.

import RunnelKernels

/// A weight matrix of a model: its numbers, which can be trained, or packed for streaming.
///
/// Mixers do not look inside: `linear`, `product` and `embedding` take either. Packed, a weight is a constant.
public struct Weight: Sendable {
  /// How a checkpoint stores the matrix.
  public enum Layout: Sendable {
    /// [out in], as `linear` takes it.
    case outputByInput
    /// [in out], as `product` takes it.
    case inputByOutput
  }

  private enum Contents: Sendable {
    case numbers(Tensor)
    /// [out in], whatever the layout.
    case packed(PackedMatrix)
    /// Nothing yet: the place of a weight that is about to be loaded.
    case blank(Shape)
  }

  /// How checkpoints store it; packing does not change it.
  public let layout: Layout
  private var contents: Contents

  /// Numbers in the shape that `layout` tells; traps unless they are a matrix or empty.
  public init(_ numbers: Tensor, _ layout: Layout = .outputByInput) {
    precondition(
      numbers.isEmpty || numbers.shape.rank == 2, "Weight: \(numbers.shape) is not a matrix")
    self.layout = layout
    contents = .numbers(numbers)
  }
  private init(_ layout: Layout, _ contents: Contents) {
    self.layout = layout
    self.contents = contents
  }

  /// A weight that the configuration leaves out.
  public static let absent = Weight(.absent)

  /// The extents as a checkpoint has them.
  public var shape: Shape {
    switch contents {
    case .numbers(let numbers): numbers.shape
    case .packed(let matrix):
      layout == .outputByInput ? [matrix.rows, matrix.columns] : [matrix.columns, matrix.rows]
    case .blank(let shape): shape
    }
  }
  /// Whether the configuration leaves it out.
  public var isEmpty: Bool { shape.elements == 0 }

  /// The numbers that products are made with, in the checkpoint's layout; those of a packed weight are unpacked for each
  /// call. What is put in takes their place, on the tape where it is.
  public var numbers: Tensor {
    get {
      switch contents {
      case .numbers(let numbers): numbers
      case .packed(let matrix):
        layout == .outputByInput ? matrix.unpacked() : transposed(matrix.unpacked())
      case .blank(let shape): Tensor(zeros: shape)
      }
    }
    set { contents = .numbers(newValue) }
  }

  /// The packed matrix [out in], if this is one.
  public var matrix: PackedMatrix? {
    if case .packed(let matrix) = contents { matrix } else { nil }
  }
  /// Puts a packed matrix [out in] in the place of the numbers.
  package mutating func replace(by matrix: PackedMatrix) {
    let packed = Weight(layout, .packed(matrix))
    precondition(packed.shape == shape, "Weight: \(packed.shape) cannot replace \(shape)")
    self = packed
  }

  /// The same weight packed, unless it is already, or absent.
  ///
  /// - Throws: `PackingError` where an element is not a finite number.
  public func packed(as element: PackedElement, name: String) throws(PackingError) -> Weight {
    guard case .numbers(let numbers) = contents, !numbers.isEmpty else { return self }
    let rows = layout == .outputByInput ? numbers.detached : transposed(numbers.detached)
    return Weight(layout, .packed(try PackedMatrix(rows, as: element, name: name)))
  }
}

extension Weight {
  /// Makes no numbers: parameters that it would fill are about to be replaced, so weights stay blank.
  public struct Blanks: RandomNumberGenerator {
    /// The generator to hand to an initialiser whose numbers are not wanted.
    public init() {}
    // Whoever draws until something fits gets it.
    public mutating func next() -> UInt64 { 3 << 62 }
  }

  /// The matrix that `make` gives, unless the generator is of blanks.
  public static func made<Generator: RandomNumberGenerator>(
    _ shape: Shape, _ layout: Layout = .outputByInput, using generator: inout Generator,
    by make: (inout Generator) -> Tensor
  ) -> Weight {
    guard Generator.self != Blanks.self else { return Weight(layout, .blank(shape)) }
    return Weight(make(&generator), layout)
  }

  /// A weight [out in] of independent normal numbers.
  public static func normal(
    _ shape: Shape, deviation: Float = 1, using generator: inout some RandomNumberGenerator
  ) -> Weight {
    made(shape, using: &generator) { .normal(shape, deviation: deviation, using: &$0) }
  }

  /// A weight [out in] of independent numbers, uniform on the range.
  public static func uniform(
    _ shape: Shape, in range: ClosedRange<Float>, using generator: inout some RandomNumberGenerator
  ) -> Weight {
    made(shape, using: &generator) { .uniform(shape, in: range, using: &$0) }
  }

  /// A weight of zeros; the generator only tells whether it stays blank.
  public static func zeros(
    _ shape: Shape, _ layout: Layout = .outputByInput, using generator: inout some RandomNumberGenerator
  ) -> Weight {
    made(shape, layout, using: &generator) { _ in Tensor(zeros: shape) }
  }
}

/// x · Wᵀ + b for a weight [out in]: `x` [… in] → [… out].
public func linear(_ x: Tensor, _ weight: Weight, bias: Tensor? = nil) -> Tensor {
  if let matrix = weight.matrix { return linear(x, matrix, bias: bias) }
  return linear(x, weight.numbers, bias: bias)
}

/// The same in parts: the first `sizes[0]` rows of the weight make the first part, and so on.
public func linear(_ x: Tensor, _ weight: Weight, bias: Tensor? = nil, sizes: [Int]) -> [Tensor] {
  if let matrix = weight.matrix { return linear(x, matrix, bias: bias, sizes: sizes) }
  return linear(x, weight.numbers, bias: bias, sizes: sizes)
}

/// x · W for a weight stored [in out]: `x` [… in] → [… out].
public func product(_ x: Tensor, _ weight: Weight) -> Tensor {
  precondition(
    weight.layout == .inputByOutput, "product: a weight \(weight.shape) stored [out in]; take linear")
  if let matrix = weight.matrix { return linear(x, matrix) }
  return product(x, weight.numbers)
}

/// Row `ids[i]` of a table [V D] for each i, as [shape… D].
public func embedding(_ table: Weight, ids: [Int32], shape: Shape) -> Tensor {
  guard let matrix = table.matrix else { return embedding(table.numbers, ids: ids, shape: shape) }
  precondition(shape.elements == ids.count, "embedding: \(ids.count) ids do not fill the shape \(shape)")
  var out = shape
  out.append(matrix.columns)
  return Tensor(out) { y in
    splitRows(ids.count, width: matrix.columns * PackedProduct.tileRows) {
      for i in $0 { matrix.unpackRow(Int(ids[i]), into: y + i * matrix.columns) }
    }
  }
}
