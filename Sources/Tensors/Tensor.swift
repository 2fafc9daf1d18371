/// The tensor: a shape and floats.

import RunnelKernels

/// A value of Floats in row-major order. Copying one shares the memory until either copy is written.
///
/// It is a constant, or it stands on the tape: `tracked()` begins there, and `gradients(of:for:)` ends it.
public struct Tensor: Sendable {
  /// The extents, outermost first.
  public let shape: Shape
  package var storage: Storage
  package let offset: Int
  /// Where on the tape the value came from; nil for a constant.
  package var origin: Origin?

  package init(shape: Shape, storage: Storage, offset: Int, origin: Origin? = nil) {
    self.shape = shape
    self.storage = storage
    self.offset = offset
    self.origin = origin
  }

  /// A tensor that `fill` writes, every element of it.
  package init(_ shape: Shape, filledBy fill: (UnsafeMutablePointer<Float>) -> Void) {
    self.init(uninitialized: shape)
    fill(storage.base)
  }
  package init(uninitialized shape: Shape) {
    self.init(shape: shape, storage: Storage(capacity: shape.elements), offset: 0)
  }

  /// A constant of equal elements.
  public init(repeating value: Float, _ shape: Shape) {
    self.init(shape) { $0.update(repeating: value, count: shape.elements) }
  }
  /// A constant of zeros.
  public init(zeros shape: Shape) { self.init(repeating: 0, shape) }
  /// A constant of ones.
  public init(ones shape: Shape) { self.init(repeating: 1, shape) }

  /// A constant with these elements in row-major order; traps unless they fill the shape.
  public init(_ values: [Float], _ shape: Shape) {
    precondition(
      values.count == shape.elements, "Tensor: \(values.count) values do not fill the shape \(shape)")
    self.init(shape) { $0.update(from: values, count: values.count) }
  }
  /// A vector.
  public init(_ values: [Float]) { self.init(values, [values.count]) }

  /// The number of elements.
  public var count: Int { shape.elements }
  /// Whether it has no elements, as a parameter that the configuration leaves out.
  public var isEmpty: Bool { shape.elements == 0 }
  /// What stands for a parameter that the configuration leaves out: a tensor [0].
  public static let absent = Tensor(zeros: [0])

  /// A copy of the elements in row-major order.
  public var scalars: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
  /// The value of a tensor of one element.
  public var scalar: Float {
    precondition(count == 1, "Tensor: \(shape) is not a single number")
    return base[0]
  }

  package var base: UnsafePointer<Float> { UnsafePointer(storage.base + offset) }

  /// Gives the elements to be changed in place; the memory is copied first where it is shared. A tracked tensor
  /// becomes a constant: the tape does not see writes.
  package mutating func mutate<R>(_ body: (UnsafeMutablePointer<Float>) throws -> R) rethrows -> R {
    origin = nil
    if !isKnownUniquelyReferenced(&storage) {
      let copy = Storage(capacity: offset + count)
      (copy.base + offset).update(from: storage.base + offset, count: count)
      storage = copy
    }
    return try body(storage.base + offset)
  }

  /// Changes one element.
  public subscript(index: Int) -> Float {
    get {
      precondition(index >= 0 && index < count, "Tensor: index \(index) outside \(count) elements")
      return base[index]
    }
    set {
      precondition(index >= 0 && index < count, "Tensor: index \(index) outside \(count) elements")
      mutate { $0[index] = newValue }
    }
  }

  /// The same elements under another shape; shares memory and the place on the tape.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(
      shape.elements == count, "reshaped: \(self.shape) has \(count) elements, \(shape) has \(shape.elements)"
    )
    let view = Tensor(shape: shape, storage: storage, offset: offset)
    guard isTracked else { return view }
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let old = self.shape
    return record(view, from: [self]) { [$0.reshaped(old)] }
  }

  /// Rows `range` of the outermost axis; they share memory. The gradient of the other rows is zero.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(
      shape.rank > 0 && range.lowerBound >= 0 && range.upperBound <= shape[0],
      "rows: \(range) outside the first axis of \(shape)")
    var part = shape
    part[0] = range.count
    let stride = shape[0] == 0 ? 0 : count / shape[0]
    let start = range.lowerBound * stride
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let view = Tensor(shape: part, storage: storage, offset: offset + start)
    guard isTracked else { return view }
    return record(view, from: [self]) { [shape] dview in
      let dx = Tensor(shape) { dx in
        dx.update(repeating: 0, count: shape.elements)
        (dx + start).update(from: dview.base, count: dview.count)
      }
      return [dx]
    }
  }
}

extension Tensor: CustomStringConvertible {
  public var description: String {
    let shown = scalars.prefix(8).map { "\($0)" }.joined(separator: ", ")
    return "Tensor \(shape): \(shown)\(count > 8 ? ", …" : "")"
  }
}
