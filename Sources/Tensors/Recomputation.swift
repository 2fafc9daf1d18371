/// Activations computed twice instead of kept (Chen et al. 2016, arXiv:1604.06174): memory for time.

/// What `body` makes of the inputs, without what its operations keep for their gradients: the tape holds the inputs and one node,
/// whose rule computes the values again, operation by operation, when it is asked for gradients. Values and gradients have
/// the bits that they have without.
///
/// - Parameters:
///   - inputs: all that gradients are to reach; what `body` captures is a constant to it.
///   - body: must give the same whenever it is called: values that gradients come from, and what else there is to know.
package func recomputed<Rest>(
  _ inputs: [Tensor], _ body: @escaping @Sendable ([Tensor]) -> (values: [Tensor], rest: Rest)
) -> (values: [Tensor], rest: Rest) {
  guard inputs.contains(where: \.isTracked) else { return body(inputs) }
  // Leaves of a tape of its own, which ends with the places of its values.
  let starts = inputs.map { $0.isTracked ? $0.detached.tracked() : $0.detached }
  NonFiniteSearch.active?.follow(starts, of: inputs)
  var (values, rest) = body(starts)
  for i in values.indices { values[i] = values[i].detached }
  let recorded = record(values, from: inputs) { seeds in
    let seeded = zip(body(starts).values, seeds).compactMap { value, seed in
      seed.map { (value: value, seed: $0) }
    }
    return knownGradients(of: seeded, for: starts)
  }
  return (recorded, rest)
}
