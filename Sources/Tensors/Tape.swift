/// The tape: reverse-mode differentiation in one page.
///
/// An operation computes its value and, if an argument is tracked, records a node that knows how to turn gradients
/// of its outputs into gradients of its inputs. Nodes are immutable and hold only what the rule needs; the tape does
/// not know the operations' names. Gradients are returned, never stored in tensors.

import RunnelKernels
import Synchronization

/// One recorded operation. Orders increase with time, so a node's inputs always come before it.
package final class Node: @unchecked Sendable {
  private static let clock = Atomic<Int>(0)
  package let order: Int
  let outputs: Int
  /// The function that recorded it.
  package let operation: StaticString
  /// What that is for, as far as somebody watches.
  package let work = Profiler.work
  fileprivate private(set) var inputs: [Origin?]
  let rule: @Sendable ([Tensor?]) -> [Tensor?]
  /// Gives the outputs again, where they are not to be held.
  let remake: (@Sendable () -> [Tensor])?

  init(
    inputs: [Origin?], outputs: Int, operation: StaticString, remake: (@Sendable () -> [Tensor])? = nil,
    rule: @escaping @Sendable ([Tensor?]) -> [Tensor?]
  ) {
    order = Self.clock.wrappingAdd(1, ordering: .relaxed).newValue
    self.inputs = inputs
    self.outputs = outputs
    self.operation = operation
    self.remake = remake
    self.rule = rule
  }

  // A chain of thousands of steps would overflow the stack if each node released the next, so the chain is
  // taken apart here, in a loop.
  deinit {
    var doomed = inputs
    inputs = []
    while var origin = doomed.popLast() ?? nil {
      if isKnownUniquelyReferenced(&origin.node) {
        doomed.append(contentsOf: origin.node.inputs)
        origin.node.inputs = []
      }
    }
  }
}

package struct Origin: Sendable {
  var node: Node
  let output: Int
}

extension Tensor {
  package var isTracked: Bool { origin != nil }

  /// The same value as a leaf of the tape: gradients can be asked for it.
  public func tracked() -> Tensor {
    var leaf = self
    leaf.origin = Origin(
      node: Node(inputs: [], outputs: 1, operation: "tracked", rule: { _ in [] }), output: 0)
    return leaf
  }

  /// Makes the value again, as a constant, where its operation says how.
  package var remake: (@Sendable () -> Tensor)? {
    guard let origin, let remake = origin.node.remake else { return nil }
    return { [output = origin.output] in remake()[output] }
  }

  /// The value as a constant, for a rule to capture: held, or made again when it is asked for.
  package var kept: @Sendable () -> Tensor { remake ?? { [detached] in detached } }

  /// The same value as a constant. Rules capture detached tensors only, so that nodes are held by nodes alone.
  public var detached: Tensor {
    Tensor(shape: shape, storage: storage, offset: offset)
  }
}

/// Whether an operation on these arguments has to be recorded: it has a gradient that somebody asks for.
public func isTracked(_ a: Tensor, _ b: Tensor? = nil, _ c: Tensor? = nil, _ d: Tensor? = nil) -> Bool {
  a.isTracked || b?.isTracked == true || c?.isTracked == true || d?.isTracked == true
}

/// Puts one value on the tape: what an operation of one's own does with its result where ``isTracked(_:_:_:_:)``.
///
/// - Parameters:
///   - value: what the operation has made of the numbers of its inputs.
///   - rule: turns its gradient, of its shape, into one gradient per input, of the input's, nil where there is none. It may capture
///     detached tensors only.
/// - Returns: the same value, through which gradients flow.
public func record(
  _ value: Tensor, from inputs: [Tensor], operation: StaticString = #function,
  rule: @escaping @Sendable (Tensor) -> [Tensor?]
) -> Tensor {
  record([value], from: inputs, operation: operation) { gradients in gradients[0].map(rule) ?? [] }[0]
}

