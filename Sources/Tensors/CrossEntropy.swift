/// Softmax and cross-entropy in one: the loss of predicting a token, in nats.
///
/// Per row of logits z and target t the loss is log Σ exp(z) − z[t], and its gradient softmax(z) − onehot(t). A row
/// whose target is −1 is ignored; the mean is over the others, and zero if there are none.

import CKernels
import RunnelKernels

/// The losses of `logits` [… V] against one target per row: their mean, a scalar, and each by itself, [rows], as
/// constants.
public func crossEntropy(_ logits: Tensor, targets: [Int32]) -> (mean: Tensor, perToken: Tensor) {
  let (rows, v) = (logits.shape.rows, logits.shape.width)
  check(targets, rows: rows, vocabulary: v, "crossEntropy", logits.shape)
  Profiler.begin(.loss)
  defer { Profiler.end() }
  let logSums = Tensor(uninitialized: [rows])
  let losses = Tensor([rows]) { losses in
    splitRows(rows, width: v) {
      for row in $0 {
        (losses[row], logSums.storage.base[row]) = loss(logits.base + row * v, v, targets[row])
      }
    }
  }
  let (mean, valid) = meanLoss(losses, targets)
  guard logits.isTracked, valid > 0 else { return (mean, losses) }
  let recorded = record(mean, from: [logits]) { [logits = logits.detached] dmean in
    let a = dmean.scalar / Float(valid)
    let dlogits = Tensor(logits.shape) { dlogits in
      splitRows(rows, width: v) {
        for row in $0 {
          gradient(logits.base + row * v, v, logSums.base[row], targets[row], a, into: dlogits + row * v)
        }
      }
    }
    return [dlogits]
  }
  return (recorded, losses)
}

/// The same for the logits x · Wᵀ of a head [V D], packed or not; they never exist as a whole.
public func linearCrossEntropy(_ x: Tensor, _ weight: Weight, targets: [Int32]) -> (
  mean: Tensor, perToken: Tensor
) {
  weight.require(.outputByInput, by: "linearCrossEntropy", else: "a head stored [V D]")
  guard let matrix = weight.matrix else {
    return linearCrossEntropy(x, weight.numbers, bias: nil, targets: targets, precision: weight.precision)
  }
  let rows = x.reshaped([x.shape.rows, x.shape.width])
  let block = max(128, logitBlock / max(1, matrix.rows))
  let losses = Tensor([targets.count]) { losses in
    for start in stride(from: 0, to: targets.count, by: block) {
      let range = start..<min(start + block, targets.count)
      let part = crossEntropy(linear(rows.rows(range), matrix), targets: Array(targets[range])).perToken
      (losses + start).update(from: part.base, count: range.count)
    }
  }
  return (meanLoss(losses, targets).mean, losses)
}

/// The same for the logits x · Wᵀ + b of a language model's head, which are made for a block of rows at a time and
/// never exist as a whole: `x` [… D], `weight` [V D], `bias` [V] or none.
///
/// The gradient is made with the value, since both need the same logits: three products of matrices instead of four.
public func linearCrossEntropy(_ x: Tensor, _ weight: Tensor, bias: Tensor? = nil, targets: [Int32]) -> (
  mean: Tensor, perToken: Tensor
) {
  linearCrossEntropy(x, weight, bias: bias, targets: targets, precision: .f32)
}

