/// What packed products do, beside the peaks of the machine measured in turn with them: `runnel bench product`.

import RunnelKernels

/// The matrices of a model, packed, in the order in which a token meets them. Together they are larger than the caches,
/// as those of a model are.
package struct PackedBench: Sendable {
  package struct Layer: Sendable {
    package let out: Int
    package let inner: Int
    package init(out: Int, inner: Int) { (self.out, self.inner) = (out, inner) }
  }

  /// Those of a Mamba of `layers` layers.
  package static func mamba(width D: Int = 768, layers: Int = 24, vocabulary V: Int = 50280) -> [Layer] {
    let E = 2 * D, rank = (D + 15) / 16, N = 16
    let layer = [
      Layer(out: 2 * E, inner: D), Layer(out: rank + 2 * N, inner: E), Layer(out: E, inner: rank),
      Layer(out: D, inner: E),
    ]
    return (0..<layers).flatMap { _ in layer } + [Layer(out: V, inner: D)]
  }

  package let element: PackedElement
  private let matrices: [PackedMatrix]
  private let inputs: [Tensor]

  /// Random weights; a matrix of each shape is packed once and copied.
  package init(_ layers: [Layer], as element: PackedElement) throws(PackingError) {
    self.element = element
    var generator = SeededGenerator(seed: 1)
    var matrices: [PackedMatrix] = [], inputs: [Tensor] = []
    for layer in layers {
      if let same = matrices.first(where: { $0.rows == layer.out && $0.columns == layer.inner }) {
        matrices.append(same.copied())
      } else {
        let weight = Tensor.uniform([layer.out, layer.inner], in: -1...1, using: &generator)
        matrices.append(try PackedMatrix(weight, as: element, name: "weight"))
      }
      inputs.append(Tensor.uniform([layer.inner], in: -1...1, using: &generator))
    }
    (self.matrices, self.inputs) = (matrices, inputs)
  }

  /// Bytes that a token reads.
  package var byteCount: Int { matrices.reduce(0) { $0 + $1.byteCount } }
  /// Multiplications and additions of a token of a prompt.
  package var operations: Int { matrices.dropLast().reduce(0) { $0 + 2 * $1.rows * $1.columns } }

  /// The products of one token.
  package func decode() { for (matrix, x) in zip(matrices, inputs) { _ = linear(x, matrix) } }

  /// As many inputs as `count` tokens have, of the matrices below the last, which a prompt meets for one token only.
  package func prompt(_ count: Int) -> [Tensor] {
    inputs.dropLast().map { x in Tensor((0..<count).flatMap { _ in x.scalars }, [count, x.count]) }
  }
  /// The products of such inputs.
  package func prefill(_ prompt: [Tensor]) {
    for (matrix, x) in zip(matrices, prompt) { _ = linear(x, matrix) }
  }
}