/// Puts several values of one operation on the tape. A gradient is nil where nothing depends on that output.
///
/// - Parameter remake: gives the values again. What parameters alone make is not to be held beside them from the first layer
///   to the last: a rule that needs it captures ``Tensor/kept``.
package func record(
  _ values: [Tensor], from inputs: [Tensor], operation: StaticString = #function,
  remake: (@Sendable () -> [Tensor])? = nil, rule: @escaping @Sendable ([Tensor?]) -> [Tensor?]
) -> [Tensor] {
  let node = Node(
    inputs: inputs.map(\.origin), outputs: values.count, operation: operation, remake: remake, rule: rule)
  NonFiniteSearch.active?.look(node, inputs, values)
  return values.enumerated().map { index, value in
    Tensor(
      shape: value.shape, storage: value.storage, offset: value.offset,
      origin: Origin(node: node, output: index))
  }
}

/// The gradients of Σ ⟨output, seed⟩ with respect to `leaves`, in their order; zero where nothing depends on a leaf.
///
/// - Parameter outputs: values and their seeds, each of its value's shape; for one loss, `[(loss, Tensor([1], []))]`.
public func gradients(of outputs: [(value: Tensor, seed: Tensor)], for leaves: [Tensor]) -> [Tensor] {
  zip(leaves, knownGradients(of: outputs, for: leaves)).map { $1 ?? Tensor(zeros: $0.shape) }
}

/// The same with nil where nothing depends on a leaf.
///
/// - Parameter watch: is shown every operation, from the last to the first, with the gradients of its outputs and those that it
///   makes of them for its inputs; without one, a search for numbers that are not finite is, if there is one.
package func knownGradients(
  of outputs: [(value: Tensor, seed: Tensor)], for leaves: [Tensor],
  watch: ((Node, _ outputs: [Tensor?], _ inputs: [Tensor?]) -> Void)? = NonFiniteSearch.active?.lookBack
) -> [Tensor?] {
  Profiler.begin(.rest, "gradients", isBackward: true)
  defer { Profiler.end() }
  var pending: [ObjectIdentifier: [Tensor?]] = [:]
  func add(_ gradient: Tensor, to origin: Origin) {
    let key = ObjectIdentifier(origin.node)
    var slots = pending.removeValue(forKey: key) ?? Array(repeating: nil, count: origin.node.outputs)
    if let present = slots[origin.output] {
      slots[origin.output] = nil
      slots[origin.output] = sum(consume present, gradient)
    } else {
      slots[origin.output] = gradient
    }
    pending[key] = slots
  }

  var nodes: [ObjectIdentifier: Node] = [:]
  var frontier: [Node] = []
  for (value, seed) in outputs {
    precondition(
      value.shape == seed.shape, "gradients: a seed of \(seed.shape) for a value of \(value.shape)")
    guard let origin = value.origin else { continue }
    add(seed, to: origin)
    frontier.append(origin.node)
  }
  while let node = frontier.popLast() {
    guard nodes.updateValue(node, forKey: ObjectIdentifier(node)) == nil else { continue }
    for case let input? in node.inputs { frontier.append(input.node) }
  }

  for node in nodes.values.sorted(by: { $0.order > $1.order }) where !node.inputs.isEmpty {
    guard let slots = pending.removeValue(forKey: ObjectIdentifier(node)) else { continue }
    Profiler.begin(node.work, node.operation)
    let results = node.rule(slots)
    Profiler.end()
    watch?(node, slots, results)
    for (input, gradient) in zip(node.inputs, results) {
      if let input, let gradient { add(gradient, to: input) }
    }
  }
  return leaves.map { leaf in
    guard let origin = leaf.origin, let gradient = pending[ObjectIdentifier(origin.node)]?[origin.output]
    else { return nil }
    return gradient.shape == leaf.shape ? gradient : gradient.reshaped(leaf.shape)
  }
}

/// The gradients of a loss of one element.
public func gradients(of loss: Tensor, for leaves: [Tensor]) -> [Tensor] {
  gradients(of: [(loss, Tensor(ones: loss.shape))], for: leaves)
}
