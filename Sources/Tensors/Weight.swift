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
  }

  /// How checkpoints store it; packing does not change it.
  public let layout: Layout
  private var contents: Contents
  /// What products of several tokens with its numbers, and their gradients, are made in.
  package var precision = ProductPrecision.f32

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
    }
  }
  /// Whether the configuration leaves it out.
  public var isEmpty: Bool { shape.elements == 0 }

  /// The numbers that products are made with, in the checkpoint's layout; those of a packed weight are unpacked for each
  /// call.
  public var numbers: Tensor {
    switch contents {
    case .numbers(let numbers): numbers
    case .packed(let matrix):
      layout == .outputByInput ? matrix.unpacked() : transposed(matrix.unpacked())
    }
  }

  /// The packed matrix [out in], if this is one.
  public var matrix: PackedMatrix? {
    if case .packed(let matrix) = contents { matrix } else { nil }
  }
  /// A weight over a packed matrix [out in].
  public init(_ matrix: PackedMatrix, _ layout: Layout) { self.init(layout, .packed(matrix)) }

  /// Other numbers of the same layout, for products in the same precision.
  package func replacing(_ numbers: Tensor) -> Weight {
    var weight = Weight(numbers, layout)
    weight.precision = precision
    return weight
  }

  /// Traps where a function that takes the other layout is given this weight: packed, it would compute something else than it
  /// does with the numbers.
  func require(_ layout: Layout, by function: String, else other: String) {
    precondition(
      self.layout == layout,
      "\(function): a weight of \(shape) stored \(self.layout == .outputByInput ? "[out in]" : "[in out]"); take \(other)"
    )
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

/// x · Wᵀ + b for a weight [out in]: `x` [… in] → [… out].
public func linear(_ x: Tensor, _ weight: Weight, bias: Tensor? = nil) -> Tensor {
  weight.require(.outputByInput, by: "linear", else: "product")
  if let matrix = weight.matrix { return linear(x, matrix, bias: bias) }
  return linear(x, weight.numbers, bias: bias, sizes: [weight.shape[0]], precision: weight.precision)[0]
}

/// The same in parts: the first `sizes[0]` rows of the weight make the first part, and so on.
public func linear(_ x: Tensor, _ weight: Weight, bias: Tensor? = nil, sizes: [Int]) -> [Tensor] {
  weight.require(.outputByInput, by: "linear", else: "product")
  if let matrix = weight.matrix { return linear(x, matrix, bias: bias, sizes: sizes) }
  return linear(x, weight.numbers, bias: bias, sizes: sizes, precision: weight.precision)
}

/// x · W for a weight stored [in out]: `x` [… in] → [… out].
public func product(_ x: Tensor, _ weight: Weight) -> Tensor {
  weight.require(.inputByOutput, by: "product", else: "linear")
  if let matrix = weight.matrix { return linear(x, matrix) }
  return product(x, weight.numbers, precision: weight.precision)
}

/// Row `ids[i]` of a table [V D] for each i, as [shape… D].
public func embedding(_ table: Weight, ids: [Int32], shape: Shape) -> Tensor {
  table.require(.outputByInput, by: "embedding", else: "a weight stored [V D]")
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