private func linearCrossEntropy(
  _ x: Tensor, _ weight: Tensor, bias: Tensor?, targets: [Int32], precision: ProductPrecision
) -> (mean: Tensor, perToken: Tensor) {
  let (rows, d, v) = (x.shape.rows, x.shape.width, weight.shape[0])
  let bias = bias?.isEmpty == true ? nil : bias
  precondition(
    weight.shape.rank == 2 && weight.shape[1] == d,
    "linearCrossEntropy: \(x.shape) by a weight of \(weight.shape); the last extents must be equal")
  precondition(
    bias == nil || bias?.count == v, "linearCrossEntropy: a bias of \(bias?.count ?? 0) for \(v) rows")
  check(targets, rows: rows, vocabulary: v, "linearCrossEntropy", x.shape)
  Profiler.begin(.loss)
  defer { Profiler.end() }
  let valid = targets.count { $0 >= 0 }
  let isRecorded = isTracked(x, weight, bias) && valid > 0
  let dx = x.isTracked && isRecorded ? Tensor(uninitialized: x.shape) : nil
  let dweight = weight.isTracked && isRecorded ? Tensor(uninitialized: weight.shape) : nil
  let dbias = bias?.isTracked == true && isRecorded ? Tensor(uninitialized: [v]) : nil

  let block = max(1, min(rows, max(128, logitBlock / max(1, v))))
  let logits = Tensor(uninitialized: [block, v])
  let z = logits.storage.base
  let losses = Tensor(uninitialized: [rows])
  for start in stride(from: 0, to: rows, by: block) {
    let n = min(block, rows - start)
    let xs = x.base + start * d
    Profiler.begin(.products)
    Gemm.parallel(
      m: n, n: v, k: d, MatrixView(xs, rowStride: d), MatrixView(weight.base, rowStride: d, .transposed),
      bias: bias?.base, into: z, rowStride: v, precision: precision)
    Profiler.end()
    splitRows(n, width: v) {
      for row in $0 {
        let target = targets[start + row]
        let (loss, logSum) = loss(z + row * v, v, target)
        losses.storage.base[start + row] = loss
        if isRecorded { gradient(z + row * v, v, logSum, target, 1 / Float(valid), into: z + row * v) }
      }
    }
    Profiler.begin(.products, isBackward: true)
    if let dx {
      Gemm.parallel(
        m: n, n: d, k: v, MatrixView(z, rowStride: v), MatrixView(weight.base, rowStride: d),
        into: dx.storage.base + start * d, rowStride: d, precision: precision)
    }
    if let dweight {
      Gemm.parallel(
        m: v, n: d, k: n, MatrixView(z, rowStride: v, .transposed), MatrixView(xs, rowStride: d),
        beta: start == 0 ? 0 : 1, into: dweight.storage.base, rowStride: d, precision: precision)
    }
    Profiler.end()
    if let dbias {
      let sum = Tensor([v]) { sumOfRows(z, rows: n, width: v, into: $0) }
      if start == 0 {
        dbias.storage.base.update(from: sum.base, count: v)
      } else {
        runnel_add(v, dbias.base, sum.base, dbias.storage.base)
      }
    }
  }
  let (mean, _) = meanLoss(losses, targets)
  guard isRecorded else { return (mean, losses) }
  let recorded = record(mean, from: [x, weight] + (bias.map { [$0] } ?? [])) { dmean in
    let a = dmean.scalar
    return [dx, dweight, dbias].map { gradient in a == 1 ? gradient : gradient.map { a * $0 } }
  }
  return (recorded, losses)
}

/// How many logits are held at a time: few enough for the last-level cache.
private let logitBlock = 1 << 21

private func check(
  _ targets: [Int32], rows: Int, vocabulary: Int, _ name: StaticString, _ shape: Shape
) {
  precondition(
    targets.count == rows, "\(name): \(targets.count) targets for \(rows) rows of \(shape); one per row")
  for target in targets {
    precondition(
      target >= -1 && Int(target) < vocabulary,
      "\(name): target \(target) outside a vocabulary of \(vocabulary); −1 ignores a row")
  }
}

/// log Σ exp(z) − z[target] and log Σ exp(z); zeros for an ignored row.
private func loss(_ z: UnsafePointer<Float>, _ v: Int, _ target: Int32) -> (loss: Float, logSum: Float) {
  guard target >= 0 else { return (0, 0) }
  var sum: Float = 0
  let largest = runnel_max_and_sum_of_exp(v, z, &sum)
  let logSum = Double(largest) + naturalLogarithm(Double(sum))
  return (Float(logSum - Double(z[Int(target)])), Float(logSum))
}

/// dz = a (softmax(z) − onehot(target)); zeros for an ignored row.
private func gradient(
  _ z: UnsafePointer<Float>, _ v: Int, _ logSum: Float, _ target: Int32, _ a: Float,
  into dz: UnsafeMutablePointer<Float>
) {
  guard target >= 0 else { return dz.update(repeating: 0, count: v) }
  runnel_cross_entropy_backward(v, z, logSum, Int(target), a, dz)
}

/// The mean over the rows that count, summed in Double in their order, and their number.
private func meanLoss(_ losses: Tensor, _ targets: [Int32]) -> (mean: Tensor, valid: Int) {
  var sum = 0.0
  var valid = 0
  for (row, target) in targets.enumerated() where target >= 0 {
    sum += Double(losses.base[row])
    valid += 1
  }
  return (Tensor([Float(valid == 0 ? 0 : sum / Double(valid))], []), valid)
}
