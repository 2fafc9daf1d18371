/// Where numbers stop being finite, searched after a loss or a gradient was not: the computation is repeated and every
/// operation looked at.

import Synchronization

/// Looks for the first operation on the tape that makes of finite numbers one that is not, in value or in gradient.
package final class NonFiniteSearch: @unchecked Sendable {
  @TaskLocal private static var current: NonFiniteSearch?
  /// How many searches run; without any, operations pay nothing.
  private static let running = Atomic(0)

  /// What was found, as the beginning of a sentence.
  package private(set) var finding: String?
  private var leaves: [ObjectIdentifier: (name: String, value: Tensor)]
  /// The parameter that was used last, and by order the one of each operation.
  private var parameter = "the input"
  private var parameters: [Int: String] = [:]

  /// - Parameter leaves: tracked parameters by their names, as "layers.3.mixer.A_log".
  package init(leaves: [(name: String, value: Tensor)]) {
    self.leaves = Dictionary(
      leaves.compactMap { leaf in leaf.value.origin.map { (ObjectIdentifier($0.node), leaf) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// Looks at what is computed in `loss`, and at its gradients where no value was found.
  package func run(_ loss: () -> Tensor) {
    Self.running.wrappingAdd(1, ordering: .relaxed)
    defer { Self.running.wrappingSubtract(1, ordering: .relaxed) }
    Self.$current.withValue(self) {
      let loss = loss()
      guard finding == nil else { return }
      let leaves = leaves.values
      let made = gradients(of: loss, for: leaves.map(\.value))
      guard finding == nil else { return }
      for (leaf, gradient) in zip(leaves, made) where finding == nil {
        finding = gradient.oddity().map { "the gradient of \(leaf.name), a sum, is \($0)" }
      }
    }
  }

  /// Takes leaves of another tape for the parameters whose copies they are.
  func follow(_ copies: [Tensor], of originals: [Tensor]) {
    for (copy, original) in zip(copies, originals) {
      guard let place = copy.origin?.node, let origin = original.origin?.node else { continue }
      leaves[ObjectIdentifier(place)] = leaves[ObjectIdentifier(origin)].map { ($0.name, copy) }
    }
  }

  /// The search that watches this thread.
  package static var active: NonFiniteSearch? { running.load(ordering: .relaxed) == 0 ? nil : current }

  func look(_ node: Node, _ inputs: [Tensor], _ values: [Tensor]) {
    let used = inputs.compactMap { input in input.origin.flatMap { leaves[ObjectIdentifier($0.node)] } }
    if let last = used.last { parameter = last.name }
    parameters[node.order] = parameter
    guard finding == nil else { return }
    // A running maximum begins with −∞; it is a memory, never an operation's first value.
    guard let value = values.enumerated().lazy.compactMap({ $1.oddity(allowsMinus: $0 > 0) }).first else {
      return
    }
    if let (name, value) = used.lazy.compactMap({ leaf in leaf.value.oddity().map { (leaf.name, $0) } }).first
    {
      finding = "\(name) is \(value)"
    } else if let value = inputs.lazy.compactMap({ $0.isTracked ? nil : $0.oddity(allowsMinus: true) }).first
    {
      finding = "\(part): the memory that \(node.name) goes on from is \(value)"
    } else {
      finding = "\(part): \(node.name), at \(parameter), gives \(value)"
    }
  }

  package func lookBack(_ node: Node, _ outputs: [Tensor?], _ inputs: [Tensor?]) {
    guard finding == nil else { return }
    parameter = parameters[node.order] ?? parameter
    if let value = outputs.lazy.compactMap({ $0?.oddity() }).first {
      finding = "\(part): the gradient of what \(node.name) gives, a sum, is \(value)"
    } else if let value = inputs.lazy.compactMap({ $0?.oddity() }).first {
      finding = "\(part): the gradient behind \(node.name), at \(parameter), is \(value)"
    }
  }

  /// "layers.3.mixer" of "layers.3.mixer.A_log", "norm" of "norm.weight".
  private var part: String {
    let words = parameter.split(separator: ".")
    return words.prefix(words.first == "layers" ? 3 : 1).joined(separator: ".")
  }
}

extension Node {
  /// "linear" of "linear(_:_:bias:sizes:)".
  fileprivate var name: String { String("\(operation)".prefix { $0 != "(" }) }
}

extension Tensor {
  /// The first element that is not a finite number.
  fileprivate func oddity(allowsMinus: Bool = false) -> Float? {
    guard !sumOfSquares.isFinite else { return nil }
    return UnsafeBufferPointer(start: base, count: count).first {
      !$0.isFinite && !(allowsMinus && $0 == -.infinity)
    }
  }
}
