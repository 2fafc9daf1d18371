/// The extent of a tensor along each axis, outermost first, stored inline: making one allocates nothing.
///
/// Axis letters, everywhere in this sense: B batch · T time · D width · H heads · E expanded width · N state ·
/// K key · V value or vocabulary · Q chunk · W window.
public struct Shape: Sendable, Hashable, RandomAccessCollection, ExpressibleByArrayLiteral,
  CustomStringConvertible
{
  /// More axes are a precondition failure.
  public static let maximumRank = 6
  private var a = 1, b = 1, c = 1, d = 1, e = 1, f = 1
  /// The number of axes; 0 for a scalar.
  public private(set) var rank = 0

  /// The extents outermost first, none negative.
  public init(_ extents: some Sequence<Int>) {
    for extent in extents { append(extent) }
  }
  public init(arrayLiteral elements: Int...) { self.init(elements) }

  public var startIndex: Int { 0 }
  public var endIndex: Int { rank }

  public subscript(axis: Int) -> Int {
    get {
      switch axis {
      case 0: a
      case 1: b
      case 2: c
      case 3: d
      case 4: e
      default: f
      }
    }
    set {
      switch axis {
      case 0: a = newValue
      case 1: b = newValue
      case 2: c = newValue
      case 3: d = newValue
      case 4: e = newValue
      default: f = newValue
      }
    }
  }

  /// Adds an axis inside the others; traps beyond `maximumRank` and for a negative extent.
  public mutating func append(_ extent: Int) {
    precondition(rank < Self.maximumRank, "Shape: more than \(Self.maximumRank) axes")
    precondition(extent >= 0, "Shape: a negative extent, \(extent)")
    self[rank] = extent
    rank += 1
  }

  /// The number of elements; one for a scalar.
  public var elements: Int { a * b * c * d * e * f }
  /// The extent of the innermost axis; one for a scalar.
  public var width: Int { rank == 0 ? 1 : self[rank - 1] }
  /// How many vectors along the innermost axis there are.
  public var rows: Int {
    var product = 1
    for axis in 0..<Swift.max(0, rank - 1) { product *= self[axis] }
    return product
  }
  /// The same shape with another innermost extent.
  public func with(width: Int) -> Shape {
    var shape = self
    shape[rank - 1] = width
    return shape
  }

  public var description: String { "[" + map(String.init).joined(separator: " ") + "]" }
}
