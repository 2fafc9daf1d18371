/// Feature maps of linear attention that mix the features of a head.

import CKernels
import RunnelKernels

/// exp x_i / Σ_j exp x_j along the last axis.
public func softmax(_ x: Tensor) -> Tensor {
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let width = x.shape.width
  let y = Tensor(x.shape) { y in
    splitRows(x.shape.rows, width: width) {
      let i = $0.lowerBound * width
      runnel_softmax_rows($0.count, width, x.base + i, y + i)
    }
  }
  guard x.isTracked else { return y }
  return record(y, from: [x]) { dy in
    let dx = Tensor(y.shape) { dx in
      splitRows(y.shape.rows, width: width) {
        let i = $0.lowerBound * width
        runnel_softmax_rows_backward($0.count, width, y.base + i, dy.base + i, dx + i)
      }
    }
    return [dx]
  }
}

/// Features of `x` [… F] whose products are the exponential's series to second order, 1 + s + s²/2 for s = x
/// · x′ / √F (Arora et al. 2024, "Based", §3.1): [… 1 + F + F (F + 1) / 2]. The paper has all F² products;
/// x_i x_j and x_j x_i are one feature here, which changes no product and halves the state.
public func taylorFeatures(_ x: Tensor) -> Tensor {
  let F = x.shape.width, width = taylorWidth(F)
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  // √F is shared by both sides.
  let a = 1 / Float(F).squareRoot().squareRoot()
  let y = Tensor(x.shape.with(width: width)) { y in
    splitRows(x.shape.rows, width: width) {
      runnel_taylor_features(
        $0.count, F, a, x.base + $0.lowerBound * F, y + $0.lowerBound * width)
    }
  }
  guard x.isTracked else { return y }
  return record(y, from: [x]) { [x = x.detached] dy in
    let dx = Tensor(x.shape) { dx in
      splitRows(x.shape.rows, width: width) {
        let row = $0.lowerBound
        runnel_taylor_features_backward(
          $0.count, F, a, x.base + row * F, dy.base + row * width, dx + row * F)
      }
    }
    return [dx]
  }
}

/// How many Taylor features F numbers have.
public func taylorWidth(_ F: Int) -> Int { 1 + F + F * (F + 1) / 2 }
