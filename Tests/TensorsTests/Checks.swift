import RunnelReference
import RunnelTensors
import Testing

/// Holds an operation against its reference: every output, untracked and tracked, and for random gradients of all
/// outputs the gradient of every input against the central differences of the reference.
func expectSame(
  _ inputs: [Tensor], valueTolerance: Double = 1e-5, gradientTolerance: Double = 1e-4,
  differentiated: Bool = true, sourceLocation: SourceLocation = #_sourceLocation,
  _ operation: ([Tensor]) -> [Tensor], reference: ([[Double]]) -> [[Double]]
) {
  let doubles = inputs.map(\.doubles)
  let expected = reference(doubles)
  poisonBuffers(inputs.map(\.count) + expected.map(\.count))
  let plain = operation(inputs)
  let leaves = inputs.map { $0.tracked() }
  let outputs = operation(leaves)
  #expect(outputs.count == expected.count, sourceLocation: sourceLocation)
  for (i, output) in outputs.enumerated() {
    let error = relativeError(output, expected[i])
    #expect(error <= valueTolerance, "output \(i)", sourceLocation: sourceLocation)
    #expect(plain[i].scalars == output.scalars, "output \(i), untracked", sourceLocation: sourceLocation)
  }
  guard differentiated else { return }

  let seeds = outputs.enumerated().map { random($1.shape, seed: 1000 + UInt64($0)) }
  poisonBuffers(inputs.map(\.count) + expected.map(\.count))
  let gradient = gradients(of: zip(outputs, seeds).map { ($0, $1) }, for: leaves)
  for i in inputs.indices {
    let differences = centralDifferences(at: doubles[i]) { changed in
      var inputs = doubles
      inputs[i] = changed
      return zip(reference(inputs), seeds).reduce(0) { $0 + dot($1.0, $1.1.doubles) }
    }
    let error = relativeError(gradient[i], differences)
    #expect(error <= gradientTolerance, "gradient of input \(i)", sourceLocation: sourceLocation)
  }
}

/// Leaves buffers full of NaN in the free lists, so that an element that is never written is seen.
func poisonBuffers(_ counts: [Int]) {
  for count in Set(counts) {
    let poisoned = (0..<6).map { _ in Tensor(repeating: .nan, [count]) }
    withExtendedLifetime(poisoned) {}
  }
}
