/// The decays and inputs that gates make of projections, for the diagonal recurrence h_t = a_t ⊙ h_{t−1} +
/// b_t, and the decays of heads.

import CKernels
import RunnelKernels
import RunnelTensors

/// minGRU (Feng et al. 2024, §3.1 and Appendix B.2): a = 1 − z and b = z ⊙ g(x) with z = σ(gate), where g(x)
/// is x + ½ for x ≥ 0, else σ(x). All of one shape.
public func minimalGates(gate: Tensor, candidate x: Tensor) -> (decay: Tensor, input: Tensor) {
  precondition(
    gate.shape == x.shape, "minimalGates: a gate of \(gate.shape) for \(x.shape); they must be equal")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let a = Tensor(uninitialized: x.shape), b = Tensor(uninitialized: x.shape)
  WorkerPool.shared.split(x.count, grain: elementGrain) {
    let i = $0.lowerBound
    runnel_min_gru($0.count, gate.base + i, x.base + i, a.storage.base + i, b.storage.base + i)
  }
  guard isTracked(gate, x) else { return (a, b) }
  let outputs = record([a, b], from: [gate, x]) { [gate = gate.detached, x = x.detached] gradients in
    let da = gradients[0] ?? Tensor(zeros: x.shape), db = gradients[1] ?? Tensor(zeros: x.shape)
    let dgate = Tensor(uninitialized: x.shape), dx = Tensor(uninitialized: x.shape)
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      let i = $0.lowerBound
      runnel_min_gru_backward(
        $0.count, gate.base + i, x.base + i, da.base + i, db.base + i, dgate.storage.base + i,
        dx.storage.base + i)
    }
    return [dgate, dx]
  }
  return (outputs[0], outputs[1])
}

/// The logarithm of Mamba-2's decay of a head (Dao and Gu 2024, §7): −exp(A) softplus(z), right where the rate alone is beyond
/// a Float and the step alone below one. It is at least −100, of which exp leaves nothing.
///
/// - Parameters: z: [… H]; A: [H].
public func logDecay(_ z: Tensor, rate A: Tensor) -> Tensor {
  let width = z.shape.width
  precondition(A.shape == [width], "logDecay: rates \(A.shape) for \(z.shape)")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = Tensor(z.shape) { y in
    splitRows(z.shape.rows, width: width) {
      let at = $0.lowerBound * width
      runnel_log_decay($0.count, width, A.base, z.base + at, y + at)
    }
  }
  guard isTracked(z, A) else { return y }
  return record(y, from: [z, A]) { [z = z.detached, A = A.detached] dy in
    let dz = Tensor(uninitialized: z.shape)
    let dA = sumOverRowBlocks(rows: z.shape.rows, width: width) { range, dA in
      let at = range.lowerBound * width
      runnel_log_decay_backward(
        range.count, width, A.base, z.base + at, y.base + at, dy.base + at, dA, dz.storage.base + at)
    }
    return [dz, dA]
  }
}

/// RG-LRU (De et al. 2024, §2.4, equations 1 to 4): log a = −rate ⊙ σ(r), b = √(1 − a²) ⊙ σ(i) ⊙ x.
///
/// The root is taken of −expm1(2 log a), which keeps its accuracy for decays near one. Where it vanishes its
/// slope is unbounded; as in the authors' code, the derivative of the root is held at 1000.
///
/// - Parameters:
///   - x: the input, [B T E], and as its shape `recurrenceGate` r and `inputGate` i, both before the sigmoid.
///   - rate: at least zero, [E]: c softplus(Λ) in the paper.
///   - isFirst: for each of the B T tokens one where a document starts, whose input is taken whole, else
///     zero.
public func realGates(
  _ x: Tensor, recurrenceGate r: Tensor, inputGate i: Tensor, rate s: Tensor, isFirst: Tensor
) -> (decay: Tensor, input: Tensor) {
  let width = x.shape.width
  precondition(
    r.shape == x.shape && i.shape == x.shape && s.count == width && isFirst.count == x.shape.rows,
    "realGates: gates \(r.shape) and \(i.shape), rates of \(s.shape), \(isFirst.count) flags for \(x.shape)"
  )
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let a = Tensor(uninitialized: x.shape), b = Tensor(uninitialized: x.shape)
  splitRows(x.shape.rows, width: width) {
    let at = $0.lowerBound * width
    runnel_rg_lru(
      $0.count, width, isFirst.base + $0.lowerBound, s.base, r.base + at, i.base + at, x.base + at,
      a.storage.base + at, b.storage.base + at)
  }
  guard isTracked(x, r, i, s) else { return (a, b) }
  let outputs = record([a, b], from: [x, r, i, s]) {
    [x = x.detached, r = r.detached, i = i.detached, s = s.detached] gradients in
    let da = gradients[0] ?? Tensor(zeros: x.shape), db = gradients[1] ?? Tensor(zeros: x.shape)
    let dx = Tensor(uninitialized: x.shape), dr = Tensor(uninitialized: x.shape)
    let di = Tensor(uninitialized: x.shape)
    let ds = sumOverRowBlocks(rows: x.shape.rows, width: width) { range, ds in
      let at = range.lowerBound * width
      runnel_rg_lru_backward(
        range.count, width, isFirst.base + range.lowerBound, s.base, r.base + at, i.base + at, x.base + at,
        da.base + at, db.base + at, ds, dr.storage.base + at, di.storage.base + at, dx.storage.base + at)
    }
    return [dx, dr, di, ds.reshaped(s.shape)]
  }
  return (outputs[0], outputs[1])
}
